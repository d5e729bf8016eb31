"""Promises of what a provider's words are taken for."""

from __future__ import annotations

from payments_core.testing.conformance.check_answers import CheckPromises
from payments_core.testing.conformance.submit_answers import SubmitPromises

__all__ = ["StatusMappingPromises"]


class StatusMappingPromises(CheckPromises, SubmitPromises):
    """Nothing a provider says is taken for more than it says."""
