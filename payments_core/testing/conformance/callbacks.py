"""Promises of callbacks: a callback alone changes no payout."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from payments_core.domain.payout import PayoutStatus
from payments_core.http.messages import HttpRequest, slot
from payments_core.provider import (
    Acknowledgement,
    Balance,
    BalanceResultCallbacks,
    Callback,
    Callbacks,
    Capability,
    LookupRefused,
    ParsedCallback,
)
from payments_core.testing.conformance.fixtures import needs
from payments_core.testing.conformance.harness import Harness
from payments_core.testing.conformance.malformed import BODIES, answered
from payments_core.testing.conformance.profile import reply
from payments_core.testing.conformance.status_mapping import StatusMappingPromises

__all__ = ["CallbackPromises"]

PAID = PayoutStatus.SUCCEEDED
CALLED_BACK = (Capability.CALLBACKS, Capability.RESULT_CALLBACKS)

WAYS: Mapping[str, Mapping[str, Any]] = {
    "true": {},
    "repeated": {"callback_repeated": {"value": 3}},
    "late": {"callback_late_s": {"value": 600}},
    "early": {"callback_early": True},
    "forged": {"callback_forged": True},
    "for another": {"callback_for_another": True},
    "contradicting": {"callback_contradicts": True},
    "lost": {"callback_lost": True},
    **{f"malformed: {kind}": {"callback_malformed": {"kind": kind}} for kind in ("cut", "html", "type")},
    "huge": {"callback_malformed": {"kind": "huge", "value": 2}},
}


class CallbackPromises(StatusMappingPromises):
    """True, forged, repeated, early, late, lost, foreign and malformed callbacks leave the true result."""

    @needs(*CALLED_BACK)
    @pytest.mark.parametrize("way", WAYS)
    def test_callbacks_do_not_change_the_final_status(self, harness: Harness, way: str) -> None:
        """Whatever arrives, the payout is paid once and ends with the provider's own status."""
        key = harness.key(way)
        with harness.faults(**WAYS[way]):
            harness.pay(key)
            end = harness.settle(key)
        harness.emulator.advance(1_200)
        harness.handle_callbacks()
        harness.payer.ask("resume", timeout_s=0)

        assert harness.get(key).status is end.status
        if way == "lost" and self.spec.facts.status_by == "result_callback":
            assert end.status in {PAID, PayoutStatus.REVIEW}, end
        else:
            assert end.status is PAID, f"{way}: {end.status}, {end.reason}"
        assert harness.credits(end) == 1

    @needs(*CALLED_BACK)
    def test_a_forged_callback_does_not_undo_a_failure(self, harness: Harness) -> None:
        """A callback that reports success makes a check due; the check still finds the failure."""
        self.builds_on(harness, self.test_an_accepted_payment_is_pending)
        assert self.unpayable is not None, "set unpayable: a payee whose payment fails"
        key = harness.key("forged success")
        with harness.faults(callback_forged=True, callback_contradicts=True):
            harness.pay(key, payee=self.unpayable)
            end = harness.settle(key)

        assert end.status is PayoutStatus.FAILED, end
        assert harness.credits(end) == 0

    @needs(*CALLED_BACK)
    def test_a_callback_finds_its_payment(self, harness: Harness) -> None:
        """It makes that payment's next check due: it counts neither as forged nor as another payment's."""
        self.builds_on(harness, self.test_a_callback_is_acknowledged)
        key = harness.key("found")
        harness.pay(key)
        harness.settle(key)
        harness.handle_callbacks()

        counts = {count.outcome: count.count for count in harness.payer.client.inbox.counts()}
        assert {"read due", "answered"} & set(counts), f"outcomes of the callbacks: {counts}"

    @needs(*CALLED_BACK)
    def test_a_callback_is_acknowledged(self, harness: Harness) -> None:
        """The acknowledgement has the provider's form, so the provider does not repeat the callback."""
        before = len(harness.emulator.callbacks())
        key = harness.key("acknowledged")
        harness.pay(key)
        harness.settle(key)

        sent = harness.emulator.callbacks()[before:]
        assert sent, "the emulator sent no callback: check callback_settings"
        assert {row["state"] for row in sent} == {"received"}, sent

    @needs(Capability.CALLBACKS)
    def test_any_callback_is_parsed_without_an_error(self, shared_harness: Harness) -> None:
        """A malformed body returns None or a callback without a payment, never an exception."""
        for callback in _arrivals():
            parsed = callbacks_of(shared_harness).parse(callback)
            assert parsed is None or isinstance(parsed, ParsedCallback)

    @needs(Capability.CALLBACKS)
    def test_an_unsigned_callback_is_not_verified(self, shared_harness: Harness) -> None:
        """Without the provider's signature a callback is a hint (None) or forged (False), never verified (True)."""
        for callback in _arrivals():
            assert callbacks_of(shared_harness).verify(callback) is not True, (
                "a callback without a signature was verified"
            )

    @needs(Capability.CALLBACKS)
    def test_an_altered_callback_is_forged(self, harness: Harness) -> None:
        """Where callbacks are signed: a changed digit, another signature or none makes verify return False."""
        self.builds_on(harness, self.test_an_unsigned_callback_is_not_verified)
        for name in "first", "second":
            harness.pay(harness.key(name))
            harness.settle(harness.key(name))
        provider = callbacks_of(harness)
        proven = [callback for callback in harness.arrived() if provider.verify(callback) is True]
        for callback in proven:
            for what, altered in _altered(callback, proven):
                verdict = provider.verify(altered)
                assert verdict is False, f"verify returned {verdict} instead of False for a callback with {what}"

    @needs(Capability.CALLBACKS)
    def test_every_callback_is_acknowledged_alike(self, shared_harness: Harness) -> None:
        """The acknowledgement does not depend on the content: a difference would leak what is known."""
        answers = [callbacks_of(shared_harness).acknowledge(callback) for callback in _arrivals()]

        assert all(isinstance(answer, Acknowledgement) for answer in answers)
        assert all(answer == answers[0] for answer in answers), "the acknowledgement depends on the content"
        wanted = self.acknowledgement or answers[0]
        assert answers[0] == wanted, f"{answers[0]!r} instead of {wanted!r}"

    @needs(Capability.BALANCE_RESULT_CALLBACKS)
    def test_a_balance_is_asked_for_with_a_path_of_its_own(self, shared_harness: Harness) -> None:
        """The query names it by ``slot('answer_token')`` and moves no money."""
        asked: list[HttpRequest] = []
        answered(balances_of(shared_harness).query_balances(), reply(503), asked)

        assert not [request for request in asked if request.moves_money], "a balance query moves money"
        token = slot("answer_token")
        named = [request for request in asked if token in request.url or token in (request.body or "")]
        assert len(named) == 1, "one request must name the result's path by slot('answer_token')"

    @needs(Capability.BALANCE_RESULT_CALLBACKS)
    def test_a_malformed_callback_is_no_balance(self, shared_harness: Harness) -> None:
        """Whatever arrives: nothing is guessed, not even that nothing is held."""
        for callback in _arrivals():
            balances = balances_of(shared_harness).read_balances(callback)
            assert balances is None or isinstance(balances, LookupRefused), (
                f"{callback.body[:40]!r} was taken for {balances!r}"
            )

    @needs(Capability.BALANCE_RESULT_CALLBACKS)
    def test_a_balance_arrives_at_its_path(self, harness: Harness) -> None:
        """Asked and answered over real sockets."""
        self.builds_on(
            harness,
            self.test_a_balance_is_asked_for_with_a_path_of_its_own,
            self.test_a_malformed_callback_is_no_balance,
        )
        held = harness.payer.ask("balances", harness.account, wait_s=10.0)

        assert held, "the emulator sent no balance"
        assert all(isinstance(one, Balance) for one in held)


