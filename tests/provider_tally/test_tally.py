"""A provider that is nothing like MoMo pays through the same engine, over real sockets."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import tally
from tally_gateway import SLOW, TallyGateway, served
from tally_runtime import GOOD, POOR, asked, runtime_of, till

from payments_core import Money, Payee, PayoutClient, PayoutStatus
from payments_core.domain.payout import Payout
from payments_core.provider import Callback, Capability

UNKNOWN_NUMBER = "254700000021"


def send(client: PayoutClient, number: str = GOOD, key: str = "grant/1") -> Payout:
    return client.send(key=key, payee=Payee.msisdn(number), amount=Money("25.50", "KES"))


def delivery(body: object) -> Callback:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Callback("POST", {}, raw, datetime.now(UTC))


def test_tally_has_the_capabilities_that_its_class_implements() -> None:
    """No others, and none that it declares elsewhere."""
    assert tally.SPEC.capabilities == {
        Capability.RESULT_CALLBACKS,
        Capability.BALANCES,
        Capability.ACCOUNT_HOLDERS,
        Capability.NAME_LOOKUP,
        Capability.USER_INFO,
        Capability.DIAGNOSIS,
    }


def test_final_answer_to_a_submission_ends_the_payout(tmp_path: Path) -> None:
    """A success inside the send is the end: one request, one credit, the provider's reference learned."""
    with till(tmp_path) as (client, gateway, _):
        payout = send(client)
        assert payout.status is PayoutStatus.SUCCEEDED
        assert client.get(payout.id).history[-1].decided_by == "submit"
        assert set(payout.references) == {"txn", "receipt"}
        assert payout.references["txn"].startswith("T-")
        assert len(payout.references["txn"]) == 14
        assert gateway.credits == [payout.references["txn"]]
        assert json.loads(gateway.posts[0])["cents"] == 2550
        again = send(client)
        assert (again.id, len(gateway.posts)) == (payout.id, 1)


@pytest.mark.parametrize(("number", "code"), [(POOR, "insufficient_funds"), (UNKNOWN_NUMBER, "payee_not_found")])
def test_failure_inside_http_200_is_a_failure(tmp_path: Path, number: str, code: str) -> None:
    """HTTP 200 says nothing: the body's code decides, and a first refusal is final."""
    with till(tmp_path) as (client, gateway, _):
        payout = send(client, number)
        assert payout.status is PayoutStatus.FAILED
        assert payout.reason is not None
        assert payout.reason.code == code
        assert not payout.may_have_been_sent
        assert gateway.credits == []


def test_lost_answer_is_closed_by_the_result_callback(tmp_path: Path) -> None:
    """A lost answer is UNKNOWN, a question is asked, and only the answer that comes later makes it SUCCEEDED."""
    with till(tmp_path) as (client, gateway, lost):
        payout, token, answer = asked(client, gateway, lost)
        assert payout.status is PayoutStatus.UNKNOWN
        delivered = client.deliver(token, delivery(answer))
        assert delivered is not None
        assert delivered.status is PayoutStatus.SUCCEEDED
        assert client.get(payout.id).history[-1].decided_by == "result_callback"
        assert gateway.credits == [payout.references["txn"]]
        assert len(gateway.posts) == 1


def test_path_token_is_stored_as_a_hash_before_the_query_is_sent(tmp_path: Path) -> None:
    """The journal holds the hash of the path's token, and never the token."""
    with till(tmp_path) as (client, gateway, lost):
        _, token, _ = asked(client, gateway, lost)
        with sqlite3.connect(tmp_path / "payouts.db") as connection:
            rows = connection.execute("SELECT token_hash, answered_at FROM queries").fetchall()
        connection.close()
        assert len(rows) == 1
        assert rows[0][1] is None
        assert rows[0][0] != token
        raw = b"".join(part.read_bytes() for part in tmp_path.glob("payouts.db*"))
        assert token.encode() not in raw


