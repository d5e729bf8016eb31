"""MTN MoMo keeps every promise of the conformance suite."""

from payments_mtn_momo.conformance import MtnMomoConformance


class TestMtnMomo(MtnMomoConformance):
    """Collected from here."""