def balances_of(harness: Harness) -> BalanceResultCallbacks:
    """Return the provider as one that sends balances by callback."""
    provider = harness.provider().provider
    assert isinstance(provider, BalanceResultCallbacks)
    return provider


def callbacks_of(harness: Harness) -> Callbacks:
    """Return the provider as one that receives callbacks."""
    provider = harness.provider().provider
    assert isinstance(provider, Callbacks)
    return provider


def _altered(callback: Callback, others: Iterable[Callback]) -> Iterator[tuple[str, Callback]]:
    """Yield forged copies of a callback: with a changed digit, another signature, and none."""
    body = callback.body
    digits = [at for at in range(len(body)) if body[at : at + 1].isdigit()]
    for at in digits[:_MOST_DIGITS]:
        digit = b"1" if body[at : at + 1] != b"1" else b"2"
        yield f"digit {at} changed", replace(callback, body=body[:at] + digit + body[at + 1 :])
    for other in others:
        if other.body != body:
            yield "the signature of another", replace(other, body=body)
    bare = {name: value for name, value in callback.headers.items() if name in {"content-type", "content-length"}}
    yield "no signature", replace(callback, headers=bare)


_MOST_DIGITS = 100


def _arrivals() -> Iterator[Callback]:
    bodies = (*BODIES.values(), b'{"id": "another-payment", "status": "SUCCESSFUL"}')
    return (Callback("POST", {"content-type": "application/json"}, body, datetime.now(UTC)) for body in bodies)
