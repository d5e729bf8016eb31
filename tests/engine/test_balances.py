"""A balance that is told later: the question is durable before it leaves; nothing is made of what makes no sense."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from kit import T0, Answer, Fake, account_of, after, lost, unsent

from payments_core import engine
from payments_core.domain.errors import LookupFailed, NotSupported
from payments_core.domain.payout import Reason, ReasonCode
from payments_core.domain.records import Query
from payments_core.engine import Kept, StepContext, token_hash
from payments_core.engine.commands import HistoryAppended, RecordAccountQuery
from payments_core.engine.flow import Command, EngineFlow, Reply
from payments_core.http.flow import exchange, run_flow
from payments_core.http.messages import HttpRequest, HttpResponse, fill, slot
from payments_core.provider import Account, Balance, Callback, Deferred, LookupRefused

TOKEN = "t" * 32
NOW = StepContext(at=T0, owner="me", new_token=lambda: TOKEN, namespace="engine-tests")
ASK = HttpRequest("POST", "http://fake.invalid/balance", "balance", body=f"to {slot('answer_token')}", repeatable=True)
CAME = Callback("POST", {}, b"{}", T0)
HELD = (Balance(Decimal("49117.50"), "KES", "Utility Account"), Balance(Decimal("-1E+1"), "UGX"))
BUSY = Reason(ReasonCode.PROVIDER_UNAVAILABLE, "BUSY", "call 46733123450 at noon")


class Later(Fake):
    """A provider that takes a question, and reads what the test says."""

    def __init__(self, text: object = None, *, read: Callable[[Callback], Any] = lambda _: HELD) -> None:
        super().__init__()
        self._answers = Deferred() if text is None else text
        self._read = read

    def query_balances(self) -> EngineFlow[Any]:
        yield from exchange(ASK)
        return self._answers

    def read_balances(self, callback: Callback) -> Any:
        assert callback is CAME
        return self._read(callback)


def asking(account: Account, answer: Answer = 200) -> tuple[Any, list[Command]]:
    sent: list[Command] = []

    def execute(command: Command) -> Reply:
        sent.append(command)
        if isinstance(command, RecordAccountQuery):
            return HistoryAppended()
        if isinstance(answer, BaseException):
            raise answer
        return HttpResponse(answer, {}, b"", after(1))

    try:
        return run_flow(engine.query_balances(account, NOW), execute), sent
    except LookupFailed as error:
        return error, sent


def reading(read: Callable[[Callback], Any]) -> Kept:
    return engine.read_balance_result(account_of(Later(read=read)), CAME)


def test_balance_query_is_recorded_with_its_path_before_it_is_sent() -> None:
    result, sent = asking(account_of(Later()))

    assert result == token_hash(TOKEN)
    assert sent == [RecordAccountQuery("till", Query(token_hash(TOKEN), T0)), fill(ASK, {"answer_token": TOKEN})]
    assert sent[1].body == f"to {TOKEN}"  # type: ignore[union-attr]


@pytest.mark.parametrize("ended", [lost(), unsent()], ids=["no answer", "not sent"])
def test_balance_query_without_an_answer_is_an_error(ended: Answer) -> None:
    result, sent = asking(account_of(Later()), ended)

    assert "did not answer when asked its balance" in result.message
    assert len(sent) == 2


def test_balance_query_that_the_provider_refuses_says_why() -> None:
    result, _ = asking(account_of(Later(LookupRefused(reason=BUSY, retry_after_s=5.0))))

    assert result.message.startswith("The provider of account till did not tell its balance: BUSY: call ")
    assert (result.reason, result.retry_after_s) == ("provider_unavailable", 5.0)
    assert "46733123450" not in result.message


def test_balance_query_with_an_undeclared_outcome_is_a_provider_bug() -> None:
    result, _ = asking(account_of(Later(HELD)))

    assert "provider bug: tuple is no answer" in result.message


def test_provider_without_balance_result_callbacks_is_not_asked() -> None:
    with pytest.raises(NotSupported, match="Fake has no balance_result_callbacks"):
        asking(account_of())
    assert engine.read_balance_result(account_of(), CAME) == Kept(None, "the provider takes none")


def test_balance_result_is_stored_exactly_and_read_back() -> None:
    account = account_of(Later())
    kept = engine.read_balance_result(account, CAME)

    assert kept.why == ""
    assert kept.answer is not None
    assert json.loads(kept.answer)["balances"][1] == {"amount": "-1E+1", "currency": "UGX", "label": ""}
    assert engine.kept_balances(account, kept.answer, None) == HELD
    assert engine.kept_balances(account, kept.answer, "UGX") == HELD[1:]
    assert engine.kept_balances(account, kept.answer, "EUR") == ()


def test_balance_refusal_is_stored_masked_and_raised() -> None:
    account = account_of()
    kept = reading(lambda _: LookupRefused(reason=BUSY, retry_after_s=7.0))
    assert kept.answer is not None
    assert "46733123450" not in kept.answer

    with pytest.raises(LookupFailed, match=r"did not tell its balance: BUSY: call \S+ at noon\.") as error:
        engine.kept_balances(account, kept.answer, None)
    assert (error.value.reason, error.value.retry_after_s) == ("provider_unavailable", 7.0)


def test_balance_refusal_is_stored_short() -> None:
    """Neither a provider's code without an end, nor blanks that say nothing."""
    kept = reading(lambda _: LookupRefused(reason=Reason(ReasonCode.REJECTED, "X" * 81)))
    code = "X" * 79 + "…"
    fields = {"code": "rejected", "provider_code": code, "text": "", "retry_after_s": None}

    assert kept.answer == json.dumps({"lookup_refused": fields}, separators=(",", ":"))


def test_balance_callback_that_makes_no_sense_is_no_result() -> None:
    assert reading(lambda _: None) == Kept(None, "makes no sense")


@pytest.mark.parametrize(
    "given",
    [7, "KES", ["KES"], [Balance(Decimal("NaN"), "KES")], [Balance("much", "KES")]],
    ids=repr,  # type: ignore[arg-type]
)
def test_balance_result_of_an_invalid_type_is_a_provider_bug(given: object) -> None:
    kept = reading(lambda _: given)

    assert kept.answer is None
    assert kept.why.startswith("provider bug: ")


def test_balance_result_that_raises_is_a_provider_bug() -> None:
    assert reading(lambda _: 1 / 0) == Kept(None, "provider bug: ZeroDivisionError")


def test_balance_result_that_does_not_come_in_time_is_an_error() -> None:
    error = engine.no_balances(account_of(), 0.5)

    assert error.message == "The provider of account till took the question, and in 0.5 s no answer came."
    assert error.hint.startswith("It answers only by callback: let `payouts serve` run where the account's")
    assert error.hint.endswith("No money was asked to move; asking again is safe.")
    assert (error.reason, error.retry_after_s) == ("", None)


def test_balance_label_is_masked_and_cut() -> None:
    """Whatever a provider calls a pot reaches a terminal and a log: no escape, no number, no endless text."""
    assert Balance(Decimal(5), "KES", "Utility\x1b[2J +254 700 000 001").label == "Utility [2J +25**********001"
    assert len(Balance(Decimal(5), "KES", "x" * 500_000).label) == 80
