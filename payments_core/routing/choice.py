"""The choice of an account by the routes, and its explanation."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from payments_core.domain.errors import NoRoute
from payments_core.domain.payout import Order
from payments_core.provider import Account, Capability, Operator
from payments_core.routing.payees import PayeeFacts, Source
from payments_core.routing.routes import Route
from payments_core.routing.trying import Tried, Verdict, attempt

__all__ = ["Choice", "Choosing", "choose"]


@dataclass(frozen=True, slots=True)
class Choice:
    """The account to pay from, or why there is none.

    Args:
        account: Its name; empty when none can be chosen.
        by: What chose: the caller, a plugin, a route, or the configuration; ``only_account`` where there is no other.
        route: The number of the route that was taken.
        tried: What became of each route, in their order.
        payee: What was known of the payee.
        why: In one sentence.
        hint: What to do next, when none was chosen.
        unasked: Accounts whose provider would have been asked for the payee's operator, and was not.

    """

    account: str = ""
    by: Literal["caller", "plugin", "route", "default", "only_account", ""] = ""
    route: int | None = None
    tried: tuple[Tried, ...] = ()
    payee: PayeeFacts = field(default_factory=PayeeFacts)
    why: str = ""
    hint: str = ""
    unasked: tuple[str, ...] = ()

    def refusal(self) -> NoRoute:
        """Return the error that says why none was chosen."""
        return NoRoute(self.why, hint=self.hint)


# Yields the account whose provider is to be asked for the payee's operator, takes the answer or None, ends in a choice.
Choosing: TypeAlias = Generator[Account, Operator | None, Choice]


def choose(order: Order, routes: Sequence[Route], *, by_default: bool, ask: bool) -> Choosing:
    """Choose by the routes: the first one that takes the order, if that depends on nothing unknown.

    The operator is asked for only when the choice depends on it: first what the caller gave, then the providers of the
    accounts in question, one after the other, then the number's prefix as far as a route allows.

    Args:
        order: What is to be paid.
        routes: In their order; at least one.
        by_default: The caller named no operation: each account's own is meant.
        ask: Whether providers may be asked.

    """
    payee, unasked = PayeeFacts.of(order.payee, routes), []
    tried = _try(routes, order, payee, by_default=by_default)
    if payee.can_be_asked and _depends_on_operator(_possible(tried)):
        for account in _askable(_possible(tried)):
            if not ask:
                unasked.append(account.name)
                continue
            payee = payee.with_answer((yield account), account.name)
            if payee.source is Source.PROVIDER:
                break
        payee = payee.with_hint()
        tried = _try(routes, order, payee, by_default=by_default)
    return _judged(tried, payee, tuple(unasked))


def _try(routes: Sequence[Route], order: Order, payee: PayeeFacts, *, by_default: bool) -> tuple[Tried, ...]:
    return tuple(attempt(route, order, payee, by_default=by_default) for route in routes)


def _possible(tried: Sequence[Tried]) -> list[Tried]:
    """Return the routes that may be the first one to match, up to one that surely does."""
    found: list[Tried] = []
    for one in tried:
        if one.verdict is not Verdict.NO:
            found.append(one)
        if one.verdict is Verdict.MATCHES:
            break
    return found


def _is_settled(possible: Sequence[Tried]) -> bool:
    """Whether the choice is the same, whatever the unknown turns out to be."""
    if not possible:
        return True
    return possible[-1].verdict is Verdict.MATCHES and len({one.route.account for one in possible}) == 1


def _depends_on_operator(possible: Sequence[Tried]) -> bool:
    needs_operator = any(one.route.settings.operator for one in possible if one.verdict is Verdict.NOT_KNOWN)
    return needs_operator and not _is_settled(possible)


def _askable(possible: Sequence[Tried]) -> list[Account]:
    accounts = dict.fromkeys(one.route.account for one in possible)
    return [account for account in accounts if Capability.OPERATOR_LOOKUP in account.capabilities]


def _judged(tried: tuple[Tried, ...], payee: PayeeFacts, unasked: tuple[str, ...]) -> Choice:
    possible = _possible(tried)
    if not possible:
        return Choice(
            tried=tried,
            payee=payee,
            why=f"No route takes this payout: {_describe(tried)}.",
            hint="Name the account to pay from, or add a route to the configuration.",
        )
    if _is_settled(possible):
        taken = possible[-1]
        why = f"{taken}."
        if len(possible) > 1:
            why = f"{why} Earlier routes that are not known to match lead to the same account."
        return Choice(taken.route.account.name, "route", taken.route.number, tried, payee, why, unasked=unasked)
    return Choice(
        tried=tried,
        payee=payee,
        why=f"Which account pays hangs on what is not known: {_describe(possible)}.",
        hint=_advice(payee),
        unasked=unasked,
    )


def _describe(tried: Sequence[Tried]) -> str:
    return "; ".join(f"{one} ({one.verdict})" if one.verdict is Verdict.MATCHES else str(one) for one in tried)


def _advice(payee: PayeeFacts) -> str:
    if not payee.is_number:
        return "Name the account to pay from: only a telephone number tells its country and operator."
    if payee.source is Source.CALLER and not payee.operator:
        return (
            "The operator that the payee's details name is none of ours: use one of those at the end of "
            "the page reference/settings of the documentation, or name the account."
        )
    if payee.source is Source.PREFIX:
        return (
            'Name the account to pay from, or the payee\'s operator (--operator, or details={"operator": …}); or let '
            'the route go by the prefix: operator_hint = "accept".'
        )
    return 'Name the account to pay from, or the payee\'s operator (--operator, or details={"operator": …}).'
