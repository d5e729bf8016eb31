"""Each rule of how a payout travels is broken on purpose, and chance has to find it within a bounded search.

In ``tests/crash/test_broken_rules`` a scenario is made for each rule; here nobody says where to look.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import broken_rules
import more_broken_rules
import pytest
from payout_simulation import Outcome, Plan, history_checks, invariant_checker, simulate

from payments_core.domain.payout import PayoutStatus
from payments_core.http.messages import NoAnswer
from payments_core.provider import NotFound, Unknown

EACH = 60
WITHIN = 3000
Patch = pytest.MonkeyPatch


@dataclass(frozen=True)
class Case:
    """A rule broken, the breaches of which one must be seen."""

    broken: Callable[[Patch], None]
    rules: frozenset[str]


def case(broken: Callable[[Patch], None], *rules: str) -> Case:
    return Case(broken, frozenset(rules))


S = PayoutStatus
FAILED = "failed and paid", "failed by a guess", "doubt was not ended by a read"
CASES = {
    "a new reference for each try": case(
        more_broken_rules.new_reference_each_try, "another request than the stored one", "two tries differ"
    ),
    "HTTP 500 means failed": case(broken_rules.failing_on(lambda o: isinstance(o, Unknown)), *FAILED),
    "a time-out means failed": case(broken_rules.failing_on(lambda o: isinstance(o, NoAnswer)), *FAILED),
    "not found means failed": case(broken_rules.failing_on(lambda o: isinstance(o, NotFound), "after_check"), *FAILED),
    "the fence is not compared": case(broken_rules.version_is_not_compared, "the fence"),
    "C2 is not committed before the send": case(
        broken_rules.without_commit("payout.sending"), "sent before it was written"
    ),
    "the event is outside the commit": case(broken_rules.event_outside_the_commit, "the outbox"),
    "doubt is cleared": case(broken_rules.doubt_is_cleared, "paid twice", "failed and paid", "doubt was cleared"),
    "sent again outside the window": case(more_broken_rules.window_is_ignored, "sent again unsafely", "paid twice"),
    "a duplicate means paid": case(
        more_broken_rules.duplicate_means_paid, "succeeded and not paid", "succeeded by a guess"
    ),
    "an end is overwritten": case(broken_rules.ends_are_overwritten, "an end was left", "the outbox"),
    "the ceiling of refunds is ignored": case(broken_rules.ceiling_is_ignored, "refunded too much"),
    # beyond the twelve
    "the ceiling forgets what is not known": case(broken_rules.ceiling_forgets(S.UNKNOWN), "refunded too much"),
    "the ceiling forgets what waits to be sent": case(broken_rules.ceiling_forgets(S.CREATED), "refunded too much"),
    "a lease is ignored": case(broken_rules.lease_is_ignored, "a lease was not respected"),
    "a lapsed lease means not sent": case(
        more_broken_rules.lapsed_lease_means_not_sent,
        "a flow broke",  # the journal itself refuses
        "sent again too soon",
        "failed and paid",
        "paid twice",
    ),
    "the end of the schedule means failed": case(broken_rules.schedule_end_means_failed, *FAILED),
    "sent again at the first absence": case(broken_rules.resend_at_first_absence, "sent again too soon"),
    "sent again although it is not safe": case(
        broken_rules.resend_whatever_the_provider_promises, "sent again unsafely", "paid twice"
    ),
    # callbacks and late answers
    "a callback is believed": case(
        more_broken_rules.callbacks_are_believed, *FAILED, "succeeded and not paid", "succeeded by a guess"
    ),
    "an early callback is forgotten": case(more_broken_rules.early_callbacks_are_forgotten, "a callback was forgotten"),
    "callbacks ask at once": case(more_broken_rules.callbacks_ask_at_once, "asked too often"),
    "an answer about another payout is accepted": case(
        broken_rules.adopts_blindly, *FAILED, "succeeded and not paid", "succeeded by a guess"
    ),
    "an answer counts every time": case(more_broken_rules.answers_count_every_time, "an answer was taken twice"),
    # people
    "paid again without reading": case(
        broken_rules.paid_again_without_reading, "paid again what may still be paid", "paid twice"
    ),
    "paid again without waiting": case(broken_rules.paid_again_without_waiting, "paid again too soon"),
    "contradictions are ignored": case(
        more_broken_rules.contradictions_are_ignored, "paid again what may still be paid", "paid twice"
    ),
    "what contradicts an end is forgotten": case(
        broken_rules.contradictions_are_forgotten, "a contradiction was forgotten"
    ),
    "what contradicts an end is told to nobody": case(broken_rules.contradictions_are_not_published, "the outbox"),
    "what contradicts an end waits for nobody": case(
        broken_rules.contradictions_need_no_acknowledgement, "a contradiction was forgotten"
    ),
    "whatever comes first to a path is its answer": case(
        broken_rules.paths_close_at_the_first_answer, "an answer was dropped"
    ),
    "what comes to a path after its answer is dropped": case(
        broken_rules.later_answers_are_dropped, "a contradiction was forgotten"
    ),
    "decided without asking": case(broken_rules.decided_without_asking, "failed and paid", "absent by a guess"),
    "cancelling ignores doubt": case(broken_rules.cancelling_ignores_doubt, "cancelled and sent"),
    "approvals are not asked for": case(broken_rules.approvals_are_not_asked_for, "sent without an approval"),
    "a stopped batch is sent": case(broken_rules.stopped_batches_send, "sent while its batch was stopped"),
    "a batch reserves nothing": case(broken_rules.nothing_is_reserved, "sent without a reservation"),
    "a pause is not looked at": case(more_broken_rules.pauses_are_not_looked_at, "sent while a person had paused it"),
    # whose payments they are, whose turn it is, and who sends them
    "what was tried moves to another identity": case(
        broken_rules.tried_ones_move, "two tries differ", "what may have arrived was made anew", "paid twice"
    ),
    "a lost permit means not found": case(more_broken_rules.a_lost_permit_means_not_found, "absent by a guess"),
    "the event loop repeats a payment": case(
        more_broken_rules.the_loop_repeats_payments, "sent before it was written", "paid twice"
    ),
}


# What takes long to find is looked for where it was found last, and then from the beginning.
FOUND_LATE = {
    "a lapsed lease means not sent": 10,
    "a lease is ignored": 6,
    "an answer counts every time": 7,
    "cancelling ignores doubt": 15,
    "contradictions are ignored": 14,
    "decided without asking": 6,
    "paid again without reading": 6,
    "sent again outside the window": 7,
    "the ceiling forgets what is not known": 5,
    "what comes to a path after its answer is dropped": 24,
    "what contradicts an end is forgotten": 12,
    "what contradicts an end is told to nobody": 12,
    "what contradicts an end waits for nobody": 12,
    "what was tried moves to another identity": 5,
}
# What the crash tests find each time, in a scenario of its own; here it takes long, or another case breaks its promise.
SEEN_ELSEWHERE = {
    "a time-out means failed",
    "an answer about another payout is accepted",
    "an end is overwritten",
    "contradictions are ignored",
    "decided without asking",
    "doubt is cleared",
    "not found means failed",
    "paid again without waiting",
    "sent again although it is not safe",
    "sent again at the first absence",
    "sent again outside the window",
    "the ceiling forgets what is not known",
    "the ceiling forgets what waits to be sent",
    "the ceiling of refunds is ignored",
    "the end of the schedule means failed",
    "the event is outside the commit",
    "what comes to a path after its answer is dropped",
    "what contradicts an end is forgotten",
    "what contradicts an end is told to nobody",
    "what contradicts an end waits for nobody",
}
SEEDS = range(1, WITHIN // EACH + 1)


def search(name: str = "") -> tuple[Outcome | None, int]:
    """Simulate until a promise breaks; return the outcome and how many payouts that took from the first seed on."""
    late = [FOUND_LATE[name]] if name in FOUND_LATE else []
    for seed in (*late, *SEEDS):
        without = {"limits"} if "batch" in name else {"limits", "batches"}  # they only delay
        outcome = simulate(Plan(seed=seed, payouts=EACH, without=frozenset(without)))
        if outcome.breaches:
            return outcome, seed * EACH
    return None, WITHIN


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.proof) if name in SEEN_ELSEWHERE else name for name in CASES]
)
def test_broken_rule_is_found(name: str, monkeypatch: Patch, printed: list[str]) -> None:
    """Within a few thousand payouts, and by a breach that names what is wrong."""
    with monkeypatch.context() as patch:
        CASES[name].broken(patch)
        outcome, payouts = search(name)
    assert outcome is not None
    assert {breach.rule for breach in outcome.breaches} & CASES[name].rules, outcome.breaches
    breach = outcome.breaches[0]
    printed.append(f"{name}: {breach.key}: {breach.rule} (within {payouts} payouts)")


@pytest.mark.proof
def test_ledger_alone_shows_a_double_payment(monkeypatch: Patch) -> None:
    """Nobody looks at how it is sent again: the provider's own books show that it was paid twice."""
    with monkeypatch.context() as patch:
        more_broken_rules.window_is_ignored(patch)
        patch.setattr(invariant_checker.InvariantChecker, "_sends", lambda *_: None)
        patch.setattr(invariant_checker, "doubts_of", lambda *_: history_checks.Doubts())
        outcome, _ = search("sent again outside the window")
    assert outcome is not None
    assert {breach.rule for breach in outcome.breaches} == {"paid twice"}
