"""The payees of the demonstration and the faults of their payments, all drawn from one seed."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

__all__ = ["Cast", "Person"]

# Documented test payees of MTN's sandbox.
_DELAYED = "46733123454"
_FAILING = ("46733123455", "46733123456", "46733123457", "46733123458")
# Numbers that the Swedish telephone authority reserves for books and films.
_FICTION = ((46701740605, 95), (46313900600, 100), (46406280400, 100), (46846500400, 100), (46980319200, 100))
_NAMES = (
    "Achieng", "Amina", "Babirye", "Chipo", "Daudi", "Esi", "Fatou", "Grace", "Habib", "Imani", "Jabari", "Kwame",
    "Lindiwe", "Mosi", "Nakato", "Okello", "Penda", "Rehema", "Sanaa", "Tendai", "Uzoma", "Wanjiru", "Xola", "Yaw",
    "Zuri",
)  # fmt: skip
_SIZE = len(_NAMES)
_TROUBLES = ("answer lost", "answer lost", "request lost", "503 at first", "two rows")


class Person(NamedTuple):
    """A payee, and what happens to the payment."""

    key: str
    name: str
    number: str
    amount: str
    currency: str
    trouble: str


class Cast(NamedTuple):
    """The payees in the order of the file, and how many payments are accepted before the paying process is killed."""

    people: Sequence[Person]
    kill_at: int

    @classmethod
    def draw(cls, seed: int) -> Cast:
        """Draw the payees; the same seed gives the same ones."""
        dice = Random(seed)  # noqa: S311 - a demonstration, not a secret
        fiction = [str(first + step) for first, length in _FICTION for step in range(length)]
        numbers = [_DELAYED, *_FAILING, *dice.sample(fiction, _SIZE - len(_FAILING) - 1)]
        amounts = [f"{dice.randint(300, 9999) / 100:.2f}" for _ in range(_SIZE)]
        troubles = {0: "takes 25 s"}
        troubles |= zip(dice.sample(range(len(_FAILING) + 1, _SIZE - 1), len(_TROUBLES)), _TROUBLES, strict=True)
        people = [
            Person(
                key=f"wages-{seed}/{n + 1:03}",
                name=_NAMES[n],
                number=numbers[n],
                amount=amounts[n],
                currency="UGX" if n == _SIZE - 1 else "EUR",  # the last one is not paid here
                trouble=troubles.get(n, ""),
            )
            for n in range(_SIZE)
        ]
        # The delayed one comes first, so that it is in progress.
        people = [people[0], *dice.sample(people[1:], _SIZE - 1)]
        return cls(people, _SIZE // 2 + dice.randint(-4, 3))

    @property
    def faults(self) -> Mapping[str, Any]:
        """The faults of the gateway."""

        def once(trouble: str) -> list[dict[str, Any]]:
            return [{"payee": one.number, "next": 1} for one in self.people if one.trouble == trouble]

        return {
            "answer_lost_after_acceptance": once("answer lost"),
            "answer_lost_before_acceptance": once("request lost"),
            "status_503": once("503 at first"),
            "slow_s": {"value": 0.4},
        }

    def write(self, path: Path) -> None:
        """Write the file of payees, one of them twice."""
        twice = [one for one in self.people if one.trouble == "two rows"]
        with path.open("w", encoding="utf-8", newline="") as file:
            lines = csv.writer(file)
            lines.writerow(("key", "name", "to", "amount", "currency", "note"))
            for one in (*self.people, *twice):
                lines.writerow((one.key, one.name, f"+{one.number}", one.amount, one.currency, "November wages"))
