"""Promises of a draft's identity: equal for one key and attempt in every process, different for any other."""

from __future__ import annotations

from payments_core.domain.money import Money
from payments_core.testing.conformance.call_tracing import asks_for_chance, calls_in
from payments_core.testing.conformance.fixtures import Promises
from payments_core.testing.conformance.harness import Harness
from payments_core.testing.conformance.other_process import made, made_elsewhere

__all__ = ["StabilityPromises"]

# Different keys that look alike: case, punctuation, zeros, accents, and the end of a long key.
KEYS = (
    *(
        "pay-2026/0042",
        "PAY-2026/0042",
        "pay_2026/0042",
        "pay2026/0042",
        "pay-2026/42",
        "pay-2026/00420",
        "pay-2026/004",
    ),
    *("pa\u00fd-2026/0042", "pay\u0301-2026/0042", "pay-2026/\uff10\uff10\uff14\uff12"),
    *(f"{'k' * 190}/1", f"{'k' * 190}/2", f"1/{'k' * 190}"),
)


class StabilityPromises(Promises):
    """A draft and its references depend on their arguments only."""

    def test_a_draft_is_pure_and_stable(self, shared_harness: Harness) -> None:
        """The same payment gives the same draft at any time: it reads no clock and no randomness."""
        first = shared_harness.draft("stable")
        with calls_in(self.package, asks_for_chance) as calls:
            again = shared_harness.draft("stable")
        other_process = shared_harness.open(journal="other.db", called_back=False)
        provider = other_process.runtime.account(shared_harness.account).provider

        assert first == again, "two drafts of one payment differ: a draft may use nothing but its arguments"
        assert not calls, f"a draft depends on {', '.join(calls)}: it may use nothing but its arguments"
        assert first.request.hash == again.request.hash
        assert provider.binding(first.order.operation) == shared_harness.provider().provider.binding(
            first.order.operation
        )

    def test_a_draft_is_the_same_in_every_process(self, shared_harness: Harness) -> None:
        """It does not depend on the hash seed, time zone, folder or language."""
        self.builds_on(shared_harness, self.test_a_draft_is_pure_and_stable)
        key = shared_harness.key("everywhere")
        ours = made(shared_harness.provider(), shared_harness.order(key), shared_harness.payer.runtime.namespace)

        theirs = made_elsewhere(shared_harness, key)
        wrong = [name for name, value in ours.items() if theirs[name] != value]
        assert not wrong, f"another process makes another {' and '.join(wrong)} of the same payment"

    def test_references_follow_from_the_key(self, shared_harness: Harness) -> None:
        """References depend on key, attempt and namespace only, and differ when one of these differs."""
        self.builds_on(shared_harness, self.test_a_draft_is_pure_and_stable)
        first, again = shared_harness.draft(KEYS[0]), shared_harness.draft(KEYS[0], number=2)
        others = [shared_harness.draft(key) for key in KEYS[1:]] + [
            shared_harness.draft(KEYS[0], namespace="another-installation")
        ]
        double = Money(self.amount.amount * 2, self.amount.currency)
        same = shared_harness.draft(KEYS[0], amount=double, payee=self.other_payee, note="another note")

        assert first.references, "a draft needs at least one reference to check the payment by"
        assert same.references == first.references, "a reference follows from the order: derive it from attempt.seed"
        for name, value in first.references.items():
            values = [value, *(other.references[name] for other in others)]
            assert len({*values}) == len(values), f"two payments have one {name}: derive it from attempt.seed"
        assert first.references != again.references, "two attempts have the same references: use all of attempt.seed"
        identity = shared_harness.payout_id(KEYS[0])  # finds the payment, for every attempt
        shared = [name for name, value in first.references.items() if again.references[name] == value]
        wrong = [name for name in shared if identity not in first.references[name]]
        assert not wrong, f"two attempts have one {', '.join(wrong)}: derive it from attempt.seed"
