"""Our client as a contestant: validation, journal flushed to disk, limits, logs, retry, token, everything."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import fields, is_dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import _stores
from _spec import PAYEE, Pay, PayLater, Run, requests_seen

if TYPE_CHECKING:
    from payments_core.domain.payout import Payout
    from payments_core.engine.commands import JournalCommand
    from payments_core.journal.sqlite.journal import SqliteJournal
    from payments_core.runtime import Runtime

_CONFIGURATION = """
[installation]
namespace = "{namespace}"

[journal]
url = "{journal}"
"""
_ACCOUNT = """
[accounts.bench-{number}]
provider = "mtn_momo"
target_environment = "sandbox"
base_url = "{url}"
api_user = "{user}"
api_key = "file:key"
subscription_key = "file:key"
max_in_flight = {in_flight}
reads_per_s = 0
poll_schedule_s = {polls}
largest_amount = {{ EUR = "1000" }}
approve_above = {{ EUR = "500" }}
"""
_POLLS_S = [0.005] * 400  # the next one after the answer, as each is counted from the submission
_FLUSH_S = 0.002  # of a slow disk


def write_configuration(folder: Path, run: Run) -> Path:
    """Write a payouts.toml with limits and an approval threshold; make the journal if it is a database."""
    journal = run.journal or "sqlite:///payouts.db"
    if journal.startswith("postgresql:") and not run.stored:
        _stores.make_journal(journal)
    # A table is written as it is.
    more = "".join(
        f"{name} = {value if value[:1] == '{' else json.dumps(value)}\n" for name, value in run.settings.items()
    )
    text = _CONFIGURATION.format(namespace=_stores.NAMESPACE, journal=journal)
    shared = {"url": run.url, "in_flight": run.in_flight, "polls": _POLLS_S}
    for number in range(run.accounts):
        text += _ACCOUNT.format(number=number, user=uuid.uuid4(), **shared) + more
    (folder / "key").touch(0o600)
    (folder / "key").write_text("0" * 32, "utf-8")
    path = folder / "payouts.toml"
    path.write_text(text, "utf-8")
    return path


@contextmanager
def runtime(run: Run) -> Iterator[Runtime]:
    """Yield everything a client needs, with a new journal unless the run names one."""
    import payments_mtn_momo.plugin
    from payments_core import logs
    from payments_core.client import assemble
    from payments_core.plugins.manager import Plugins

    logs.configure(level="WARNING")
    plugins = Plugins([])  # ours alone: what else is installed would be measured as well
    plugins.register(payments_mtn_momo.plugin, "mtn_momo")
    with tempfile.TemporaryDirectory() as folder:
        yield assemble(write_configuration(Path(folder), run), plugins=plugins)


def _orders(run: Run) -> partial[dict[str, Any]]:
    from payments_core.domain.money import Money
    from payments_core.domain.payout import Payee

    prefix = uuid.uuid4().hex[:8]  # a journal may have payouts of earlier rounds

    def order(number: int) -> dict[str, Any]:
        return {
            "key": f"salary/{prefix}/{number:06d}",
            "account": f"bench-{number % run.accounts}",
            "payee": Payee.msisdn(f"+{PAYEE}"),
            "amount": Money("15", "EUR"),
            "note": "salary november",
        }

    return partial(order)


def _succeeded(payout: Payout) -> None:
    if payout.status != "SUCCEEDED":
        raise SystemExit(f"wrong end: {payout}")


@contextmanager
def ours(run: Run) -> Iterator[Pay]:
    """Yield the full path, synchronous."""
    from payments_core.client import PayoutClient

    order = _orders(run)
    with runtime(run) as built, PayoutClient(built) as client:

        def pay(number: int) -> None:
            payout = client.send(**order(number))
            _succeeded(payout if payout.is_final else client.refresh(payout.id))

        yield pay


@asynccontextmanager
async def ours_async(run: Run) -> AsyncIterator[PayLater]:
    """Yield the full path, asynchronous."""
    from payments_core.client import AsyncPayoutClient

    order = _orders(run)
    with runtime(run) as built:
        async with AsyncPayoutClient(built) as client:

            async def pay(number: int) -> None:
                payout = await client.send(**order(number))
                _succeeded(payout if payout.is_final else await client.refresh(payout.id))

            yield pay


async def measure_batch(run: Run) -> dict[str, float]:
    """Return what a payout costs as the row of a batch, from the approval to the end of the run."""
    from payments_core.batch import AsyncBatches, BatchOrder
    from payments_core.client import AsyncPayoutClient, PayoutOrder

    order = _orders(run)
    with runtime(run) as built:
        async with AsyncPayoutClient(built) as client:
            batches = AsyncBatches(client)
            rows = [BatchOrder(PayoutOrder(**order(number))) for number in range(run.payouts)]
            batch, _ = await batches.create(rows, name="salary", actor="ann")
            await batches.approve(batch.id, actor="bob", totals=batch.totals)
            wall, cpu = time.perf_counter(), time.process_time()
            done = await batches.run(batch.id, timeout_s=60)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            if done.progress.succeeded != run.payouts:
                raise SystemExit(f"wrong end: {done}")
    return {"cpu_us": cpu / run.payouts * 1e6, "wall_us": wall / run.payouts * 1e6, "payouts_per_s": run.payouts / wall}


# --- workers ---------------------------------------------------------------------------------------------------------


def measure_workers(run: Run) -> dict[str, float]:
    """Return payouts a second of workers, from the moment a fifth is paid: starting them is not measured."""
    from payments_core.client import PayoutClient

    order = _orders(run)
    with tempfile.TemporaryDirectory() as folder:
        path = write_configuration(Path(folder), run)
        with PayoutClient.from_config(path) as client:
            for number in range(run.payouts):
                client.accept(**order(number))
        command = [sys.executable, "-P", "-m", "payments_core", "worker"]
        quiet = subprocess.DEVNULL
        workers = [
            subprocess.Popen(command, cwd=folder, stdin=quiet, stdout=quiet, stderr=quiet) for _ in range(run.workers)
        ]
        try:
            began = _paid(run, run.payouts // 5, workers), time.perf_counter()
            paid = _paid(run, run.payouts, workers)
            rate = (paid - began[0]) / (time.perf_counter() - began[1])
            return {"payouts_per_s": rate, "wall_us": 1e6 / rate}
        finally:
            for worker in workers:
                worker.terminate()
            for worker in workers:
                worker.wait()


def _paid(run: Run, count: int, workers: list[subprocess.Popen[bytes]]) -> int:
    """Wait until the gateway was asked for the status of so many payouts; return of how many it was."""
    until = time.monotonic() + 120
    while (paid := requests_seen(run.url).get("status", 0)) < count:
        if ended := [worker.returncode for worker in workers if worker.poll() is not None]:
            raise SystemExit(f"A worker ended with {ended[0]} after {paid} of {count} payouts: nothing is measured.")
        if time.monotonic() > until:
            raise SystemExit(f"Only {paid} of {count} payouts were paid in two minutes: nothing is measured.")
        time.sleep(0.01)
    return paid


# --- the journal alone -----------------------------------------------------------------------------------------------


class _SlowDisk(sqlite3.Connection):
    """A connection whose flushed commits take at least as long as a slow disk's."""

    _is_flushed = True

    def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
        """Execute a statement; a commit waits until its time is over."""
        began = time.perf_counter()
        done = super().execute(sql, *parameters)
        if sql.startswith("PRAGMA synchronous = "):
            self._is_flushed = not sql.endswith("NORMAL")
        if sql == "COMMIT" and self._is_flushed:
            time.sleep(max(_FLUSH_S - (time.perf_counter() - began), 0))
        return done


