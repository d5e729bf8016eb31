"""A configuration that pays through Tally, and a client made of it."""

from __future__ import annotations

import json
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import tally
import uvicorn
from tally_gateway import TallyGateway, served

from payments_core import Money, Payee, PayoutClient
from payments_core.callbacks import CallbackApp
from payments_core.cli.callback_server import server_config
from payments_core.client import assembly
from payments_core.client.inbox import PATH
from payments_core.domain.errors import JournalMissing
from payments_core.domain.payout import Payout
from payments_core.journal import init_journal
from payments_core.plugins.manager import Plugins
from payments_core.provider import Callback
from payments_core.runtime import utc_now
from payments_core.settings import load

GOOD, POOR = "254700000900", "254700000017"


def runtime_of(
    folder: Path, url: str, *, more: str = "", journal: str = "sqlite:///payouts.db", **settings: Any
) -> Any:
    """Assemble a client's runtime from a payouts.toml, with the plugin registered as an embedding application does.

    Args:
        folder: Where the configuration and the journal are.
        url: The gateway.
        more: Tables that follow the account's; ``URL`` in it is the gateway.
        journal: Where it is; a database must have been made for tests, as its namespace is theirs.
        **settings: Of the account ``till``.

    """
    extra = "\n".join(f"{name} = {json.dumps(value)}" for name, value in settings.items())
    config = folder / "payouts.toml"
    config.write_text(
        f'[installation]\nnamespace = "test-namespace"\n[journal]\nurl = "{journal}"\n'
        f'[accounts.till]\nprovider = "tally"\nbase_url = "{url}"\n{extra}\n{more.replace("URL", url)}\n'
    )
    return assembled(config)


def assembled(config: Path) -> Any:
    """Assemble a client's runtime from a configuration that was written."""
    plugins = Plugins(())
    plugins.register(tally, "tally")
    read = load(config)
    with suppress(JournalMissing):
        return assembly.assemble(read, plugins=plugins)
    init_journal(
        read.journal, namespace=read.namespace, root=config.parent, at=datetime.now(UTC)
    )  # a till is real money
    return assembly.assemble(read, plugins=plugins)


@contextmanager
def till(folder: Path, **settings: Any) -> Iterator[tuple[PayoutClient, TallyGateway, list[str]]]:
    """Yield a client, its gateway, and the list of paths whose next answers are lost."""
    gateway, lost = TallyGateway(), list[str]()
    with served(gateway, loses_answers=lost) as url, PayoutClient(runtime_of(folder, url, **settings)) as client:
        yield client, gateway, lost


def asked(client: PayoutClient, gateway: TallyGateway, lost: list[str], number: str = GOOD) -> tuple[Payout, str, Any]:
    """Pay, lose the answer, ask; return the payout, the path's token and the answer that is on its way."""
    lost.append("/pay")
    payout = client.send(key="grant/1", payee=Payee.msisdn(number), amount=Money("25.50", "KES"))
    payout = client.refresh(payout.id)
    token, answer = gateway.answers.pop()
    return payout, token, answer


def arrive(client: PayoutClient, token: str, answer: object) -> bool:
    """Let something come to a path, as the application does: kept, and not handled yet; whether it was kept."""
    place = client.inbox.place(token)
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    return place is not None and client.inbox.receive(place, Callback("POST", {}, body, utc_now())).result()


def outcomes(client: PayoutClient) -> dict[str, int]:
    """Return how many callbacks had which outcome."""
    return {count.outcome: count.count for count in client.inbox.counts()}


@contextmanager
def listening(served: CallbackApp) -> Iterator[str]:
    """Serve an application of callbacks as `payouts serve` does; the address that paths follow is yielded."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(server_config(served))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/{PATH}"
    finally:
        server.should_exit = True
        thread.join()


def post(url: str, body: bytes) -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, method="POST"), timeout=10) as answer:  # noqa: S310 - loopback
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
