"""`validate` tells all that `send` would refuse, and what the orders come to; nothing is recorded or sent."""

from __future__ import annotations

import re
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from payments_core import Money, Payee, PayoutClient, PayoutOrder
from payments_core.client import AccountTotal, Validation, assemble
from payments_core.domain.errors import InvalidArgument, InvalidPayout
from payments_mtn_momo.emulator import MtnMomoEmulator

Run = Callable[[Callable[[Any], Any]], Any]
GOOD = PayoutOrder(key="wages/1", payee="+46733123498", amount="10", currency="EUR")


def fields(found: Validation) -> list[list[str]]:
    return [[finding.field for finding in order.findings] for order in found.orders]


@pytest.mark.parametrize("store", ["sqlite", "postgres"])
def test_validate_tells_all_findings_of_each_order_and_records_nothing(gateway: MtnMomoEmulator, using: Run) -> None:
    """With field, masked value, reason and what to do; each of one order, and without a request to the gateway."""
    wrong = [
        replace(GOOD, payee="0772123456", amount="5,5", key="k\u200b"),
        replace(GOOD, amount="7000000.555", options={"nope": "46733123498"}),
        replace(GOOD, operation="loan"),
        replace(GOOD, account="nobody"),
        replace(GOOD, currency="UGX"),
        replace(GOOD, expires_at=datetime(2030, 1, 1)),  # noqa: DTZ001 - that is what is wrong
        GOOD,
    ]
    found = using(lambda client: client.validate(wrong))

    assert fields(found) == [
        ["payee", "amount", "key"],
        ["options", "amount", "amount"],
        ["operation"],
        ["account"],
        ["currency"],
        ["expires_at"],
        [],
    ]
    payee, amount, _ = found.orders[0].findings
    assert (payee.value, amount.value, amount.code) == ("07******56", "5,5 EUR", "invalid_amount")
    assert (amount.reason, amount.hint) == ("Amount '5,5' uses a comma.", "Write 5.5.")
    assert found.orders[1].findings[0].value == "nope"
    assert [order.number for order in found.refused] == [1, 2, 3, 4, 5, 6]
    assert (found.is_ready, found.orders[6].is_new, found.orders[6].account) == (False, True, "mtn-sandbox")
    assert "46733123498" not in repr(found) + repr(wrong)
    assert using(lambda client: client.payouts()) == []
    assert gateway.ledger() == []


@pytest.mark.parametrize("store", ["sqlite", "postgres"])
def test_validate_tells_what_is_recorded_under_a_key(gateway: MtnMomoEmulator, using: Run) -> None:
    """The same order, paid, open or ended without a payment; or another one, which `send` refuses."""
    assert gateway.ledger() == []
    paid, unsent, cancelled = (replace(GOOD, key=f"wages/{name}") for name in ("paid", "open", "cancelled"))
    with PayoutClient.from_config() as client:
        client.wait(client.send(**paid.arguments()).id, timeout_s=20)
        client.accept(**unsent.arguments())
        client.accept(**cancelled.arguments())
        client.cancel(cancelled.key, actor="a.kato", reason="not owed")
    asked = [paid, unsent, cancelled, replace(paid, amount="11"), paid, replace(GOOD, key="wages/new")]
    found = using(lambda client: client.validate(asked))

    statuses = [order.status and str(order.status) for order in found.orders]
    assert statuses == ["SUCCEEDED", "CREATED", "CANCELLED", None, "SUCCEEDED", None]
    assert [order.is_paid for order in found.orders] == [True, False, False, False, True, False]
    assert found.orders[2].notes[0].endswith("sending the key again pays nothing. `payouts show KEY` says what to do.")
    assert found.orders[3].findings[0].code == "key_reused"
    assert "recorded 10 EUR, now 11 EUR" in found.orders[3].findings[0].reason
    assert found.orders[4].same_key_as == 1
    assert [total.count for total in found.totals] == [1]


