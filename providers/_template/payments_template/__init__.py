"""The Template Pay provider for ``payments_core``."""
