"""Pays, asks and fails in every way there is, and keeps what it gave off: `python paying.py SCENE RESULT`.

SCENE is a JSON file (`Harness`), RESULT is written: what was said, and how each step ended. Tests also run it in their
own process. It holds no check of its own: what may not be said is known to the tests alone.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import sys
import urllib.request
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import SecretStr
from stamina.instrumentation import set_on_retry_hooks

from payments_core import AsyncPayoutClient, Money, Payee, Payout, PayoutClient
from payments_core.cli.app import run as payouts
from payments_core.client import assemble
from payments_core.testing.leaks import CapturedText, LogCapture
from payments_mtn_momo import (
    AsyncDisbursementsClient,
    AsyncSandboxProvisioning,
    DisbursementsClient,
    MtnMomoSettings,
    SandboxProvisioning,
    new_reference,
)
from payments_mtn_momo.api.operations import OPERATIONS
from payments_mtn_momo.native import ConsentRequest, Oauth2Token

GOOD, SLOW, NO_FUNDS, UNKNOWN_NUMBER = "46733123499", "46733123454", "46733123455", "46733123457"
NUMBERS = (GOOD, SLOW, NO_FUNDS, UNKNOWN_NUMBER, "46733123450")
LOST = {"answer_lost_after_acceptance": {"next": 1}}
# Each of these for the whole of a round: firewall, server error, lost answers, refused tokens.
FAULTS = ("waf_page", "status_500", "answer_lost_after_acceptance", "token_refused")


class Harness(NamedTuple):
    """Where everything is.

    Args:
        folder: Holds ``main``, ``again`` (the same installation without its journal), ``wrong`` (another API key),
            ``nowhere`` (no listener), ``echo`` (repeats what it was sent) and ``httpx`` (the same, asked by httpx),
            each with a payouts.toml.
        url: Of the emulator.
        settings: Of the account in each folder, secrets resolved.
        auth_req_id: A consent's name, to be sent where none can be had.
        consent_token: Likewise a consent's token, also for the refresh token.
        collection: Of the emulator, to be refunded.

    """

    folder: str
    url: str
    settings: Mapping[str, Mapping[str, Any]]
    auth_req_id: str
    consent_token: str
    collection: str

    def config(self, name: str) -> Path:
        return Path(self.folder) / name / "payouts.toml"


class Payer:
    """Takes steps and keeps how each ended; with a runner the clients are asynchronous ones."""

    def __init__(self, capture: LogCapture, harness: Harness, runner: asyncio.Runner | None) -> None:
        self.capture, self.harness, self.runner = capture, harness, runner
        self.form = "async" if runner else "sync"
        self.ended: dict[str, str] = {}

    def take(self, name: str, call: Callable[[], Any]) -> Any:
        """Take a step; an error is an end too."""
        step = f"{self.form} {name}"
        try:
            found = call()
            if self.runner and isinstance(found, AsyncIterator):
                found = self.runner.run(_listed(found))
            elif self.runner and inspect.isawaitable(found):
                found = self.runner.run(_awaited(found))
            elif isinstance(found, Iterator):
                found = list(found)
        except Exception as error:  # noqa: BLE001 - whatever leaves the library is looked at
            self.capture.error(step, error)
            self.ended[step] = type(error).__name__
            return None
        self.capture.shown(step, found)
        self.ended[step] = str(found.status) if isinstance(found, Payout) else type(found).__name__
        return found

    def misbehave(self, **faults: Any) -> None:
        """Tell the emulator how to misbehave from now on."""
        body = json.dumps(faults).encode()
        request = urllib.request.Request(f"{self.harness.url}/__emulator/faults", body, method="POST")  # noqa: S310
        urllib.request.urlopen(request, timeout=10).close()  # noqa: S310

    @contextmanager
    def open(self, client: Any) -> Iterator[Any]:
        """Close a client of either form at the end."""
        self.capture.shown("a client", client, getattr(client, "settings", None))
        try:
            yield client
        finally:
            self.take("close", client.aclose if hasattr(client, "aclose") else client.close)

    # --- through the journal ---

    def payouts(self) -> None:
        """Pay through the neutral client."""
        make: Any = AsyncPayoutClient if self.runner else PayoutClient
        config = self.harness.config
        with self.open(make.from_config(config("main"))) as client:
            self._pay(client)
            self._misuse(client)
        self.take("use after closing", lambda: self._send(client, "closed"))
        with self.open(make.from_config(config("again"))) as client:
            self.take("duplicate", lambda: self._send(client, "good"))
        with self.open(make.from_config(config("wrong"))) as client:
            self.take("refused", lambda: self._send(client, "refused"))
            self.take("check refused", lambda: client.check_account("mtn-sandbox"))
            self.take("pauses", client.pauses)
        with self.open(make.from_config(config("nowhere"))) as client:
            self.take("unreachable", lambda: self._send(client, "unreachable"))
        with self.open(make.from_config(config("echo"))) as client:
            for number in range(6):
                self.take(f"echo {number}", partial(self._send, client, f"echo-{number}"))
                self.take("echo read", partial(client.refresh, self._key(f"echo-{number}")))
                self.take("unpause", client.unpause)

    def _key(self, name: str) -> str:
        return f"{self.form}-{name}"

    def _send(self, client: Any, key: str, to: str = GOOD, amount: str = "5") -> Any:
        return client.send(key=self._key(key), payee=Payee.msisdn(f"+{to}"), amount=Money(amount, "EUR"), note="Pay")

    def _pay(self, client: Any) -> None:
        self.take("good", lambda: self._send(client, "good"))
        self.take("failed", lambda: self._send(client, "failed", NO_FUNDS))
        for key in ("good", "failed"):
            self.take(f"{key}, the end", partial(client.wait, self._key(key), timeout_s=10))
        self.take("slow", lambda: self._send(client, "slow", SLOW))
        self.misbehave(**LOST)
        self.take("lost", lambda: self._send(client, "lost"))
        self.take("found", lambda: client.wait(self._key("lost"), timeout_s=20))
        for fault in ("reset_mid_body", "waf_page", "status_500", "status_503", "status_429", "token_refused"):
            self.misbehave(**{fault: {"next": 1}})
            self.take(fault, partial(self._send, client, fault))
            self.take("pauses", client.pauses)
            self.take("unpause", client.unpause)
        self.misbehave(status_500={"on": "get", "next": 2})
        self.take("read again", lambda: client.refresh(self._key("slow")))
        self.misbehave()
        self.take("resume", lambda: client.resume(timeout_s=1))
        self.take("listed", client.payouts)
        self.take("got", lambda: client.get(self._key("failed")))
        self.take("checked", lambda: client.check_account("mtn-sandbox"))
        self.take("pause", lambda: client.pause(reason="for a while"))
        self.take("held", lambda: self._send(client, "held"))
        self.take("unpause all", client.unpause)

    def _misuse(self, client: Any) -> None:
        self.take("key reused", lambda: self._send(client, "good", amount="6"))
        self.take("no country", lambda: self._send(client, "national", f"0{GOOD[2:]}"))
        self.take("decimals", lambda: self._send(client, "decimals", amount="1.2345"))
        self.take("unknown payout", lambda: client.get("no-such-key"))
        self.take(
            "unknown account",
            lambda: client.send(key="x", payee=Payee.msisdn(GOOD), amount=Money("5", "EUR"), account="other"),
        )

    # --- call by call ---

    def native(self) -> None:
        """Make every call of the native clients, against every gateway."""
        for name in ("main", "wrong", "nowhere", "echo", "httpx"):
            with self.open(self._client(name)) as client:
                for again in range(4 if name in {"echo", "httpx"} else 1):  # it has several ways to answer
                    self._calls(client, f"{name} {again}")
        for fault in FAULTS:
            with self.open(self._client("main")) as client:
                self.misbehave(**{fault: {"on": "any"}})
                self._calls(client, fault)
                self.misbehave()
        for name in ("main", "nowhere", "echo"):
            self._provision(name)

    def _client(self, name: str) -> Any:
        swift = {"first_wait_s": 0.001, "longest_wait_s": 0.002, "jitter_s": 0.0, "attempts": 2}
        retry = {call: swift for call, row in OPERATIONS.items() if row.repeatable and row.auth != "none"}
        kind: Any = AsyncDisbursementsClient if self.runner else DisbursementsClient
        return kind(MtnMomoSettings.model_validate(self.harness.settings[name]), retry=retry)

    def _calls(self, client: Any, when: str) -> None:
        def take(name: str, call: Callable[[], Any]) -> Any:
            return self.take(f"{when}: {name}", call)

        reference = new_reference()
        money: dict[str, Any] = {"payee": f"+{GOOD}", "amount": "5", "payer_message": "November"}
        take("token", client.create_access_token)
        take("transfer", lambda: client.transfer(reference=reference, **money))
        take("transfer again", lambda: client.transfer(reference=reference, **money))
        take("transfer status", lambda: client.get_transfer_status(reference))
        take("no such transfer", lambda: client.get_transfer_status(str(uuid.uuid4())))
        failed = new_reference()
        take("failing transfer", lambda: client.transfer(reference=failed, payee=NO_FUNDS, amount=5))
        take("failed status", lambda: client.get_transfer_status(failed))
        cash, back = new_reference(), new_reference()
        take("deposit", lambda: client.deposit(reference=cash, **money))
        take("deposit status", lambda: client.get_deposit_status(cash))
        collected = {"reference_id_to_refund": self.harness.collection, "amount": "0.1"}
        take("refund", lambda: client.refund(reference=back, **collected))
        take("refund status", lambda: client.get_refund_status(back))
        take("notification", lambda: client.send_delivery_notification(self.harness.collection, "Thank you"))
        take("balance", client.get_account_balance)
        take("balance in", lambda: client.get_account_balance_in("EUR"))
        take("active", lambda: client.is_active(GOOD))
        take("active, plus", lambda: client.is_active(f"+{GOOD}"))
        take("not active", lambda: client.is_active(NUMBERS[-1]))
        take("name", lambda: client.get_basic_user_info(GOOD))
        self._consent(client, take)
        take("reference is none", lambda: client.transfer(reference=GOOD, **money))
        take("status of a number", lambda: client.get_transfer_status(f"+{GOOD}"))
        take("national number", lambda: client.is_active(f"0{GOOD[2:]}"))
        take("payee is none", lambda: client.transfer(reference=reference, **money | {"payee": f"x{GOOD}"}))
        take("too exact", lambda: client.transfer(reference=reference, **money | {"amount": "0.123"}))

    def _consent(self, client: Any, take: Callable[[str, Callable[[], Any]], Any]) -> None:
        asked = take(
            "consent", lambda: client.authorize_consent(f"+{GOOD}", scope="all_info", access_type="offline")
        ) or ConsentRequest(self.harness.auth_req_id)
        made_up = SecretStr(self.harness.consent_token)
        token = take("consent token", lambda: client.create_oauth2_token(asked)) or Oauth2Token(
            made_up, refresh_token=made_up
        )
        take("consent token again", lambda: client.create_oauth2_token(asked))
        take("user info", lambda: client.ask_user_info(token))
        take("refreshed", lambda: client.refresh_oauth2_token(token))
        take("refreshed again", lambda: client.refresh_oauth2_token(token))
        take("user info, own token", client.ask_user_info)
        take("no refresh token", lambda: client.refresh_oauth2_token(Oauth2Token(made_up)))

    def _provision(self, name: str) -> None:
        account = self.harness.settings[name]
        kind: Any = AsyncSandboxProvisioning if self.runner else SandboxProvisioning
        with self.open(kind(account["subscription_key"], base_url=account["base_url"])) as client:
            user = new_reference()
            self.take(f"{name}: user", lambda: client.create_api_user("pay.example.org", api_user=user))
            self.take(f"{name}: user again", lambda: client.create_api_user("pay.example.org", api_user=user))
            self.take(f"{name}: key", lambda: client.create_api_key(user))
            self.take(f"{name}: read", lambda: client.get_api_user(user))


async def _listed(found: AsyncIterator[Any]) -> list[Any]:
    return [one async for one in found]


async def _awaited(found: Awaitable[Any]) -> Any:
    return await found


PEOPLE = f"key,to,amount\nfile-1,+{GOOD},5\nfile-2,{NO_FUNDS},5\nfile-3,0{GOOD[2:]},5\nfile-1,+{UNKNOWN_NUMBER},5\n"


def command_lines(harness: Harness) -> Iterator[list[str]]:
    """Yield what is called on the command line, plain and for machines."""
    people = Path(harness.folder) / "people.csv"
    people.write_text(PEOPLE, "utf-8")
    main = ["--config", str(harness.config("main"))]
    for style in ([], ["--json"], ["--log-level", "DEBUG"], ["--json", "--log-level", "DEBUG", "--log-json"]):
        key = f"cli-{len(style)}"
        for command in (
            ["send", "--key", key, "--to", f"+{GOOD}", "--amount", "5", "--wait", "5"],
            ["send", "--key", f"{key}-failed", "--to", NO_FUNDS, "--amount", "5"],
            ["send", "--key", f"{key}-bad", "--to", f"0{GOOD[2:]}", "--amount", "5"],
            ["send", "--key", key, "--to", f"+{UNKNOWN_NUMBER}", "--amount", "5"],
            ["send", "--file", str(people), "--yes"],
            ["send", "--file", str(people), "--yes", "--skip-refused"],
            ["show", key],
            ["show", f"{key}-failed"],
            ["show", "nothing"],
            ["list"],
            ["wait", key],
            ["resume", "--timeout", "0"],
            ["doctor"],
        ):
            yield [*command, *main, *style]
        refused = ["--config", str(harness.config("wrong")), *style]
        yield ["doctor", *refused]
        yield ["send", "--key", f"{key}-refused", "--to", f"+{GOOD}", "--amount", "5", *refused]


def everything(harness: Harness, capture: LogCapture) -> dict[str, str]:
    """Do all of it; return how each step ended."""
    ended: dict[str, str] = {}
    for runner in (None, asyncio.Runner(debug=True)):  # asyncio says more in its debug mode
        payer = Payer(capture, harness, runner)
        payer.payouts()
        payer.native()
        ended |= payer.ended
        if runner:
            runner.close()
    runtime = assemble(harness.config("main"))
    capture.shown("the runtime", runtime, *runtime.accounts.values(), *runtime.journal.rows())
    for account in runtime.accounts.values():
        capture.shown("settings", account.settings.model_dump(), account.settings.model_dump_json())
    runtime.journal.close()
    logger = logging.getLogger("payments_core")
    before = (list(logger.handlers), logger.level, logger.propagate)
    for arguments in command_lines(harness):
        ended[f"payouts {' '.join(arguments)}"] = str(payouts(arguments))
    logger.handlers, logger.level, logger.propagate = before
    set_on_retry_hooks(None)  # the command line takes stamina's own reports off
    return ended


def main(scene_file: str, result_file: str) -> None:
    """Run in a process of its own."""
    fields = json.loads(Path(scene_file).read_text("utf-8"))
    with LogCapture("payments_core", "payments_mtn_momo") as capture:
        ended = everything(Harness(**fields), capture)
    result = {"said": [list(CapturedText(*one)) for one in capture.captured], "ended": ended}
    Path(result_file).write_text(json.dumps(result), "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
