"""A restored journal, its gap, and the statements: by the commands, with a provider that has forgotten what it paid."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from payments_core import PayoutStatus, ReasonCode
from payments_core.cli.app import run
from payments_core.domain.errors import DecisionRefused
from payments_core.journal.maintenance import restore

S = PayoutStatus
CHECKED = ["--statement-checked-by", "Ben", "--reason", "read it"]
NAMED = ["--actor", "Ann", "--reason", "the disk died"]
Say = Callable[..., tuple[int, str]]


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    """Run a command; return its code and all that it said."""

    def command(*words: str) -> tuple[int, str]:
        capsys.readouterr()
        code = run([*words])
        out, err = capsys.readouterr()
        return code, " ".join(f"{out} {err}".replace("│", " ").split())

    return command


def send(say: Say, key: str, payee: str) -> None:
    say("send", "--key", key, "--to", payee, "--amount", "5", "--currency", "EUR", "--wait", "10")


def two_days_ago() -> str:
    return (datetime.now(UTC) - timedelta(days=2)).isoformat()


def compared(account: str, *more: str) -> list[str]:
    return ["journal", "reconciled", "--account", account, *CHECKED, *more]


def add_spare(place: Any) -> str:
    """Configure a second account beside the one there is; return the first one's name."""
    [account] = place.accounts
    table = place.config.read_text("utf-8").split(f"[accounts.{account}]")[1].split("\n[")[0]
    with place.config.open("a", encoding="utf-8") as file:
        file.write(f"\n[accounts.spare]{table}")
    return str(account)


def erased(place: Any, say: Say) -> str:
    """Pay ``a1``, back up, pay ``a2``, lose and restore; the provider forgets ``a2``. Return the account."""
    send(say, "a1", "46733000001")
    place.back_up()
    send(say, "a2", "46733000002")
    assert place.credits() == {"46733000001": 1, "46733000002": 1}
    place.lose_and_restore()
    place.erase()
    assert say("journal", "restored", "--gap-from", two_days_ago(), *NAMED)[0] == 0
    [account] = place.accounts
    return str(account)


def kept(place: Any) -> list[tuple[Any, ...]]:
    """Return the references that are kept, and of whose statement each is."""
    with place.store().writing() as session:
        statement = f"SELECT reference, account FROM {session.sql.schema}statement_references ORDER BY reference"  # noqa: S608
        return list(session.execute(statement, ()).fetchall())


def test_gap_does_not_end_before_the_statement_was_compared(place: Any, say: Say, tmp_path: Path) -> None:
    """What was paid in it and is forgotten by the provider as well is not paid again, by no order of the commands."""
    account = erased(place, say)
    over = ["journal", "restored", "--over", *NAMED]
    next_one = f"Next: `payouts journal reconciled --account {account} --statement-checked-by NAME --reason TEXT`."
    code, output = say(*over)
    assert (code, f"Statements not compared: {account}." in output, next_one in output) == (1, True, True)
    send(say, "a2", "46733000002")
    code, output = say("resume", "--timeout", "5")
    assert f"the statement of {account} was not compared with it yet" in output
    code, output = say(*over)
    assert (code, f"Statements not compared: {account}." in output) == (1, True)
    assert "settled" not in output  # three absences: whether it was paid is for the statement to say
    say("unpause", "--account", account)
    say("resume", "--timeout", "1")
    assert place.credits() == {"46733000001": 1, "46733000002": 1}

    statement = tmp_path / "statement.txt"
    statement.write_text("\n".join(place.statement()), "utf-8")
    code, output = say(*compared(account, "--references", str(statement)))
    assert (code, "4 references kept, of which the journal has 4." in output) == (0, True)
    assert output.endswith("Next: `payouts resume`.")
    code, output = say(*over)
    assert (code, "complete again" in output) == (0, True)
    say("resume", "--timeout", "5")
    with place.client() as client:
        payout = client.get("a2")
        assert (payout.status, payout.reason.code) == (S.REVIEW, ReasonCode.ON_STATEMENT)
        with pytest.raises(DecisionRefused, match="Name the evidence"):
            client.resolve("a2", paid=False, actor="Ann", reason="a guess")
    decision = ["review", "resolve", "a2", "--paid", "--actor", "Ann", "--reason", "paid", "--evidence", "line 2"]
    assert say(*decision)[0] == 0
    assert place.credits() == {"46733000001": 1, "46733000002": 1}
    assert place.flaws() == []


