"""A file is paid only after somebody has said yes: a person at a terminal, or a script with --yes."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from payments_mtn_momo.emulator import MtnMomoEmulator

NUMBERS = [f"2567722{n:05}" for n in range(8)]
QUESTION = "Pay? [y/N] "
Call = Callable[..., Any]
pytestmark = pytest.mark.usefixtures("gateway")


@pytest.fixture
def file(folder: Path) -> Path:
    """Three that can be paid, one of them twice."""
    rows = [f"wages-{n},+{number},{1_000_000 * (n + 1)}" for n, number in enumerate(NUMBERS[:3])]
    text = "\n".join(["key,to,amount", *rows, rows[0]])
    (folder / "people.csv").write_text(text, "utf-8")
    return folder / "people.csv"


class Person:
    """Somebody at a terminal of their own, with a command running in it."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        near, far = pty.openpty()
        self._near, self._text = near, ""
        command = [sys.executable, "-P", "-m", "payments_core", *arguments]
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": "200", "NO_COLOR": "1"}
        self._process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=far, stdout=far, stderr=far, start_new_session=True
        )
        os.close(far)

    def sees(self, text: str) -> str:
        """Read until this is on the screen, or the command has ended; return all that is."""
        until = time.monotonic() + 60
        while text not in self._text and self._read(until):
            pass
        assert text in self._text, self._text
        return self._text

    def types(self, text: str) -> tuple[int, str]:
        """Type this, and return how the command ended, with all that is on the screen."""
        os.write(self._near, text.encode())
        return self.ended()

    def interrupts(self) -> tuple[int, str]:
        """Press Ctrl-C; a busy machine may show the question before it waits for the answer, and then once more."""
        for _ in range(3):
            time.sleep(1)
            os.killpg(self._process.pid, signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(10)
                break
        return self.ended()

    def ended(self) -> tuple[int, str]:
        until = time.monotonic() + 60
        while self._read(until):
            pass
        return self._process.wait(30), self._text

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._near)

    def _read(self, until: float) -> bool:
        ready, _, _ = select.select([self._near], [], [], max(until - time.monotonic(), 0))
        try:
            read = os.read(self._near, 65536) if ready else b""
        except OSError:  # the other end is closed
            read = b""
        self._text += read.decode("utf-8", "replace").replace("\r\n", "\n")
        return bool(read)


@pytest.fixture
def person(folder: Path) -> Iterator[Callable[..., Person]]:
    """Let somebody run commands at terminals, which are closed at the end."""
    at_work: list[Person] = []

    def sit_down(*arguments: str) -> Person:
        at_work.append(Person(folder, *arguments))
        return at_work[-1]

    yield sit_down
    for one in at_work:
        one.close()


@pytest.mark.usefixtures("file")
def test_file_is_paid_after_a_summary_and_a_yes(
    person: Callable[..., Person], payouts: Call, gateway: MtnMomoEmulator
) -> None:
    """How many, how much from where, and what it holds; each is paid once. Where nothing is new, nothing is asked."""
    before = len(gateway.ledger())
    operator = person("send", "--file", "people.csv", "--wait", "20")
    screen = operator.sees(QUESTION)
    assert "people.csv: 3 payouts, 1 repeated." in screen
    shown = next(line.split() for line in screen.splitlines() if "mtn-uganda" in line)
    assert shown[:4] == ["mtn-uganda", "3", "6,000,000", "UGX"]
    assert " ".join(shown[5:]) == "UGX: too little"  # what the account holds
    assert payouts("list", "--json").json == []
    assert len(gateway.ledger()) == before
    code, screen = operator.types("y\n")
    assert code == 0, screen
    assert "4 rows: 3 SUCCEEDED, 1 repeated." in screen

    screen = person("send", "--file", "people.csv").sees("3 of them were recorded before: no row is paid twice.")
    assert "Already paid, and not paid again: rows 2, 3, 4." in screen
    assert QUESTION not in screen
    assert [entry["credits"] for entry in gateway.ledger()[before:]] == [1, 1, 1]


def test_file_with_a_refused_row_is_not_asked_about(
    person: Callable[..., Person], payouts: Call, gateway: MtnMomoEmulator, file: Path
) -> None:
    """What is wrong is shown and nothing is sent; the other rows are paid after a question, if that is wanted."""
    before = len(gateway.ledger())
    file.write_text(f"{file.read_text('utf-8')}\nwages-9,+{NUMBERS[3]},9999999", "utf-8")
    code, screen = person("send", "--file", "people.csv").ended()
    assert (code, QUESTION in screen) == (1, False)
    assert "people.csv: 3 payouts, 1 refused, 1 repeated." in screen
    assert "is more than the largest_amount of account mtn-uganda" in " ".join(screen.split())
    assert (len(gateway.ledger()), payouts("list", "--json").json) == (before, [])

    operator = person("send", "--file", "people.csv", "--skip-refused", "--wait", "20")
    operator.sees(QUESTION)
    code, screen = operator.types("y\n")
    assert (code, "5 rows: 3 SUCCEEDED, 1 REFUSED, 1 repeated." in screen) == (3, True)
    assert [entry["credits"] for entry in gateway.ledger()[before:]] == [1, 1, 1]


@pytest.mark.usefixtures("file")
@pytest.mark.parametrize("answer", ["n\n", "\n", "yeah\n", "\x04"], ids=["n", "nothing", "something else", "Ctrl-D"])
def test_answer_that_is_not_yes_records_nothing(
    person: Callable[..., Person], payouts: Call, gateway: MtnMomoEmulator, answer: str
) -> None:
    before = len(gateway.ledger())
    operator = person("send", "--file", "people.csv")
    operator.sees(QUESTION)
    code, screen = operator.types(answer)
    assert (code, "Nothing was recorded and nothing was sent." in screen) == (1, True)
    assert payouts("list", "--json").json == []
    assert len(gateway.ledger()) == before


@pytest.mark.usefixtures("file")
def test_question_ends_at_once_with_ctrl_c(person: Callable[..., Person], payouts: Call) -> None:
    operator = person("deposit", "--file", "people.csv")
    operator.sees(QUESTION)
    code, screen = operator.interrupts()
    assert (code, "Traceback" in screen) == (130, False)
    assert payouts("list", "--json").json == []


@pytest.mark.usefixtures("file")
@pytest.mark.parametrize("more", [(), ("--json",)])
def test_script_needs_the_option_yes(payouts: Call, gateway: MtnMomoEmulator, more: tuple[str, ...]) -> None:
    """Without a terminal nobody can be asked: it ends with 2, says what to say, and nothing is recorded or sent."""
    before = len(gateway.ledger())
    for command in ("send", "deposit"):
        ran = payouts(command, "--file", "people.csv", *more)
        assert (ran.code, ran.out) == (2, "")
        assert "--yes" in ran.err
        assert "Nothing was sent." in ran.err
    assert payouts("list", "--json").json == []
    assert len(gateway.ledger()) == before


@pytest.mark.usefixtures("file")
def test_json_in_a_terminal_needs_the_option_yes(person: Callable[..., Person]) -> None:
    assert person("send", "--file", "people.csv", "--json").ended()[0] == 2


@pytest.mark.usefixtures("file")
def test_question_is_asked_without_a_balance_too(person: Callable[..., Person], gateway: MtnMomoEmulator) -> None:
    gateway.set_faults({"status_500": {"on": "any"}})
    operator = person("send", "--file", "people.csv")
    assert "no answer" in operator.sees(QUESTION)
    operator.types("n\n")
