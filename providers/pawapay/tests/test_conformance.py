"""pawaPay keeps every promise of the conformance suite, without signatures and with them."""

import importlib.util

import pytest

from payments_pawapay.conformance import PawapayConformance, SignedPawapayConformance

HAS_SIGNATURES = importlib.util.find_spec("http_message_signatures") is not None


class TestPawapay(PawapayConformance):
    """Collected from here."""


@pytest.mark.proof  # all that the class above shows, with signed requests
@pytest.mark.skipif(not HAS_SIGNATURES, reason="the extra `signatures` is not installed")
class TestSignedPawapay(SignedPawapayConformance):
    """Collected from here."""
