"""The drill: the journal is lost and an old backup takes its place, and the same keys are paid again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from payments_core import AsyncPayoutClient, Money, Payee, PayoutStatus, ReasonCode
from payments_core.domain.errors import DecisionRefused
from payments_core.journal.maintenance import restore

S = PayoutStatus
FAILING = "46733123450"
UNDER_WAY = "46733123454"  # for ever
LOST = {"answer_lost_after_acceptance": {"next": 1, "on": "post"}}


def settle(client: Any, *keys: str) -> dict[str, Any]:
    return {key: client.wait(key, timeout_s=15) for key in keys}


def test_restored_journal_pays_no_payee_twice(place: Any, measured: Callable[..., None]) -> None:
    """Every key of before, of during and of after the gap is asked for again: one credit each, and all is recorded.

    What is adopted has submissions that nobody remembers: an audit finds nothing wrong with that.
    """
    gateway = place.gateway
    collection = gateway.add_collection(amount="9", currency="EUR", payer="46733000010")

    def refund(client: Any, number: int) -> Any:
        nine = Money(9, "EUR")
        return client.refund(
            key=f"refund/{number}", collection=collection, amount=Money(3, "EUR"), original_amount=nine
        )

    with place.client() as client:
        place.send(client, "before", "46733000001")
        client.accept(key="untried", payee=Payee.msisdn("46733000002"), amount=Money(5, "EUR"))
        place.refused = {"again"}
        assert place.send(client, "again", "46733000003").status is S.FAILED
        place.refused = set()
        gateway.set_faults({"answer_lost_before_acceptance": {"next": 1, "on": "post"}})
        assert place.send(client, "unknown", "46733000004").status is S.UNKNOWN
        settle(client, "before")
    gap_from = place.back_up()
    gateway.set_faults({})
    with place.client() as client:
        place.send(client, "untried", "46733000002")
        place.send(client, "new", "46733000005")
        place.send(client, "deposit", "46733000006", operation="deposit")
        refund(client, 1)
        gateway.set_faults(LOST)
        place.send(client, "lost answer", "46733000007")
        assert client.reissue("again", actor="Ann", reason="the number was corrected").attempt == 2
        paid = settle(client, "untried", "new", "deposit", "refund/1", "unknown", "lost answer", "again")
        assert {payout.status for payout in paid.values()} == {S.SUCCEEDED}
    before = place.credits()
    place.lose_and_restore()
    place.restored(gap_from)
    with place.client() as client:
        keys = {"before": 1, "untried": 2, "unknown": 4, "new": 5, "lost answer": 7, "later": 8}
        for key, number in keys.items():
            place.send(client, key, f"4673300000{number}")
        place.send(client, "deposit", "46733000006", operation="deposit")
        refund(client, 1)
        client.resume(timeout_s=15)
        found = {payout.key: payout for payout in client.payouts()}
        fields = {key: client.get(key) for key in found}
        failed = fields.pop("again")
        assert {key: payout.status for key, payout in fields.items()} == dict.fromkeys(fields, S.SUCCEEDED)
        for key in ("untried", "new", "deposit", "refund/1", "lost answer"):
            assert "payout.checked_first" in [entry.event for entry in fields[key].history], key
            assert fields[key].history[-1].evidence["adopted"]
        # What was paid again in the gap is not paid a third time while it may lack that, nor afterwards.
        assert failed.status is S.FAILED
        for _ in ("before the comparison", "after it"):
            with pytest.raises(DecisionRefused, match="may lack an attempt that was paid"):
                client.reissue("again", actor="Ann", reason="try")
            place.compare(*place.statement())
        assert place.end_gap().began_at == gap_from
        assert client.reissue("again", actor="Ann", reason="the statement has it").attempt == 2
        again = settle(client, "again")["again"]
        assert (again.status, again.submissions) == (S.SUCCEEDED, 0)
    after = place.credits()
    assert after - before == {"46733000008": 1}  # only what nobody had paid
    twice = sum(count > 1 for count in after.values())
    assert twice == 0
    measured(13, "payees credited twice after a restored backup", twice, store=place.kind)
    assert place.flaws() == []
    assert restore.gap_of(place.store()) is None


def test_first_attempt_is_not_sent_when_the_statement_has_a_second(place: Any) -> None:
    """Attempt 1 waits in the backup; in the gap it was refused and paid again: a person is asked.

    All is paused until the statement was compared, as somebody may have paid again. It has the payout's id beside the
    reference of attempt 2, so that neither is sent.
    """
    with place.client() as client:
        place.send(client, "warm", "46733000009")
        client.accept(key="k", payee=Payee.msisdn("46733000001"), amount=Money(5, "EUR"))
    gap_from = place.back_up()
    with place.client() as client:
        place.refused = {"k"}
        assert place.send(client, "k", "46733000001").status is S.FAILED
        place.refused = set()
        client.reissue("k", actor="Ann", reason="corrected")
        settle(client, "k")
    place.lose_and_restore()
    place.restored(gap_from)
    with place.client() as client:
        client.pause()
        place.compare(*place.statement())
        client.unpause()
        place.send(client, "k", "46733000001")
        payout = client.wait("k", timeout_s=10)
        assert (payout.status, payout.reason.code) == (S.REVIEW, ReasonCode.ON_STATEMENT)
        assert payout.may_have_been_sent
        with pytest.raises(DecisionRefused, match="In REVIEW: 1 payout"):
            place.end_gap()
        client.resolve("k", paid=False, actor="Ann", reason="refused", evidence="statement of today: only attempt 2")
        settle(client, "warm")
        place.end_gap()
        assert client.reissue("k", actor="Ann", reason="attempt 2 was paid").attempt == 2
        payout = client.wait("k", timeout_s=10)
        assert (payout.status, payout.submissions) == (S.SUCCEEDED, 0)
    assert place.credits()["46733000001"] == 1


def test_restored_backup_with_the_account_refused(place: Any, measured: Callable[..., None]) -> None:
    """A refusal after the restore writes FAILED only where the provider shows nothing: what was paid stays paid."""
    with place.client() as client:
        place.send(client, "refused before", FAILING)
        assert settle(client, "refused before")["refused before"].status is S.FAILED
    place.pay_in_the_gap("paid", "46733000002")
    place.gateway.set_faults({"writes_forbidden": True})
    with place.client() as client:
        for key, number in (("paid", "46733000002"), ("refused before", FAILING), ("new", FAILING)):
            place.send(client, key, number)
        assert settle(client, "paid")["paid"].status is S.SUCCEEDED
        assert client.get("refused before").status is S.FAILED
        client.resume(timeout_s=2)
        assert client.get("new").status in {S.CREATED, S.UNKNOWN}  # the account is refused; no payout fails for that
        client.unpause(account=client.accounts()[0])
        place.gateway.set_faults({})
        assert settle(client, "new")["new"].status is S.FAILED
        absent = [entry.event for entry in client.get("new").history].index("payout.not_found")
        assert absent < [entry.event for entry in client.get("new").history].index("payout.sending")
    wrong = sum(count > 1 for count in place.credits().values())
    assert place.credits() == {"46733000002": 1}
    measured(13, "restored backup with the account refused", int(not wrong), store=place.kind)


@pytest.mark.parametrize("how", ["guard", "expiry"])
def test_guard_and_expiry_fail_nothing_before_a_check(place: Any, how: str) -> None:
    """Neither a guard nor an expiry ends what may have been paid in the gap."""
    soon = datetime.now(UTC) + timedelta(seconds=3)
    more = {"expires_at": soon} if how == "expiry" else {}
    place.pay_in_the_gap("paid", "46733000001", **more)
    with place.client() as client:
        if how == "expiry":
            client.accept(key="paid", payee=Payee.msisdn("46733000001"), amount=Money(5, "EUR"), **more)
            client.accept(key="not paid", payee=Payee.msisdn("46733000002"), amount=Money(5, "EUR"), **more)
            time.sleep(max((soon - datetime.now(UTC)).total_seconds(), 0) + 0.05)
        else:
            place.refused = {"paid", "not paid"}
        place.send(client, "paid", "46733000001", **more)
        place.send(client, "not paid", "46733000002", **more)
        ends = settle(client, "paid", "not paid")
        assert ends["paid"].status is S.SUCCEEDED
        assert ends["not paid"].status is S.FAILED
        assert [entry.event for entry in client.get("not paid").history].count("payout.not_found") >= 2
    assert place.credits() == {"46733000001": 1}


def test_gap_longer_than_the_dedupe_window_keeps_payments_closed(place: Any, measured: Callable[..., None]) -> None:
    """What was paid is adopted, nothing is sent, no `unpause` ends that; a person's comparison does."""
    gap_from = place.back_up()
    with place.client() as client:
        place.send(client, "paid", "46733000001")
        settle(client, "paid")
    place.change(dedupe_window_s=2)
    time.sleep(1.1)
    place.lose_and_restore()
    place.restored(gap_from)
    with place.client() as client:
        [account] = client.accounts()
        place.send(client, "paid", "46733000001")
        place.send(client, "new", "46733000002")
        assert settle(client, "paid")["paid"].status is S.SUCCEEDED
        client.resume(timeout_s=3)
        assert client.get("new").status is S.CREATED
        assert [pause.by for pause in client.pauses()] == ["restored"]
        assert not client.unpause(account=account)
        client.resume(timeout_s=0.5)
        client.pause(account=account)
        assert client.unpause(account=account)
        client.resume(timeout_s=0.5)
        assert place.credits() == {"46733000001": 1}
        assert [pause.by for pause in client.pauses()] == ["restored"]
        place.compare(*place.statement())
        assert client.pauses() == ()
        client.resume(timeout_s=5)
        assert settle(client, "new")["new"].status is S.SUCCEEDED
    assert place.credits() == {"46733000001": 1, "46733000002": 1}
    measured(13, "restored backup older than the dedupe window", 1, store=place.kind)


