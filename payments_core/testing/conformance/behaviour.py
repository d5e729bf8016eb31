"""Promises of a provider's runtime behaviour: it never blocks, and both clients get the same results."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

from payments_core.domain.events import EventName
from payments_core.testing.conformance.call_tracing import calls_in, may_wait
from payments_core.testing.conformance.harness import CallbackReceiver, Harness, Kind
from payments_core.testing.conformance.payments import TROUBLES, PaymentPromises, lift
from payments_core.testing.emulator.server import Emulator

__all__ = ["BehaviourPromises"]


class BehaviourPromises(PaymentPromises):
    """Flows without I/O of their own, values that can be pickled, and equal results of both clients."""

    def test_a_provider_never_blocks(
        self, running: Emulator[Any], receiver: CallbackReceiver | None, tmp_path: Path
    ) -> None:
        """It does not sleep and opens no file or connection: on an event loop every other task would wait."""
        with self.played(running, tmp_path, "async", receiver) as harness:
            harness.pay(harness.key("warm"))  # late imports happen here
            key = harness.key("watched")
            with calls_in(self.package, may_wait) as waits:
                harness.pay(key)
                harness.settle(key)

            assert not waits, f"blocking calls in a flow: {', '.join(waits)}; yield an HttpRequest instead"

    def test_outcomes_can_be_pickled_and_shown(self, shared_harness: Harness) -> None:
        """Other processes can carry every outcome, and no repr shows the payee."""
        draft = shared_harness.draft("outcomes")
        outcomes: list[object] = [
            self.submitted(shared_harness, draft, expected.answer(draft)) for expected in self.answers.values()
        ]
        outcomes += [self.checked(shared_harness, draft, self.status(draft, word)) for word in self.statuses]
        for outcome in outcomes:
            assert pickle.loads(pickle.dumps(outcome)) == outcome  # noqa: S301 - our own
            assert self.payee.value.lstrip("+") not in repr(outcome), "a repr shows the payee's whole address"

    def test_both_clients_decide_alike(
        self, running: Emulator[Any], receiver: CallbackReceiver | None, tmp_path: Path
    ) -> None:
        """With every fault: the same events in the same order, the same final status, the same number of requests."""
        chance = {EventName.CALLBACK_MATCHED}
        if self.spec.facts.status_by == "answer":
            receiver = None  # a callback's time of arrival is random; without callbacks both must agree exactly
        else:  # a result that arrives before its query is recorded turns two reads into one
            chance |= {EventName.PAYOUT_QUERIED, EventName.PAYOUT_READ}
        results: dict[Kind, dict[str, Any]] = {"sync": {}, "async": {}}
        for kind, result in results.items():
            (tmp_path / kind).mkdir()
            with self.played(running, tmp_path / kind, kind, receiver) as harness:
                for trouble, faults in TROUBLES.items():
                    key = harness.key(f"alike/{trouble}")
                    with harness.faults(**faults):
                        harness.pay(key)
                        lift(harness)
                        end = harness.settle(key)
                    events = [entry.event for entry in end.history if entry.event not in chance]
                    result[trouble] = (end.status, end.reason, harness.credits(end), harness.posts(end), events)

        assert results["sync"] == results["async"]
