"""What comes to a minted path, in any order and however often: the true end is recorded, and no other moves it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import tally
from tally_gateway import TallyGateway, served
from tally_runtime import POOR, arrive, asked, listening, outcomes, post, runtime_of, till

from payments_core import AsyncPayoutClient, Money, Payee, PayoutClient
from payments_core.callbacks import app
from payments_core.domain.errors import DecisionRefused
from payments_core.domain.inbox_records import MOST_PER_PATH
from payments_core.domain.payout import Payout
from payments_core.domain.payout import PayoutStatus as S
from payments_core.http.flow import HttpFlow
from payments_core.http.messages import slot
from payments_core.journal.sql.queries import QueriesMixin
from payments_core.provider import Acknowledgement, Callback, CheckOutcome, Draft, Final, ParsedCallback
from payments_core.runtime import utc_now

PAID, FAILED = 0, 17
LIMIT = '[accounts.till.approve_above]\nKES = "1"'
Paths = tuple[PayoutClient, TallyGateway, list[str]]


@pytest.fixture(params=["sqlite", "postgres"])
def paths(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Paths]:
    """A client on either journal, its gateway, and the list of paths whose next answers are lost."""
    where: dict[str, Any] = {} if request.param == "sqlite" else {"journal": request.getfixturevalue("postgres_url")}
    with till(tmp_path, poll_schedule_s=[0.01, 0.01, 0.01, 600.0], **where) as installation:
        yield installation


def contradictions(payout: Payout) -> list[Any]:
    return [entry.evidence for entry in payout.history if entry.event == "payout.contradicted"]


@pytest.mark.parametrize(
    "nothing",
    [b"", b"<html>", b"[]", {"txn": "T-OTHER", "result": PAID}, {"result": 1}, {"result": 99}],
    ids=["empty", "no JSON", "no object", "another payment's", "pending", "unlisted"],
)
def test_result_without_an_end_leaves_the_path_open(
    paths: Paths, caplog: pytest.LogCaptureFixture, nothing: Any
) -> None:
    """It is kept and logged, twice if it comes twice, and the true result after it counts."""
    client, gateway, lost = paths
    payout, token, true = asked(client, gateway, lost)
    outcome = {"txn": true["txn"], **nothing} if isinstance(nothing, dict) else nothing
    with caplog.at_level("INFO"):
        assert [arrive(client, token, outcome), arrive(client, token, outcome)] == [True, True]
        client.inbox.handle()
    assert outcomes(client) == {"tells no end": 2}
    assert [record.why for record in caplog.records if record.getMessage() == "callback.ignored"] == [  # type: ignore[attr-defined]
        "tells no end"
    ] * 2
    assert client.get(payout.id).status in {S.UNKNOWN, S.PENDING}

    arrive(client, token, true)
    client.inbox.handle()
    payout = client.get(payout.id)
    assert (payout.status, payout.history[-1].decided_by) == (S.SUCCEEDED, "result_callback")
    assert contradictions(payout) == []


def test_result_that_disagrees_leaves_the_path_open_and_goes_to_review(paths: Paths) -> None:
    """Another amount stops the machine, once; the true result after it is believed as a read would be."""
    client, gateway, lost = paths
    payout, token, true = asked(client, gateway, lost)
    for item in (true | {"cents": 1}, true | {"cents": 1}):
        arrive(client, token, item)
    client.inbox.handle()
    assert client.get(payout.id).status is S.REVIEW
    assert outcomes(client) == {"answered": 1, "repeated": 1}
    assert [event.status for event in client.events(consumer="test")] == [S.REVIEW]

    arrive(client, token, true)
    client.inbox.handle()
    assert client.get(payout.id).status is S.SUCCEEDED


@pytest.mark.parametrize("at_once", [True, False], ids=["together", "one by one"])
@pytest.mark.parametrize(("first", "other"), [(FAILED, PAID), (PAID, FAILED)], ids=["failed first", "paid first"])
def test_result_with_another_end_is_a_contradiction(paths: Paths, first: int, other: int, *, at_once: bool) -> None:
    """The first stands, however the path goes on, and that it is contradicted is written down once."""
    client, gateway, lost = paths
    payout, token, true = asked(client, gateway, lost)
    for result in (first, first, other, other, first):
        assert arrive(client, token, true | {"result": result})
        if not at_once:
            client.inbox.handle()
    client.inbox.handle()

    payout = client.get(payout.id)
    assert payout.status is (S.FAILED if first == FAILED else S.SUCCEEDED)
    assert len(contradictions(payout)) == 1
    assert outcomes(client) == {"answered": 1, "contradicted": 1, "repeated": 3}


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_result_that_finds_the_payout_changed_is_handled_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Another process was quicker: what is delivered then is looked at once more."""
    with till(tmp_path) as (client, gateway, lost):
        payout, token, true = asked(client, gateway, lost)
        by_query, stale = QueriesMixin.by_query, [True]

        def moved(journal: Any, query: str) -> Any:
            row, attempt = by_query(journal, query) or pytest.fail("it was asked")
            return replace(row, version=row.version - stale.pop()) if stale else row, attempt

        monkeypatch.setattr(QueriesMixin, "by_query", moved)
        callback = Callback("POST", {}, json.dumps(true).encode(), utc_now())
        if kind == "sync":
            found = client.deliver(token, callback)
        else:
            found = asyncio.run(delivered(client._runtime, token, callback))
        assert found is not None
        assert (found.status, client.get(payout.id).status) == (S.SUCCEEDED, S.SUCCEEDED)


async def delivered(runtime: Any, token: str, callback: Callback) -> Payout | None:
    return await AsyncPayoutClient(runtime).deliver(token, callback)


