"""One of several processes that pay wages from one journal, by a clock they share: each accepts, works, is called back.

As a program it is a nursery of them; see ``supervisor``.
"""

from __future__ import annotations

import asyncio
import mmap
import os
import signal
import socket
import struct
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

_TOGETHER = 100  # accepted at once, and told in one write
_SHARED_WITH_ALL = 7  # one wage in so many is accepted by every process, not by one alone


class SharedClock:
    """A clock that is ahead of the real one by the seconds that stand in a file; whoever has the file can set it."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(struct.pack("d", 0.0))
        with path.open("r+b") as file:
            self._ahead = mmap.mmap(file.fileno(), struct.calcsize("d"))

    def __call__(self) -> datetime:
        """Return the time."""
        return datetime.now(UTC) + timedelta(seconds=struct.unpack("d", self._ahead[:8])[0])

    def advance(self, seconds: float) -> None:
        """Move it on."""
        self._ahead[:8] = struct.pack("d", struct.unpack("d", self._ahead[:8])[0] + seconds)


class Wages:
    """Who is paid how much: the same in every process.

    Args:
        many: How many there are.
        people: Paid in turn: kind and value of each payee.
        unpayable: Each twentieth is somebody whom the provider cannot pay; empty where it has nobody like that.
        amount: The least that is paid; one more unit for each, up to a hundred.
        currency: Of it.
        options: The provider's.

    """

    def __init__(
        self,
        many: int,
        people: list[list[str]],
        unpayable: list[str],
        amount: str,
        currency: str,
        options: Mapping[str, str],
    ) -> None:
        self.many = many
        self._people = people
        self._unpayable = unpayable
        self._amount = amount
        self._currency = currency
        self._options = options

    @staticmethod
    def key(number: int) -> str:
        """Return the key of a wage."""
        return f"wage/{number:06}"

    def one(self, number: int) -> Mapping[str, Any]:
        """Return what ``accept`` is asked."""
        from decimal import Decimal

        from payments_core import Money, Payee

        whom = self._unpayable if self._unpayable and number % 20 == 19 else self._people[number % len(self._people)]
        return {
            "key": self.key(number),
            "payee": Payee(kind=whom[0], value=whom[1]),
            "amount": Money(str(Decimal(self._amount) + number % 101), self._currency),
            "options": self._options,
        }

    def of(self, place: int, places: int) -> Iterator[int]:
        """Yield the numbers that one process accepts."""
        return (n for n in range(self.many) if n % places == place or n % _SHARED_WITH_ALL == 0)


def address(port: int) -> socket.socket:
    """Return a socket on which every process of the office listens; the system deals out who is called."""
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    found.bind(("127.0.0.1", port))
    return found


@contextmanager
def called_back(client: Any, port: int) -> Iterator[None]:
    """Serve callbacks beside the work."""
    from payments_core.callbacks import app
    from payments_core.testing.emulator.connections import ServerThread

    async def idle() -> None:
        await asyncio.Event().wait()

    listener = address(port)
    listener.listen(128)
    server = ServerThread(app(client), listener, idle)
    server.start()
    try:
        yield
    finally:
        server.stop()


async def accept(client: Any, wages: Wages, place: int, places: int) -> None:
    """Accept a share, and note the keys that are certainly written down: of those noted before, some once more."""
    known = acknowledged()
    share = [n for n in wages.of(place, places) if n % _SHARED_WITH_ALL == 0 or wages.key(n) not in known]
    with closing(Notes("acknowledged")) as notes:
        for begin in range(0, len(share), _TOGETHER):
            orders = [wages.one(number) for number in share[begin : begin + _TOGETHER]]
            await asyncio.gather(*(client.accept(**order) for order in orders))
            notes.add(order["key"] for order in orders)
        notes.add([f"all of {place}"])


def acknowledged() -> set[str]:
    """Return the keys that were noted."""
    file = Path("acknowledged")
    return set(file.read_text("utf-8").splitlines()) if file.exists() else set()


class Notes:
    """Lines of a file that several processes add to, each whole or not at all."""

    def __init__(self, name: str) -> None:
        self._file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def add(self, lines: Any) -> None:
        """Add some."""
        os.write(self._file, "".join(f"{line}\n" for line in lines).encode())

    def close(self) -> None:
        """Close it."""
        os.close(self._file)


async def work(planned: Mapping[str, Any]) -> None:
    """Accept, work and be called back until a signal ends it."""
    from payments_core.client import AsyncPayoutClient, assemble
    from payments_core.settings import WorkerSettings
    from payments_core.worker import run_worker

    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    settings = WorkerSettings(poll_s=0.05, claim_s=planned["claim_s"], grace_s=10)
    runtime = assemble("payouts.toml", clock=SharedClock(Path("clock")))
    async with AsyncPayoutClient(runtime) as client:
        with called_back(client, planned["port"]):
            accepting = accept(client, Wages(**planned["wages"]), planned["place"], planned["places"])
            await asyncio.gather(accepting, run_worker(client, settings=settings, stop=stop))


def live(planned: Mapping[str, Any]) -> int:
    """Live as one of them; return the exit code."""
    asyncio.run(work(planned))
    return 0


if __name__ == "__main__":
    from importlib.util import module_from_spec, spec_from_file_location

    # What each would spend its life with.
    import payments_core.callbacks  # noqa: F401
    import payments_core.http.transport.h11_async  # noqa: F401
    import payments_core.testing.emulator.connections  # noqa: F401

    _spec = spec_from_file_location("supervisor", Path(__file__).with_name("supervisor.py"))
    assert _spec is not None
    assert _spec.loader is not None
    sys.modules["supervisor"] = _supervisor = module_from_spec(_spec)
    _spec.loader.exec_module(_supervisor)
    _supervisor.main(live)
