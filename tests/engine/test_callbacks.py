"""What a callback is about, and the read it leads to after the machine has stopped."""

from __future__ import annotations

from typing import Any

import pytest
from flat_records import changed
from kit import OURS, T0, Fake, MakeStage, account_of, after, last, reading, row_of

from payments_core.domain.inbox_records import Arrival, Handling
from payments_core.domain.payout import PayoutStatus, Reason, ReasonCode
from payments_core.domain.records import Event
from payments_core.engine import CallbackMatch, about, differs_from, match_callback
from payments_core.engine.commands import ApplyTransition, CreatePayout
from payments_core.http.messages import NoAnswer
from payments_core.provider import Acknowledgement, Callback, Final, ParsedCallback, Unknown

S = PayoutStatus
ID = "po_" + "a" * 24
CALLBACK = Callback("PUT", {}, b"{}", T0)
NO = Reason(ReasonCode.REJECTED, "NO")
PAID, REFUSED = Final(seen=OURS), Final(reason=NO)


class Calling(Fake):
    """A provider that calls back."""

    def __init__(self, verified: Any = None, parsed: Any = None) -> None:
        super().__init__()
        self.answers = (verified, parsed)

    def verify(self, callback: Callback) -> Any:
        assert callback is CALLBACK
        return _raised(self.answers[0])

    def parse(self, callback: Callback) -> Any:
        assert callback is CALLBACK
        return _raised(self.answers[1])

    def acknowledge(self, callback: Callback) -> Acknowledgement:
        return Acknowledgement()


def _raised(payload: Any) -> Any:
    if isinstance(payload, Exception):
        raise payload
    return payload


OUTCOMES = ParsedCallback(references={"external_id": ID})


@pytest.mark.parametrize(
    ("provider", "hearing"),
    [
        (Calling(None, OUTCOMES), CallbackMatch(None, OUTCOMES)),
        (Calling(True, OUTCOMES), CallbackMatch(True, OUTCOMES)),
        (Calling(False, OUTCOMES), CallbackMatch(False, None, "forged")),
        (Calling(None, None), CallbackMatch(None, None, "makes no sense")),
        (Calling(True, None), CallbackMatch(True, None, "makes no sense")),
        (Calling(False, ValueError("x")), CallbackMatch(False, None, "forged")),
        (Calling(None, "SUCCESSFUL"), CallbackMatch(None, None, "makes no sense")),
        (Calling(KeyError("x"), OUTCOMES), CallbackMatch(None, None, "provider bug: KeyError")),
        (Calling(True, ValueError("x")), CallbackMatch(True, None, "provider bug: ValueError")),
        (Fake(), CallbackMatch(None, None, "the provider takes none")),
    ],
)
def test_callback_is_matched_whatever_the_provider_returns_or_raises(provider: Any, hearing: CallbackMatch) -> None:
    assert match_callback(account_of(provider), CALLBACK) == hearing


@pytest.mark.parametrize(
    ("references", "ids"),
    [
        ({"external_id": ID}, [ID]),
        ({"external_id": f"{ID}-0123456789ab"}, [ID]),
        ({"a": ID, "b": ID, "c": "po_" + "b" * 24}, [ID, "po_" + "b" * 24]),
        ({"external_id": f"x{ID}"}, []),
        ({"external_id": ID[:-1]}, []),
        ({"external_id": ID.upper()}, []),
        ({}, []),
    ],
)
def test_callback_names_a_payout_by_an_id_at_the_beginning(references: dict[str, str], ids: list[str]) -> None:
    assert list(about(ParsedCallback(references=references))) == ids


@pytest.mark.parametrize(
    ("references", "account", "why"),
    [
        ({"external_id": ID}, "till", ""),
        ({"external_id": ID, "transaction": "other than we learned"}, "till", ""),
        ({"external_id": ID}, "other", "names a payout of another account"),
        ({"external_id": f"{ID}-0123456789ab"}, "till", "names a payout by another reference"),
        ({"transaction": ID}, "till", "names a payout by another reference"),
        ({"external_id": f"{ID}-0123456789ab", "transaction": "t-1"}, "till", "names a payout by another reference"),
    ],
)
def test_callback_must_agree_in_account_and_reference(references: dict[str, str], account: str, why: str) -> None:
    """What the provider itself calls it by may differ: that is a reason to ask."""
    row = row_of(S.PENDING, id=ID, references={"reference": "r", "external_id": ID, "transaction": "t-1"})
    assert differs_from(ParsedCallback(references=references), row.attempt, account) == why


