"""Promises of payments that go wrong, over real sockets, through both clients."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from functools import partial
from typing import Any

import pytest

from payments_core.domain.payout import Payout, PayoutStatus
from payments_core.provider import Capability
from payments_core.testing.conformance.drafts import DraftPromises
from payments_core.testing.conformance.fixtures import needs
from payments_core.testing.conformance.harness import Scene
from payments_core.testing.conformance.status_mapping import WordPromises

__all__ = ["PaymentPromises"]

PAID, REVIEW = PayoutStatus.SUCCEEDED, PayoutStatus.REVIEW
AT_ONCE = int(os.environ.get("PAYMENTS_CONFORMANCE_MANY", "50"))

# What may go wrong with a payment's answer, and how often; afterwards everything is well again.
TROUBLES: Mapping[str, Mapping[str, Any]] = {
    "accepted, answer lost": {"answer_lost_after_acceptance": {"next": 1, "on": "post"}},
    "lost before acceptance": {"answer_lost_before_acceptance": {"next": 1, "on": "post"}},
    "cut in the middle": {"reset_mid_body": {"next": 1, "on": "post"}},
    "500": {"status_500": {"next": 1, "on": "post"}},
    "500, accepted": {"status_500": {"next": 1, "on": "post", "accepted": True}},
    "503": {"status_503": {"next": 1, "on": "post"}},
    "503, accepted": {"status_503": {"next": 1, "on": "post", "accepted": True}},
    "429": {"status_429": {"next": 1, "on": "post", "value": 1}},
    "429, come back now": {"status_429": {"next": 1, "on": "post", "value": 0}},
    "a page of the firewall": {"waf_page": {"next": 1, "on": "post"}},
    "invisible for a while": {
        "answer_lost_after_acceptance": {"next": 1, "on": "post"},
        "invisible_s": {"next": 1, "value": 1, "on": "post"},
    },
    "reads are broken off": {"reset_mid_body": {"next": 2, "on": "get"}},
    "reads are refused": {"status_429": {"next": 1, "on": "get", "value": 0}},
    "reads fail": {"status_500": {"next": 2, "on": "get"}},
}


class PaymentPromises(DraftPromises, WordPromises):
    """Nobody is paid twice, nothing is lost, nothing is guessed."""

    def test_a_payment_is_made_once(self, scene: Scene) -> None:
        """Paid, and told so; the same key again asks for nothing."""
        self.builds_on(scene, self.test_a_question_asks_for_no_money)
        key = scene.key("once")
        first = scene.pay(key)
        paid = scene.settle(key)
        again = scene.pay(key)

        assert paid.status is PAID, paid
        assert first.id == paid.id == again.id
        assert again.status is PAID
        assert (scene.credits(paid), scene.posts(paid)) == (1, 1)

    def test_references_are_written_down_before_anything_is_sent(self, scene: Scene) -> None:
        """What is only accepted has them, and the provider then knows the payment by them."""
        key = scene.key("accepted")
        accepted = scene.payer.ask("accept", **scene.asked(key))
        assert accepted.references
        assert scene.posts(accepted) == 0

        paid = scene.settle(key)
        assert paid.status is PAID, paid
        assert dict(accepted.references).items() <= dict(paid.references).items()
        assert scene.credits(paid) == 1

    @pytest.mark.parametrize("trouble", TROUBLES)
    def test_trouble_pays_nobody_twice_and_fails_nothing(self, scene: Scene, trouble: str) -> None:
        """It ends paid once, or, where sending again is not proven safe, in review."""
        self.builds_on(
            scene,
            self.test_not_found_is_a_word_of_its_own,
            self.test_what_is_not_taken_for_now_is_sent_later,
            partial(self.test_no_broken_answer_fails_a_payment, body="a page of HTML"),
        )
        key = scene.key(trouble)
        with scene.faults(**TROUBLES[trouble]):
            first = scene.pay(key)
            assert first.status is not PayoutStatus.FAILED, f"{trouble}: {first.reason}"
            lift(scene)
            end = scene.settle(key)

        self.check(scene, end, trouble)

    def check(self, scene: Scene, end: Payout, trouble: str) -> None:
        """Show that an end is the truth."""
        assert end.status in {PAID, REVIEW}, f"{trouble}: {end.status}, {end.reason}"
        assert scene.credits(end) <= 1, f"{trouble}: paid {scene.credits(end)} times"
        if end.status is PAID:
            assert scene.credits(end) == 1, f"{trouble}: said to be paid, and is not"
        elif self.spec.facts.resend == "safe":
            assert scene.credits(end) == 1, f"{trouble}: sending again is safe, and it was not done"

    def test_what_is_not_sent_is_sent_later(self, scene: Scene) -> None:
        """Nobody listens: proven, so it waits and is paid once."""
        key, port = scene.key("nobody listens"), scene.emulator.url.rpartition(":")[2]
        scene.pay(scene.key("warm"))  # whatever is fetched once is there
        scene.emulator.stop()
        try:
            first = scene.pay(key)
        finally:
            scene.emulator.restart(int(port))
        assert first.status is PayoutStatus.CREATED, first
        assert not first.may_have_been_sent

        end = scene.settle(key)
        assert end.status is PAID, end
        assert scene.credits(end) == 1

    def test_a_failure_is_told_with_its_reason(self, scene: Scene) -> None:
        """Whoever cannot be paid is not, and the reason is the provider's."""
        self.builds_on(scene, self.test_a_payment_that_is_taken_is_pending)
        assert self.unpayable is not None, "name somebody whose payment fails"
        key = scene.key("unpayable")
        scene.pay(key, payee=self.unpayable)
        end = scene.settle(key)

        assert end.status is PayoutStatus.FAILED, end
        assert end.reason is not None
        assert scene.credits(end) == 0

    def test_a_payment_that_takes_long_stays_open(self, scene: Scene) -> None:
        """However long: no timer makes a failure of it."""
        self.builds_on(
            scene,
            self.test_a_payment_that_is_taken_is_pending,
            self.test_every_status_means_what_it_should,
            self.test_a_question_asks_for_no_money,
        )
        key = scene.key("stuck")
        with scene.faults(stuck_pending={"next": 1}):
            scene.pay(key)
            end = scene.settle(key)

        assert end.status is REVIEW, end
        assert scene.posts(end) == 1

    def test_a_lost_journal_pays_nobody_twice(self, scene: Scene) -> None:
        """The same key has the same references, and what the provider has already is adopted."""
        self.builds_on(scene, self.test_a_draft_is_pure_and_stable)
        key = scene.key("journal lost")
        scene.pay(key)
        paid = scene.settle(key)
        later = scene.open(journal="new.db")
        scene.pay(key, by=later)
        adopted = scene.settle(key, by=later)

        assert scene.credits(paid) == 1
        assert scene.credits(adopted) == 1
        assert adopted.status in {PAID, REVIEW}, adopted
        ours = {name: value for name, value in paid.references.items() if adopted.references.get(name) == value}
        assert ours

    def test_another_payment_under_our_reference_is_not_ours(self, scene: Scene) -> None:
        """Somebody else was paid under it: a person looks at it, and nobody is paid."""
        self.builds_on(
            scene,
            self.test_a_draft_is_pure_and_stable,
            self.test_a_reference_that_was_used_before_is_a_duplicate,
            self.test_an_answer_about_another_payment_is_told_as_such,
        )
        key = scene.key("another's")
        scene.pay(key, payee=self.other_payee)
        others = scene.settle(key)
        later = scene.open(journal="new.db")
        scene.pay(key, by=later)
        end = scene.settle(key, by=later)

        assert others.status is PAID
        assert end.status is REVIEW, f"{end.status}, {end.reason}: it was taken for ours, or paid again"
        assert scene.credits(others) == 1

    def test_refused_credentials_block_the_account_and_fail_nothing(
        self, scene: Scene, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It says something about us: the payout waits, and is paid when that is mended."""
        self.builds_on(scene, self.test_a_refusal_of_the_account_fails_no_payment)
        monkeypatch.setenv("PAYMENTS_CONFORMANCE_WRONG_SECRET", "0123456789abcdef0123456789abcdef")
        key = scene.key("credentials")
        wrong = scene.open(journal="wrong.db", called_back=False, **self.wrong_settings())
        first = scene.pay(key, by=wrong)

        assert first.status is PayoutStatus.CREATED, f"{first.status}, {first.reason}"
        assert [pause.account for pause in wrong.ask("pauses")] == [scene.account]
        assert scene.credits(first) == 0

    # --- credentials ---

    @needs(Capability.CREDENTIALS)
    @pytest.mark.parametrize("trouble", ["token_slow_s", "token_refused", "ends"])
    def test_a_token_in_trouble_pays_once(self, scene: Scene, trouble: str) -> None:
        """Late, refused while a payment is under way, or at its end: fetched anew, and the payment made once."""
        scene.pay(scene.key("first"))
        key, faults = scene.key(trouble), dict[str, Any]()
        if trouble == "ends":
            scene.emulator.advance(2 * 86_400)
        elif trouble == "token_slow_s":
            scene.emulator.advance(2 * 86_400)
            faults = {"token_slow_s": {"next": 1, "value": 0.3}}
        else:
            faults = {"token_refused": {"next": 1, "on": "post"}}
        with scene.faults(**faults):
            scene.pay(key)
            lift(scene)
            end = scene.settle(key)

        assert end.status is PAID, end
        assert scene.credits(end) == 1

    def test_many_at_once_are_each_paid_once(self, scene: Scene) -> None:
        """Many tasks or threads that start together, without a token: one is fetched for all of them."""
        issued = scene.emulator.tokens_issued
        keys = [scene.key(f"many/{number}") for number in range(AT_ONCE)]
        asked = [scene.asked(key) for key in keys]
        scene.payer.ask_together("send", asked)
        for key in keys:  # as all began together, most have come to their end with the first
            if not scene.get(key).status.is_final:
                scene.settle(key)
        paid = [scene.get(key) for key in keys]

        if issued is not None and scene.emulator.tokens_issued is not None:
            assert scene.emulator.tokens_issued - issued == 1
        ledger = {str(row["reference"]).lower(): row["credits"] for row in scene.emulator.ledger()}
        credited = [sum(ledger.get(value.lower(), 0) for value in payout.references.values()) for payout in paid]
        assert set(credited) == {1}
        assert {payout.status for payout in paid} <= {PAID, PayoutStatus.PENDING}
        assert len({json.dumps(dict(payout.references), sort_keys=True) for payout in paid}) == AT_ONCE

    def test_both_clients_come_to_the_same_end(self, scene: Scene, kind: str) -> None:
        """The other kind of client goes on with what one has begun."""
        key = scene.key("other client")
        with scene.faults(answer_lost_after_acceptance={"next": 1, "on": "post"}):
            first = scene.pay(key)
        other = scene.reopen("async" if kind == "sync" else "sync")
        end = scene.settle(key, by=other)

        assert first.id == end.id
        self.check(scene, end, "another client")


def lift(scene: Scene) -> None:
    """Let a person lift what the trouble may have paused: the trouble is over."""
    for pause in scene.payer.ask("pauses"):
        scene.payer.ask("unpause", account=pause.account)
