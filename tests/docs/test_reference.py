"""The reference is the code's: nothing is documented that is not there, and nothing is there undocumented."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from payments_core import errors
from payments_core.events import EventName
from payments_core.payout import PayoutStatus, ReasonCode
from payments_core.plugins import Plugins
from payments_core.settings import AccountSettings

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


def test_pages_are_what_the_code_says(tmp_path: Path) -> None:
    """Running the generator changes no page: whoever adds a setting, hook, event, error or command writes it down."""
    generator = tmp_path / "generate.py"
    generator.write_text((REFERENCE / "generate.py").read_text("utf-8"), "utf-8")
    subprocess.run([sys.executable, "-P", str(generator)], check=True)
    for page in sorted(tmp_path.glob("*.md")):
        assert page.read_text("utf-8") == (REFERENCE / page.name).read_text("utf-8"), (
            f"run {generator.name}: {page.name}"
        )


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("settings", list(AccountSettings.model_fields)),
        ("errors", [getattr(errors, name).code for name in errors.__all__]),
        ("events", list(EventName)),
        ("hooks", list(Plugins.hooks())),
        ("statuses-and-reasons", [*PayoutStatus, *ReasonCode]),
    ],
)
def test_every_name_is_documented(page: str, names: list[str]) -> None:
    """A setting, error code, event, hook, status or reason that is missing from its page fails here."""
    text = (REFERENCE / f"{page}.md").read_text("utf-8")
    assert [name for name in names if name not in text] == []


def test_settings_of_installed_providers_are_documented() -> None:
    """Each provider's own settings stand on the settings page, with a meaning."""
    text = (REFERENCE / "settings.md").read_text("utf-8")
    for spec in Plugins().providers().values():
        for name, field in spec.settings.model_fields.items():
            assert f"`{name}`" in text
            assert field.description, name
