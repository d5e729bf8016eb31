"""The pages use the glossary's terms."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GENERATED = {
    *("command-line", "conformance", "errors", "events", "hooks"),
    *("mtn-momo-answers", "operations", "settings", "statuses-and-reasons"),
}
PAGES = sorted(
    page.relative_to(ROOT).as_posix()
    for pages in ("README.md", "CONTRIBUTING.md", "docs/**/*.md")
    for page in ROOT.glob(pages)
    if page.parent.name not in {"decisions", "providers"} and page.stem not in GENERATED
)
# Words with a private meaning, or without an actor; the glossary has the terms.
WORDS = re.compile(
    r"\b(?:told|heard|hears|somebody|whoever|sought|unsought|rehears\w*|fence|lanes?|till|office|crew|courier|"
    r"pay-again|forgotten payee|deferred answer|stumbled|befall)\b",
    re.IGNORECASE,
)


@pytest.mark.parametrize("page", PAGES)
def test_pages_use_the_terms_of_the_glossary(page: str) -> None:
    """No sentence of a page has a word that only this project understands; code and output are not sentences."""
    text = re.sub(r"(?ms)^ *```.*?^ *```$|`[^`\n]+`", "", (ROOT / page).read_text("utf-8"))
    assert WORDS.findall(text) == []
