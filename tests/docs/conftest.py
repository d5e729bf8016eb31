"""A page may set up logging as its reader would; the tests after it must not notice."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _leave_logging(own_logging: None) -> None:
    """Put logging and structlog back as they were."""
