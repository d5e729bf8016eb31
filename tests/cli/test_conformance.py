"""providers --conformance: the suite runs under pytest, and its output and exit code are the command's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from payments_core.cli import app, conformance
from payments_core.plugins.manager import Plugins
from payments_mtn_momo.spec import SPEC

Call = Callable[..., Any]

PROFILE = """
from dataclasses import replace

from payments_core.domain.money import Money
from payments_core.testing.conformance.drafts import DraftPromises
from payments_core.testing.conformance.fixtures import needs
from payments_core.provider import Capability
from payments_mtn_momo.conformance import MtnMomoConformance
from payments_mtn_momo.provider import MtnMomoProvider


class Rounding(MtnMomoProvider):
    def validate(self, order):
        rounded = Money(round(order.amount.amount, {digits}), order.amount.currency)
        return super().validate(replace(order, amount=rounded))


class Drafts(DraftPromises):  # no more, so that it is quick
    for name, value in vars(MtnMomoConformance).items():
        if not name.startswith("_"):
            locals()[name] = value
    spec = replace(MtnMomoConformance.spec, build=Rounding)
    skipped = {{"test_facts_have_sources": "They are secret."}}
"""


@pytest.fixture
def run(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Install a provider with a conformance profile of its own; run its suite; return exit code and output."""

    def run(*, conformance: str, digits: int = 9) -> tuple[int, str]:
        (folder / "drafts_of_mtn.py").write_text(PROFILE.format(digits=digits), "utf-8")
        monkeypatch.setenv("PYTHONPATH", str(folder), prepend=":")
        monkeypatch.setattr(Plugins, "provider", lambda *_: replace(SPEC, conformance=conformance))
        code = app.run(["providers", "--conformance", "mtn_momo"])
        return code, "".join(capfd.readouterr())

    return run


def test_conformance_exits_with_0_and_shows_why_a_promise_is_skipped(run: Callable[..., tuple[int, str]]) -> None:
    code, output = run(conformance="drafts_of_mtn:Drafts")

    assert code == 0, output
    assert "15 passed, 1 skipped" in output
    assert "They are secret." in output


def test_conformance_exits_with_1_and_shows_the_broken_promise(run: Callable[..., tuple[int, str]]) -> None:
    code, output = run(conformance="drafts_of_mtn:Drafts", digits=2)

    assert code == 1
    assert "test_a_wrong_amount_is_refused_and_never_rounded" in output
    assert "DID NOT RAISE InvalidPayout" in output


def test_conformance_profile_that_cannot_be_imported_interrupts_pytest(run: Callable[..., tuple[int, str]]) -> None:
    code, output = run(conformance="no_such_module:Nothing")

    assert code == pytest.ExitCode.INTERRUPTED
    assert "No module named 'no_such_module'" in output


def test_conformance_without_a_profile_is_refused(run: Callable[..., tuple[int, str]]) -> None:
    code, output = run(conformance="")

    assert code == 1
    assert "Provider mtn_momo has no conformance profile" in output


def test_conformance_as_json_is_refused(payouts: Call) -> None:
    ran = payouts("providers", "--conformance", "mtn_momo", "--json")

    assert ran.code == 2
    assert "Leave out --json" in ran.error["message"]


def test_conformance_names_a_missing_library(payouts: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conformance, "NEEDED", ("pytest", "no_such_package"))

    ran = payouts("providers", "--conformance", "mtn_momo")

    assert ran.code == 1
    assert "needs no_such_package" in ran.err
    assert "payments-core[server]" in ran.err