def test_validate_compares_the_orders_with_each_other(gateway: MtnMomoEmulator, using: Run) -> None:
    """A key again is the same payout or refused, a payee with several keys is named, and sums are exact."""
    assert gateway.ledger() == []
    other = replace(GOOD, payee=Payee.msisdn("46733123499"))
    asked = [
        GOOD,
        GOOD,
        replace(GOOD, amount="11"),
        replace(other, key="wages/2", amount=Money("0.01", "EUR")),
        replace(GOOD, key="wages/3", amount=20),
        replace(GOOD, key="wages/4", amount="x"),
        replace(GOOD, key="wages/4"),
    ]
    found = using(lambda client: client.validate(asked))

    assert [order.same_key_as for order in found.orders] == [None, 1, 1, None, None, None, None]
    assert fields(found) == [[], [], ["key"], [], [], ["amount"], []]
    assert found.totals == (AccountTotal("mtn-sandbox", found.totals[0].currency, 4, Decimal("40.01")),)
    assert [(one.payee, one.numbers) for one in found.repeated_payees] == [("46*******98", (1, 5, 7))]


def test_validate_tells_in_notes_what_is_decided_later(gateway: MtnMomoEmulator, using: Run, tmp_path: Path) -> None:
    """A pause, an approval, a time that has passed and a balance that is too small are no findings."""
    assert gateway.ledger() == []
    config = tmp_path / "payouts.toml"
    config.write_text(f'{config.read_text("utf-8")}\n[accounts.mtn-sandbox.approve_above]\nEUR = "500"\n', "utf-8")
    with PayoutClient.from_config() as client:
        client.pause(account="mtn-sandbox", reason="closing of the month")
    now = datetime.now(UTC)
    asked = [
        replace(GOOD, amount="5000"),
        replace(GOOD, key="wages/2", expires_at=now - timedelta(days=1)),
        replace(GOOD, key="wages/3", not_before=now + timedelta(days=1)),
    ]
    found = using(lambda client: client.validate(asked, balances=True))

    assert found.is_ready
    assert [re.split("[:.]", order.notes[0])[0] for order in found.orders] == [
        "It waits for an approval",
        "It would end FAILED unsent",
        "It waits until not_before",
    ]
    [total] = found.totals
    assert (total.amount, total.balances[0].amount, total.is_covered) == (Decimal(5020), Decimal(1000), False)
    assert ["paused since" in note or "holds less than" in note for note in found.notes] == [True, True]
    assert "closing of the month" in found.notes[0]


@pytest.mark.parametrize("store", ["sqlite", "postgres"])
def test_validate_points_out_who_was_paid_the_same_lately(gateway: MtnMomoEmulator, using: Run) -> None:
    """Other keys for the same payments pay twice: a note says so for a week, not of another amount or a failure."""
    with PayoutClient.from_config() as client:
        for key, payee in (("first/paid", GOOD.payee), ("first/failed", "+46733123450")):
            client.wait(client.send(**replace(GOOD, key=key, payee=payee).arguments()).id, timeout_s=20)
    again = [
        replace(GOOD, key="second/paid"),
        replace(GOOD, key="second/more", amount="11"),
        replace(GOOD, key="second/failed", payee="+46733123450"),
        replace(GOOD, key="first/paid"),
    ]
    (note,), *others = [order.notes for order in using(lambda client: client.validate(again)).orders]
    assert "of the last 7 days, under another key, pays this payee the same amount" in note
    assert others == [(), (), ()]
    with PayoutClient(assemble("payouts.toml", clock=lambda: datetime.now(UTC) + timedelta(days=8))) as later:
        assert later.validate(again[:1]).orders[0].notes == ()
    assert len(gateway.ledger()) == 2


