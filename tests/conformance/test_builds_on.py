"""A promise that must fail with another one is skipped for it, unless the other is not asked of the provider at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from payments_core.testing.conformance import ProviderConformance
from payments_mtn_momo.conformance import MtnMomoConformance


class NeverFinds(MtnMomoConformance):
    """Breaks a promise, wherever it is tried."""

    __test__ = False

    def test_not_found_is_a_word_of_its_own(self, desk: object) -> None:
        """Break it."""
        raise AssertionError


class HasNoSuchWord(NeverFinds):
    """Is not asked for it."""

    skipped: Mapping[str, str] = {"test_not_found_is_a_word_of_its_own": "It has no such word."}


def tried(profile: ProviderConformance) -> None:
    nowhere: Any = None
    profile.builds_on(nowhere, profile.test_not_found_is_a_word_of_its_own)


def test_what_must_fail_as_well_is_skipped() -> None:
    with pytest.raises(pytest.skip.Exception, match="builds on test_not_found_is_a_word_of_its_own, which is broken"):
        tried(NeverFinds())


def test_a_promise_that_is_not_asked_for_hides_no_other() -> None:
    try:
        tried(HasNoSuchWord())
    except pytest.skip.Exception as skipped:
        pytest.fail(f"hidden: {skipped}")
