"""providers --conformance: what became of each promise, before a plugin is trusted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from payments_core.cli import conformance
from payments_core.plugins.manager import Plugins
from payments_mtn_momo.spec import SPEC

Call = Callable[..., Any]

SHEET = """
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
        super().validate(replace(order, amount=rounded))


class Drafts(DraftPromises):  # no more, so that it is quick
    for name, value in vars(MtnMomoConformance).items():
        if not name.startswith("_"):
            locals()[name] = value
    spec = replace(MtnMomoConformance.spec, build=Rounding)
    skipped = {{"test_facts_have_sources": "They are secret."}}
"""


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """Install a provider with a sheet of its own."""

    def install(*, conformance: str, digits: int = 9) -> None:
        (tmp_path / "drafts_of_mtn.py").write_text(SHEET.format(digits=digits), "utf-8")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
        monkeypatch.setattr(Plugins, "provider", lambda *_: replace(SPEC, conformance=conformance))

    return install


def test_each_promise_is_told_with_what_became_of_it(payouts: Call, installed: Callable[..., None]) -> None:
    installed(conformance="drafts_of_mtn:Drafts")

    ran = payouts("providers", "--conformance", "mtn_momo")
    told = payouts("providers", "--conformance", "mtn_momo", "--json").json

    assert ran.code == 0, ran.out
    assert "A draft is pure and stable" in ran.out
    assert "They are secret." in ran.out
    assert ran.out.endswith("16 kept, 0 broken, 1 skipped.\n"), ran.out
    found = {row["promise"]: row for row in told}
    assert found["test_facts_have_sources"]["state"] == "skipped"
    assert found["test_facts_have_sources"]["why"] == ["They are secret."]
    assert found["test_a_draft_can_be_pickled"]["says"].startswith("A draft can be pickled. Other processes")


def test_a_broken_promise_ends_with_1_and_says_how(payouts: Call, installed: Callable[..., None]) -> None:
    installed(conformance="drafts_of_mtn:Drafts", digits=2)

    ran = payouts("providers", "--conformance", "mtn_momo", "--json")

    assert ran.code == 1
    [broken] = [row for row in ran.json if row["state"] == "broken"]
    assert broken["promise"] == "test_a_wrong_amount_is_refused_and_never_rounded"
    assert broken["why"] == ["Failed: DID NOT RAISE InvalidPayout"]


def test_a_provider_without_a_sheet_is_told_so(payouts: Call, installed: Callable[..., None]) -> None:
    installed(conformance="")

    ran = payouts("providers", "--conformance", "mtn_momo", "--json")

    assert ran.code == 1
    assert "brings nothing to be tried with" in ran.error["message"]


def test_a_sheet_that_cannot_be_imported_is_told_so(payouts: Call, installed: Callable[..., None]) -> None:
    installed(conformance="no_such_module:Nothing")

    ran = payouts("providers", "--conformance", "mtn_momo", "--json")

    assert ran.code == 1
    assert "No module named 'no_such_module'" in ran.error["message"]


def test_what_is_not_installed_is_named(
    payouts: Call, installed: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(conformance="drafts_of_mtn:Drafts")
    monkeypatch.setattr(conformance, "NEEDED", ("pytest", "no_such_package"))

    ran = payouts("providers", "--conformance", "mtn_momo", "--json")

    assert ran.code == 1
    assert "needs no_such_package" in ran.error["message"]
    assert "payments-core[server]" in ran.error["hint"]
