"""Progress where there is no terminal: in a file or a log."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from payments_core.cli import progress
from payments_core.cli.terminal import Terminal


def test_long_run_without_a_terminal_prints_a_line_from_time_to_time(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two lines are half a minute apart: a short command prints none, and among JSON there is none."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: clock.now))
    for terminal in Terminal(), Terminal(as_json=True), Terminal(log_json=True):
        clock.now = 0.0
        with (
            progress.spinner(terminal, "rows") as update,
            progress.bar(terminal, "payouts", 1_500) as step,
        ):
            for _ in range(75):
                update(f"at {clock.now:.0f} s")
                step()
                clock.now += 1
    assert capsys.readouterr().err.splitlines() == [
        "at 30 s",
        "payouts: 31 of 1,500",
        "at 60 s",
        "payouts: 61 of 1,500",
    ]


def test_command_whose_events_tell_its_progress_prints_no_line_beside_them(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_EVERY_S", 0.0)
    with progress.spinner(Terminal(), "working: 0 steps", in_logs=False) as update:
        update("working: 1 step")
    assert capsys.readouterr().err == ""
