"""Files of payees in a folder of the test, a gateway to pay a batch through, and batches of either kind of client."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from payments_core import AsyncPayoutClient, PayoutClient, PayoutOrder
from payments_core.batch import AsyncBatches, Batch, Batches, BatchOrder
from payments_core.batch.reading import PayeeFile, RowDefaults, open_rows
from payments_mtn_momo.emulator import MtnMomoEmulator

Open: TypeAlias = Callable[..., PayeeFile]
Run = Callable[[Callable[[Any], Any]], Any]


@pytest.fixture
def opened(tmp_path: Path) -> Open:
    """Return a function that writes a file and opens it."""

    def open_it(content: str | bytes, *, round_name: str = "", decimal: Any = "", **more: Any) -> PayeeFile:
        path = tmp_path / "people.txt"  # its name says nothing
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        defaults = RowDefaults(lambda _account: "UGX", round_name=round_name, decimal=decimal)
        return open_rows(path, defaults, **more)

    return open_it


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest) -> str:
    """Which database holds the journal."""
    name: str = request.param
    return name


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
def batches(gateway: MtnMomoEmulator) -> Run:
    """Open the batches of an asynchronous client for one thing to do."""

    async def looped(act: Callable[[Any], Any]) -> Any:
        async with AsyncPayoutClient.from_config() as client:
            found = act(AsyncBatches(client))
            if isinstance(found, AsyncIterator):
                return [one async for one in found]
            return await found if inspect.isawaitable(found) else found

    return lambda act: asyncio.run(looped(act))


@pytest.fixture
def batches_in_threads(gateway: MtnMomoEmulator) -> Run:
    """Open the batches of a synchronous client for one thing to do."""

    def call(act: Callable[[Any], Any]) -> Any:
        with PayoutClient.from_config() as client:
            found = act(Batches(client))
            return list(found) if isinstance(found, Iterator) else found

    return call


@pytest.fixture
def people() -> Callable[..., list[BatchOrder]]:
    """Return orders for people with numbers that were made up."""

    def make(count: int, *, amount: str = "5") -> list[BatchOrder]:
        return [
            BatchOrder(
                PayoutOrder(key=f"salary/{n}", payee=f"+46733{n:06d}", amount=amount, currency="EUR"),
                line=n + 2,
                payee_id=f"staff-{n}",
            )
            for n in range(count)
        ]

    return make


@pytest.fixture
def approved(people: Callable[..., list[BatchOrder]], batches: Run) -> Callable[..., Batch]:
    """Create a batch and have it approved."""

    def make(count: int = 3, **given: Any) -> Batch:
        created: Batch = batches(lambda one: one.create(people(count, **given), name="salary", actor="ann"))[0]
        batch: Batch = batches(lambda one: one.approve(created.id, actor="bob", totals=created.totals))
        return batch

    return make


@pytest.fixture(scope="session")
def running() -> Iterator[MtnMomoEmulator]:
    with MtnMomoEmulator(target="mtnuganda") as emulator:
        yield emulator


@pytest.fixture
def client(running: MtnMomoEmulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PayoutClient]:
    """A client that pays in UGX from the account mtn-uganda, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    running.write_config(tmp_path / "payouts.toml")
    with PayoutClient.from_config() as made:
        yield made
