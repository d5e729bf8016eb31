"""Promises of what is asked beside payments: answered, or said not to be; never guessed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from payments_core.domain.payout import Payee
from payments_core.http.flow import HttpFlow
from payments_core.http.messages import HttpRequest
from payments_core.provider import (
    AccountHolders,
    Balance,
    Balances,
    Capability,
    Consent,
    Diagnoses,
    Finding,
    HolderStatus,
    LookupRefused,
    NameLookup,
    Operator,
    OperatorLookup,
    Person,
    UserInfo,
)
from payments_core.testing.conformance.fixtures import needs
from payments_core.testing.conformance.harness import Harness
from payments_core.testing.conformance.malformed import BODIES, answered
from payments_core.testing.conformance.profile import reply
from payments_core.testing.conformance.status_mapping import StatusMappingPromises

__all__ = ["LookupPromises"]


@dataclass(frozen=True, slots=True)
class _Question:
    """What a capability lets a client ask.

    Args:
        capability: Which.
        kind: What a provider that has it can do.
        of_provider: Asks the provider.
        call: The client's method.
        answer: What each part of an answer is.
        is_about_a_payee: Whether it is asked about somebody.
        scopes: Of a consent.

    """

    capability: Capability
    kind: type
    of_provider: Callable[[Any, Payee], HttpFlow[Any]]
    call: str
    answer: type
    is_about_a_payee: bool = True
    scopes: tuple[str, ...] = ()

    def ask(self, harness: Harness, payee: Payee) -> Any:
        """Ask it of a client."""
        about = (payee,) if self.is_about_a_payee else ()
        named = {"scopes": self.scopes} if self.scopes else {}
        return harness.payer.ask(self.call, harness.account, *about, **named)


_QUESTIONS = (
    _Question(Capability.BALANCES, Balances, lambda one, _: one.balances(), "balances", Balance, False),
    _Question(Capability.DIAGNOSIS, Diagnoses, lambda one, _: one.diagnose(), "diagnose", Finding, False),
    _Question(
        Capability.ACCOUNT_HOLDERS,
        AccountHolders,
        lambda one, payee: one.account_holder(payee),
        "account_holder",
        HolderStatus,
    ),
    _Question(Capability.NAME_LOOKUP, NameLookup, lambda one, payee: one.name(payee), "name", Person),
    _Question(Capability.OPERATOR_LOOKUP, OperatorLookup, lambda one, payee: one.operator(payee), "operator", Operator),
    _Question(
        Capability.USER_INFO,
        UserInfo,
        lambda one, payee: one.ask_consent(payee, ["profile"]),
        "ask_consent",
        Consent,
        scopes=("profile",),
    ),
)
_ASKED = tuple(one.capability for one in _QUESTIONS)
# What reads like an answer, and holds nothing of one.
_ANSWERS: Mapping[str, tuple[int, bytes]] = {
    **{f"HTTP {status}, {name}": (status, body) for status in (200, 503) for name, body in BODIES.items()},
    "HTTP 500 as JSON": (500, b'{"message": "no"}'),
}


class LookupPromises(StatusMappingPromises):
    """Balances, account holders, names, operators, consents, diagnosis: no money moves, and nothing is made up."""

    @needs(*_ASKED)
    def test_a_lookup_is_answered(self, harness: Harness) -> None:
        """Over real sockets, by either client."""
        self.builds_on(
            harness,
            self.test_a_malformed_answer_is_no_lookup_result,
            self.test_a_lookup_moves_no_money,
            self.test_a_lookup_of_a_wrong_payee_is_refused,
        )
        for question in _had(harness):
            found = question.ask(harness, self.payee)
            result = found if isinstance(found, tuple | list) else (found,)
            assert result, f"{question.capability}: nothing was told"
            assert all(isinstance(one, question.answer) for one in result), f"{question.capability}: {result!r}"

    @needs(*_ASKED)
    def test_a_lookup_of_a_wrong_payee_is_refused(self, shared_harness: Harness) -> None:
        """Of a payee of another form there is no answer, whether or not the provider is asked."""
        for question in _had(shared_harness):
            for payee in self.wrong_payees if question.is_about_a_payee else ():
                result = answered(question.of_provider(shared_harness.provider().provider, payee), reply(503))
                assert isinstance(result, question.answer | LookupRefused), (
                    f"{question.capability}: {payee!r}: {result!r}"
                )

    @needs(*_ASKED)
    def test_a_lookup_moves_no_money(self, shared_harness: Harness) -> None:
        """However it is answered."""
        for question in _had(shared_harness):
            for answer in (reply(200, {}), reply(503)):
                asked: list[HttpRequest] = []
                answered(question.of_provider(shared_harness.provider().provider, self.payee), answer, asked)
                assert not [request for request in asked if request.moves_money], f"{question.capability} moves money"

    @needs(*_ASKED)
    def test_a_malformed_answer_is_no_lookup_result(self, shared_harness: Harness) -> None:
        """No balance, no name and no verdict comes of it; that there is no answer is told, and not raised."""
        for question in _had(shared_harness):
            for name, (status, body) in _ANSWERS.items():
                result = answered(
                    question.of_provider(shared_harness.provider().provider, self.payee), reply(status, body)
                )
                assert _says_nothing(question, result), f"{question.capability}: {name}: taken for {result!r}"


def _had(harness: Harness) -> Iterator[_Question]:
    """Yield what is declared, and there."""
    account = harness.provider()
    for question in _QUESTIONS:
        if question.capability in account.spec.capabilities and isinstance(account.provider, question.kind):
            yield question


def _says_nothing(question: _Question, result: object) -> bool:
    """Say whether an answer claims nothing; a finding tells what is wrong, and may."""
    if question.answer is Finding:
        return isinstance(result, tuple | list) and all(isinstance(one, Finding) for one in result)
    nameless = isinstance(result, Person) and not result.full_name
    return isinstance(result, LookupRefused) or result == () or nameless
