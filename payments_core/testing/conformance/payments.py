"""Promises of payments with faults, over real sockets, through both clients."""

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
from payments_core.testing.conformance.harness import Harness
from payments_core.testing.conformance.status_mapping import StatusMappingPromises

__all__ = ["PaymentPromises"]

PAID, REVIEW = PayoutStatus.SUCCEEDED, PayoutStatus.REVIEW
AT_ONCE = int(os.environ.get("PAYMENTS_CONFORMANCE_MANY", "50"))

# Faults of a payment's answers and how often they occur; afterwards the emulator works.
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


class PaymentPromises(DraftPromises, StatusMappingPromises):
    """No payment is made twice, lost or guessed."""

    def test_a_payment_is_made_once(self, harness: Harness) -> None:
        """One request pays; the same key again sends nothing. A declared number of the provider's is learned."""
        self.builds_on(harness, self.test_a_check_moves_no_money)
        key = harness.key("once")
        first = harness.pay(key)
        paid = harness.settle(key)
        again = harness.pay(key)

        assert paid.status is PAID, paid
        assert first.id == paid.id == again.id
        assert again.status is PAID
        assert (harness.credits(paid), harness.posts(paid)) == (1, 1)
        learned, declared = paid.provider_reference, self.spec.transaction_reference
        assert bool(learned) is bool(declared), f"declared: {declared!r}, learned: {learned!r}"

    def test_references_are_written_down_before_anything_is_sent(self, harness: Harness) -> None:
        """An accepted payout already has them, and the provider later knows the payment by them."""
        key = harness.key("accepted")
        accepted = harness.payer.ask("accept", **harness.asked(key))
        assert accepted.references
        assert harness.posts(accepted) == 0

        paid = harness.settle(key)
        assert paid.status is PAID, paid
        assert dict(accepted.references).items() <= dict(paid.references).items()
        assert harness.credits(paid) == 1

    @pytest.mark.parametrize("trouble", TROUBLES)
    def test_a_fault_pays_at_most_once_and_fails_nothing(self, harness: Harness, trouble: str) -> None:
        """It ends paid once, or in review where sending again is not proven safe."""
        self.builds_on(
            harness,
            self.test_not_found_is_an_outcome_of_its_own,
            self.test_a_temporary_refusal_is_not_accepted,
            partial(self.test_a_malformed_answer_is_unknown, body="a page of HTML"),
        )
        key = harness.key(trouble)
        with harness.faults(**TROUBLES[trouble]):
            first = harness.pay(key)
            assert first.status is not PayoutStatus.FAILED, f"{trouble}: {first.reason}"
            lift(harness)
            end = harness.settle(key)

        self.check(harness, end, trouble)

    def check(self, harness: Harness, end: Payout, trouble: str) -> None:
        """Assert that a payout's end matches the provider's ledger."""
        assert end.status in {PAID, REVIEW}, f"{trouble}: {end.status}, {end.reason}"
        assert harness.credits(end) <= 1, f"{trouble}: paid {harness.credits(end)} times"
        if end.status is PAID:
            assert harness.credits(end) == 1, f"{trouble}: SUCCEEDED, but not credited"
        elif self.spec.facts.resend == "safe":
            assert harness.credits(end) == 1, f"{trouble}: resend is safe, but the payment was not sent again"

    def test_an_unsent_payment_is_sent_later(self, harness: Harness) -> None:
        """With the server down it is proven unsent: the payout waits and is paid once."""
        key, port = harness.key("server down"), harness.emulator.url.rpartition(":")[2]
        harness.pay(harness.key("warm"))  # one-time requests happen here
        harness.emulator.stop()
        try:
            first = harness.pay(key)
        finally:
            harness.emulator.restart(int(port))
        assert first.status is PayoutStatus.CREATED, first
        assert not first.may_have_been_sent

        end = harness.settle(key)
        assert end.status is PAID, end
        assert harness.credits(end) == 1

    def test_a_failed_payment_has_a_reason(self, harness: Harness) -> None:
        """An unpayable payee is not credited, and the failure has the provider's reason."""
        self.builds_on(harness, self.test_an_accepted_payment_is_pending)
        assert self.unpayable is not None, "set unpayable: a payee whose payment fails"
        key = harness.key("unpayable")
        harness.pay(key, payee=self.unpayable)
        end = harness.settle(key)

        assert end.status is PayoutStatus.FAILED, end
        assert end.reason is not None
        assert harness.credits(end) == 0

    def test_a_payment_that_takes_long_stays_open(self, harness: Harness) -> None:
        """No timer turns it into a failure: it ends in review."""
        self.builds_on(
            harness,
            self.test_an_accepted_payment_is_pending,
            self.test_every_status_is_mapped,
            self.test_a_check_moves_no_money,
        )
        key = harness.key("stuck")
        with harness.faults(stuck_pending={"next": 1}):
            harness.pay(key)
            end = harness.settle(key)

        assert end.status is REVIEW, end
        assert harness.posts(end) == 1

    def test_a_lost_journal_pays_at_most_once(self, harness: Harness) -> None:
        """The same key derives the same references, so the provider's existing payment is adopted."""
        self.builds_on(harness, self.test_a_draft_is_pure_and_stable)
        key = harness.key("journal lost")
        harness.pay(key)
        paid = harness.settle(key)
        later = harness.open(journal="new.db")
        harness.pay(key, by=later)
        adopted = harness.settle(key, by=later)

        assert harness.credits(paid) == 1
        assert harness.credits(adopted) == 1
        assert adopted.status in {PAID, REVIEW}, adopted
        ours = {name: value for name, value in paid.references.items() if adopted.references.get(name) == value}
        assert ours

    def test_another_payment_under_our_reference_is_not_ours(self, harness: Harness) -> None:
        """Another payee was paid under it: the payout goes to review, and nothing is paid."""
        self.builds_on(
            harness,
            self.test_a_draft_is_pure_and_stable,
            self.test_a_used_reference_is_a_duplicate,
            self.test_a_check_of_another_payment_reports_the_difference,
        )
        key = harness.key("another's")
        harness.pay(key, payee=self.other_payee)
        others = harness.settle(key)
        later = harness.open(journal="new.db")
        harness.pay(key, by=later)
        end = harness.settle(key, by=later)

        assert others.status is PAID
        assert end.status is REVIEW, f"{end.status}, {end.reason}: it was adopted or paid again"
        assert harness.credits(others) == 1

    def test_refused_credentials_pause_the_account_and_fail_nothing(
        self, harness: Harness, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The refusal is about the account: the payout waits and is not failed."""
        self.builds_on(harness, self.test_a_refusal_of_the_account_fails_no_payment)
        monkeypatch.setenv("PAYMENTS_CONFORMANCE_WRONG_SECRET", "0123456789abcdef0123456789abcdef")
        key = harness.key("credentials")
        wrong = harness.open(journal="wrong.db", called_back=False, **self.wrong_settings())
        first = harness.pay(key, by=wrong)

        assert first.status is PayoutStatus.CREATED, f"{first.status}, {first.reason}"
        assert [pause.account for pause in wrong.ask("pauses")] == [harness.account]
        assert harness.credits(first) == 0

    # --- credentials ---

    @needs(Capability.CREDENTIALS)
    @pytest.mark.parametrize("trouble", ["token_slow_s", "token_refused", "ends"])
    def test_a_token_fault_pays_once(self, harness: Harness, trouble: str) -> None:
        """A token that is late, refused during a payment or expired is fetched again; the payment is made once."""
        harness.pay(harness.key("first"))
        key, faults = harness.key(trouble), dict[str, Any]()
        if trouble == "ends":
            harness.emulator.advance(2 * 86_400)
        elif trouble == "token_slow_s":
            harness.emulator.advance(2 * 86_400)
            faults = {"token_slow_s": {"next": 1, "value": 0.3}}
        else:
            faults = {"token_refused": {"next": 1, "on": "post"}}
        with harness.faults(**faults):
            harness.pay(key)
            lift(harness)
            end = harness.settle(key)

        assert end.status is PAID, end
        assert harness.credits(end) == 1

    def test_many_at_once_are_each_paid_once(self, harness: Harness) -> None:
        """Many tasks or threads start together without a token: one token is fetched, each payment is made once."""
        issued = harness.emulator.tokens_issued
        keys = [harness.key(f"many/{number}") for number in range(AT_ONCE)]
        asked = [harness.asked(key) for key in keys]
        harness.payer.ask_together("send", asked)
        for key in keys:  # settling the first ends most of them
            if not harness.get(key).status.is_final:
                harness.settle(key)
        paid = [harness.get(key) for key in keys]

        if issued is not None and harness.emulator.tokens_issued is not None:
            assert harness.emulator.tokens_issued - issued == 1
        ledger = {str(row["reference"]).lower(): row["credits"] for row in harness.emulator.ledger()}
        credited = [sum(ledger.get(value.lower(), 0) for value in payout.references.values()) for payout in paid]
        assert set(credited) == {1}
        assert {payout.status for payout in paid} <= {PAID, PayoutStatus.PENDING}
        assert len({json.dumps(dict(payout.references), sort_keys=True) for payout in paid}) == AT_ONCE

    def test_both_clients_come_to_the_same_end(self, harness: Harness, kind: str) -> None:
        """One kind of client completes a payout that the other kind began."""
        key = harness.key("other client")
        with harness.faults(answer_lost_after_acceptance={"next": 1, "on": "post"}):
            first = harness.pay(key)
        other = harness.reopen("async" if kind == "sync" else "sync")
        end = harness.settle(key, by=other)

        assert first.id == end.id
        self.check(harness, end, "another client")


def lift(harness: Harness) -> None:
    """End the pauses that a fault caused."""
    for pause in harness.payer.ask("pauses"):
        harness.payer.ask("unpause", account=pause.account)
