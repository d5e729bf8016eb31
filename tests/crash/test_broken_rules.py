"""Each rule of how a payout travels is broken on purpose, and has to be found.

The same search over the unbroken code finds nothing, so what is found is found because of the broken rule. It ends
where the broken one was found; with ``PAYMENTS_CRASH_PROOF=1`` it goes on to the end.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest
from crash_points import CrashStore
from seeded_bugs import CASES, TWELVE, Interleaving, plays, search

PROOF = os.environ.get("PAYMENTS_CRASH_PROOF") == "1"
Patch = pytest.MonkeyPatch


@pytest.mark.parametrize("name", CASES)
def test_broken_rule_is_found(
    name: str, folder: Path, monkeypatch: Patch, lines: list[str], measured: Callable[..., None]
) -> None:
    """The unbroken code passes the search, and the code with the rule broken does not."""
    case = CASES[name]
    with monkeypatch.context() as patch:
        case.broken(patch)
        searched, found = 0, ""
        for broken in search(case, folder):
            searched += 1
            if found := next((one for one in broken if case.finding in one), ""):
                break
    by = "two workers" if isinstance(case.where, Interleaving) else "crash points"
    if name in TWELVE:
        measured(5, "seeded bug caught", int(bool(found)), bug=name, by=by, cases=searched)
    assert found, f"not found in {searched} cases"
    assert [found for found in islice(search(case, folder), None if PROOF else searched) if found] == []
    lines.append(f"broken rule: {name}: {found} ({by}, after {searched} cases)")


@pytest.mark.parametrize("name", ["a lapsed lease means not sent", "doubt is cleared"])
def test_broken_rule_that_needs_a_crash_is_found_under_postgresql(
    name: str, crash_database: CrashStore, monkeypatch: Patch
) -> None:
    """There too a life goes on from what the one before had committed, and from nothing else."""
    case = CASES[name]
    assert not isinstance(case.where, Interleaving)
    case.broken(monkeypatch)
    found = plays(case.where(), crash_database)
    assert next(found) == []  # without a crash
    assert any(case.finding in one for broken in found for one in broken)


def test_seeded_bugs_are_twelve() -> None:
    """Each of those by which the proof is measured is looked for."""
    assert len(TWELVE) == len(set(TWELVE)) == 12
    assert {*TWELVE} <= {*CASES}
