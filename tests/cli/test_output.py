"""The words of the command line: total tables, and advice that fits."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from payments_core.cli import exit_codes, messages, output
from payments_core.cli.error_output import print_error, problem
from payments_core.cli.terminal import Terminal
from payments_core.domain.causes import PausedBy
from payments_core.domain.errors import PayoutInterrupted
from payments_core.domain.money import Money
from payments_core.domain.payout import HistoryEntry, Operation, Payee, Payout, PayoutStatus, Reason, ReasonCode
from payments_core.domain.records import Pause
from payments_core.provider import Balance

AT = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


def payout(status: PayoutStatus, **changed: object) -> Payout:
    given = {
        "id": "po_1",
        "key": "wages-1",
        "account": "mtn-uganda",
        "operation": Operation.TRANSFER,
        "payee": Payee.msisdn("+256700199887"),
        "amount": Money("25000.50", "UGX"),
        "status": status,
        "reason": None,
        "references": {},
        "attempt": 1,
        "submissions": 0,
        "may_have_been_sent": False,
        "created_at": AT,
        "updated_at": AT,
    }
    return Payout(**(given | changed))  # type: ignore[arg-type]


@pytest.mark.parametrize("status", PayoutStatus)
def test_status_of_each_kind_has_words_and_an_exit_code(status: PayoutStatus) -> None:
    assert messages.STATUSES[status]
    expected = {PayoutStatus.SUCCEEDED: 0, PayoutStatus.FAILED: 3, PayoutStatus.CANCELLED: 3, PayoutStatus.REVERSED: 3}
    assert exit_codes.of(payout(status)) == expected.get(status, 4)


@pytest.mark.parametrize("code", ReasonCode)
def test_reason_of_each_kind_has_words(code: ReasonCode) -> None:
    assert messages.why(Reason(code, "ITS_CODE")).endswith(" (ITS_CODE)")


@pytest.mark.parametrize("status", [one for one in PayoutStatus if not one.is_final])
def test_advice_for_open_payouts_never_says_pay_again(status: PayoutStatus) -> None:
    advice = messages.advice(payout(status, may_have_been_sent=True))

    assert advice
    assert "new key" not in advice
    assert "safe to pay it" not in advice


def test_details_say_when_a_check_could_not_be_made() -> None:
    """Not only for what is UNKNOWN: also where the provider has it, or the machine has stopped."""
    evidence = {"why": "no credential: credentials (login_failed)"}
    read = HistoryEntry(4, AT, "payout.read", PayoutStatus.PENDING, 1, 1, evidence=evidence)
    pending = payout(PayoutStatus.PENDING, history=(read,), may_have_been_sent=True)
    stopped = replace(pending, status=PayoutStatus.REVIEW, reason=Reason(ReasonCode.NO_FINAL_ANSWER))
    result = "no request could be made: no credential: credentials (login_failed)"

    assert f"why         {result}\n" in output.details(pending, [], reveal=False, now=AT)
    assert f"asked       {result}\n" in output.details(stopped, [], reveal=False, now=AT)
    well = replace(read, evidence={"http_status": 200, "code": "PENDING"})
    assert "why" not in output.details(replace(pending, history=(well,)), [], reveal=False, now=AT)


def test_advice_for_a_failure_that_is_not_settled_is_to_wait() -> None:
    settling = payout(PayoutStatus.FAILED, reason=Reason(ReasonCode.EXPIRED, settling_h=24))

    assert "Wait 24 hours" in messages.advice(settling)
    assert "Wait" not in messages.advice(payout(PayoutStatus.FAILED, reason=Reason(ReasonCode.REJECTED)))


def test_advice_offers_reissue_only_where_it_is_possible() -> None:
    """Where the provider answers only by callback, and where the payee was erased."""
    failed = payout(PayoutStatus.FAILED, reason=Reason(ReasonCode.REJECTED))
    result = HistoryEntry(4, AT, "payout.failed", PayoutStatus.FAILED, 1, 1, decided_by="result_callback")
    asked = HistoryEntry(5, AT, "payout.queried", PayoutStatus.FAILED, 1, 1)
    erased = replace(failed, payee=Payee("msisdn", "erased:1f"))

    assert "payouts reissue wages-1" in messages.advice(failed)
    assert "it is checked first" in messages.advice(replace(failed, history=(result,)))
    assert "reports results only by callback" in messages.advice(replace(failed, history=(result, asked)))
    assert "its payee was erased" in messages.advice(erased)
    for one in (replace(failed, history=(result,)), replace(failed, history=(result, asked)), erased):
        assert "reissue" not in messages.advice(one)


def test_pause_by_a_person_is_shown_before_an_account_refusal() -> None:
    block = Pause("mtn-uganda", AT, "credentials", by=PausedBy.ACCOUNT_REFUSED, probe_at=AT + timedelta(seconds=300))
    person = Pause(None, AT, "payday moved")

    assert messages.pause_of("mtn-uganda", [block, person]) is person
    assert messages.pause_of("mtn-uganda", [block]) is block
    assert messages.pause_of("mtn-ghana", [block]) is None
    assert "the payment tried at 2026-11-02 09:05:00 UTC" in messages.lifting(block)


@pytest.mark.parametrize(
    ("by", "expected_text"),
    [("circuit", "results of the last payments are unknown"), ("rate", "the provider reports too many requests")],
)
def test_pause_by_the_library_says_what_it_is_and_that_it_ends_by_itself(by: str, expected_text: str) -> None:
    stop = Pause("mtn-uganda", AT, "20 in a row", by=by, probe_at=AT + timedelta(seconds=30))
    advice = messages.advice(payout(PayoutStatus.CREATED), [replace(stop, account=None)])

    assert expected_text in messages.lifting(stop)
    assert expected_text in advice
    assert "One payment is tried at 2026-11-02 09:00:30 UTC" in advice
    assert "`payouts unpause --account mtn-uganda` ends it now." in messages.lifting(stop)
    assert "Mend the cause" not in advice


def test_amounts_are_plain_decimal_text() -> None:
    shown = output.record(payout(PayoutStatus.CREATED), reveal=False)

    assert (shown["amount"], shown["currency"]) == ("25000.5", "UGX")
    assert tuple(shown) == output.FIELDS


def test_control_characters_do_not_reach_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_table([{"why": "\x1b[2Jgone"}])

    assert "\x1b" not in capsys.readouterr().out


def test_interruption_after_the_record_exits_as_not_known(capsys: pytest.CaptureFixture[str]) -> None:
    error = PayoutInterrupted("The disk is full.", payout_id="po_1", key="wages-1", may_have_been_sent=True)

    assert print_error(error, Terminal()) == exit_codes.NOT_KNOWN
    assert "It may have been sent" in capsys.readouterr().err


def test_unexpected_errors_are_redacted() -> None:
    result = problem(ValueError("no wallet for +256700199887"))

    assert result["code"] == "unexpected_error"
    assert "256700199887" not in result["message"]


def test_balances_text_has_a_word_for_each_of_several_sums() -> None:
    """Two sums of one currency look alike without it; nobody adds them up."""
    first, second, third = (Balance(Decimal(n), "XAF", label) for n, label in ((900_000, "CMR"), (5, "GAB"), (7, "")))
    assert output.balances_text([first, second, third]) == "CMR 900,000 XAF, GAB 5 XAF, other 7 XAF"
    assert output.balances_text([third]) == "7 XAF"
    assert output.balances_text([]) == ""


def test_amounts_in_tables_have_the_decimals_of_their_currency() -> None:
    """What JSON has is unchanged."""
    paid = payout(PayoutStatus.SUCCEEDED, amount=Money("12.5", "EUR"))
    assert output.payout_cells(paid, (), reveal=False)["amount"] == "12.50 EUR"
    assert "amount      12.50 EUR" in output.details(paid, (), reveal=False, now=AT)
    assert output.record(paid, reveal=False)["amount"] == "12.5"
