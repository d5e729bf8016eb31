"""M-Pesa keeps every promise of the conformance suite."""

from payments_mpesa_daraja.conformance import MpesaDarajaConformance


class TestMpesaDaraja(MpesaDarajaConformance):
    """Collected from here."""