def test_validate_shows_what_is_left_of_the_day(gateway: MtnMomoEmulator, using: Run, tmp_path: Path) -> None:
    """Each order is held against that alone; their sum is told, without those of a later day."""
    config = tmp_path / "payouts.toml"
    config.write_text(f'{config.read_text("utf-8")}\n[accounts.mtn-sandbox.daily_limit]\nEUR = "100"\n', "utf-8")
    with PayoutClient.from_config() as client:
        client.send(**replace(GOOD, key="wages/0", amount="40").arguments())
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    asked = [
        replace(GOOD, amount="60"),
        replace(GOOD, key="wages/2", amount="60.01"),
        replace(GOOD, key="wages/3", amount="60.01", not_before=tomorrow),
        replace(GOOD, key="wages/4", amount="30"),
        replace(GOOD, key="wages/0", amount="40"),
    ]
    found = using(lambda client: client.validate(asked))
    assert fields(found) == [[], ["amount"], [], [], []]
    assert "of 100 EUR, 40 is used and 60 is left" in found.orders[1].findings[0].reason
    assert found.totals == (AccountTotal("mtn-sandbox", "EUR", 3, Decimal("150.01"), Decimal(60)),)
    assert found.notes == (
        "Today's new payouts from account mtn-sandbox come to 90 EUR, and of its daily_limit 60 is left: what is above "
        "it is refused, or waits for the next day.",
    )


def test_validate_without_an_answer_about_the_balance_says_so(gateway: MtnMomoEmulator, using: Run) -> None:
    gateway.set_faults({"status_500": {"on": "any"}})
    [total] = using(lambda client: client.validate([GOOD], balances=True)).totals
    assert (total.balances, total.is_covered) == ((), None)
    assert "did not" in total.balance_note


def test_validate_keeps_little_of_each_order(gateway: MtnMomoEmulator, using: Run) -> None:
    """Orders are taken as they are needed and not kept: about a kilobyte stays of one, whatever it was."""
    assert gateway.ledger() == []
    many = 500

    def orders() -> Iterator[PayoutOrder]:
        for number in range(many):
            yield replace(GOOD, key=f"wages/{number}", payee=f"+46733{number:06}", note="n" * 20_000)

    tracemalloc.start()
    try:
        found = using(lambda client: client.validate(orders()))
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(found.orders) == many
    assert kept < many * 2000
    assert peak < many * 10_000


def test_validate_shows_no_number_from_the_wrong_column(gateway: MtnMomoEmulator, using: Run) -> None:
    """Whoever slips by one column reads what is wrong, and a log does not keep a payee's number."""
    assert gateway.ledger() == []
    number = "46733123498"
    odd: list[Any] = [
        replace(GOOD, payee=f"{number}x", amount=f"{number}x", key=f"{number}\u200b", currency=number),
        replace(GOOD, currency=number),
        replace(GOOD, account=number),
        replace(GOOD, operation=number),
        replace(GOOD, options={number: number}),
        replace(GOOD, payee=Payee("nobody", number)),
    ]
    found = using(lambda client: client.validate(odd))

    assert fields(found)[0] == ["payee", "amount", "key"]
    assert [name for names in fields(found)[1:] for name in names] == [
        "currency",
        "account",
        "operation",
        "options",
        "payee",
    ]
    assert number not in f"{found!r}{odd!r}"


def test_order_is_read_as_send_reads_it(gateway: MtnMomoEmulator, using: Run) -> None:
    """What cannot be read is refused by the same error; what is no order of ours is a mistake of the program."""
    assert gateway.ledger() == []
    assert GOOD.arguments()["amount"] == Money(10, "EUR")
    for odd, field in ((replace(GOOD, payee="0772"), "payee"), (replace(GOOD, amount="1e3"), "amount")):
        with pytest.raises(InvalidPayout) as refused:
            odd.arguments()
        assert refused.value.field == field
    twice: list[Any] = [replace(GOOD, amount=Money(1, "EUR"), currency="UGX")]
    twice += [replace(GOOD, payee=Payee.msisdn("46733123498"), operator="mtn")]
    assert fields(using(lambda client: client.validate(twice))) == [["currency"], ["payee"]]
    of_mtn = (
        replace(GOOD, payee="+46733123498", operator="mtn"),
        replace(GOOD, payee=Payee.msisdn("46733123498", operator="mtn")),
    )
    assert [order.shown("operator") for order in of_mtn] == ["mtn", "mtn"]
    with pytest.raises(InvalidArgument, match="type dict"):
        using(lambda client: client.validate([{"key": "wages/1"}]))
