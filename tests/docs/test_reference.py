"""The reference is the code's: nothing is documented that is not there, and nothing is there undocumented."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from payments_core.cli.output import FIELDS
from payments_core.domain import errors
from payments_core.domain.causes import DecidedBy
from payments_core.domain.contradictions import Contradiction
from payments_core.domain.events import EventName
from payments_core.domain.payout import PayoutStatus, ReasonCode
from payments_core.plugins.manager import Plugins
from payments_core.settings import AccountSettings
from payments_core.testing.conformance import ProviderConformance
from payments_mtn_momo.api.error_catalog import ANSWERS, REASONS
from payments_mtn_momo.api.operations import OPERATIONS

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"


def test_generated_pages_are_up_to_date(tmp_path: Path) -> None:
    """Running the generator changes no page: a new setting, hook, event, error or command is documented."""
    generator = tmp_path / "docs" / "reference" / "generate.py"
    generator.parent.mkdir(parents=True)
    generator.write_text((REFERENCE / "generate.py").read_text("utf-8"), "utf-8")
    for name in Plugins().providers():
        (tmp_path / "providers" / name).mkdir(parents=True)
    subprocess.run([sys.executable, "-P", str(generator)], check=True)
    written = sorted(tmp_path.rglob("*.md"))
    assert len(written) > len(Plugins().providers())
    for page in written:
        path = page.relative_to(tmp_path)
        assert page.read_text("utf-8") == (ROOT / path).read_text("utf-8"), f"run {generator.name}: {path}"


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("settings", list(AccountSettings.model_fields)),
        ("errors", [getattr(errors, name).code for name in errors.__all__]),
        ("events", list(EventName)),
        ("hooks", list(Plugins.hooks())),
        (
            "payout",
            [f"`{name}`" for name in (*FIELDS, *(one.name for one in fields(Contradiction)), *filter(None, DecidedBy))],
        ),
        ("statuses-and-reasons", [*PayoutStatus, *ReasonCode]),
        ("operations", [f"| `{name}` |" for name in OPERATIONS]),
        ("conformance", [f"| `{name}` |" for name in dir(ProviderConformance) if name.startswith("test_")]),
        ("mtn-momo-answers", [*(f"| `{reason}` |" for reason in REASONS), *(f"| {status}" for status, _ in ANSWERS)]),
    ],
)
def test_public_name_is_on_its_reference_page(page: str, names: list[str]) -> None:
    """A setting, error code, event, hook, status or reason that is missing from its page fails here."""
    text = (REFERENCE / f"{page}.md").read_text("utf-8")
    assert [name for name in names if name not in text] == []


def test_provider_settings_are_documented() -> None:
    """Each provider's settings stand on the settings page or on its own, with a meaning."""
    common = (REFERENCE / "settings.md").read_text("utf-8")
    for spec in Plugins().providers().values():
        own = (ROOT / "providers" / spec.name / "docs" / f"{spec.name}-reference.md").read_text("utf-8")
        for name, field in spec.settings.model_fields.items():
            assert f"`{name}`" in common + own
            assert field.description, name
