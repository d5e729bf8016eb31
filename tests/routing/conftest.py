"""What the tests of routing share: accounts of a made-up carrier, routes read from tables, and a choice by them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import pytest

from payments_core.domain.money import Money
from payments_core.domain.payout import Operation, Order, Payee
from payments_core.provider import Account, Operator, ProviderSpec
from payments_core.routing import Choice, Route, choose, read_routes
from payments_core.settings import AccountSettings


@dataclass
class Carrier:
    """A provider that is never paid with."""

    settings: AccountSettings

    def binding(self, operation: Operation) -> Mapping[str, str]:
        return {"operation": operation}

    draft = submit = check = None


class Teller(Carrier):
    """One that can be asked for a payee's operator; the tests answer for it."""

    def operator(self, payee: Payee) -> Any: ...


class AnyCurrency(AccountSettings):
    """An account whose provider alone knows what it pays in."""

    @property
    def currencies(self) -> None:
        return None


class OneOperator(AccountSettings):
    """An account that is set to pay the customers of one operator."""

    @property
    def operators(self) -> frozenset[str]:
        return frozenset({"airtel"})


def account(
    name: str,
    currency: str = "UGX",
    *,
    shows: bool = False,
    kind: type[AccountSettings] = AccountSettings,
    operations: Iterable[Operation] = (Operation.TRANSFER, Operation.DEPOSIT),
    default: Operation | None = None,
) -> Account:
    """Make an account; ``shows`` when its provider can be asked for a payee's operator."""
    more: dict[str, Any] = {"default_operation": default} if default else {}
    settings = kind(provider="carrier", currency=currency, **more)
    build: Any = Teller if shows else Carrier
    spec = ProviderSpec("carrier", "Carrier", kind, build, frozenset(operations))
    return Account(name, spec, settings, build(settings))


ACCOUNTS = {
    one.name: one
    for one in (
        account("mtn-ug"),
        account("airtel-ug"),
        account("safaricom", "KES", operations=[Operation.TRANSFER]),
        account("airtel-ke", "KES"),
        account("broker", "ZMW", shows=True, kind=AnyCurrency),
        account("other-broker", "ZMW", shows=True, kind=AnyCurrency),
        account("airtel-only", "UGX", kind=OneOperator),
        account("deposits", "UGX", default=Operation.DEPOSIT),
        account("refunds", "UGX", operations=[Operation.REFUND]),
    )
}


class Asked(NamedTuple):
    """A choice, and the accounts whose providers were asked on the way."""

    choice: Choice
    asked: tuple[str, ...]


Read: TypeAlias = Callable[..., tuple[Route, ...]]
Choose: TypeAlias = Callable[..., Asked]


def _read(*tables: Mapping[str, Any]) -> tuple[Route, ...]:
    return read_routes(tables, ACCOUNTS)


def _choose(
    routes: Iterable[Route],
    to: str = "+256772123456",
    amount: str = "5000 UGX",
    *,
    says: str = "",
    answers: Mapping[str, str] | None = None,
    operation: Operation | None = Operation.TRANSFER,
    payee: Payee | None = None,
    ask: bool = True,
) -> Asked:
    money = Money(*amount.split())
    is_refund = operation is Operation.REFUND
    order = Order(
        "key",
        payee or Payee.msisdn(to, operator=says),
        money,
        operation or Operation.TRANSFER,
        original_amount=money if is_refund else None,
    )
    choosing = choose(order, tuple(routes), by_default=operation is None, ask=ask)
    asked: list[str] = []
    answer: Operator | None = None
    while True:
        try:
            whom = choosing.send(answer)
        except StopIteration as end:
            return Asked(end.value, tuple(asked))
        asked.append(whom.name)
        key = (answers or {}).get(whom.name)
        answer = None if key is None else Operator("CODE", "", key)


@pytest.fixture
def read() -> Read:
    """Read routes from tables, as they would stand in the configuration."""
    return _read


@pytest.fixture
def choose_by() -> Choose:
    """Choose by routes, with the answers that providers would give, by account."""
    return _choose
