"""Whatever number the settings accept, the engine can work with: no time is too long for the clock, or the journal."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from kit import T0, FakeSettings, Stage, account_of, at_once, lost, saying, unsent

from payments_core.domain.bounds import LONGEST_S
from payments_core.domain.deliveries import PayoutEvent, Waiting
from payments_core.domain.errors import SettingsError
from payments_core.domain.payout import PayoutStatus, Reason, ReasonCode
from payments_core.domain.rates import AcquirePermit, Priority, Queue, reserve
from payments_core.provider import AccountRefused, Duplicate, Final, NotAccepted, NotFound, Pending, Unknown
from payments_core.settings.types import range_of
from payments_core.webhooks import DeliveryResult, Webhook, WebhookSettings, next_at

NO = Reason(ReasonCode.PAYEE_NOT_FOUND)
SUBMITTED = [
    Pending(),
    Duplicate(),
    Unknown(),
    Final(),
    Final(reason=NO),
    NotAccepted(),
    NotAccepted(retry_after_s=LONGEST_S),
    NotAccepted(http_status=429),
    AccountRefused(NO),
]
CHECKED = [Pending(), NotFound(), Unknown(), Unknown(retry_after_s=LONGEST_S), Final(), Final(reason=NO)]
NOW_US = 1_800_000_000_000_000


def numbers(kind: type[Any]) -> dict[str, st.SearchStrategy[Any]]:
    """Return what each number of a settings class may be: anything within its bounds, the bounds above all."""
    found = {}
    for name, field in kind.model_fields.items():
        if (bounds := range_of(field)) is None:
            continue
        whole = field.annotation is int
        one: st.SearchStrategy[Any] = st.sampled_from([int(bound) if whole else bound for bound in bounds])
        one |= st.integers(*map(int, bounds)) if whole else st.floats(*bounds)
        is_list = any(part is Ellipsis for part in get_args(field.annotation))
        found[name] = st.lists(one, min_size=1, max_size=6) if is_list else one
    return found


def tables(kind: type[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=numbers(kind))


LONGEST = {
    name: (high if "schedule" not in name else [high] * 1000)
    for name, high in (
        (name, range_of(field)[1])
        for name, field in FakeSettings.model_fields.items()
        if range_of(field)  # type: ignore[index]
    )
    if name not in {"max_in_flight", "circuit_after", "dedupe_window_s"}
}


@settings(max_examples=80, deadline=None)
@given(
    table=tables(FakeSettings),
    submitted=st.lists(st.sampled_from([*SUBMITTED, "lost", "unsent"]), min_size=1, max_size=4),
    checked=st.lists(st.sampled_from(CHECKED), min_size=1, max_size=6),
)
@example(table=LONGEST, submitted=["lost"], checked=[NotFound()])
@example(table=LONGEST, submitted=[NotAccepted(http_status=429)], checked=[Pending()])
@example(table=LONGEST, submitted=[AccountRefused(NO)], checked=[Pending()])
def test_payout_steps_work_with_every_number_the_settings_accept(
    table: dict[str, Any], submitted: list[Any], checked: list[Any]
) -> None:
    """Sent, put off, read, sent again, stopped for a person: each moment is one that the journal can hold."""
    try:
        account = account_of(settings=table)
    except (SettingsError, ValueError):
        assume(False)  # two of them do not go together
    left = iter(submitted)
    with TemporaryDirectory() as folder:
        stage = Stage(Path(folder), account)
        with closing(stage.journal):
            row = stage.accept()
            for _ in range(12):
                says = next(left, submitted[-1])
                failures = {"lost": lost(stage.at), "unsent": unsent(stage.at)}
                stage.answers = [failures[says]] if isinstance(says, str) else []
                account.provider.submitting = None if isinstance(says, str) else saying(says)  # type: ignore[attr-defined]
                account.provider.checking = at_once(*checked)  # type: ignore[attr-defined]
                row = stage.advance(row, owner=f"life-{stage.at.timestamp()}")
                assert stage.journal.get(row.id) == row
                if row.status is PayoutStatus.SENDING:
                    row = stage.advance(row, owner="another")
                if row.schedule.next_at is None:
                    break
                stage.at = max(row.schedule.next_at, stage.at + timedelta(microseconds=1))
            stage.journal.next_due(accounts=[account.name])
            list(stage.journal.pauses())


@settings(max_examples=200, deadline=None)
@given(
    per_s=numbers(FakeSettings)["reads_per_s"].filter(lambda rate: rate == 0 or rate >= 0.001),
    priority=st.sampled_from(Priority),
    within_s=st.floats(0, 10),
)
def test_permit_times_fit_the_journal_at_every_rate(per_s: float, priority: Priority, within_s: float) -> None:
    """A hundred permits one after the other, at the slowest rate that there is."""
    queue = Queue()
    asked = AcquirePermit(account="main", priority=priority, per_s=per_s or None, within_s=within_s)
    for number in range(100):
        given = reserve(queue, asked, NOW_US + number)
        assert abs(given.moment) < 2**62
        queue = given.queue or queue
        assert abs(queue.next_at) < 2**62


@settings(max_examples=100, deadline=None)
@given(table=tables(WebhookSettings), submissions=st.integers(0, 10), after_s=st.floats(0, 86_400))
def test_webhook_schedule_gives_a_valid_time_or_gives_up(
    table: dict[str, Any], submissions: int, after_s: float
) -> None:
    """An event that was not accepted is sent again at a moment that exists, or is given up."""
    read = WebhookSettings.model_validate({"url": "https://a.example", "secret": "A" * 32, **table})
    event: Any = PayoutEvent
    waiting = Waiting(event=event, attempts=submissions, next_at=None, result="")
    moment = next_at(Webhook("w", read, ()), waiting, DeliveryResult(accepted=False, why="500", at=T0, after_s=after_s))
    assert moment is None or moment >= T0
