"""Failover through both clients: a payout that failed on one account is paid from another one, over real sockets."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from payments_core import AsyncPayoutClient, Money, Payee, PayoutClient, PayoutStatus, ReasonCode, settings
from payments_core.client import assemble
from payments_core.domain.errors import DecisionRefused, InvalidPayout, KeyReused, UnknownAccount
from payments_core.engine import derived_references
from payments_core.engine.commands import CreateAttempt
from payments_core.journal import open_audit, store_of
from payments_core.journal.maintenance import restore
from payments_core.provider import Callback
from payments_mtn_momo.emulator import MtnMomoEmulator
from payments_mtn_momo.emulator import payees as fates

S = PayoutStatus
PAYEE = "46733123453"  # whom the first gateway keeps waiting, and the second one pays at once
WHO: dict[str, Any] = {"actor": "Ann", "reason": "no float on the first account"}
Run = Callable[[Callable[[Any], Any]], Any]


class Two:
    """Two gateways, one configuration with an account at each, and a clock that can be ahead."""

    first, spare = "mtn-sandbox", "spare"

    def __init__(self, folder: Path, one: Any, other: Any) -> None:
        self.one, self.other, self.ahead = one, other, timedelta()
        self.config, apart = folder / "payouts.toml", folder / "apart"
        apart.mkdir()
        [name] = one.write_config(self.config)
        [theirs] = other.write_config(apart / "payouts.toml")
        text = (apart / "payouts.toml").read_text("utf-8")
        table = text[text.index(f"[accounts.{theirs}]") :].replace(
            f"[accounts.{theirs}]", f"[accounts.{self.spare}]", 1
        )
        both = self.config.read_text("utf-8").replace(f"[accounts.{name}]", f"[accounts.{self.first}]", 1)
        both += "\n" + table.replace('"file:', '"file:apart/')
        self.config.write_text(re.sub(r"(?m)^(poll_schedule_s) = .*$", r"\1 = [600, 600]", both), "utf-8")

    @property
    def url(self) -> str:
        return settings.load(self.config).journal

    def client(self) -> PayoutClient:
        return PayoutClient(self.runtime())

    def runtime(self) -> Any:
        return assemble(self.config, clock=lambda: datetime.now(UTC) + self.ahead)

    def send(self, client: Any, account: str | None = first, key: str = "k/1") -> Any:
        return client.send(key=key, account=account, payee=Payee.msisdn(PAYEE), amount=Money("5", "EUR"))

    def decide(self, fate: Any) -> None:
        """Let the first gateway say from now on that it ended so."""
        for payment in self.one.gateway.books.accepted:
            object.__setattr__(payment, "fate", fate)

    def fail(self) -> None:
        """Pay from the first account, which then says that it failed; let the settling time pass."""
        with self.client() as client:
            assert self.send(client).status is S.PENDING
            self.decide(fates.failed("NOT_ENOUGH_FUNDS"))
            assert client.refresh("k/1").status is S.FAILED
        self.ahead += timedelta(seconds=30)

    def credits(self) -> Counter[str]:
        """Count what each payee has received, from both."""
        sums: Counter[str] = Counter()
        for gateway in (self.one, self.other):
            for entry in gateway.ledger():
                sums[str(entry["payee"])] += int(entry["credits"])
        return +sums

    def flaws(self) -> list[str]:
        with self.client() as client:
            runtime = client._runtime
            derive = derived_references(runtime.accounts, runtime.namespace)
        asked = {"namespace": runtime.namespace, "root": self.config.parent, "derive": derive}
        with closing(open_audit(self.url, **asked)) as audit:
            return [str(flaw) for flaw in audit.flaws()]


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Two]:
    with MtnMomoEmulator() as one, MtnMomoEmulator(ongoing_s=0) as other:
        made = Two(tmp_path, one, other)
        yield made


@pytest.fixture
def open_clients(two: Two) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Return how a client of each kind is opened."""
    return two.client, lambda: AsyncPayoutClient(two.runtime())


def over(client: Any, account: str = Two.spare) -> Any:
    return client.reissue("k/1", **WHO, account=account)


def test_failover_pays_once_from_the_other_account(two: Two, using: Run) -> None:
    """The first gateway has taken it and failed it; the second one pays, and the journal is whole."""
    two.fail()
    payout = using(over)
    assert (payout.attempt, payout.account, payout.submissions) == (2, "spare", 1)
    with two.client() as client:
        assert client.wait("k/1", timeout_s=5).status is S.SUCCEEDED
        assert [row.account for row in client._runtime.journal.attempts(payout.id)] == ["mtn-sandbox"]
        entries = [(event.status, event.account) for event in client.events(consumer="books")]
        assert entries == [(S.FAILED, "mtn-sandbox"), (S.CREATED, "spare"), (S.SUCCEEDED, "spare")]
    assert (len(two.one.ledger()), len(two.other.ledger())) == (1, 1)
    assert two.credits() == {PAYEE: 1}
    assert two.flaws() == []


