"""Promises of how a provider behaves among others: it waits for nothing, and both clients come to one end with it."""

from __future__ import annotations

import io
import pickle
import select
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from payments_core.events import EventName
from payments_core.testing.conformance.payments import TROUBLES, PaymentPromises, lift
from payments_core.testing.conformance.scene import Door, Kind, Scene
from payments_core.testing.emulator.server import Emulator

__all__ = ["MannerPromises"]


class MannerPromises(PaymentPromises):
    """Flows that only ask, values that travel, and one engine behind two clients."""

    def test_nothing_waits_inside_the_provider(self, running: Emulator[Any], door: Door | None, tmp_path: Path) -> None:
        """It sleeps nowhere, opens no file and no connection: on an event loop everybody else would wait with it."""
        with self.played(running, tmp_path, "async", door) as scene:
            scene.pay(scene.key("warm"))  # whatever is imported late
            key, package = scene.key("watched"), self.spec.build.__module__
            with _waits_in(package.partition(".")[0]) as waits:
                scene.pay(key)
                scene.settle(key)

            assert not waits, f"on the event loop: {', '.join(waits)}; a flow asks for what it needs, and does nothing"

    def test_what_is_decided_can_be_pickled_and_shown(self, desk: Scene) -> None:
        """Every outcome: other processes carry it, and no repr shows the payee."""
        draft = desk.draft("outcomes")
        outcomes: list[object] = [self.submitted(desk, draft, said.answer(draft)) for said in self.answers.values()]
        outcomes += [self.checked(desk, draft, self.status(draft, word)) for word in self.statuses]
        for outcome in outcomes:
            assert pickle.loads(pickle.dumps(outcome)) == outcome  # noqa: S301 - our own
            assert self.payee.value.lstrip("+") not in repr(outcome), "a repr shows the payee's whole address"

    def test_both_clients_decide_alike(self, running: Emulator[Any], door: Door | None, tmp_path: Path) -> None:
        """In every trouble: the same events one after another, the same end, asked for as often."""
        chance = {EventName.CALLBACK_HEARD}
        if self.spec.facts.status_by == "answer":
            door = None  # when a callback arrives is chance; without one the two must agree to the letter
        else:  # an answer that comes before its question is written down as taken makes one read of two
            chance |= {EventName.PAYOUT_ASKED, EventName.PAYOUT_READ}
        told: dict[Kind, dict[str, Any]] = {"sync": {}, "async": {}}
        for kind, tale in told.items():
            (tmp_path / kind).mkdir()
            with self.played(running, tmp_path / kind, kind, door) as scene:
                for trouble, faults in TROUBLES.items():
                    key = scene.key(f"alike/{trouble}")
                    with scene.faults(**faults):
                        scene.pay(key)
                        lift(scene)
                        end = scene.settle(key)
                    events = [entry.event for entry in end.history if entry.event not in chance]
                    tale[trouble] = (end.status, end.reason, scene.credits(end), scene.posts(end), events)

        assert told["sync"] == told["async"]


@contextmanager
def _waits_in(package: str) -> Iterator[list[str]]:
    """Note every call in this thread that may wait, made while a function of a package is under way."""
    found: list[str] = []

    def see(frame: FrameType, event: str, called: Any) -> None:
        if event == "c_call" and _may_wait(called):
            inside: FrameType | None = frame
            while inside is not None:
                name = str(inside.f_globals.get("__name__"))
                if name.partition(".")[0] == package:
                    found.append(f"{getattr(called, '__qualname__', called)} in {name}.{inside.f_code.co_name}")
                    break
                inside = inside.f_back

    before = sys.getprofile()
    sys.setprofile(see)
    try:
        yield found
    finally:
        sys.setprofile(before)


def _may_wait(called: Any) -> bool:
    if any(called is one for one in (time.sleep, io.open, select.select)):
        return True
    whose = getattr(called, "__self__", None)
    return isinstance(whose, socket.SocketType) or getattr(called, "__module__", "") == "_socket"
