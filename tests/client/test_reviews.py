"""A person's decisions through both clients, against a real gateway over real sockets."""

from __future__ import annotations

import functools
import inspect
import pickle
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from payments_core import Money, Payee, PayoutClient, PayoutStatus, ReasonCode
from payments_core.client.asynchronous.review_mixin import AsyncReviewMixin
from payments_core.client.synchronous.review_mixin import ReviewMixin
from payments_core.domain.errors import DailyLimitReached, DecisionRefused, InvalidAmount, UnknownPayout
from payments_core.domain.rates import Permit, Priority
from payments_core.engine import ReviewAction
from payments_core.runtime.permit_wait import AccountCaps
from payments_mtn_momo.emulator import MtnMomoEmulator

S = PayoutStatus
FAILING = "46733123450"
Run = Callable[[Callable[[Any], Any]], Any]


@pytest.fixture
def gateway(gateway: MtnMomoEmulator) -> MtnMomoEmulator:
    """Return a gateway, and let an attempt settle soon."""
    configure(lease_s="1.1", timeout_s="0.5", reads_per_s="50")
    return gateway


def configure(**settings: str) -> None:
    """Change settings of the account."""
    path = Path("payouts.toml")
    lines = [line for line in path.read_text("utf-8").splitlines() if line.split(" ")[0] not in settings]
    path.write_text("\n".join([*lines, *(f"{name} = {value}" for name, value in settings.items())]) + "\n", "utf-8")


@pytest.fixture
def permits(monkeypatch: pytest.MonkeyPatch) -> list[Priority]:
    """What permits were taken for."""
    taken: list[Priority] = []
    note = AccountCaps.note

    def noting(self: Any, priority: Priority, permit: Permit) -> None:
        taken.append(priority)
        note(self, priority, permit)

    monkeypatch.setattr(AccountCaps, "note", noting)
    return taken


def order(key: str = "k/1", payee: str = "46733123499", amount: str = "25") -> dict[str, Any]:
    return {"key": key, "payee": Payee.msisdn(payee), "amount": Money(amount, "EUR")}


def test_review_methods_are_the_same_in_both_clients() -> None:
    """The same decisions with the same arguments and words in both clients."""
    names = [name for name in vars(ReviewMixin) if not name.startswith("_")]
    assert names == [name for name in vars(AsyncReviewMixin) if not name.startswith("_")]
    for name in names:
        one, twin = getattr(ReviewMixin, name), getattr(AsyncReviewMixin, name)
        assert str(inspect.signature(one)) == str(inspect.signature(twin)).replace("'AsyncIterator", "'Iterator")
        assert inspect.getdoc(one) == inspect.getdoc(twin)


def wait_until(moment: datetime) -> None:
    time.sleep(max((moment - datetime.now(UTC)).total_seconds(), 0) + 0.01)


def test_reissue_waits_for_the_settling_time_and_pays(
    gateway: MtnMomoEmulator, using: Run, permits: list[Priority]
) -> None:
    """The refusal says when to try again; then another reference is sent, and both attempts are there to be seen.

    Whoever asks for it, earlier attempts are read at the account's rate: for the decision, and before it is sent.
    """
    with PayoutClient.from_config() as client:
        client.send(**order(payee=FAILING))
        assert client.wait("k/1", timeout_s=20).status is S.FAILED

    def again(client: Any) -> Any:
        return client.reissue("k/1", actor="Ann", reason="the limit was raised")

    with pytest.raises(DecisionRefused, match="too early") as caught:
        using(again)
    assert caught.value.again_at is not None
    wait_until(caught.value.again_at)
    permits.clear()
    payout = using(again)
    assert len(permits) >= 2
    assert set(permits) == {Priority.READ}  # one that came too late on a busy machine is asked for once more
    assert (payout.attempt, payout.submissions, payout.key) == (2, 1, "k/1")
    sent = [entry["reference"] for entry in gateway.ledger()]
    assert len(set(sent)) == 2
    result = next(entry for entry in payout.history if entry.event == "payout.reissued").evidence
    assert result["references_before"]["reference"] == sent[0]
    assert payout.references["reference"] == sent[1]
    with PayoutClient.from_config() as client:
        assert client.send(**order(payee=FAILING)).attempt == 2


