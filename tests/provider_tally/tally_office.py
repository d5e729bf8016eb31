"""A configuration that pays through Tally, and a client made of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tally
from tally_gateway import TallyGateway, served

from payments_core import PayoutClient
from payments_core.client import setup
from payments_core.plugins import Plugins
from payments_core.settings import load


def office_of(folder: Path, url: str, *, more: str = "", **settings: Any) -> Any:
    """Assemble a client's office from a payouts.toml, with the plugin registered as an embedding application does.

    Args:
        folder: Where the configuration and the journal are.
        url: The gateway.
        more: Tables that follow the account's; ``URL`` in it is the gateway.
        **settings: Of the account ``till``.

    """
    extra = "\n".join(f"{name} = {json.dumps(value)}" for name, value in settings.items())
    config = folder / "payouts.toml"
    config.write_text(
        '[installation]\nnamespace = "tally-installation"\n[journal]\nurl = "sqlite:///payouts.db"\n'
        f'[accounts.till]\nprovider = "tally"\nbase_url = "{url}"\n{extra}\n{more.replace("URL", url)}\n'
    )
    return assembled(config)


def assembled(config: Path) -> Any:
    """Assemble a client's office from a configuration that was written."""
    plugins = Plugins(())
    plugins.register(tally, "tally")
    return setup.assemble(load(config), plugins=plugins)


@contextmanager
def till(folder: Path, **settings: Any) -> Iterator[tuple[PayoutClient, TallyGateway, list[str]]]:
    """Yield a client, its gateway, and the list of paths whose next answers are lost."""
    gateway, lost = TallyGateway(), list[str]()
    with served(gateway, loses_answers=lost) as url, PayoutClient(office_of(folder, url, **settings)) as client:
        yield client, gateway, lost
