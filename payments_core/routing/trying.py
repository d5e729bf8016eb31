"""Whether one route takes an order: yes, no, or not known, with the reasons in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from payments_core.domain.payout import Operation, Order
from payments_core.routing.payees import PayeeFacts, Source
from payments_core.routing.routes import Route

__all__ = ["Tried", "Verdict", "attempt"]


class Verdict(StrEnum):
    """What became of a route."""

    MATCHES = "matches"
    NO = "no"
    NOT_KNOWN = "not_known"


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of one route, and why.

    Args:
        route: The route.
        verdict: Whether it takes the order.
        why: What decided, in words; what is not met or not known alone, where there is such.

    """

    route: Route
    verdict: Verdict
    why: tuple[str, ...]

    def __str__(self) -> str:
        """``route 1 (uganda): currency is KES, not UGX``."""
        return f"route {self.route.number} ({self.route.account.name}): {'; '.join(self.why)}"


def attempt(route: Route, order: Order, payee: PayeeFacts, *, by_default: bool) -> Tried:
    """Try one route: pure.

    Args:
        route: The route.
        order: What is to be paid.
        payee: What is known of the payee.
        by_default: The caller named no operation: the account's own is meant.

    """
    operation = route.account.settings.default_operation if by_default else order.operation
    met = [*_own(route, order, operation), *_country(route, payee), *_operator(route, payee)]
    verdicts = {verdict for verdict, _ in met}
    verdict = next((one for one in (Verdict.NO, Verdict.NOT_KNOWN) if one in verdicts), Verdict.MATCHES)
    return Tried(route, verdict, tuple(reason for one, reason in met if one is verdict) or ("takes everything",))


def _own(route: Route, order: Order, operation: Operation) -> Iterator[tuple[Verdict, str]]:
    """Yield the verdicts on the order itself: never unknown."""
    asked, amount = route.settings, order.amount
    if route.currencies is not None and amount.currency not in route.currencies:
        yield Verdict.NO, f"currency is {amount.currency}, not {' or '.join(sorted(route.currencies))}"
        return  # amounts of two currencies are not to be compared
    if asked.currency:
        yield Verdict.MATCHES, f"currency is {amount.currency}"
    if operation not in route.operations:
        yield Verdict.NO, f"operation is {operation}, not {' or '.join(sorted(route.operations))}"
    elif asked.operation:
        yield Verdict.MATCHES, f"operation is {operation}"
    if asked.min_amount is not None:
        is_met = amount.amount >= asked.min_amount
        yield (
            (Verdict.MATCHES, f"amount is at least {asked.min_amount:f}")
            if is_met
            else (Verdict.NO, f"amount is below {asked.min_amount:f}")
        )
    if asked.max_amount is not None:
        is_met = amount.amount <= asked.max_amount
        yield (
            (Verdict.MATCHES, f"amount is at most {asked.max_amount:f}")
            if is_met
            else (Verdict.NO, f"amount is above {asked.max_amount:f}")
        )


def _country(route: Route, payee: PayeeFacts) -> Iterator[tuple[Verdict, str]]:
    wanted = route.settings.country
    if not wanted:
        return
    if not payee.country:
        yield Verdict.NOT_KNOWN, "country is not known"
    elif payee.country in wanted:
        yield Verdict.MATCHES, f"country is {payee.country}"
    else:
        yield Verdict.NO, f"country is {payee.country}, not {' or '.join(sorted(wanted))}"


def _operator(route: Route, payee: PayeeFacts) -> Iterator[tuple[Verdict, str]]:
    wanted = route.settings.operator
    if not wanted:
        return
    listed, source = " or ".join(sorted(wanted)), _source(payee)
    if not payee.operator:
        yield Verdict.NOT_KNOWN, f"operator is not known, wanted is {listed}"
    elif payee.source is Source.PREFIX and not _takes_hint(route, payee):
        may = "numbers may change operators there" if payee.is_portable else 'operator_hint is "refuse"'
        yield (
            Verdict.NOT_KNOWN,
            f"operator is not known, wanted is {listed}: the prefix hints at {payee.operator}, but {may}",
        )
    elif payee.operator in wanted:
        yield Verdict.MATCHES, f"operator is {payee.operator} ({source})"
    else:
        yield Verdict.NO, f"operator is {payee.operator} ({source}), not {listed}"


def _takes_hint(route: Route, payee: PayeeFacts) -> bool:
    policy = route.settings.operator_hint
    return policy == "accept" or (policy == "unless_portable" and not payee.is_portable)


def _source(payee: PayeeFacts) -> str:
    return {
        Source.CALLER: "as the caller says",
        Source.PROVIDER: f"from the provider of {payee.asked}",
        Source.PREFIX: "by the prefix",
        Source.NONE: "source unknown",
    }[payee.source]