def test_reissue_checks_an_attempt_of_a_retired_identity(
    gateway: MtnMomoEmulator, using: Run, tmp_path: Path, permits: list[Priority]
) -> None:
    """An account that pays as somebody else reads the old attempt with the old credentials, and at the same rate."""
    with PayoutClient.from_config() as client:
        client.send(**order(payee=FAILING))
        assert client.wait("k/1", timeout_s=20).status is S.FAILED
        old = dict(client._runtime.journal.by_key("k/1").attempt.binding)  # type: ignore[union-attr]
    old_user = old["api_user"]
    with MtnMomoEmulator() as other:
        text = Path("payouts.toml").read_text("utf-8")
        (tmp_path / "elsewhere").mkdir()
        other.write_config(tmp_path / "elsewhere" / "payouts.toml")
        new = (tmp_path / "elsewhere" / "payouts.toml").read_text("utf-8")
        own = [line for line in text.splitlines() if line.split(" ")[0] in {"base_url", "api_user"}]
        keys = [line for line in text.splitlines() if line.split(" ")[0] in {"api_key", "subscription_key"}]
        kept = [line for line in text.splitlines() if line not in {*own, *keys}]
        moved = [line for line in new.splitlines() if line.split(" ")[0] in {"base_url", "api_user"}]
        moved += [
            line.replace("file:", "file:elsewhere/")
            for line in new.splitlines()
            if line.split(" ")[0] in {"api_key", "subscription_key"}
        ]
        target = next(line for line in text.splitlines() if line.startswith("target_environment"))
        retired = ["[[accounts.mtn-sandbox.retired]]", target, *own, *keys]
        Path("payouts.toml").write_text("\n".join([*kept, *moved, *retired]) + "\n", "utf-8")
        time.sleep(2.5)
        permits.clear()
        payout = using(lambda client: client.reissue("k/1", actor="Ann", reason="moved"))
        assert len(permits) >= 2
        assert set(permits) == {Priority.READ}  # one that came too late on a busy machine is asked for once more
        assert payout.attempt == 2
        assert [entry["reference"] for entry in other.ledger()] == [payout.references["reference"]]
        assert len(gateway.ledger()) == 1
        assert old_user not in str(payout.references)


def lose_the_journal() -> None:
    for path in Path().glob("payouts.db*"):
        path.unlink()


def in_review() -> None:
    """Let a payout stop: under its reference stands another amount, from a journal that was lost."""
    with PayoutClient.from_config() as client:
        client.send(**order())
        client.wait("k/1", timeout_s=20)
    lose_the_journal()
    with PayoutClient.from_config() as client:
        assert client.send(**order(amount="26")).status is S.REVIEW


@pytest.mark.usefixtures("gateway")
def test_review_is_listed_and_decided(using: Run, permits: list[Priority]) -> None:
    in_review()
    permits.clear()
    (found,) = list(using(lambda client: client.review()))
    assert (found.payout.key, found.payout.reason.code) == ("k/1", ReasonCode.MISMATCH)
    assert found.since == found.payout.history[-1].at
    assert set(found.acts) == {ReviewAction.PAID, ReviewAction.NOT_PAID}
    with pytest.raises(DecisionRefused, match="shows another payment under its reference"):
        using(lambda client: client.resolve("k/1", paid=False, actor="Ann", reason="not ours"))
    with pytest.raises(DecisionRefused, match="cannot be reopened"):
        using(lambda client: client.reopen("k/1", actor="Ann", reason="try"))
    payout = using(
        lambda client: client.resolve("k/1", paid=True, actor="Ann", reason="the old amount", evidence="line 7")
    )
    assert (payout.status, payout.history[-1].decided_by) == (S.SUCCEEDED, "person")
    assert set(permits) == {Priority.READ}  # a permit that came too late on a busy machine is asked for once more
    assert list(using(lambda client: client.review())) == []


@pytest.mark.usefixtures("gateway")
def test_approval_lets_a_payout_over_the_limit_be_sent(using: Run) -> None:
    """It is sent by whoever works on payouts once somebody has approved it, and only then."""
    configure(approve_above='{ EUR = "20" }')
    payout = using(lambda client: client.send(**order()))
    assert (payout.status, payout.reason.code, payout.next_at) == (S.CREATED, ReasonCode.NEEDS_APPROVAL, None)
    assert using(lambda client: client.resume(timeout_s=0)).steps == 0
    payout = using(lambda client: client.approve("k/1", actor="Ben", reason="checked"))
    assert (payout.status, payout.reason, payout.submissions) == (S.CREATED, None, 0)
    using(lambda client: client.resume(timeout_s=20))
    payout = using(lambda client: client.get("k/1"))
    assert payout.status is S.SUCCEEDED
    assert [entry.event for entry in payout.history][:4] == [
        "payout.created",
        "payout.needs_approval",
        "payout.approved",
        "payout.sending",
    ]


