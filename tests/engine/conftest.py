"""Makes the engine tests' kit importable by name, without a test folder on ``sys.path``, and sets the stage."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from load_modules import load_modules

load_modules(Path(__file__).parent, "kit")
kit: Any = sys.modules["kit"]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Make stages; their journals are closed at the end."""
    made: list[Any] = []

    def make(provider: Any = None, *, settings: Any = None, preflight: Any = None, **facts: Any) -> Any:
        made.append(kit.Stage(tmp_path, kit.account_of(provider, settings=settings, **facts), preflight=preflight))
        return made[-1]

    yield make
    for one in made:
        one.journal.close()
