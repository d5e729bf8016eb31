"""Promises of callbacks: what arrives from outside changes nothing by itself."""

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
    BalancesLater,
    Callback,
    Callbacks,
    Capability,
    Heard,
    NotTold,
)
from payments_core.testing.conformance.fixtures import needs
from payments_core.testing.conformance.harness import Scene
from payments_core.testing.conformance.malformed import BODIES, answered
from payments_core.testing.conformance.profile import reply
from payments_core.testing.conformance.status_mapping import WordPromises

__all__ = ["CallbackPromises"]

PAID = PayoutStatus.SUCCEEDED
CALLED_BACK = (Capability.CALLBACKS, Capability.DEFERRED_ANSWERS)

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


class CallbackPromises(WordPromises):
    """True, forged, repeated, early, late, lost, another's, malformed: the end is the truth."""

    @needs(*CALLED_BACK)
    @pytest.mark.parametrize("way", WAYS)
    def test_callbacks_never_change_the_truth(self, scene: Scene, way: str) -> None:
        """Paid once, and told so."""
        key = scene.key(way)
        with scene.faults(**WAYS[way]):
            scene.pay(key)
            end = scene.settle(key)
        scene.emulator.advance(1_200)
        scene.hear()
        scene.payer.ask("resume", timeout_s=0)

        assert scene.get(key).status is end.status
        if way == "lost" and self.spec.facts.status_by == "deferred":
            assert end.status in {PAID, PayoutStatus.REVIEW}, end
        else:
            assert end.status is PAID, f"{way}: {end.status}, {end.reason}"
        assert scene.credits(end) == 1

    @needs(*CALLED_BACK)
    def test_a_failure_is_not_talked_into_a_success(self, scene: Scene) -> None:
        """Nor the other way round: what was forged is asked about."""
        self.builds_on(scene, self.test_a_payment_that_is_taken_is_pending)
        assert self.unpayable is not None, "name somebody whose payment fails"
        key = scene.key("forged success")
        with scene.faults(callback_forged=True, callback_contradicts=True):
            scene.pay(key, payee=self.unpayable)
            end = scene.settle(key)

        assert end.status is PayoutStatus.FAILED, end
        assert scene.credits(end) == 0

    @needs(*CALLED_BACK)
    def test_a_callback_finds_its_payment(self, scene: Scene) -> None:
        """And makes the read of it due: not taken for a forged one, nor for somebody else's."""
        self.builds_on(scene, self.test_a_callback_is_acknowledged)
        key = scene.key("found")
        scene.pay(key)
        scene.settle(key)
        scene.hear()

        told = {count.outcome: count.count for count in scene.payer.client.inbox.counts()}
        assert {"read due", "answered"} & set(told), f"what became of them: {told}"

    @needs(*CALLED_BACK)
    def test_a_callback_is_acknowledged(self, scene: Scene) -> None:
        """In the provider's own form, so that it does not come again."""
        before = len(scene.emulator.callbacks())
        key = scene.key("acknowledged")
        scene.pay(key)
        scene.settle(key)

        told = scene.emulator.callbacks()[before:]
        assert told, "the emulator called nobody back: are the callback settings right?"
        assert {row["state"] for row in told} == {"received"}, told

    @needs(Capability.CALLBACKS)
    def test_whatever_arrives_is_parsed_without_an_error(self, desk: Scene) -> None:
        """What makes no sense is about no payment."""
        for callback in _arrivals():
            heard = callbacks_of(desk).parse(callback)
            assert heard is None or isinstance(heard, Heard)

    @needs(Capability.CALLBACKS)
    def test_nothing_without_a_proof_is_called_proven(self, desk: Scene) -> None:
        """Anybody can send anything: without the provider's signature it is a hint, or forged."""
        for callback in _arrivals():
            assert callbacks_of(desk).verify(callback) is not True, "something without a signature was called proven"

    @needs(Capability.CALLBACKS)
    def test_an_altered_callback_is_forged(self, scene: Scene) -> None:
        """Where one is proven: with a digit changed, another's signature or none, it proves nothing and is dropped."""
        self.builds_on(scene, self.test_nothing_without_a_proof_is_called_proven)
        for name in "first", "second":
            scene.pay(scene.key(name))
            scene.settle(scene.key(name))
        provider = callbacks_of(scene)
        proven = [callback for callback in scene.arrived() if provider.verify(callback) is True]
        for callback in proven:
            for what, altered in _altered(callback, proven):
                verdict = provider.verify(altered)
                assert verdict is False, f"a callback with {what} is not forged, but {verdict}"

    @needs(Capability.CALLBACKS)
    def test_every_callback_is_acknowledged_alike(self, desk: Scene) -> None:
        """In the provider's own form, and whatever it says: an answer that depends on it tells a stranger something."""
        answers = [callbacks_of(desk).acknowledge(callback) for callback in _arrivals()]

        assert all(isinstance(answer, Acknowledgement) for answer in answers)
        assert all(answer == answers[0] for answer in answers), "an answer tells a stranger what is known"
        wanted = self.acknowledgement or answers[0]
        assert answers[0] == wanted, f"{answers[0]!r} instead of {wanted!r}"

    @needs(Capability.BALANCES_LATER)
    def test_a_balance_is_asked_for_with_a_path_of_its_own(self, desk: Scene) -> None:
        """The question names it by a slot, and moves no money."""
        asked: list[HttpRequest] = []
        answered(balances_of(desk).ask_balances(), reply(503), asked)

        assert not [request for request in asked if request.moves_money], "asking moves no money"
        token = slot("answer_token")
        named = [request for request in asked if token in request.url or token in (request.body or "")]
        assert len(named) == 1, "one request names where the answer comes to, by slot('answer_token')"

    @needs(Capability.BALANCES_LATER)
    def test_what_makes_no_sense_is_no_balance(self, desk: Scene) -> None:
        """Whatever arrives: nothing is guessed, not even that nothing is held."""
        for callback in _arrivals():
            told = balances_of(desk).read_balances(callback)
            assert told is None or isinstance(told, NotTold), f"{callback.body[:40]!r} was taken for {told!r}"

    @needs(Capability.BALANCES_LATER)
    def test_a_balance_is_told_to_its_path(self, scene: Scene) -> None:
        """Asked and answered over real sockets."""
        self.builds_on(
            scene,
            self.test_a_balance_is_asked_for_with_a_path_of_its_own,
            self.test_what_makes_no_sense_is_no_balance,
        )
        held = scene.payer.ask("balances", scene.account, wait_s=10.0)

        assert held, "the emulator told no balance"
        assert all(isinstance(one, Balance) for one in held)


def balances_of(scene: Scene) -> BalancesLater:
    """Return the part of a provider that tells later what is held."""
    provider = scene.provider().provider
    assert isinstance(provider, BalancesLater)
    return provider


def callbacks_of(scene: Scene) -> Callbacks:
    """Return the part of a provider that hears callbacks."""
    provider = scene.provider().provider
    assert isinstance(provider, Callbacks)
    return provider


def _altered(callback: Callback, others: Iterable[Callback]) -> Iterator[tuple[str, Callback]]:
    """Yield a callback as somebody else might send it: each of its first digits changed, and its signature."""
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
    bodies = (*BODIES.values(), b'{"id": "somebody-elses", "status": "SUCCESSFUL"}')
    return (Callback("POST", {"content-type": "application/json"}, body, datetime.now(UTC)) for body in bodies)