MISMATCHES: list[tuple[str, Callable[[dict[str, Any]], object], PayoutStatus]] = [
    ("amount", lambda answer: answer | {"cents": 2551}, PayoutStatus.REVIEW),
    ("currency", lambda answer: answer | {"currency": "UGX"}, PayoutStatus.REVIEW),
    ("payee", lambda answer: answer | {"to": POOR}, PayoutStatus.REVIEW),
    ("nothing to compare", lambda answer: {"txn": answer["txn"], "result": 0}, PayoutStatus.REVIEW),
    ("failure of another amount", lambda answer: answer | {"result": 17, "cents": 1}, PayoutStatus.REVIEW),
    ("another txn", lambda answer: answer | {"txn": "T-AAAAAAAAAAAA"}, PayoutStatus.UNKNOWN),
    ("no JSON", lambda answer: b"\xff<html>", PayoutStatus.UNKNOWN),
    ("unlisted code", lambda answer: answer | {"result": 99}, PayoutStatus.UNKNOWN),
]


@pytest.mark.parametrize(("change", "status"), [row[1:] for row in MISMATCHES], ids=[row[0] for row in MISMATCHES])
def test_forged_or_mismatching_result_ends_nothing(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], status: PayoutStatus
) -> None:
    """An answer that does not agree in everything leads to REVIEW or to nothing, never to an end."""
    with till(tmp_path) as (client, gateway, lost):
        _, token, answer = asked(client, gateway, lost)
        delivered = client.deliver(token, delivery(change(answer)))
        assert delivered is not None
        assert delivered.status is status


def test_pending_payout_ends_by_a_later_result(tmp_path: Path) -> None:
    """What is still under way when asked stays open, and the next answer ends it."""
    with till(tmp_path) as (client, gateway, _):
        payout = send(client, SLOW)
        assert payout.status is PayoutStatus.PENDING
        for expected in (PayoutStatus.PENDING, PayoutStatus.SUCCEEDED):
            client.refresh(payout.id)
            token, answer = gateway.answers.pop()
            delivered = client.deliver(token, delivery(answer))
            assert delivered is not None
            assert delivered.status is expected


@pytest.mark.parametrize(("payee", "status"), [(GOOD, PayoutStatus.SUCCEEDED), (POOR, PayoutStatus.REVIEW)])
def test_duplicate_is_adopted_only_when_the_result_agrees(tmp_path: Path, payee: str, status: PayoutStatus) -> None:
    """With a lost journal the same key gives the same txn: the duplicate is adopted only if the answer agrees."""
    (tmp_path / "lost").mkdir()
    gateway = TallyGateway()
    with served(gateway) as url:
        with PayoutClient(runtime_of(tmp_path / "lost", url)) as client:
            first = send(client)
        gateway.ledger[0]["to"] = payee
        with PayoutClient(runtime_of(tmp_path, url)) as client:
            payout = send(client)
            assert payout.status is PayoutStatus.UNKNOWN
            assert payout.references["txn"] == first.references["txn"]
            if not gateway.answers:
                client.refresh(payout.id)
            token, answer = gateway.answers.pop()
            delivered = client.deliver(token, delivery(answer))
    assert delivered is not None
    assert delivered.status is status
    assert len(gateway.credits) == 1


def test_payout_without_any_answer_goes_to_review_and_never_fails(tmp_path: Path) -> None:
    """When no answer ever comes the payout ends in REVIEW, and a later result still ends it."""
    quick = {"poll_schedule_s": [0.02, 1.5]}  # on a busy machine the first query must not come after the last
    with till(tmp_path, **quick) as (client, gateway, lost):
        lost.append("/pay")
        payout = send(client)
        left = client.resume(timeout_s=5)
        assert (left.open, left.review) == (0, 1)
        payout = client.get(payout.id)
        assert payout.status is PayoutStatus.REVIEW
        assert payout.may_have_been_sent
        token, answer = gateway.answers.pop()
        delivered = client.deliver(token, delivery(answer))
        assert delivered is not None
        assert delivered.status is PayoutStatus.SUCCEEDED
