"""The table is whole: whatever the code or the emulator knows has a row, and a person can read every row."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from momo_ends import ACTIVE, BALANCES, CONSENTS, REASONS, SCENARIOS, STATUSES, Why
from momo_rows import GETS, POSTS, TOKENS, Post, Says, Token
from stamina.instrumentation import set_on_retry_hooks

from payments_core.cli.app import run
from payments_core.http.messages import HttpResponse
from payments_mtn_momo.api import error_catalog
from payments_mtn_momo.api.codec import STATUSES as KNOWN_STATUSES
from payments_mtn_momo.api.error_catalog import Effect
from payments_mtn_momo.api.parsing import Shape, read_body
from payments_mtn_momo.emulator import consent, holders, payees

if TYPE_CHECKING:
    from providers.mtn_momo.tests.table.conftest import Gate, Payer


def test_codec_tables_are_covered_by_rows() -> None:
    decided = {key for key, row in error_catalog.ANSWERS.items() if row.effect is not Effect.UNKNOWN}
    assert {row.key for row in POSTS if row.key} == decided - {(401, "@token")}  # a form of the token endpoint alone
    assert {row.code: row.neutral for row in REASONS if row.code in error_catalog.REASONS} == {
        code: row.reason for code, row in error_catalog.REASONS.items()
    }
    assert {row.word for row in STATUSES if isinstance(row.word, str)} >= set(KNOWN_STATUSES)


def test_documented_meanings_are_covered_by_rows() -> None:
    """What the reference page explains is also tried: to a payment, to a read, or to the call for a token."""
    verbatim = [row.how for row in POSTS] + [row.says for row in (*GETS, *TOKENS)]
    tried = {_meant_by(says) for says in verbatim if isinstance(says, Says)} | {row.key for row in POSTS}

    assert set(error_catalog.ANSWERS) <= tried
    assert {row.code for row in REASONS} >= set(error_catalog.REASONS)


def _meant_by(says: Says) -> tuple[int, str] | None:
    """Return the row of the meanings by which an answer is explained."""
    body = read_body(HttpResponse(says.status, {}, says.raw, datetime.now(UTC)))
    code = body.code if body.shape is Shape.MOMO else ""
    keys = ((says.status, key) for key in (code, f"@{body.shape}", "*"))
    return next((key for key in keys if key in error_catalog.ANSWERS), None)


@pytest.mark.parametrize(
    ("operation", "known"),
    [
        ("transfer", payees.TRANSFER_PAYEES),
        ("deposit", payees.DEPOSIT_PAYEES),
        ("refund", payees.REFUND_SCENARIOS),
    ],
)
def test_test_payees_and_values_are_covered_by_rows(operation: str, known: dict[str, payees.Fate]) -> None:
    rows = {row.value: row.end for row in SCENARIOS if row.operation == operation and row.end}

    assert rows == {value: fate.reason if fate.pace == "at once" else fate.pace for value, fate in known.items()}


def test_holders_balances_and_consents_are_covered_by_rows() -> None:
    assert {row.about for row in ACTIVE} - {("msisdn", "46733123499")} == set(holders.ACTIVE)
    assert {row.about[1] for row in BALANCES} == set(holders.FLAPPING)
    assert {number: where for where, number in (row.about for row in CONSENTS) if where} == {
        number: case.at for number, case in consent.CASES.items()
    }


def test_sections_have_rows_and_rows_have_a_source() -> None:
    rows: list[Any] = [*POSTS, *GETS, *TOKENS, *REASONS, *STATUSES, *SCENARIOS, *ACTIVE, *BALANCES, *CONSENTS]

    assert {str(row).partition(": ")[0] for row in rows} == {
        "errors", "reasons", "status values", "sandbox payees", "sandbox",
    }  # fmt: skip
    assert all(row.source for row in rows)


# --- what a person reads ----------------------------------------------------------------------------------------------


@pytest.fixture
def show(config: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[str], str]]:
    """Call ``payouts show`` in this process; its logging is undone afterwards."""
    logger = logging.getLogger("payments_core")
    before = (list(logger.handlers), logger.level, logger.propagate)

    def call(key: str) -> str:
        capsys.readouterr()
        run(["show", key, "--config", str(config)])
        out, err = capsys.readouterr()
        assert err == ""
        return out

    yield call
    logger.handlers, logger.level, logger.propagate = before
    set_on_retry_hooks(None)


def shows(shown: str, *, money: str) -> dict[str, str]:
    """Check the three parts, and return the lines by their names: what happened, whether money moved, what to do."""
    lines = dict(re.findall(r"(?m)^([a-z ]+?) {2,}(.+)$", shown))
    assert lines["money"] == money
    assert len(lines["status"]) > 20
    assert lines["why"]
    assert len(lines["what next"]) > 20
    assert "new key" not in lines["what next"] or money == "No money moved."
    if money == "Money may have moved.":
        assert "no money moved" not in shown.lower()
        assert "nothing was sent" not in shown.lower()
    return lines


@pytest.mark.parametrize("row", [row for row in POSTS if row.kind != "T" and row.ends != "SUCCEEDED"], ids=str)
def test_answer_meaning_is_readable_by_an_operator(
    payer: Payer, gate: Gate, show: Callable[[str], str], row: Post
) -> None:
    if isinstance(row.how, Says):
        gate.say("post", row.how, row.sends)
    else:
        gate.emulator.set_faults(row.how)
    payout = payer.pay("transfer", payer.start())
    for _ in range(row.sends - 1):
        payout = payer.when_due(payout)

    lines = shows(show(payout.key), money="Money may have moved." if row.kind in {"A", "D"} else "No money moved.")

    if row.key and row.ends != "UNKNOWN":
        assert payout.reason is not None
        assert lines["why"].endswith(
            f"({payout.reason.provider_code})" if payout.reason.provider_code else lines["why"]
        )
    if row.ends == "blocked":
        assert "Fix the cause" in lines["what next"]
        assert "payouts unpause" in lines["what next"]
    if row.ends == "UNKNOWN":
        assert f"payouts wait {payout.key}" in lines["what next"]


@pytest.mark.parametrize("row", REASONS, ids=str)
def test_reason_meaning_is_readable_by_an_operator(
    payer: Payer, gate: Gate, show: Callable[[str], str], row: Why
) -> None:
    payout = payer.pay("transfer", payer.start())
    gate.change(status="FAILED", reason=row.code)
    payer.when_due(payout)

    lines = shows(show(payout.key), money="No money moved." if row.money == "no" else "Money may have moved.")

    assert row.code in lines["why"]
    if row.money == "perhaps":
        assert "72 hours" in lines["what next"]


@pytest.mark.parametrize("row", TOKENS, ids=str)
def test_refused_login_meaning_is_readable_by_an_operator(
    payer: Payer, gate: Gate, show: Callable[[str], str], row: Token
) -> None:
    payer.watch.on(86_400)
    gate.say("token", row.says)
    payout = payer.pay("transfer", payer.start())

    shows(show(payout.key), money="No money moved.")


def test_review_meaning_is_readable_by_an_operator(payer: Payer, gate: Gate, show: Callable[[str], str]) -> None:
    payout = payer.pay("transfer", payer.start())
    gate.change(amount="6")
    payer.when_due(payout)

    lines = shows(show(payout.key), money="Money may have moved.")

    assert "Do not pay it under another key" in lines["what next"]


@pytest.mark.parametrize("code", [*error_catalog.REASONS, "SOMETHING_NEW"])
def test_meaning_has_three_parts(code: str) -> None:
    meaning = error_catalog.meaning_of_reason(code)

    assert meaning.what.endswith(".")
    assert meaning.do.endswith(".")
    assert meaning.money in {"no", "perhaps"}
