"""Template Pay keeps every promise of the conformance suite."""

from payments_template.conformance import TemplateConformance


class TestTemplate(TemplateConformance):
    """Collected from here."""
