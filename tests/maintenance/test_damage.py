"""A journal that was damaged: each command says so in words, claims nothing that it cannot know, and shows no payee."""

from __future__ import annotations

import os
import random
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest

from payments_core.cli.app import run

PAID = "46733123499"
DAMAGES = int(os.environ.get("PAYMENTS_DAMAGES", "12"))
COMMANDS = (
    ("journal", "verify"),
    ("journal", "verify", "--json"),
    ("list", "--json"),
    ("list",),
    ("show", "paid/3"),
    ("resume", "--timeout", "0"),
    ("journal", "backup", "b.db"),
    ("events", "list", "app"),
    ("doctor",),
    ("journal", "restored", "--gap-from", "2026-01-01T00:00:00", "--actor", "Ann", "--reason", "a test"),
    ("pause",),
)


class Ran(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def all(self) -> str:
        return self.out + self.err


@pytest.fixture
def payouts(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Call the command line in this process, in the test's folder."""
    monkeypatch.chdir(tmp_path)

    def call(*words: str) -> Ran:
        capsys.readouterr()
        return Ran(run(words), *capsys.readouterr())

    return call


def claims_nothing(text: Ran, words: object) -> None:
    """What holds for each command, whatever is damaged."""
    assert text.code in {0, 1, 4}, (words, text)
    assert "nothing is lost" not in text.all.lower(), (words, text)
    assert "unexpected_error" not in text.all, (words, text)
    assert "This is a defect" not in text.all, (words, text)
    assert PAID not in text.all, (words, text)


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
@pytest.mark.parametrize("seed", range(DAMAGES))
def test_damaged_file_is_reported_in_words(full: Any, payouts: Any, seed: int) -> None:
    """Bytes anywhere in the file are not what was written: verify finds it, and nobody hears a raw error alone."""
    chance, path = random.Random(seed), full.folder / "payouts.db"  # noqa: S311 - a seed for each damage
    whole = path.read_bytes()
    spoiled = bytearray(whole)
    for _ in range(1 + seed % 3):
        # The head of a page, or anywhere: what lies there may be nothing.
        at = 4096 * chance.randrange(1, len(whole) // 4096) + (seed % 2) * chance.randrange(3400)
        spoiled[at : at + 600] = chance.randbytes(600)
    for words in COMMANDS:
        for file in full.folder.glob("payouts.db*"):
            file.unlink()
        path.write_bytes(spoiled)
        (full.folder / "b.db").unlink(missing_ok=True)
        text = payouts(*words)
        claims_nothing(text, words)
        if "verify" in words:
            assert text.code == 1 or seed % 2, text
            assert not text.code or "damaged" in text.all or "flaw" in text.all, text
        elif text.err.startswith("Error"):
            assert "damaged" in text.err or "makes no sense" in text.err, (words, text)
            assert "restore a backup" in text.err or "payouts journal verify" in text.err, (words, text)


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_verify_names_the_checks_that_damage_stopped_and_does_the_others(full: Any, payouts: Any) -> None:
    """The table of payouts cannot be read: refunds, references and the database are looked at all the same."""
    path = full.folder / "payouts.db"
    with closing(sqlite3.connect(path)) as file:
        (page,) = file.execute("SELECT rootpage FROM sqlite_master WHERE name = 'payouts'").fetchone()
        (size,) = file.execute("PRAGMA page_size").fetchone()
    spoiled = bytearray(path.read_bytes())
    spoiled[(page - 1) * size : page * size] = b"\xff" * size
    path.write_bytes(spoiled)
    text = payouts("journal", "verify")
    claims_nothing(text, "verify")
    assert text.code == 1
    for what in (
        "the database itself",
        "whether what is referred to is there",
        "the payouts",
        "what is refunded",
        "what is reserved",
    ):
        assert f"unreadable: the check of {what} could not be finished: The journal {path} is damaged" in text.out
    assert "Stop paying, and keep a copy of it." in text.out
    copied = payouts("journal", "backup", "b.db")  # better than none, and said to be what it is
    assert (copied.code, "It has 5 flaws: `payouts journal verify b.db` shows them." in copied.out) == (1, True)


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_text_that_cannot_be_decoded_shows_no_payee(full: Any, payouts: Any) -> None:
    """SQLite's own words for it would hold what stands there: the payee."""
    full.plant([f"UPDATE payouts SET payee_value = CAST(X'FF{PAID.encode().hex()}' AS TEXT) WHERE key = 'paid/3'"])  # noqa: S608
    for words in (("show", "paid/3"), ("list",), ("journal", "verify")):
        text = payouts(*words)
        claims_nothing(text, words)
        assert text.code == 1
        assert "a value in it cannot be read" in text.all


def test_damaged_database_is_reported_in_words(own_postgres: Any, tmp_path: Path, payouts: Any) -> None:
    """The same of a server whose files are damaged."""
    url = own_postgres.create()
    try:
        (tmp_path / "payouts.toml").write_text(
            f'[accounts]\n[installation]\nnamespace = "test-namespace"\n[journal]\nurl = "{url}"\n', "utf-8"
        )
        with psycopg.connect(url, autocommit=True) as other:
            other.execute("INSERT INTO payments_core.pauses VALUES ('main', 1, 'why', 'person', NULL, NULL)")
            other.execute("CHECKPOINT")
            [(relation, data)] = other.execute(
                "SELECT pg_relation_filepath('payments_core.pauses'), current_setting('data_directory')"
            ).fetchall()
        own_postgres.stop()
        file = Path(data, relation)
        file.write_bytes(b"\xff" * file.stat().st_size)
        own_postgres.start()
        for words in (("list",), ("pause",), ("doctor",), ("journal", "backup", "b.db"), ("journal", "verify")):
            text = payouts(*words)
            claims_nothing(text, words)
            if words[0] != "list" and words[-1] != "verify":
                assert "is damaged: the server cannot read its files (PostgreSQL: invalid page in block 0" in text.all
                assert (text.code, "restore a backup" in text.all) == (1, True)
    finally:
        own_postgres.drop(url)
