"""What comes to us unasked, or later than asked: callbacks and late answers, some of them from strangers."""

from __future__ import annotations

import json
import random
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Any

from payout_simulation.gateway import Gateway, Shown
from payout_simulation.ledger import Payment
from payout_simulation.plan import ANSWER_FAULTS, CALLBACK_FAULTS, Plan
from payout_simulation.seeded_random import SeededRandom, stream
from payout_simulation.simulated_time import HOUR, SECOND, Time

__all__ = ["CallbackMessage", "CallbackTraffic", "Messenger"]

_SHARE_CALLED_BACK = 0.5  # of the payments that a provider calls back about at all
_LATELY = 50
_ANSWER_LATEST_US = 3 * HOUR
_CALLBACK_LATEST_US = 24 * HOUR
_CONTRARY = {"SUCCESSFUL": "FAILED", "FAILED": "SUCCESSFUL", "PENDING": "SUCCESSFUL"}


@dataclass(frozen=True, slots=True)
class CallbackMessage:
    """Something on its way to us.

    Args:
        account: To whose path it goes.
        token: Of the path that was minted for a question; empty for the account's own.
        how: ``fine``, or the fault's name.
        write: Returns what it says at the moment when it leaves.

    """

    account: str
    token: str
    how: str
    write: Callable[[], bytes]


class CallbackTraffic:
    """Every letter on its way, and how many there were of each kind."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._pending: list[tuple[int, int, CallbackMessage]] = []
        self._number = 0

    @property
    def next_us(self) -> int | None:
        """When the next one arrives; None when none is on its way."""
        return self._pending[0][0] if self._pending else None

    def post(self, at_us: int, letter: CallbackMessage) -> None:
        """Send one."""
        self._number += 1
        heappush(self._pending, (at_us, self._number, letter))

    def take(self) -> CallbackMessage:
        """Return the one that arrives next."""
        return heappop(self._pending)[2]


class Messenger:
    """One provider's letters.

    Args:
        names: Of all accounts, the one it serves first.
        time: What has passed.
        plan: What goes wrong, and how often.
        mail: Where they are posted.

    """

    gateway: Gateway  # its other face; each needs the other

    def __init__(self, names: tuple[str, ...], time: Time, plan: Plan, mail: CallbackTraffic) -> None:
        self._names = names
        self._time = time
        self._share = plan.faults
        self._mail = mail
        self._chance = stream(plan.seed, "callbacks", names[0])
        self._calls_back = plan.has("callbacks")
        self._callbacks = SeededRandom(plan.kept(CALLBACK_FAULTS))
        self._answers = SeededRandom(plan.kept(ANSWER_FAULTS))
        self._lately: deque[Payment] = deque(maxlen=_LATELY)

    def taken(self, payment: Payment, now_us: int) -> None:
        """Decide what is called back about a payment, and when."""
        self._lately.append(payment)
        chance = payment.fate.chance
        if not self._calls_back or chance.random() >= _SHARE_CALLED_BACK:
            return
        how = self._how(self._callbacks, chance)
        if how == "callback-lost":
            return
        name = self._names[-1] if how == "callback-elsewhere" else self._names[0]
        ends_us, soon_us = now_us + payment.fate.settles_us, chance.randrange(2 * SECOND)
        at_us = ends_us + soon_us
        if how == "callback-early":
            at_us = now_us + chance.randrange(SECOND)
        elif how == "callback-late":
            at_us = ends_us + chance.randrange(_CALLBACK_LATEST_US)
        elif how == "callback-forged":
            at_us = now_us + chance.randrange(_CALLBACK_LATEST_US)
        letter = CallbackMessage(name, "", how, lambda: self._callback(how, payment, chance))
        for copy in range(3 if how == "callback-repeated" else 1):
            self._mail.post(at_us + copy * chance.randrange(10 * SECOND), letter)

    def answer(self, token: str, about: Shown) -> None:
        """Answer a question to the path that was minted for it."""
        reference, payment = about
        chance = payment.fate.chance if payment else self._chance
        how = self._how(self._answers, chance)
        if how == "answer-lost":
            return
        body, now_us = self._answer(how, reference, payment, chance), self._time.passed_us
        if how == "answer-forged":
            token = f"{chance.getrandbits(128):032x}"
        elif how == "answer-empty":
            self._mail.post(now_us + 20_000, CallbackMessage("", token, how, lambda: b""))
        elif how == "answer-twice" and payment is not None:
            later = CallbackMessage("", token, how, lambda: self._answer_now(reference, payment, chance))
            self._mail.post(now_us + chance.randrange(20 * SECOND, _ANSWER_LATEST_US), later)
        latest_us = _ANSWER_LATEST_US if how == "answer-late" else 20 * SECOND
        at_us = now_us + chance.randrange(20_000, latest_us)
        for copy in range(3 if how == "answer-repeated" else 1):
            self._mail.post(at_us + copy * chance.randrange(10 * SECOND), CallbackMessage("", token, how, lambda: body))

    def _how(self, lot: SeededRandom, chance: random.Random) -> str:
        how = lot.draw(chance) if lot and chance.random() < self._share else "fine"
        self._mail.counts[how] += 1
        return how

    def _callback(self, how: str, payment: Payment, chance: random.Random) -> bytes:
        if how == "callback-garbled":
            return b'{"external": "'
        self.gateway.bank.tick(self._time.passed_us)
        shown: dict[str, Any] = {**self.gateway.shown(payment, chance), "reference": payment.fields["reference"]}
        if how == "callback-forged":
            shown["state"] = _CONTRARY[shown["state"]]
        elif how == "callback-swapped":
            shown["external"] = chance.choice(self._lately).fields["external"]
        return json.dumps(shown).encode()

    def _answer_now(self, reference: str, payment: Payment, chance: random.Random) -> bytes:
        """Write how things stand at the moment when it leaves."""
        self.gateway.bank.tick(self._time.passed_us)
        return self._answer("fine", reference, payment, chance)

    def _answer(self, how: str, reference: str, payment: Payment | None, chance: random.Random) -> bytes:
        """Write what is to be told, as things stand when it is asked."""
        other = chance.choice(self._lately) if self._lately else None
        shown: Mapping[str, Any]
        if how == "answer-garbled":
            return b'{"state": "SUC'
        if how == "answer-swapped" and other is not None and other.fields["reference"] != reference:
            shown = self.gateway.shown(other, chance)
        elif payment is None or how == "answer-404":
            self.gateway.not_found_count[reference] += 1
            shown = {"error": "NOT_FOUND"}
        elif how == "answer-behind":
            shown = {**self.gateway.shown(payment, chance), "state": "PENDING"}
        elif how == "answer-word":
            shown = {**self.gateway.shown(payment, chance), "state": "ON_HOLD"}
        elif how == "answer-forged":
            shown = self.gateway.shown(payment, chance)
            shown = {**shown, "state": _CONTRARY[str(shown["state"])]}
        else:
            shown = self.gateway.state(payment, chance)
            if how == "answer-bare":
                shown = {"state": shown["state"], "why": shown.get("why", "")}
        return json.dumps(shown).encode()