def test_statement_is_needed_of_each_account(place: Any, say: Say) -> None:
    """Also one that is only configured, with what it paid as before, and one that only payouts name."""
    erased(place, say)
    account = add_spare(place)
    over = ["journal", "restored", "--over", *NAMED]
    assert f"Statements not compared: {account}, spare. Open" not in say(*over)[1]
    assert f"Statements not compared: {account}, spare." in say(*over)[1]
    code, output = say(*compared("sparse"))
    assert (code, f"There are: {account}, spare." in output) == (1, True)
    code, output = say(*compared(account, "--json"))
    assert (code, json.loads(output)["not_compared"]) == (0, ["spare"])
    code, output = say(*over)
    assert (code, "Statements not compared: spare." in output, "--account spare" in output) == (1, True, True)
    assert "the statement of spare was not compared" in say("doctor")[1]

    text = place.config.read_text("utf-8").replace(f"[accounts.{account}]", "[accounts.another]")
    place.config.write_text(text, "utf-8")
    assert say(*compared("spare"))[0] == 0
    assert "Statements not compared: another." in say(*over)[1]
    say("journal", "restored", "--gap-from", two_days_ago(), *NAMED)
    assert f"Statements not compared: another, {account}, spare." in say(*over)[1], "named by a payout"
    for name in ("another", account, "spare"):
        assert say(*compared(name))[0] == 0
    assert say(*over)[0] == 0


def test_payment_from_another_account_in_a_gap_is_not_repeated(place: Any, say: Say) -> None:
    """In the gap it was sent from a second one; afterwards the first does not send it, however short the gap."""
    account = add_spare(place)
    with place.client():
        pass
    gap_from = place.back_up()
    with place.client() as client:
        place.send(client, "k", "46733000001", account="spare")
        assert client.wait("k", timeout_s=10).status is S.SUCCEEDED
    place.lose_and_restore()
    place.restored(gap_from)
    place.erase()  # as if each account had a gateway of its own
    with place.client() as client:
        place.send(client, "k", "46733000001", account=account)
        client.resume(timeout_s=3)
        assert client.get("k").status is S.CREATED
        assert "the statement of spare was not compared" in client.pauses()[0].why
        place.compare(*place.statement())
        client.resume(timeout_s=3)
        assert client.get("k").reason.code is ReasonCode.ON_STATEMENT
    assert place.credits() == {"46733000001": 1}


def test_payment_on_a_statement_is_checked_and_adopted(place: Any, say: Say) -> None:
    """The provider still shows it: nothing is sent, and nobody has to decide; also long after the gap."""
    with place.client():
        pass
    place.back_up()
    send(say, "k", "46733000001")
    place.lose_and_restore()
    place.restored(datetime.now(UTC) - timedelta(days=2))
    place.compare(*(reference.upper() for reference in place.statement()))
    place.end_gap()
    send(say, "k", "46733000001")
    with place.client() as client:
        payout = client.get("k")
        assert (payout.status, payout.submissions) == (S.SUCCEEDED, 0)
        assert "payout.checked_first" in [entry.event for entry in payout.history]
    assert place.credits() == {"46733000001": 1}