def measure_journal(run: Run) -> dict[str, float]:
    """Return what a payout's own commits cost, as the engine asks for them, with so many callers and a slow disk."""
    from payments_core.journal.sqlite.journal import SqliteJournal

    recorded: list[JournalCommand] = []
    real = SqliteJournal.execute

    def execute(journal: SqliteJournal, command: JournalCommand) -> Any:
        recorded.append(command)
        return real(journal, command)

    with ours(run) as pay:
        pay(0)
        setattr(SqliteJournal, "execute", execute)  # noqa: B010 - a method, for one payout
        pay(1)
        setattr(SqliteJournal, "execute", real)  # noqa: B010
    writes = [command for command in recorded if type(command).__name__ != "LoadAttempts"]
    plans = [[_for_payout(command, number) for command in writes] for number in range(run.payouts)]
    sqlite3.connect = partial(sqlite3.connect, factory=_SlowDisk)  # type: ignore[assignment]
    return asyncio.run(_write_all(plans, run))


def _for_payout(value: Any, number: int) -> Any:
    """Return a recorded command for another payout."""
    from payments_core.domain.records import PayoutRecord
    from payments_core.engine.commands import ApplyTransition, CreatePayout

    if isinstance(value, PayoutRecord):
        return replace(value, id=f"po_{number:024d}", order=replace(value.order, key=f"salary/{number}"))
    if is_dataclass(value) and isinstance(value, CreatePayout | ApplyTransition):
        return replace(
            value, **{field.name: _for_payout(getattr(value, field.name), number) for field in fields(value)}
        )
    return value


async def _write_all(plans: list[list[JournalCommand]], run: Run) -> dict[str, float]:
    from datetime import UTC, datetime

    from payments_core.engine.commands import CreateResult, TransitionApplied
    from payments_core.journal.sqlite.journal import SqliteJournal
    from payments_core.waiting import tasks

    waiting = iter(plans)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "payouts.db"
        journal = SqliteJournal(path, namespace=_stores.NAMESPACE, clock=lambda: datetime.now(UTC), make=True)

        async def caller() -> None:
            for commands in waiting:
                for command in commands:
                    result = await tasks.execute(journal, command)
                    assert isinstance(result, CreateResult | TransitionApplied), result

        wall, cpu = time.perf_counter(), time.process_time()
        await asyncio.gather(*(caller() for _ in range(run.in_flight)))
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        journal.close()
    return {"cpu_us": cpu / len(plans) * 1e6, "payouts_per_s": len(plans) / wall, "commits": float(len(plans[0]))}
