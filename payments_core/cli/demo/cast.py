"""The payees of the demonstration and the faults of their payments, all drawn from one seed."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

__all__ = ["MOST", "Cast", "Person"]

# Documented test payees of MTN's sandbox.
_DELAYED = "46733123454"
_FAILING = ("46733123455", "46733123456", "46733123457", "46733123458")
# Numbers that the Swedish telephone authority reserves for books and films.
_FICTION = ((46701740605, 95), (46313900600, 100), (46406280400, 100), (46846500400, 100), (46980319200, 100))
MOST = 400
_NAMES = (
    "Achieng", "Babirye", "Chipo", "Daudi", "Esi", "Fatou", "Grace", "Habib", "Imani", "Jabari", "Kwame", "Lindiwe",
    "Mosi", "Nakato", "Okello", "Penda", "Rehema", "Sanaa", "Tendai", "Uzoma", "Wanjiru", "Xola", "Yaw", "Zuri",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Person:
    """A payee.

    Args:
        key: The payout's key.
        name: The name in the table.
        number: The complete number.
        amount: Plain decimal text.
        currency: EUR, except in the invalid row.

    """

    key: str
    name: str
    number: str
    amount: str
    currency: str = "EUR"


@dataclass(frozen=True, slots=True)
class Cast:
    """The payees and their faults.

    Args:
        people: In the order of the file.
        twice: The payee with two rows in the file.
        lost_after: The payee whose payment is accepted and its answer lost.
        lost_before: The payee whose request is lost before it is accepted.
        not_taken: The payee whose first request is refused with 503.
        kill_at: The number of accepted payments at which the paying process is killed.

    """

    people: Sequence[Person]
    twice: Person
    lost_after: Sequence[Person]
    lost_before: Person
    not_taken: Person
    kill_at: int

    @classmethod
    def draw(cls, size: int, seed: int) -> Cast:
        """Draw ``size`` payees; the same seed gives the same ones."""
        dice = Random(seed)  # noqa: S311 - a demonstration, not a secret
        numbers = [_DELAYED, *_FAILING]
        fiction = [str(first + step) for first, length in _FICTION for step in range(length)]
        numbers += dice.sample(fiction, size - len(numbers))
        names = [f"{_NAMES[n % len(_NAMES)]} {chr(65 + n // len(_NAMES))}." for n in range(size)]
        amounts = [f"{dice.randint(300, 9999) / 100:.2f}" for _ in range(size)]
        people = [
            Person(f"wages-{seed}/{n + 1:03}", names[n], numbers[n], amounts[n], "UGX" if n == size - 1 else "EUR")
            for n in range(size)
        ]
        lost_after_1, lost_after_2, lost_before, not_taken, twice = dice.sample(people[len(_FAILING) + 1 : -1], 5)
        return cls(
            people=[people[0], *dice.sample(people[1:], size - 1)],  # the delayed one first, so that it is in progress
            twice=twice,
            lost_after=(lost_after_1, lost_after_2),
            lost_before=lost_before,
            not_taken=not_taken,
            kill_at=max(4, size // 2 + dice.randint(-size // 8, size // 8)),
        )

    def trouble(self, person: Person) -> str:
        """Return the fault of a payee's payment."""
        if person in self.lost_after:
            return "answer lost"
        if person is self.lost_before:
            return "request lost"
        if person is self.not_taken:
            return "503 at first"
        if person is self.twice:
            return "two rows"
        return "takes 25 s" if person.number == _DELAYED else ""

    @property
    def faults(self) -> Mapping[str, Any]:
        """The faults of the gateway."""
        return {
            "answer_lost_after_acceptance": [{"payee": one.number, "next": 1} for one in self.lost_after],
            "answer_lost_before_acceptance": {"payee": self.lost_before.number, "next": 1},
            "status_503": {"payee": self.not_taken.number, "next": 1},
            "slow_s": {"value": 0.4},
        }

    def write(self, path: Path) -> None:
        """Write the file of payees, one of them twice."""
        with path.open("w", encoding="utf-8", newline="") as file:
            lines = csv.writer(file)
            lines.writerow(("key", "name", "to", "amount", "currency", "note"))
            lines.writerows(self._lines())

    def _lines(self) -> Iterator[Sequence[str]]:
        for person in (*self.people, self.twice):
            yield person.key, person.name, f"+{person.number}", person.amount, person.currency, "November wages"