def test_reference_of_a_statement_is_matched_in_any_spelling(place: Any, say: Say, tmp_path: Path) -> None:
    """In capitals and without dashes: what it paid is not sent again after the gap. So the library has it, too."""
    account = erased(place, say)
    others = [*place.statement()][2:]
    statement = tmp_path / "statement.txt"
    statement.write_text("\n".join(value.upper().replace("-", "") for value in others) + "\nunheard-of\n", "utf-8")
    code, output = say(*compared(account, "--references", str(statement)))
    assert (code, "3 references kept, of which the journal has 0." in output) == (0, True)
    assert say("journal", "restored", "--over", *NAMED)[0] == 0
    send(say, "a2", "46733000002")
    with place.client() as client:
        assert client.get("a2").status in {S.UNKNOWN, S.REVIEW}
    assert place.credits() == {"46733000001": 1, "46733000002": 1}
    place.restored(datetime.now(UTC))
    with pytest.raises(DecisionRefused, match=r"Reference 2 is none: U\+2013 \(EN DASH\) at position 2"):
        place.compare("a-1", "a\u20131")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("one, two\n", "line 1: U+002C (COMMA) at position 4, which no reference has"),
        ("one\n\n" + "x" * 201, "line 3: it is longer than 200 characters. Write one reference on each line"),
        ("one\ntw\x00o\n", "line 2: U+0000 at position 3"),
        ("a1-2\u200b3", "line 1: U+200B (ZERO WIDTH SPACE) at position 5"),
        ("a\u00ad1", "U+00AD (SOFT HYPHEN) at position 2"),
        ("\ufeffone\n\ufefftwo\n", "line 2: U+FEFF (ZERO WIDTH NO-BREAK SPACE) at position 1"),
        ("a1\u20112", "U+2011 (NON-BREAKING HYPHEN) at position 3"),
        ("{a1-2}", "U+007B (LEFT CURLY BRACKET) at position 1"),
        ("a1-2.", "U+002E (FULL STOP) at position 5"),
        ("#a1-2", "U+0023 (NUMBER SIGN) at position 1"),
        ("urn:uuid:a1-2", "U+003A (COLON) at position 4"),
        ("a1\u2028b2", "U+2028 (LINE SEPARATOR) at position 3"),
        (b"\xff\xfe", "is not UTF-8"),
        (b"x\n" * (8 * 1024 * 1024) + b"x", "is larger than 16777216 bytes"),
        (None, "is not a regular file"),
        ("pipe", "is not a regular file"),
        ("absent", "cannot be read"),
    ],
)
@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
def test_references_file_is_read_whole_or_not_at_all(
    place: Any, say: Say, tmp_path: Path, content: Any, expected: str
) -> None:
    """A wrong line is named by its number and one character, as it may hold a number of somebody; nothing is kept.

    What could never match (a mark that is not seen, another dash, brackets) would leave its payment to be sent again.
    """
    with place.client():
        pass
    place.restored(datetime.now(UTC))
    path = tmp_path / "references"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content not in {None, "pipe", "absent"}:
        path.write_bytes(content.encode())
    elif content is None:
        path.mkdir()
    elif content == "pipe":
        os.mkfifo(path)
    [account] = place.accounts
    code, result = say(*compared(account, "--references", str(path)))
    assert code in ({2} if "position" in expected else {1, 2})
    assert (expected in result, "two" in result) == (True, False)
    assert restore.gap_of(place.store()).compared == frozenset()
    assert kept(place) == []


def test_references_may_come_by_standard_input_and_twice(place: Any, say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty lines, spaces, a mark at the beginning and what was given before are no mistakes."""
    with place.client():
        pass
    place.restored(datetime.now(UTC))
    [account] = place.accounts
    for _ in range(2):
        given = io.BytesIO("\ufeffA-1\r\n\n  a-1 \nB-2\nB-2".encode())
        monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=given))
        code, output = say(*compared(account, "--references", "-", "--json"))
        assert (code, json.loads(output)["references"], json.loads(output)["known"]) == (0, 2, 0)
    assert kept(place) == [("a1", account), ("b2", account)]
