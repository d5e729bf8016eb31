"""What each driver shares: where the emulators are, and a record of what the client made of each step."""

from __future__ import annotations

import json
import sys
import urllib.request
from collections.abc import Callable
from typing import Any

PAYEE = "46733123499"
NO_FUNDS = "46733123455"


class Steps:
    """A record of steps; standard input says where to go, standard output gets the results."""

    def __init__(self) -> None:
        fields = json.loads(sys.stdin.read())
        self.sandbox: dict[str, str] = fields["sandbox"]
        self.moved: dict[str, str] = fields["moved"]
        self.seen: dict[str, str] = {}

    def take(self, name: str, step: Callable[[], Any]) -> Any:
        """Take a step; an exception is a result too."""
        try:
            found = step()
        except Exception as error:  # noqa: BLE001 - whatever a client raises is what we want to see
            self.seen[name] = f"{type(error).__name__}: {error}"
            return None
        self.seen[name] = str(found)
        return found

    def misbehave(self, **faults: Any) -> None:
        """Tell the sandbox's emulator how to misbehave; nothing clears it."""
        request = urllib.request.Request(  # noqa: S310 - the emulator's own address
            f"{self.sandbox['url']}/__emulator/faults", json.dumps(faults).encode(), method="POST"
        )
        urllib.request.urlopen(request, timeout=10).close()  # noqa: S310

    def tell(self) -> None:
        """Say what was seen."""
        print(json.dumps(self.seen))
