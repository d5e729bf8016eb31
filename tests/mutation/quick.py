"""Makes a mutant's tests begin with those that are likely to notice it: a pytest plugin, for mutants alone.

Each mutant is played in a fork of one process. What noticed one change of a function notices the next one as a rule:
so each fork that notices writes down which test it was, and those that come later try it first.
"""

from __future__ import annotations

import functools
import gc
import os
from collections import Counter
from pathlib import Path

import pytest

NOTICED = Path(os.environ["PAYMENTS_NOTICED"])  # lines of function and test, written by run.py's forks


def function() -> str:
    """Return the name of the function that is changed; empty while none is."""
    name, is_changed, _ = os.environ.get("MUTANT_UNDER_TEST", "").partition("__mutmut_")
    return name if is_changed else ""


@functools.cache
def asked(args: tuple[str, ...]) -> frozenset[str]:
    """Return the names of the tests that are asked for; empty stands for a whole file or folder."""
    return frozenset(arg.partition("::")[2].partition("[")[0] for arg in args)


def pytest_pycollect_makeitem(collector: pytest.Module | pytest.Class, name: str) -> list[pytest.Item] | None:
    """Leave out what is not asked for, where tests are asked for one by one: so they are for each mutant."""
    names = asked(tuple(collector.config.args))
    return None if "" in names or name in names else []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what noticed other changes of the function, most often first; then with what noticed any."""
    if changed := function():
        here, anywhere = Counter[str](), Counter[str]()
        for line in NOTICED.read_text("utf-8").splitlines():
            where, _, test = line.partition("\t")
            anywhere[test] += 1
            here[test] += where == changed
        items.sort(key=lambda item: (-here[item.nodeid], -anywhere[item.nodeid]))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Write down which test noticed the change."""
    if report.failed and (changed := function()):
        with NOTICED.open("a", encoding="utf-8") as file:  # one short line at once: forks do not mix theirs
            file.write(f"{changed}\t{report.nodeid}\n")


def pytest_sessionfinish() -> None:
    """Let forks look for garbage seldom, and not in what they inherit."""
    gc.freeze()
    gc.set_threshold(100_000, 50, 50)
