"""What the tests of the pages share: `payouts` at once, and logging that is put back."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

# By name and without a test folder on ``sys.path``, as ``tests/crash`` does it.
if "supervisor" not in sys.modules:
    _spec = spec_from_file_location("supervisor", Path(__file__).parents[1] / "e2e" / "supervisor.py")
    assert _spec is not None
    assert _spec.loader is not None
    sys.modules["supervisor"] = _module = module_from_spec(_spec)
    _spec.loader.exec_module(_module)

from supervisor import Supervisor


@pytest.fixture(scope="session")
def supervisor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Supervisor]:
    """Start processes that begin at once: the pages have hundreds of commands."""
    if not hasattr(os, "waitid"):
        pytest.skip("needs fork and waitid")
    with Supervisor(tmp_path_factory.mktemp("supervisor")) as started:
        yield started