def ended(stage: MakeStage, status: PayoutStatus, *outcomes: Any) -> tuple[Any, Any]:
    """Return a stage with a payout at its end whose read a callback has made due."""
    one = stage(Fake(checking=reading(*outcomes)))
    row = one.accept()
    sending = changed(row, status=S.SENDING, submissions=1, sent_at=T0, first_sent_at=T0)
    row = one.journal.execute(ApplyTransition(row, sending, Event("payout.sending", T0))).row
    row = one.journal.execute(
        ApplyTransition(row, changed(row, status=status, next_at=None), Event("payout.end", T0))
    ).row
    one.at = after(60)
    return one, called(one, row)


def called(one: Any, row: Any) -> Any:
    arrival = Arrival(account=row.attempt.account, query="", method="PUT", at=one.at, encoded="{}")
    one.journal.receive(arrival).result()
    no = one.journal.unhandled(accounts=[row.attempt.account], limit=1)[0].no
    event = Event("callback.matched", one.at)
    handled = one.journal.handle(
        Handling(no=no, at=one.at, outcome="read due", details="{}", payout_id=row.id, event=event)
    )
    return handled.row


@pytest.mark.parametrize(
    ("status", "outcome", "events"),
    [
        (S.SUCCEEDED, PAID, ["read"]),
        (S.FAILED, REFUSED, ["read"]),
        (S.SUCCEEDED, Unknown(), ["read"]),
        (S.SUCCEEDED, Unknown(taken_back=True), ["contradicted", "read"]),
        (S.FAILED, Unknown(taken_back=True), ["read"]),
        (S.SUCCEEDED, REFUSED, ["contradicted", "read"]),
        (S.FAILED, PAID, ["contradicted", "read"]),
        (S.REVIEW, Unknown(), ["read"]),
    ],
)
def test_callback_after_the_end_causes_one_check_and_the_end_stands(
    stage: MakeStage, status: PayoutStatus, outcome: Any, events: list[str]
) -> None:
    """What speaks against it is written down; then nothing is due any more, and nothing is published again."""
    one, row = ended(stage, status, outcome)
    assert one.journal.due(one.at, accounts=[row.attempt.account], limit=10) == (row,)
    row = one.advance(row)
    assert (row.status, row.schedule.next_at, row.schedule.read_at) == (status, None, one.at)
    assert one.journal.get(row.id) == row
    assert one.events(row)[4:] == events
    assert len(one.reads()) == 1
    assert one.advance(row) == row
    assert len(one.reads()) == 1


def test_check_after_the_end_is_recorded_with_the_answer(stage: MakeStage) -> None:
    """It moves nothing, and whoever looks into it finds the provider's own word."""
    one, row = ended(stage, S.SUCCEEDED, Unknown(code="REVERSED", text="taken back", http_status=200))
    one.advance(row)
    text = one.journal.history(row.id)[-1].evidence
    assert text == {"code": "REVERSED", "text": "taken back", "http_status": 200}


def test_check_after_the_end_without_an_answer_is_recorded(stage: MakeStage) -> None:
    one, row = ended(stage, S.SUCCEEDED, Unknown())
    one.answers = [NoAnswer("timed out", at=one.at)]
    one.advance(row)
    assert one.journal.history(row.id)[-1].evidence == {"why": "timed out"}


@pytest.mark.parametrize("status", [S.SUCCEEDED, S.REVIEW])
def test_payout_that_no_identity_can_check_does_not_stay_due(stage: MakeStage, status: PayoutStatus) -> None:
    """An account that now pays as somebody else cannot read it: no worker may come back to it for ever."""
    one, row = ended(stage, status, PAID)
    one.account = account_of(Fake(host="elsewhere.invalid"))
    row = one.advance(row)
    assert (row.status, row.schedule.next_at, len(one.reads())) == (status, None, 0)
    assert last(one, row) == ("read", {"why": "no identity of this account can ask about it any more"})
    assert one.journal.due(after(9999), accounts=[row.attempt.account], limit=10) == ()


def test_check_records_its_time(stage: MakeStage) -> None:
    """So that callbacks do not cause another one at once."""
    one = stage(Fake(checking=reading(Unknown())))
    row = one.advance(one.accept())
    assert row.schedule.read_at is None
    one.at = after(5)
    row = one.advance(row)
    assert row.schedule.read_at == after(5)
    assert called(one, row).schedule.next_at == after(10)
    assert isinstance(one.asked[0], CreatePayout)