@pytest.mark.usefixtures("gateway")
def test_cancel_ends_only_what_was_not_sent(using: Run) -> None:
    """The same key returns the cancelled payout; nobody works on it, and the application is told."""
    using(lambda client: client.accept(**order()))
    with pytest.raises(DecisionRefused, match="a name and a reason"):
        using(lambda client: client.cancel("k/1", actor="", reason="the wrong month"))
    payout = using(lambda client: client.cancel("k/1", actor="Ben", reason="the wrong month"))
    assert (payout.status, payout.history[-1].decided_by, payout.is_final) == (S.CANCELLED, "person", True)
    assert using(lambda client: client.send(**order())) == payout
    assert using(lambda client: client.resume(timeout_s=0)).steps == 0
    using(lambda client: client.send(**order("k/2")))
    with pytest.raises(DecisionRefused, match="cannot be cancelled"):
        using(lambda client: client.cancel("k/2", actor="Ben", reason="too late"))


@pytest.mark.usefixtures("gateway")
def test_largest_amount_is_enforced_by_every_call_that_pays(using: Run) -> None:
    """Nothing is recorded; a key that is known stays what it is, and waits while the limit is below it."""
    accepted = using(lambda client: client.accept(**order()))
    configure(largest_amount='{ EUR = "20" }')
    collection = "00000000-0000-4000-8000-000000000001"
    back = {"collection": collection, "original_amount": Money("50", "EUR"), "key": "k/2", "amount": Money("25", "EUR")}
    for call in (
        lambda client: client.send(**order("k/2")),
        lambda client: client.send(**order("k/2"), operation="deposit"),
        lambda client: client.accept(**order("k/2")),
        lambda client: client.refund(**back),
    ):
        with pytest.raises(InvalidAmount, match="25 EUR is more than the largest_amount of account mtn-sandbox"):
            using(call)
    with pytest.raises(UnknownPayout):
        using(lambda client: client.get("k/2"))
    held = using(lambda client: client.send(**order()))
    assert (held.id, held.status, held.reason.code) == (accepted.id, S.CREATED, ReasonCode.ABOVE_LARGEST_AMOUNT)
    configure(largest_amount='{ EUR = "25" }')
    assert using(lambda client: client.wait("k/1", timeout_s=20)).status is S.SUCCEEDED


@pytest.mark.usefixtures("gateway")
def test_daily_limit_is_enforced_by_every_call_that_pays(using: Run) -> None:
    """What fits beside what was sent is paid; more is not recorded, and what was accepted before waits and says why."""
    configure(daily_limit='{ EUR = "50" }')
    accepted = using(lambda client: client.accept(**order()))
    assert using(lambda client: client.send(**order("k/2"))).submissions == 1
    assert using(lambda client: client.send(**order("k/3", amount="20"))).submissions == 1
    collection = "00000000-0000-4000-8000-000000000001"
    back = {"collection": collection, "original_amount": Money("50", "EUR"), "key": "k/4", "amount": Money("25", "EUR")}
    for call in (
        lambda client: client.send(**order("k/4")),
        lambda client: client.accept(**order("k/4")),
        lambda client: client.refund(**back),
    ):
        with pytest.raises(DailyLimitReached, match=r"of 50 EUR, 45 is used and 5 is left") as refused:
            using(call)
        assert pickle.loads(pickle.dumps(refused.value)).left == 5  # noqa: S301 - our own
    with pytest.raises(UnknownPayout):
        using(lambda client: client.get("k/4"))
    held = using(lambda client: client.send(**order()))
    assert (held.id, held.status, held.reason.code) == (accepted.id, S.CREATED, ReasonCode.DAILY_LIMIT)
    configure(daily_limit='{ EUR = "75" }')
    assert using(lambda client: client.wait("k/1", timeout_s=20)).status is S.SUCCEEDED


@pytest.mark.usefixtures("gateway")
def test_decision_about_an_unknown_payout_is_refused(using: Run) -> None:
    by: dict[str, Any] = {"actor": "Ann", "reason": "x"}
    fields = {"resolve": {"paid": True, **by}, "reopen": by, "reissue": by, "approve": by}
    for act, more in {**fields, "cancel": {"actor": "Ann", "reason": "x"}}.items():
        with pytest.raises(UnknownPayout):
            using(functools.partial(_call, act, more))


def _call(act: str, more: dict[str, Any], client: Any) -> Any:
    return getattr(client, act)("none", **more)
