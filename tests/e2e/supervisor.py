"""Paying processes that begin at once: forked from one that has imported everything, and has opened nothing.

``Supervisor`` is a test's side of it. As a program it reads a line of JSON for each wish, and answers with a line.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self


class Child:
    """One paying process."""

    def __init__(self, supervisor: Supervisor, pid: int) -> None:
        self._supervisor = supervisor
        self.pid = pid

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def kill(self) -> int:
        """Kill it with SIGKILL, unless it has ended; return its exit code, negative for a signal."""
        return self._supervisor.ask({"kill": self.pid})

    def wait(self) -> int:
        """Wait for its end; return its exit code."""
        return self._supervisor.ask({"wait": self.pid})

    def wait_until_stopped(self) -> None:
        """Wait until a signal has stopped it; it must not end before."""
        assert self._supervisor.ask({"stopped": self.pid}) == signal.SIGSTOP


class Supervisor:
    """Starts paying processes in a folder, one wish at a time; a context manager.

    Args:
        folder: Where they stand: with a payouts.toml.
        program: The file that is the program; one of its own calls ``main`` here.

    """

    def __init__(self, folder: Path, program: str = __file__) -> None:
        self._folder = folder
        self._program = program
        self._asking = threading.Lock()

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-P", self._program],
            cwd=self._folder,
            env={**os.environ, "NO_COLOR": "1", "PYTHONUTF8": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()

    def start(self, **what: Any) -> Child:
        """Start one that pays ``rows`` of money, or is ``command`` of the command line.

        Args:
            what: ``command``; or ``rows``, and ``client`` for which client pays them. ``folder``: another one to stand
                in. ``freeze``: where it stops itself with SIGSTOP, once. ``clock``: a file with the seconds by which
                its clock is wrong. What it says goes to the file ``said``; the keys whose payment it has heard of are
                lines of the file ``acknowledged``, and those that were refused of ``refused``.

        """
        return Child(self, self.ask(what))

    def ask(self, planned: Mapping[str, Any]) -> int:
        with self._asking:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.write(json.dumps(planned) + "\n")
            self._process.stdin.flush()
            return int(self._process.stdout.readline())


# --- the program ---


def note(name: str, key: str) -> None:
    """Add a line to a file, whole or not at all."""
    file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(file, f"{key}\n".encode())
    os.close(file)


def order(row: Mapping[str, str]) -> dict[str, Any]:
    from payments_core import Money, Payee

    amount = Money(row["amount"], "EUR")
    return {
        "key": row["key"],
        "payee": Payee.msisdn(row["to"]),
        "amount": amount,
        "operation": row.get("operation", "transfer"),
    }


def pay(rows: list[Mapping[str, str]]) -> None:
    """Pay transfers, deposits and refunds, four at a time."""
    from payments_core import Money, PayoutClient
    from payments_core.domain.errors import OverRefund

    def one(row: Mapping[str, str]) -> None:
        try:
            if row.get("operation") == "refund":
                amount, original = Money(row["amount"], "EUR"), Money(row["collected"], "EUR")
                client.refund(key=row["key"], collection=row["to"], amount=amount, original_amount=original)
            else:
                client.send(**order(row))
        except OverRefund:
            note("refused", row["key"])
        else:
            note("acknowledged", row["key"])

    with PayoutClient.from_config("payouts.toml") as client, ThreadPoolExecutor(4) as pool:
        list(pool.map(one, rows))


async def pay_at_once(rows: list[Mapping[str, str]]) -> None:
    """Pay transfers and deposits by the asynchronous client, all at once."""
    import asyncio

    from payments_core import AsyncPayoutClient

    async def one(row: Mapping[str, str]) -> None:
        await client.send(**order(row))
        note("acknowledged", row["key"])

    async with AsyncPayoutClient.from_config("payouts.toml") as client:
        await asyncio.gather(*map(one, rows))


def freeze_at(moment: str) -> None:
    """Let this process stop itself at a moment of a payment, once, as a signal from outside might.

    Args:
        moment: ``before C2``, ``before the first byte`` (C2 is durable), ``with the last check passed`` or
            ``before C3``.

    """
    from payments_core.domain.events import EventName
    from payments_core.engine.commands import ApplyTransition
    from payments_core.http.transport.exchange import Exchange
    from payments_core.journal.postgres.journal import PostgresJournal
    from payments_core.journal.sqlite.journal import SqliteJournal

    left = [moment]

    def pass_by(where: str) -> None:
        if left == [where]:
            left.clear()
            signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)  # this thread first: not a step further

    def before(write: Any) -> Any:
        def watched(self: Any, entry: Any) -> Any:
            if isinstance(entry, ApplyTransition):
                is_c2 = entry.event.name == EventName.PAYOUT_SENDING
                pass_by("before C2" if is_c2 else "before C3")
            return write(self, entry)

        return watched

    def watched(self: Exchange) -> None:
        if self.request.moves_money:
            pass_by("before the first byte")
        about_to_write(self)
        if self.request.moves_money:
            pass_by("with the last check passed")

    about_to_write = Exchange.about_to_write
    Exchange.about_to_write = watched  # type: ignore[method-assign]
    for journal in (SqliteJournal, PostgresJournal):
        for name in ("execute", "execute_async", "submit"):
            setattr(journal, name, before(getattr(journal, name)))


def tell_time_by(name: str) -> None:
    """Let this process have a clock that somebody sets: it is wrong by the seconds that stand in a file."""
    from datetime import UTC, datetime, timedelta

    from payments_core.client.assembly import assemble

    def clock() -> datetime:
        return datetime.now(UTC) + timedelta(seconds=float(Path(name).read_text("utf-8")))

    assert assemble.__kwdefaults__ is not None
    assemble.__kwdefaults__["clock"] = clock


def stand_alone() -> None:
    """Read nothing, and say everything into the file ``said``."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    text = os.open("said", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(nothing, 0)
    os.dup2(text, 1)
    os.dup2(text, 2)


def live(what: Mapping[str, Any]) -> int:
    """Live as a child; return its exit code."""
    import asyncio

    from payments_core.cli.app import run

    if moment := what.get("freeze"):
        freeze_at(moment)
    if name := what.get("clock"):
        tell_time_by(name)
    if command := what.get("command"):
        return run(command)
    if what.get("client") == "async":
        asyncio.run(pay_at_once(what["rows"]))
    else:
        pay(what["rows"])
    return 0


def answer(planned: Mapping[str, Any], life: Callable[[Mapping[str, Any]], int]) -> int:
    if pid := planned.get("kill"):
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            os.kill(pid, signal.SIGKILL)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if pid := planned.get("wait"):
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if pid := planned.get("stopped"):
        found = os.waitid(os.P_PID, pid, os.WSTOPPED | os.WEXITED)
        return found.si_status if found and found.si_code == os.CLD_STOPPED else -1
    if child := os.fork():
        return child
    code = 70
    try:
        os.chdir(planned.get("folder", "."))
        stand_alone()
        code = life(planned)
    except BaseException:  # noqa: BLE001 - told by the exit code, and in the file
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def main(life: Callable[[Mapping[str, Any]], int] = live) -> None:
    """Be the program; ``life`` is what a child does, given a wish, and returns its exit code."""
    import payments_core.worker  # noqa: F401 - what a child would spend its life with
    from payments_core import AsyncPayoutClient, PayoutClient  # noqa: F401
    from payments_core.http.transport.exchange import default_tls
    from payments_core.plugins.manager import Plugins

    Plugins().providers()
    default_tls()
    for line in sys.stdin:
        print(answer(json.loads(line), life), flush=True)


if __name__ == "__main__":
    main()