def test_async_client_checks_first_in_a_gap(place: Any) -> None:
    """What was paid in the gap is adopted, and nothing is sent."""
    place.pay_in_the_gap("k", "46733000001")

    async def pay() -> Any:
        async with AsyncPayoutClient.from_config(place.config) as client:
            await client.send(key="k", payee=Payee.msisdn("46733000001"), amount=Money(5, "EUR"))
            return await client.wait("k", timeout_s=10)

    payout = asyncio.run(pay())
    assert (payout.status, payout.submissions) == (S.SUCCEEDED, 0)
    assert place.credits() == {"46733000001": 1}


def test_undeclared_restore_is_caught_by_the_provider(place: Any) -> None:
    """Nobody said that the journal was restored: the derived reference is a duplicate, and is adopted."""
    place.back_up()
    with place.client() as client:
        place.send(client, "k", "46733000001")
        settle(client, "k")
    place.lose_and_restore()
    with place.client() as client:
        place.send(client, "k", "46733000001")
        assert settle(client, "k")["k"].status is S.SUCCEEDED
        assert "payout.duplicate" in [entry.event for entry in client.get("k").history]
    assert place.credits() == {"46733000001": 1}


def test_payment_of_another_amount_under_our_reference_is_not_adopted(place: Any) -> None:
    """The same key, another amount in the gap: what is found does not agree, and a person looks."""
    gap_from = place.back_up()
    with place.client() as client:
        client.send(key="k", payee=Payee.msisdn("46733000001"), amount=Money(7, "EUR"))
        settle(client, "k")
    place.lose_and_restore()
    place.restored(gap_from)
    with place.client() as client:
        place.send(client, "k", "46733000001")
        payout = client.wait("k", timeout_s=5)
        assert (payout.status, payout.reason.code) == (S.REVIEW, ReasonCode.MISMATCH)
        assert payout.may_have_been_sent
    assert place.credits() == {"46733000001": 1}
    place.compare()
    with pytest.raises(DecisionRefused, match=r"In REVIEW: 1 payout\."):
        place.end_gap()
    with pytest.raises(DecisionRefused, match=r"gap.*is open") as refused:
        restore.no_gap(place.store())
    assert "`payouts journal restored --over`" in refused.value.hint
    with place.client() as client:
        client.resolve("k", paid=True, actor="Ann", reason="it was", evidence="line 2 of the statement")
    place.end_gap()
    restore.no_gap(place.store())


