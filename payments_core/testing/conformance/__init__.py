"""The conformance suite: a provider's author writes one short class, and inherits every promise as a test.

Derive from :class:`ProviderConformance`, fill in what
:class:`~payments_core.testing.conformance.profile.Sheet` asks for, and let pytest collect it. It needs pytest and the
extra ``server``; it pays through the provider's own emulator.
"""

import pytest

for _name in (
    "drafts",
    "orders",
    "stability",
    "submits",
    "checks",
    "malformed",
    "payments",
    "manners",
    "heard",
    "questions",
    "secrecy",
    "fixtures",
):
    pytest.register_assert_rewrite(f"{__name__}.{_name}")

from payments_core.testing.conformance.behaviour import MannerPromises  # noqa: E402
from payments_core.testing.conformance.callbacks import CallbackPromises  # noqa: E402
from payments_core.testing.conformance.drafts import DraftPromises  # noqa: E402 - after its assertions can be read
from payments_core.testing.conformance.harness import Scene  # noqa: E402
from payments_core.testing.conformance.lookups import QuestionPromises  # noqa: E402
from payments_core.testing.conformance.payments import PaymentPromises  # noqa: E402
from payments_core.testing.conformance.profile import Said, Sheet, reply  # noqa: E402
from payments_core.testing.conformance.redaction import SecrecyPromises  # noqa: E402
from payments_core.testing.conformance.status_mapping import WordPromises  # noqa: E402

__all__ = [
    "CallbackPromises",
    "DraftPromises",
    "MannerPromises",
    "PaymentPromises",
    "ProviderConformance",
    "QuestionPromises",
    "Said",
    "Scene",
    "SecrecyPromises",
    "Sheet",
    "WordPromises",
    "reply",
]


class ProviderConformance(MannerPromises, CallbackPromises, QuestionPromises, SecrecyPromises):
    """Every promise, for one provider."""