@pytest.mark.parametrize("state", ["pending", "too early", "unproven"])
def test_failover_of_what_may_still_be_paid_is_refused(two: Two, using: Run, state: str) -> None:
    """The refusal sends nothing to the other gateway."""
    if state == "pending":
        with two.client() as client:
            two.send(client)
    else:
        two.fail()
    if state == "too early":
        two.ahead -= timedelta(seconds=30)
    if state == "unproven":
        two.decide(fates.STUCK)
    with pytest.raises(DecisionRefused):
        using(over)
    assert two.other.ledger() == []


def test_failover_to_an_unknown_account_is_refused(two: Two, using: Run) -> None:
    two.fail()
    with pytest.raises(UnknownAccount, match="Account 'sparse' is not configured"):
        using(lambda client: over(client, "sparse"))


def test_failover_from_an_account_that_is_gone_is_refused(two: Two, using: Run) -> None:
    """Nobody could read the first attempt."""
    two.fail()
    text = two.config.read_text("utf-8")
    begin, end = text.index("[accounts.mtn-sandbox]"), text.index("[accounts.spare]")
    two.config.write_text(text[:begin] + text[end:], "utf-8")
    with pytest.raises(DecisionRefused, match="'mtn-sandbox', which paid attempt 1, is not configured"):
        using(over)
    assert two.other.ledger() == []


def test_failover_of_a_refund_is_refused(two: Two, using: Run) -> None:
    collection = two.one.add_collection(amount="10", currency="EUR", payer=PAYEE)
    money = {"amount": Money("5", "EUR"), "original_amount": Money("10", "EUR")}
    with two.client() as client:
        client.refund(key="k/1", collection=collection, account="mtn-sandbox", **money)
        two.decide(fates.failed("NOT_ALLOWED"))
        client.refresh("k/1")
    two.ahead += timedelta(seconds=30)
    with pytest.raises(InvalidPayout, match="a refund goes back from the account"):
        using(over)
    assert two.other.ledger() == []


# --- the same key --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("named", ["mtn-sandbox", "spare", None])
def test_key_returns_the_payout_whichever_of_its_accounts_is_named(two: Two, using: Run, named: str | None) -> None:
    """Whoever accepted it goes on naming the first account; whoever looked names the one it is paid from now."""
    two.fail()
    using(over)
    payout = using(lambda client: two.send(client, named))
    assert (payout.attempt, payout.account) == (2, "spare")
    assert (len(two.one.ledger()), len(two.other.ledger())) == (1, 1)


def test_key_from_a_third_account_is_refused(two: Two, using: Run) -> None:
    """It says from where it is paid; before a failover the other account is refused as well."""
    two.fail()
    with pytest.raises(KeyReused, match=r"is paid from account 'mtn-sandbox'.*not 'spare'"):
        using(lambda client: two.send(client, "spare"))
    using(over)
    with pytest.raises(KeyReused, match=r"is paid from account 'spare'.*not 'third'"):
        using(lambda client: two.send(client, "third"))
    assert (len(two.one.ledger()), len(two.other.ledger())) == (1, 1)


# --- a crash in between --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("written", [False, True], ids=["before the commit", "after the commit"])
def test_crash_during_a_failover_leaves_one_attempt_to_finish(two: Two, written: bool) -> None:
    """There is one step: the attempt that begins. Either way the same command, or whoever works, ends it once."""
    two.fail()

    class Crash(BaseException):
        """The process is gone."""

    with two.client() as client:
        journal = client._runtime.journal
        real = journal.execute

        def execute(entry: Any) -> Any:
            if isinstance(entry, CreateAttempt):
                if written:
                    real(entry)
                raise Crash
            return real(entry)

        journal.execute = execute  # type: ignore[method-assign]
        with pytest.raises(Crash):
            over(client)
    with two.client() as client:
        payout = client.get("k/1")
        assert (payout.account, payout.attempt) == (("spare", 2) if written else ("mtn-sandbox", 1))
        assert two.other.ledger() == []
        if not written:
            over(client)
        client.resume(timeout_s=0)
        assert client.wait("k/1", timeout_s=5).status is S.SUCCEEDED
    assert two.credits() == {PAYEE: 1}


# --- a late success of the first attempt ---------------------------------------------------------------------------