def test_gap_does_not_end_while_a_payout_is_not_settled(place: Any) -> None:
    """Over is what a person says, and only when all was sought, and all is decided."""
    place.gateway.set_faults({"answer_lost_before_acceptance": {"next": 1, "on": "post"}})
    with place.client() as client:
        place.send(client, "open", "46733000001")
        place.send(client, "under way", UNDER_WAY)
    place.change(poll_schedule_s=[0.2])
    with place.client() as client:
        place.send(client, "in review", UNDER_WAY)
        assert settle(client, "in review")["in review"].status is S.REVIEW
    gap_from = place.back_up()
    place.lose_and_restore()
    place.restored(gap_from)
    place.compare()
    with pytest.raises(DecisionRefused, match=r"not settled: 2 payouts\. In REVIEW: 1 payout\.") as refused:
        place.end_gap()
    assert refused.value.hint == "Next: `payouts resume`, or `payouts wait KEY` for what a pause stops."
    place.change(poll_schedule_s=[0.2] * 60)
    with place.client() as client:
        settle(client, "open")
        for key, left in (("under way", "not settled: 1 payout"), ("in review", "In REVIEW: 1 payout")):
            with pytest.raises(DecisionRefused, match=left):
                place.end_gap()
            place.change(poll_schedule_s=[0.2])
            with place.client() as impatient:
                assert settle(impatient, key)[key].status is S.REVIEW
                impatient.resolve(key, paid=True, actor="Ann", reason="it was", evidence="line 2 of the statement")
    place.end_gap()
    with pytest.raises(DecisionRefused, match="not said to be restored"):
        place.end_gap()
    assert place.credits() == {"46733000001": 1}
