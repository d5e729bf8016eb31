"""Promises of how a provider's answers are mapped."""

from __future__ import annotations

from payments_core.testing.conformance.check_answers import CheckPromises
from payments_core.testing.conformance.submit_answers import SubmitPromises

__all__ = ["StatusMappingPromises"]


class StatusMappingPromises(CheckPromises, SubmitPromises):
    """An outcome claims no more than the provider's answer proves."""
