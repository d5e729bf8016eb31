"""The seeded bugs: each a rule of how a payout travels, how it is broken, and where to look for what follows.

The place is a scenario, in which every crash is played, or one interleaving of two workers. ``TWELVE`` are those by
which the proof is measured; ``tests/simulation`` looks for most of them by chance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import broken_rules
import pytest
from batch_world import BATCHES
from crash_points import CrashFile, CrashStore, Restless, Scenario, Simulator
from denominators import EVERY
from identity_world import changed_identity
from lost_file import LosingFile
from person_world import (
    PERSONS,
    REFUSED,
    REFUSED_LATE,
    VERY_LATE,
    cancelled_in_doubt,
    decide_wrongly,
    needing_approval,
    persons,
)
from promises import broken_promises
from restored_world import restored_scenario
from two_workers import an_end_is_contradicted, one_looks_while_the_other_sends, two_send_at_once
from where_to_look import called_back, forgetful, momo, tally_world
from worlds import (
    OTHER,
    VISIBLE_AFTER_S,
    PostEnd,
    limited,
    refunds_of_one,
)

from payments_core.domain.payout import Operation, PayoutStatus
from payments_core.http.messages import NoAnswer
from payments_core.provider import NotFound, Unknown

S = PayoutStatus
Patch = pytest.MonkeyPatch


@dataclass(frozen=True)
class Interleaving:
    """Two workers on one journal, stepped by hand."""

    play: Callable[[Path], list[str]]


@dataclass(frozen=True)
class Case:
    """A rule, how it is broken, where to look, and what must be among the findings."""

    broken: Callable[[Patch], None]
    where: Callable[[], Scenario] | Interleaving
    finding: str
    store: Callable[[Path], CrashStore] = CrashFile


def contradicted() -> Scenario:
    """Return the scenario in which a payout failed, and its provider calls it paid."""
    return PERSONS["refused, made all the same, and looked at"]


LOST = PostEnd(("accept_lose",))
LOST_THEN_400 = PostEnd(("accept_lose", "refuse_400"))
CASES = {
    "a new reference for each try": Case(
        broken_rules.new_reference_each_try, lambda: momo(PostEnd(("accept_lose",)), "404 for a while"), "paid 2 times"
    ),
    "C2 is not committed before the send": Case(
        broken_rules.without_commit("payout.sending"), lambda: momo(PostEnd()), "left while the journal said"
    ),
    "a time-out means failed": Case(
        broken_rules.failing_on(lambda o: isinstance(o, NoAnswer)), lambda: momo(LOST), "FAILED although it was paid"
    ),
    "HTTP 500 means failed": Case(
        broken_rules.failing_on(lambda o: isinstance(o, Unknown)),
        lambda: momo(PostEnd(("accept_say_500",))),
        "FAILED although it was paid",
    ),
    "not found means failed": Case(
        broken_rules.failing_on(lambda o: isinstance(o, NotFound), "after_check"),
        lambda: momo(PostEnd(invisible_s=200.0)),
        "FAILED although it was paid",
    ),
    "sent again at the first absence": Case(
        broken_rules.resend_at_first_absence, lambda: momo(PostEnd(("lose",))), "sent again after 1 absences"
    ),
    "sent again although it is not safe": Case(
        broken_rules.resend_whatever_the_provider_promises,
        lambda: tally_world(("accept_lose",), "absent", dedupes=False),
        "paid 2 times",
    ),
    "sent again outside the window": Case(
        broken_rules.resend_whatever_the_provider_promises, lambda: forgetful(5000.0), "paid 2 times"
    ),
    "doubt is cleared": Case(
        broken_rules.doubt_is_cleared, lambda: momo(LOST_THEN_400, "404 for a while"), "FAILED although it was paid"
    ),
    "a duplicate is adopted blindly": Case(
        broken_rules.adopts_blindly, lambda: momo(PostEnd(seeded=OTHER)), "SUCCEEDED with 0 credits"
    ),
    "an answer to a path is believed blindly": Case(
        broken_rules.adopts_blindly, lambda: tally_world(("lose",), "arrive", forged=True), "SUCCEEDED with 0 credits"
    ),
    "the event is outside the commit": Case(
        broken_rules.event_outside_the_commit, lambda: momo(PostEnd()), "the outbox holds"
    ),
    "the end of the schedule means failed": Case(
        broken_rules.schedule_end_means_failed,
        lambda: tally_world(("accept_lose",), "never"),
        "FAILED although it was paid",
    ),
    "a lapsed lease means not sent": Case(
        broken_rules.lapsed_lease_means_not_sent,
        lambda: momo(PostEnd(("accept_lose", "refuse_400"))),
        "FAILED although it was paid",
    ),
    "a deposit that is not found counts as failed": Case(
        broken_rules.not_found_reads_as_failed,
        lambda: momo(PostEnd(invisible_s=200.0), operation=Operation.DEPOSIT),
        "FAILED although it was paid",
    ),
    "the ceiling of refunds is ignored": Case(
        broken_rules.ceiling_is_ignored, lambda: refunds_of_one(PostEnd()), "refunded 30.5 of 25.5"
    ),
    "the ceiling forgets what is not known": Case(
        broken_rules.ceiling_forgets(S.UNKNOWN), lambda: refunds_of_one(LOST), "refunded 30.5 of 25.5"
    ),
    "the ceiling forgets what waits to be sent": Case(
        broken_rules.ceiling_forgets(S.CREATED), lambda: refunds_of_one(PostEnd(("not_sent",))), "refunded 30.5 of 25.5"
    ),
    "nothing is reserved": Case(
        broken_rules.nothing_is_reserved, lambda: limited(PostEnd()), "SUCCEEDED without a reservation"
    ),
    "the same request reserves twice": Case(
        broken_rules.each_submission_reserves, lambda: limited(PostEnd(("lose",))), "its payouts hold"
    ),
    "what is not known is returned": Case(
        broken_rules.amount_is_returned_in(S.UNKNOWN), lambda: limited(LOST), "SUCCEEDED without a reservation"
    ),
    "a failure returns nothing": Case(
        broken_rules.amount_is_returned_in(S.FAILED, is_kept=True),
        lambda: limited(PostEnd(("refuse_400",))),
        "FAILED and still holds its amount",
    ),
    "a batch reserves nothing": Case(
        broken_rules.nothing_is_reserved, lambda: BATCHES["accepted | answers"], "SUCCEEDED without a reservation"
    ),
    "a paused batch is sent": Case(
        broken_rules.stopped_batches_send, lambda: BATCHES["paused: not sent"], "left while its batch was PAUSED"
    ),
    "a retired identity sends": Case(
        broken_rules.retired_ones_send,
        lambda: changed_identity(PostEnd(("lose",)), most=2),
        "a payment left as a retired identity",
    ),
    "what was sent moves to the new identity": Case(
        broken_rules.tried_ones_move, lambda: changed_identity(LOST, most=2), "paid 2 times"
    ),
    "what was never sent leaves as it was drafted": Case(
        broken_rules.untried_ones_stay_as_drafted,
        lambda: changed_identity(PostEnd(), most=2),
        "a payment left as a retired identity",
    ),
    "paid again without reading what went before": Case(
        broken_rules.paid_again_without_reading, lambda: persons("late", REFUSED_LATE), "paid 2 times"
    ),
    "paid again without waiting": Case(
        broken_rules.paid_again_without_waiting, lambda: persons("late", REFUSED_LATE), "paid 2 times"
    ),
    "a contradiction is ignored": Case(
        broken_rules.contradictions_are_ignored,
        contradicted,
        "paid 2 times",
    ),
    "what contradicts an end is forgotten": Case(
        broken_rules.contradictions_are_forgotten, contradicted, "paid 2 times"
    ),
    "what contradicts an end is told to nobody": Case(
        broken_rules.contradictions_are_not_published, contradicted, "the outbox holds"
    ),
    "what contradicts an end waits for nobody": Case(
        broken_rules.contradictions_need_no_acknowledgement, contradicted, "waits for no person"
    ),
    "the number of an attempt is used twice": Case(
        broken_rules.attempt_numbers_are_reused, lambda: persons("refused", REFUSED), "two attempts share a reference"
    ),
    "nobody looks back before the next attempt leaves": Case(
        broken_rules.the_last_look_is_left_out, lambda: persons("very late", VERY_LATE), "paid 2 times"
    ),
    "a person decides without asking the provider": Case(
        broken_rules.decided_without_asking,
        lambda: persons("called unpaid", PostEnd(("accept_lose",)), person=decide_wrongly, down_s=20_000.0),
        "FAILED although it was paid",
    ),
    "what may have arrived is cancelled": Case(
        broken_rules.cancelling_ignores_doubt, cancelled_in_doubt, "CANCELLED although it was paid"
    ),
    "nobody has to approve": Case(
        broken_rules.approvals_are_not_asked_for, needing_approval, "left without an approval"
    ),
    "a gap ends without a statement": Case(
        broken_rules.a_gap_ends_without_a_statement, lambda: restored_scenario("paid and forgotten"), "paid 2 times"
    ),
    "what a statement has is forgotten": Case(
        broken_rules.what_a_statement_has_is_forgotten, lambda: restored_scenario("paid and forgotten"), "paid 2 times"
    ),
    "absence alone opens a gap": Case(
        broken_rules.absence_alone_opens_a_gap, lambda: restored_scenario("paid and forgotten"), "paid 2 times"
    ),
    "what comes to a path after its answer is dropped": Case(
        broken_rules.later_answers_are_dropped,
        lambda: EVERY["tally: paid, answer lost | failed, true"],
        "FAILED although it was paid",
    ),
    "a lost journal is a new one": Case(
        broken_rules.lost_files_are_new_journals, lambda: momo(PostEnd()), "was acknowledged and is lost", LosingFile
    ),
    "a callback is believed": Case(
        broken_rules.callback_is_believed,
        lambda: called_back(PostEnd(("lose",)), "SUCCESSFUL"),
        "SUCCEEDED with 0 credits",
    ),
    "the version is not compared": Case(
        broken_rules.version_is_not_compared, Interleaving(two_send_at_once), "paid 2 times"
    ),
    "a lease is ignored": Case(
        broken_rules.lease_is_ignored, Interleaving(one_looks_while_the_other_sends), "a send was taken for dead"
    ),
    "an end is overwritten": Case(
        broken_rules.ends_are_overwritten, Interleaving(an_end_is_contradicted), "SUCCEEDED was followed by FAILED"
    ),
}
TWELVE = (
    "a new reference for each try",
    "C2 is not committed before the send",
    "a time-out means failed",
    "HTTP 500 means failed",
    "not found means failed",
    "the version is not compared",
    "a callback is believed",
    "the event is outside the commit",
    "doubt is cleared",
    "sent again outside the window",
    "a duplicate is adopted blindly",
    "an end is overwritten",
)


def plays(scenario: Scenario, store: CrashStore) -> Iterator[list[str]]:
    """Play a scenario without and with a crash at every point; tell of each what does not hold."""
    simulator = Simulator(scenario, store)
    visible_s = 60.0 if "tally" in scenario.name else VISIBLE_AFTER_S
    count, number = 0, 0
    while number <= count:
        try:
            end = simulator.crash_at(*([number] if number else []))
        except Restless:
            yield ["never comes to rest"]
        else:
            count = count or len(end.points)
            yield broken_promises(end, visible_after_s=visible_s)
        number += 1


def search(case: Case, folder: Path) -> Iterator[list[str]]:
    """Look where a case says; tell of each life what does not hold."""
    with TemporaryDirectory(dir=folder) as name:
        if isinstance(case.where, Interleaving):
            yield case.where.play(Path(name))
        else:
            yield from plays(case.where(), case.store(Path(name, "search.db")))
