"""Promises of lookups beside payments: an answer or a refusal, never a guess."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from payments_core.domain.payout import Payee
from payments_core.http.flow import HttpFlow
from payments_core.http.messages import HttpRequest
from payments_core.provider import (
    Balance,
    Capability,
    Consent,
    Finding,
    HolderStatus,
    LookupRefused,
    Operator,
    Person,
)
from payments_core.testing.conformance.fixtures import needs
from payments_core.testing.conformance.harness import Harness
from payments_core.testing.conformance.malformed import BODIES, answered
from payments_core.testing.conformance.profile import reply
from payments_core.testing.conformance.status_mapping import StatusMappingPromises

__all__ = ["LookupPromises"]


@dataclass(frozen=True, slots=True)
class _Lookup:
    """A lookup that a capability allows.

    Args:
        capability: The capability.
        of_provider: Returns the provider's flow.
        call: The client's method.
        answer: The type of each result.
        is_about_a_payee: Whether it takes a payee.
        scopes: The scopes of a consent.

    """

    capability: Capability
    of_provider: Callable[[Any, Payee], HttpFlow[Any]]
    call: str
    answer: type
    is_about_a_payee: bool = True
    scopes: tuple[str, ...] = ()

    def ask(self, harness: Harness, payee: Payee) -> Any:
        """Call the client's method."""
        about = (payee,) if self.is_about_a_payee else ()
        named = {"scopes": self.scopes} if self.scopes else {}
        return harness.payer.ask(self.call, harness.account, *about, **named)


_LOOKUPS = (
    _Lookup(Capability.BALANCES, lambda one, _: one.balances(), "balances", Balance, False),
    _Lookup(Capability.DIAGNOSIS, lambda one, _: one.diagnose(), "diagnose", Finding, False),
    _Lookup(
        Capability.ACCOUNT_HOLDERS,
        lambda one, payee: one.account_holder(payee),
        "account_holder",
        HolderStatus,
    ),
    _Lookup(Capability.NAME_LOOKUP, lambda one, payee: one.name(payee), "name", Person),
    _Lookup(Capability.OPERATOR_LOOKUP, lambda one, payee: one.operator(payee), "operator", Operator),
    _Lookup(
        Capability.USER_INFO,
        lambda one, payee: one.ask_consent(payee, ["profile"]),
        "ask_consent",
        Consent,
        scopes=("profile",),
    ),
)
_ASKED = tuple(one.capability for one in _LOOKUPS)
# Answers without a usable result.
_ANSWERS: Mapping[str, tuple[int, bytes]] = {
    **{f"HTTP {status}, {name}": (status, body) for status in (200, 503) for name, body in BODIES.items()},
    "HTTP 500 as JSON": (500, b'{"message": "no"}'),
}


class LookupPromises(StatusMappingPromises):
    """Balances, account holders, names, operators, consents, diagnosis: no money moves, nothing is invented."""

    @needs(*_ASKED)
    def test_a_lookup_is_answered(self, harness: Harness) -> None:
        """Every lookup returns its result, over real sockets, by either client."""
        self.builds_on(
            harness,
            self.test_a_malformed_answer_is_no_lookup_result,
            self.test_a_lookup_moves_no_money,
            self.test_a_lookup_of_a_wrong_payee_is_refused,
        )
        for lookup in _had(harness):
            found = lookup.ask(harness, self.payee)
            result = found if isinstance(found, tuple | list) else (found,)
            assert result, f"{lookup.capability}: no result"
            assert all(isinstance(one, lookup.answer) for one in result), f"{lookup.capability}: {result!r}"

    @needs(*_ASKED)
    def test_a_lookup_of_a_wrong_payee_is_refused(self, shared_harness: Harness) -> None:
        """A payee in another form gives a refusal, not an exception."""
        for lookup in _had(shared_harness):
            for payee in self.wrong_payees if lookup.is_about_a_payee else ():
                result = answered(lookup.of_provider(shared_harness.provider().provider, payee), reply(503))
                assert isinstance(result, lookup.answer | LookupRefused), f"{lookup.capability}: {payee!r}: {result!r}"

    @needs(*_ASKED)
    def test_a_lookup_moves_no_money(self, shared_harness: Harness) -> None:
        """With any answer: no request of a lookup is marked as money."""
        for lookup in _had(shared_harness):
            for answer in (reply(200, {}), reply(503)):
                asked: list[HttpRequest] = []
                answered(lookup.of_provider(shared_harness.provider().provider, self.payee), answer, asked)
                assert not [request for request in asked if request.moves_money], f"{lookup.capability} moves money"

    @needs(*_ASKED)
    def test_a_malformed_answer_is_no_lookup_result(self, shared_harness: Harness) -> None:
        """It gives a refusal: no balance, no name, no verdict, and no exception."""
        for lookup in _had(shared_harness):
            for name, (status, body) in _ANSWERS.items():
                result = answered(
                    lookup.of_provider(shared_harness.provider().provider, self.payee), reply(status, body)
                )
                assert _says_nothing(lookup, result), f"{lookup.capability}: {name}: taken for {result!r}"


def _had(harness: Harness) -> Iterator[_Lookup]:
    """Yield the lookups that the account has."""
    return (lookup for lookup in _LOOKUPS if lookup.capability in harness.provider().capabilities)


def _says_nothing(lookup: _Lookup, result: object) -> bool:
    """Whether a result claims nothing; a finding may report what is wrong."""
    if lookup.answer is Finding:
        return isinstance(result, tuple | list) and all(isinstance(one, Finding) for one in result)
    nameless = isinstance(result, Person) and not result.full_name
    return isinstance(result, LookupRefused) or result == () or nameless
