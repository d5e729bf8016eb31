"""A gateway to pay through, a journal on either store, and a client of either kind."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from payments_core import AsyncPayoutClient, PayoutClient
from payments_mtn_momo.emulator import MtnMomoEmulator

Run = Callable[[Callable[[Any], Any]], Any]


@pytest.fixture
def store() -> str:
    """Which database holds the journal; tests that run on both are parametrised with it."""
    return "sqlite"


@pytest.fixture
def gateway(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[MtnMomoEmulator]:
    """Return a gateway, with a configuration for it in the folder one stands in."""
    monkeypatch.chdir(tmp_path)
    with MtnMomoEmulator() as started:
        started.write_config(tmp_path / "payouts.toml")
        if store == "postgres":
            request.getfixturevalue("share_journal")(tmp_path / "payouts.toml")
        yield started


@pytest.fixture
def open_clients() -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Return how a client of each kind is opened."""
    return PayoutClient.from_config, AsyncPayoutClient.from_config


@pytest.fixture(params=["sync", "async"])
def using(request: pytest.FixtureRequest, open_clients: tuple[Callable[[], Any], Callable[[], Any]]) -> Run:
    """Open a client of either kind for one thing to do."""
    open_client, open_async_client = open_clients

    def threaded(act: Callable[[Any], Any]) -> Any:
        with open_client() as client:
            found = act(client)
            return list(found) if isinstance(found, Iterator) else found

    async def looped(act: Callable[[Any], Any]) -> Any:
        async with open_async_client() as client:
            found = act(client)
            if isinstance(found, AsyncIterator):
                return [one async for one in found]
            return await found if inspect.isawaitable(found) else found

    return threaded if request.param == "sync" else lambda act: asyncio.run(looped(act))
