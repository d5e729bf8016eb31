"""What came from outside reaches neither a terminal as commands nor a message as a complete number."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from payments_core import Money, Payee, PayoutClient
from payments_core.cli.terminal import to_json
from payments_core.domain.characters import clean_lines
from payments_core.domain.errors import InvalidPayout

NUMBER = "+256772123456"
Call = Callable[..., Any]
pytestmark = pytest.mark.usefixtures("gateway")


@pytest.mark.parametrize(
    "header",
    [
        "key,\x1b[2J\x1b]0;gone\x07,amount",
        "key,\x9b2J,amount",
        f"wages-1,{NUMBER},5",
        f"key,to,amount,{NUMBER},{NUMBER}",
        "key,to,amount,\x1b[31mnote2",
    ],
)
def test_header_of_a_file_is_printed_without_numbers_or_control_characters(
    payouts: Call, folder: Path, header: str
) -> None:
    """A file without a header begins with somebody's number, and any file may begin with control characters."""
    (folder / "people.csv").write_text(f"{header}\n", "utf-8")
    for more in ((), ("--json",)):
        ran = payouts("send", "--file", "people.csv", "--yes", *more)
        result = ran.out + ran.err
        assert not any(not mark.isprintable() and mark != "\n" for mark in result)
        assert NUMBER.removeprefix("+") not in result


def test_lines_and_json_hold_no_control_character() -> None:
    """The second set of control characters, which JSON allows as it is, is escaped as well."""
    text = "a\x1b[2J\x9b1mb\u202ec\nd"
    assert clean_lines(text) == "a\ufffd[2J\ufffd1mb\ufffdc\nd"
    assert json.loads(to_json({"text": text})) == {"text": text}
    assert to_json(text).isprintable()


def test_number_is_read_from_standard_input(payouts: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands on a command line is shown by `ps` to everybody on the machine."""
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{NUMBER}\n"))
    sent = payouts("send", "--key", "wages/1", "--to", "-", "--amount", "25000", "--reveal", "--json")
    assert sent.json["payee"] == NUMBER.removeprefix("+")

    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    ran = payouts("account-status", "--to", "-")
    assert (ran.code, "Standard input holds no number" in ran.err) == (2, True)


@pytest.mark.parametrize(
    "arguments",
    [
        ("send", "--key", "k", "--to", NUMBER, "--amount", "5", "--account", NUMBER),
        ("send", "--key", "k", "--to", NUMBER, "--amount", "5", "--operation", NUMBER),
        ("route", "--to", NUMBER, "--amount", "5", "--operation", NUMBER),
        ("list", "--account", NUMBER),
        ("list", "--status", NUMBER),
        ("pause", "--account", NUMBER),
        ("balance", "--account", NUMBER),
        ("events", "ack", "erp", NUMBER),
        ("events", "ack", NUMBER, "e"),
        ("events", "list", f"webhook:{NUMBER}"),
        ("events", "deliver", "--again", NUMBER),
        ("journal", "reconciled", "--account", NUMBER),
        ("journal", "restored", "--taken-at", NUMBER),
    ],
    ids=" ".join,
)
def test_number_in_the_wrong_argument_is_masked(payouts: Call, arguments: tuple[str, ...]) -> None:
    """Whoever slips by one argument reads what is wrong, and the log of a job does not keep a payee's number."""
    payouts("list")
    for more in ((), ("--json",)):
        ran = payouts(*arguments, *more)
        assert ran.code != 0
        assert NUMBER.removeprefix("+") not in ran.out + ran.err


def test_number_in_the_account_column_is_masked(payouts: Call, folder: Path) -> None:
    """Neither the table nor the JSON of a file repeats it."""
    (folder / "people.csv").write_text(f"key,to,amount,account\nk,{NUMBER},5,{NUMBER}\n", "utf-8")
    for more in ((), ("--json",)):
        ran = payouts("send", "--file", "people.csv", "--yes", *more)
        assert "+25*******456" in ran.out
        assert NUMBER.removeprefix("+") not in ran.out + ran.err


def test_kind_of_a_payee_that_cannot_be_paid_is_masked(gateway: Any, folder: Path) -> None:
    """Arguments that were swapped."""
    with PayoutClient.from_config(folder / "payouts.toml") as client:
        with pytest.raises(InvalidPayout, match=r"of kind '\+25\*") as refused:
            client.send(key="k", payee=Payee(NUMBER, "msisdn"), amount=Money("5", "UGX"))
        assert NUMBER not in str(refused.value)