def test_results_stored_for_one_path_are_limited(paths: Paths, caplog: pytest.LogCaptureFixture) -> None:
    """A stranger with the path cannot fill the journal; the rest is logged, and each path has a share of its own."""
    client, gateway, lost = paths
    _, token, true = asked(client, gateway, lost)
    kept = [arrive(client, token, b"") for _ in range(MOST_PER_PATH + 3)]
    assert kept == [True] * MOST_PER_PATH + [False] * 3
    client.inbox.handle()
    assert not arrive(client, token, true)
    assert outcomes(client) == {"tells no end": MOST_PER_PATH}

    client.refresh("grant/1")
    token, true = gateway.answers.pop()
    assert arrive(client, token, true)


class CalledBack(tally.Tally):
    """Answers what is asked at once, and tells the result of each submission to a path of its own."""

    def draft(self, order: Any, attempt: Any) -> Draft:
        draft = super().draft(order, attempt)
        fields = json.loads(draft.request.body or "") | {"answer_to": slot("answer_token")}
        return replace(draft, request=replace(draft.request, body=json.dumps(fields)))

    def check(self, draft: Draft) -> HttpFlow[CheckOutcome]:
        return Final(reason=tally.Reason(tally.ReasonCode.INSUFFICIENT_FUNDS))
        yield

    def verify(self, callback: Callback) -> bool | None:
        return None

    def parse(self, callback: Callback) -> ParsedCallback | None:
        return None

    def acknowledge(self, callback: Callback) -> Acknowledgement:
        return Acknowledgement()


@contextmanager
def paid_again(folder: Path, patch: pytest.MonkeyPatch) -> Iterator[tuple[PayoutClient, Payout, str, dict[str, Any]]]:
    """Yield a payout whose first attempt failed and whose second waits, and the first one's path and result."""
    facts = replace(tally.SPEC.facts, status_by="answer", result_by="submission")
    patch.setattr(tally, "SPEC", replace(tally.SPEC, build=CalledBack, facts=facts))
    gateway, ahead = TallyGateway(), [timedelta()]
    with served(gateway) as url, ExitStack() as stack:
        runtime = replace(runtime_of(folder, url, more=LIMIT), clock=lambda: utc_now() + ahead[0])
        client = stack.enter_context(PayoutClient(runtime))
        client.accept(key="grant/1", payee=Payee.msisdn(POOR), amount=Money("25.50", "KES"))
        client.resume(timeout_s=0)
        client.approve("grant/1", actor="Ben", reason="checked")
        first = client.send(key="grant/1", payee=Payee.msisdn(POOR), amount=Money("25.50", "KES"))
        assert first.status is S.FAILED
        sent, ahead[0] = json.loads(gateway.posts[-1]), timedelta(days=8)
        payout = client.reissue("grant/1", actor="Ann", reason="top up done")
        client.resume(timeout_s=0)
        assert (client.get(payout.id).attempt, client.get(payout.id).status) == (2, S.CREATED)
        yield client, payout, sent["answer_to"], {name: sent[name] for name in ("txn", "cents", "currency", "to")}


@pytest.mark.parametrize(
    ("results", "expected"), [([FAILED, PAID, PAID], {"repeated": 2, "contradicted": 1}), ([1], {"tells no end": 1})]
)
def test_result_for_an_earlier_attempt_stops_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, results: list[int], expected: dict[str, int]
) -> None:
    """That it was paid after all keeps the next attempt from being sent."""
    with paid_again(tmp_path, monkeypatch) as (client, payout, token, true):
        for result in results:
            arrive(client, token, true | {"result": result})
        client.inbox.handle()
        assert outcomes(client) == expected
        attempts = [item["attempt"] for item in contradictions(client.get(payout.id))]
        assert attempts == [1] * expected.get("contradicted", 0)
        client.approve(payout.id, actor="Ben", reason="checked")
        client.resume(timeout_s=0)
        assert client.get(payout.id).submissions == (0 if attempts else 1)


def test_result_for_an_erased_payee_is_recorded_without_the_payee(paths: Paths) -> None:
    """What comes says that the recorded end is wrong: it is written down, and the payee is not."""
    client, gateway, lost = paths
    payout, token, true = asked(client, gateway, lost, POOR)
    arrive(client, token, true)
    client.inbox.handle()
    assert client.get(payout.id).status is S.FAILED
    with pytest.raises(DecisionRefused, match="still being checked again"):
        client.erase(payout.id, actor="Ann", reason="asked to")
    client.resume(timeout_s=5)
    client.erase(payout.id, actor="Ann", reason="asked to")
    arrive(client, token, true | {"result": PAID})
    client.inbox.handle()

    assert outcomes(client) == {"answered": 1, "contradicted": 1}
    payout = client.get(payout.id)
    assert len(contradictions(payout)) == 1
    assert POOR not in repr(payout.history)


def test_callback_application_acknowledges_what_it_does_not_store(
    paths: Paths, caplog: pytest.LogCaptureFixture
) -> None:
    """The caller cannot see it: it is counted and logged."""
    client, gateway, lost = paths
    _, token, _ = asked(client, gateway, lost)
    application = app(client)
    with caplog.at_level("INFO"), listening(application) as url:
        assert {post(f"{url}/{token}", b"") for _ in range(MOST_PER_PATH + 2)} == {200}
    assert (application.counts["received"], application.counts["over_cap"]) == (MOST_PER_PATH, 2)
    ignored = [record for record in caplog.records if record.getMessage() == "callback.ignored"]
    assert sum("20 have come" in record.why for record in ignored) == 2  # type: ignore[attr-defined]
