"""What is simulated: everything that one command line says, and nothing else decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

__all__ = [
    "ANSWER_FAULTS",
    "CALLBACK_FAULTS",
    "GROUPS",
    "NAMES",
    "READ_FAULTS",
    "SEND_FAULTS",
    "TOKEN_FAULTS",
    "TRAITS",
    "TROUBLES",
    "Plan",
]

# How a payment goes wrong on the wire, with weights. ``taken`` in a name: the provider carries it out all the same.
SEND_FAULTS: Mapping[str, float] = {
    "send-refused": 4,  # no connection: proven not sent
    "send-lost": 5,
    "send-taken-lost": 8,
    "send-late": 3,  # lost for us, and carried out up to twenty minutes later
    "send-taken-cut": 2,  # the connection ends inside the answer
    "send-taken-garbled": 2,  # a complete answer that holds half of its JSON
    "send-500": 3,
    "send-taken-500": 3,
    "send-504": 2,
    "send-taken-504": 2,
    "send-503": 3,  # with a word that proves it was not taken
    "send-429": 4,
    "send-401": 2,
    "send-403": 0.2,
    "send-400": 2,  # refused for good, whatever an earlier try did
    "send-twice": 2,  # a proxy delivers it twice; the second answer, a duplicate, is the one we get
}

# How a question about a payment goes wrong.
READ_FAULTS: Mapping[str, float] = {
    "read-refused": 2,
    "read-lost": 5,
    "read-cut": 2,
    "read-garbled": 2,
    "read-500": 3,
    "read-503": 3,
    "read-429": 3,
    "read-401": 1.5,
    "read-403": 0.5,
    "read-word": 3,  # a state nobody has heard of
    "read-404": 5,  # not found although it is there
    "read-page": 1,  # not found, says a proxy
    "read-behind": 4,  # pending although it is over
}

TOKEN_FAULTS: Mapping[str, float] = {"token-refused": 2, "token-lost": 3, "token-500": 3, "token-401": 0.5}

# How what the provider calls back without being asked goes wrong; ``forged`` and ``swapped`` come from anybody.
CALLBACK_FAULTS: Mapping[str, float] = {
    "callback-lost": 3,
    "callback-early": 4,  # before the send has its answer
    "callback-late": 3,  # up to a day after the end
    "callback-repeated": 3,
    "callback-garbled": 1,
    "callback-forged": 5,  # says the contrary, at any moment
    "callback-swapped": 2,  # names another payout
    "callback-elsewhere": 2,  # to the path of another account
}

# How the answer to a question that is answered later goes wrong.
ANSWER_FAULTS: Mapping[str, float] = {
    "answer-lost": 4,
    "answer-late": 4,  # it tells how things stood up to three hours ago
    "answer-repeated": 4,
    "answer-empty": 3,  # nothing at all, and then the answer
    "answer-twice": 4,  # as things stand, and up to three hours later as they stand then
    "answer-garbled": 1,
    "answer-forged": 3,  # to a path that somebody guessed
    "answer-swapped": 4,  # about another payout
    "answer-bare": 2,  # without saying of which payment
    "answer-404": 3,  # not found although it is there
    "answer-behind": 3,  # pending although it is over
    "answer-word": 2,
}

# What befalls us between two steps.
TROUBLES: Mapping[str, float] = {
    "kill": 8,  # a process dies between two commands
    "kill-inside": 8,  # ... or when a command has taken effect and nobody has seen it
    "power-cut": 1,
    "freeze": 6,
    "clock": 4,
    "pause": 1,
    "ask": 16,  # somebody asks about a payout, whatever its state
    "resend": 6,  # the application sends a key again, perhaps while the first is still under way
    "other-intent": 1,  # ... or by mistake with another amount
    "reissue": 3,  # a person wants a payout paid again, mostly one that failed
    "resolve": 2,  # ... says what became of one, mostly one in REVIEW; now and then by mistake that it was not paid
    "reopen": 2,  # ... gives one back to the machine
    "approve": 3,  # ... lets one be sent
    "cancel": 3,  # ... cancels one that was accepted by mistake, mostly one that waits to be sent
    "identity": 1,  # an account pays as somebody else from now on, and reads as before what it has sent
    "identity-gone": 0.6,  # ... and nobody can read any more what it has sent
}

# What may be true of a whole simulation.
TRAITS: tuple[str, ...] = (
    "guards",
    "outages",
    "refunds",
    "windows",
    "late-failures",
    "turned-failures",  # the provider says that it failed, within the time that it names for it pays all the same
    "reversals",
    "slow",
    "amounts",
    "approvals",  # large payouts wait for somebody's leave
    "permits",  # now and then it is not our turn to ask or to send
    "callbacks",
    "deferred",  # some providers answer questions only later
    "async",  # every third worker is one on an event loop
    "limits",  # of every fourth simulation: no account pays in a day all that is asked of it
    "batches",  # of every fourth simulation: a third of the payouts are rows of batches, which people stop
    "failover",  # what is paid again may be paid from the other account
)

GROUPS: tuple[tuple[str, ...], ...] = (
    TRAITS,
    tuple(TOKEN_FAULTS),
    tuple(CALLBACK_FAULTS),
    tuple(ANSWER_FAULTS),
    tuple(READ_FAULTS),
    tuple(SEND_FAULTS),
    tuple(TROUBLES),
)
NAMES: tuple[str, ...] = tuple(name for group in GROUPS for name in group)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One simulation; two runs of one plan take the same steps.

    Args:
        seed: Decides everything that is left to chance.
        payouts: How many keys the application sends.
        workers: Processes that work on the journal, beside the application's own.
        hands: Payouts that one process works on at once.
        faults: The share of the provider's answers that go wrong, 0 to 1.
        trouble: The share of steps before which something befalls us, 0 to 1.
        without: What does not happen, by its name in this module.

    """

    seed: int = 1
    payouts: int = 500
    workers: int = 3
    hands: int = 2
    faults: float = 0.4
    trouble: float = 0.008
    without: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        """Refuse what cannot be simulated."""
        if unknown := sorted(self.without.difference(NAMES)):
            raise ValueError(f"There is no {', '.join(unknown)}; there are: {', '.join(NAMES)}.")
        if min(self.payouts, self.workers, self.hands) < 1 or not (0 <= self.faults <= 1 and 0 <= self.trouble <= 1):
            raise ValueError("payouts, workers and hands are at least 1; faults and trouble are shares from 0 to 1.")

    @property
    def command(self) -> str:
        """The one command that plays it again."""
        words = ["PYTHONPATH=tests/support python -m payout_simulation", f"--seed {self.seed}"]
        plain: Mapping[str, Any] = {field.name: field.default for field in fields(Plan)}
        figures = ("payouts", "workers", "hands", "faults", "trouble")
        words += [f"--{name} {getattr(self, name):g}" for name in figures if getattr(self, name) != plain[name]]
        if 2 * len(self.without) > len(NAMES):
            words.append(f"--only {','.join(name for name in NAMES if self.has(name)) or 'nothing'}")
        elif self.without:
            words.append(f"--without {','.join(sorted(self.without))}")
        return " ".join(words)

    def has(self, name: str) -> bool:
        """Say whether a fault, trouble or trait may happen."""
        return name not in self.without

    def kept(self, weights: Mapping[str, float]) -> dict[str, float]:
        """Return those of a table that may happen."""
        return {name: weight for name, weight in weights.items() if name not in self.without}
