"""How far a payment travels through our own code, from ``send`` until its POST reaches the socket.

Counts a warm payment (the third one of a process, with a credential and a connection) with ``sys.setprofile``: the
files that are entered, how often the way changes from one file to another, and the calls of our own functions. A
generator that is resumed counts as a call. Counts do not depend on the machine.

    python benchmarks/path_length.py [--calls]
"""

from __future__ import annotations

import argparse
import socket
import sys
import tempfile
from collections import Counter
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import Any

from payments_core import Money, Payee, PayoutClient
from payments_mtn_momo.emulator import MtnMomoEmulator

GOALS = {"files": 28, "changes of file": 110, "calls": 280}


class CallPath:
    """Follows one thread until the first ``sendall`` of a POST.

    Args:
        roots: Folders of our own code.

    """

    def __init__(self, roots: tuple[str, ...]) -> None:
        self.calls: list[tuple[str, str]] = []
        self.done = False
        self._roots = roots

    def follow(self, frame: FrameType, event: str, argument: Any) -> None:
        """Note a call; stop at the socket."""
        if self.done:
            return
        if event == "c_call":
            if getattr(argument, "__name__", "") in {"sendall", "send"} and isinstance(
                getattr(argument, "__self__", None), socket.socket
            ):
                self.done = True
            return
        if event == "call" and frame.f_code.co_filename.startswith(self._roots):
            self.calls.append((frame.f_code.co_filename, frame.f_code.co_qualname))


def measure(client: PayoutClient) -> CallPath:
    """Send three payouts, and follow the third."""
    import payments_core
    import payments_mtn_momo

    roots = tuple(str(Path(package.__file__ or "").parent) for package in (payments_core, payments_mtn_momo))
    path, (account,) = CallPath(roots), client.accounts()
    for number in range(3):
        if number == 2:
            sys.setprofile(path.follow)
        try:
            client.send(
                key=f"path/{number}", payee=Payee.msisdn("+46733123450"), amount=Money("25", "EUR"), account=account
            )
        finally:
            sys.setprofile(None)
    return path


def main() -> None:
    """Print the counts beside their goals."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--calls", action="store_true", help="print every call")
    asked = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o700)
        emulator = MtnMomoEmulator()
        emulator.start()
        try:
            config = Path(folder) / "payouts.toml"
            emulator.write_config(config)
            with PayoutClient.from_config(config) as client:
                path = measure(client)
        finally:
            emulator.stop()
    files = [file for file, _ in path.calls]
    changes = sum(1 for before, after in pairwise(files) if before != after)
    if asked.calls:
        for file, name in path.calls:
            print(f"{'/'.join(Path(file).parts[-3:])}: {name}")
    for file, count in Counter(files).most_common():
        print(f"{count:5}  {'/'.join(Path(file).parts[-3:])}")
    for name, found in {"files": len(set(files)), "changes of file": changes, "calls": len(files)}.items():
        print(f"{name}: {found} (goal: at most {GOALS[name]})")


if __name__ == "__main__":
    main()