def test_success_of_the_first_attempt_stops_what_was_not_sent(two: Two, using: Run) -> None:
    """It waits in a pause; the first gateway changes its mind; nothing leaves from the second account."""
    two.fail()
    using(lambda client: client.pause(account="spare"))
    assert using(over).status is S.CREATED
    two.decide(fates.AT_ONCE)
    using(lambda client: client.unpause(account="spare"))
    payout = using(lambda client: two.send(client, None))
    assert (payout.status, payout.reason.code) == (S.REVIEW, ReasonCode.EARLIER_ATTEMPT_PAID)
    assert [(said.attempt, said.provider_status) for said in payout.contradictions] == [(1, "paid")]
    assert two.other.ledger() == []


def call(client: Any, account: str, payout: Any, status: str = "SUCCESSFUL") -> None:
    """Let an account's gateway call back about a payout."""
    body = json.dumps({"externalId": payout.id, "status": status, "amount": "5", "currency": "EUR"}).encode()
    place = client.inbox.place(client.inbox.tokens[account])
    client.inbox.receive(place, Callback("PUT", {}, body, client._runtime.clock())).result()
    client.inbox.handle()


@pytest.mark.parametrize("state", ["paid", "waits for an approval"])
def test_callback_to_the_first_accounts_path_is_not_lost(two: Two, state: str) -> None:
    """It makes the payout's read due, which looks at the first attempt where it was paid, and tells what it finds."""
    if state != "paid":
        text = two.config.read_text("utf-8")
        begin = text.index("[accounts.spare]")
        result = text[:begin] + text[begin:].replace(
            'provider = "mtn_momo"', 'provider = "mtn_momo"\napprove_above = { EUR = "1" }'
        )
        two.config.write_text(result, "utf-8")
    two.fail()
    with two.client() as client:
        over(client)
        two.ahead += timedelta(seconds=10)
        if state == "paid":
            assert client.refresh("k/1").status is S.SUCCEEDED
        two.decide(fates.AT_ONCE)
        two.ahead += timedelta(seconds=10)
        call(client, "mtn-sandbox", client.get("k/1"))
        client.resume(timeout_s=0)
        payout = client.get("k/1")
        entries = [entry.evidence for entry in payout.history if entry.event == "payout.contradicted"]
        assert [(result["attempt"], result["paid_from"]) for result in entries] == [(1, "mtn-sandbox")]
        assert payout.status is (S.SUCCEEDED if state == "paid" else S.REVIEW)
        assert {count.outcome for count in client.inbox.counts()} == {"read due"}
    assert len(two.other.ledger()) == (1 if state == "paid" else 0)
    assert two.flaws() == []


def test_callback_to_an_account_that_never_paid_is_ignored(two: Two) -> None:
    with two.client() as client:
        two.send(client)
        call(client, "spare", client.get("k/1"))
        assert {count.outcome for count in client.inbox.counts()} == {"names a payout of another account"}


# --- a restored journal --------------------------------------------------------------------------------------------


def test_failover_that_a_restored_journal_lost_is_not_repeated(two: Two, tmp_path: Path) -> None:
    """In the backup it failed on the first account; in the gap the second one paid it: its statement has it."""
    two.fail()
    file, copy = tmp_path / two.url.removeprefix("sqlite:///"), tmp_path / "backup.db"
    with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    gap_from = datetime.now(UTC) + two.ahead
    with two.client() as client:
        over(client)
        assert client.wait("k/1", timeout_s=5).status is S.SUCCEEDED
        namespace = client._runtime.namespace
    for part in tmp_path.glob(f"{file.name}*"):
        part.unlink()
    shutil.copy(copy, file)
    two.ahead += timedelta(seconds=5)
    at = datetime.now(UTC) + two.ahead
    store = store_of(two.url, namespace=namespace, root=tmp_path, at=at)
    act = restore.OperatorAction(at, "Ann", "the disk died")
    restore.begin_gap(store, gap_from, act)
    both = (two.first, two.spare)
    statements = {two.first: [], two.spare: [entry["reference"] for entry in two.other.ledger()]}
    with two.client() as client:
        client.resume(timeout_s=0)
        for account in both:
            with pytest.raises(DecisionRefused, match="may lack an attempt that was paid"):
                over(client, account)
        for account, found in statements.items():
            restore.compare_statement(store, act, account=account, configured=both, references=found)
        restore.end_gap(store, act, both)
        assert over(client, two.first).account == two.first  # the attempt's reference is the same on every account
        client.resume(timeout_s=0)
        assert client.get("k/1").submissions == 0
        two.ahead += timedelta(seconds=600)
        client.resume(timeout_s=0)
        two.ahead += timedelta(seconds=600)
        client.resume(timeout_s=0)
        payout = client.get("k/1")
        assert (payout.attempt, payout.submissions, payout.status) == (2, 0, S.REVIEW)
    assert two.credits() == {PAYEE: 1}
