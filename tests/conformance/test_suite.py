"""How the suite reports: one fault is reported once, and a failed assertion shows its values."""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import pytest

from payments_core.testing import conformance
from payments_core.testing.conformance import ProviderConformance
from payments_mtn_momo.conformance import MtnMomoConformance


class NeverFinds(MtnMomoConformance):
    """Breaks a promise, wherever it is tried."""

    __test__ = False

    def test_not_found_is_an_outcome_of_its_own(self, shared_harness: object) -> None:
        """Break it."""
        raise AssertionError


class HasNoSuchWord(NeverFinds):
    """Is not asked for it."""

    skipped: Mapping[str, str] = {"test_not_found_is_an_outcome_of_its_own": "It has no such word."}


def tried(profile: ProviderConformance) -> None:
    nowhere: Any = None
    profile.builds_on(nowhere, profile.test_not_found_is_an_outcome_of_its_own)


def test_promise_that_builds_on_a_broken_one_is_skipped() -> None:
    with pytest.raises(
        pytest.skip.Exception, match="builds on test_not_found_is_an_outcome_of_its_own, which is broken"
    ):
        tried(NeverFinds())


def test_promise_that_is_left_out_hides_no_other() -> None:
    try:
        tried(HasNoSuchWord())
    except pytest.skip.Exception as skipped:
        pytest.fail(f"hidden: {skipped}")


@pytest.mark.parametrize("name", [module.name for module in pkgutil.iter_modules(conformance.__path__)])
def test_failed_assertion_of_the_suite_shows_its_values(name: str) -> None:
    """Pytest rewrites the assertions of every module of the suite, so that a failure shows what was compared."""
    module = import_module(f"{conformance.__name__}.{name}")

    assert type(module.__loader__).__name__ == "AssertionRewritingHook"
