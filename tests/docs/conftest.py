"""What the tests of the pages share: `payouts` at once, and logging that is put back."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from load_modules import load_modules

load_modules(Path(__file__).parents[1] / "e2e", "supervisor")


@pytest.fixture(scope="session")
def supervisor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Start processes that begin at once: the pages have hundreds of commands."""
    from supervisor import Supervisor

    if not hasattr(os, "waitid"):
        pytest.skip("needs fork and waitid")
    with Supervisor(tmp_path_factory.mktemp("supervisor")) as started:
        yield started
