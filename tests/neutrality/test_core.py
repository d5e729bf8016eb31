"""The core knows no provider: not by name, not in a comparison, and not by the form of its references."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

CORE = Path(__file__).parents[2] / "payments_core"
FILES = sorted(CORE.rglob("*.py"))

# The providers of the neutrality facts and the words by which they go, and those there are here.
NAMES = re.compile(
    r"(?i)mtn|momo(?!n)|airtel|orange|\bwave\b|vodacom|vodafone|daraja|safaricom|m-?pesa|pawapay|gsma|sonatel|ecocash|tigo"
)

# Who has a reason to say one.
NAMED: Mapping[str, str] = {
    "cli/demo/cast.py": "the demo plays one provider's emulator, whose test payees fail",
    "cli/demo/stage.py": "the demo starts that emulator by its name, as a person would",
    "routing/operators.py": "whose number it is: operators of telephones, which are no providers here",
    "routing/routes.py": "an example of such an operator, in a setting's description",
    "cli/checks.py": "the file that `doctor --init` writes has an account in comments, whole",
}

# What the core does with UUIDs; nothing else may know of them.
UUIDS: Mapping[str, str] = {
    "domain/references.py": "shapes a seed for providers that insist on one: offered, and used by none of the core",
    "domain/masking.py": "leaves one readable in a log, as it is no phone number",
    "testing/conformance/call_tracing.py": "sees a provider that draws one",
}


def described(file: Path) -> str:
    return file.relative_to(CORE).as_posix()


def test_core_has_files_to_check() -> None:
    assert len(FILES) > 100


def test_core_names_no_provider() -> None:
    """Not in code, not in a comment, not in a docstring; who has a reason stands above, and has it still."""
    naming = {described(file): NAMES.findall(file.read_text("utf-8")) for file in FILES}

    assert {name: found for name, found in naming.items() if found and name not in NAMED} == {}
    assert [name for name in NAMED if not naming[name]] == [], "has no more reason"


def test_provider_names_are_found_in_code_and_prose() -> None:
    """Each of the eight, as it is written in code and in prose."""
    for name in ("MTN MoMo", "mtn_momo", "Airtel", "M-Pesa", "mpesa_daraja", "pawaPay", "Orange", "Wave", "Vodacom"):
        assert NAMES.search(f"such as {name}, or"), name
    assert not NAMES.search("a moment; it waves; microwave")


def test_core_compares_no_provider_name() -> None:
    """No ``if`` on who is paid through: what differs is asked of the provider, or is a fact that it declares."""
    for file in FILES:
        assert [line for line, _ in compared(ast.parse(file.read_text("utf-8")))] == [], described(file)


def compared(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield where what names a provider is held against a word that is written there."""
    for node in ast.walk(tree):
        sides: list[ast.expr] = []
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
        elif isinstance(node, ast.Match) and any(isinstance(case.pattern, ast.MatchValue) for case in node.cases):
            sides = [node.subject, ast.Constant("")]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "startswith":
            sides = [node.func.value, *node.args]
        elif isinstance(node, ast.Subscript) and isinstance(node.value, ast.Dict):  # {"name": …}[provider]
            sides = [node.slice, *(key for key in node.value.keys if key)]
        says = {ast.unparse(side) for side in sides}
        if any(map(names_a_provider, says)) and any(map(has_words, sides)):
            yield node.lineno, " ".join(sorted(says))


def names_a_provider(code: str) -> bool:
    """Say whether an expression is a provider's name: ``spec.name``, ``provider.name``, ``raw["provider"]`` …"""
    return bool(re.search(r"(?:spec|provider|plugin)(?:\.name|\.title)?$|\[['\"]provider['\"]\]$", code, re.IGNORECASE))


def has_words(side: ast.expr) -> bool:
    """Say whether an expression is a text that is written there, or some."""
    parts = side.elts if isinstance(side, ast.Tuple | ast.Set | ast.List) else [side]
    return any(isinstance(part, ast.Constant) and isinstance(part.value, str) for part in parts)


@pytest.mark.parametrize(
    "code",
    [
        'account.spec.name == "x"',
        '"x" != provider',
        'account.settings.provider in {"x", "y"}',
        'raw["provider"] == "x"',
        'spec.name.startswith("x")',
        '{"x": 1}[spec.name]',
        'match spec.name:\n    case "x":\n        pass',
        'row.binding["provider"] == "x"',
    ],
)
def test_comparison_with_a_provider_name_is_found(code: str) -> None:
    assert list(compared(ast.parse(code)))


def test_core_assumes_no_uuid() -> None:
    """A reference is text that its provider has made: nothing in the core reads, draws or checks a UUID."""
    knowing = {described(file) for file in FILES if re.search(r"(?i)uuid", file.read_text("utf-8"))}

    assert knowing == set(UUIDS)
    callers = {described(file) for file in FILES if "uuid4_shaped" in file.read_text("utf-8")}
    assert callers == {"domain/references.py"}
