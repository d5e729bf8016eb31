"""The conformance suite: a provider's author writes one short class and inherits every promise as a test.

Derive from :class:`ProviderConformance`, fill in the attributes and methods of
:class:`~payments_core.testing.conformance.profile.Profile`, and let pytest collect the class. The suite needs pytest
and the extra ``server``; it pays through the provider's own emulator.
"""

import pkgutil

import pytest

for _module in pkgutil.iter_modules(__path__):
    pytest.register_assert_rewrite(f"{__name__}.{_module.name}")

from payments_core.testing.conformance.behaviour import BehaviourPromises  # noqa: E402
from payments_core.testing.conformance.callbacks import CallbackPromises  # noqa: E402
from payments_core.testing.conformance.drafts import DraftPromises  # noqa: E402 - after its assertions can be read
from payments_core.testing.conformance.harness import Harness  # noqa: E402
from payments_core.testing.conformance.lookups import LookupPromises  # noqa: E402
from payments_core.testing.conformance.payments import PaymentPromises  # noqa: E402
from payments_core.testing.conformance.profile import ExpectedOutcome, Profile, reply  # noqa: E402
from payments_core.testing.conformance.redaction import SecrecyPromises  # noqa: E402
from payments_core.testing.conformance.status_mapping import StatusMappingPromises  # noqa: E402

__all__ = [
    "BehaviourPromises",
    "CallbackPromises",
    "DraftPromises",
    "ExpectedOutcome",
    "Harness",
    "LookupPromises",
    "PaymentPromises",
    "Profile",
    "ProviderConformance",
    "SecrecyPromises",
    "StatusMappingPromises",
    "reply",
]


class ProviderConformance(BehaviourPromises, CallbackPromises, LookupPromises, SecrecyPromises):
    """Every promise, for one provider."""
