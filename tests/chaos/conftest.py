"""What the tests of chaos share: places with workers as ``tests/worker`` has them, and a proxy before a gateway."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

_HERE = Path(__file__).parent
# By name and without a test folder on ``sys.path``, as ``tests/crash`` does it.
_SHARED = {
    "worker_places": _HERE.parent / "worker" / "conftest.py",
    "supervisor": _HERE.parent / "e2e" / "supervisor.py",
    "proxy": _HERE / "proxy.py",
}
for _name, _path in _SHARED.items():
    if _name not in sys.modules:
        _spec = spec_from_file_location(_name, _path)
        assert _spec is not None
        assert _spec.loader is not None
        sys.modules[_name] = _module = module_from_spec(_spec)
        _spec.loader.exec_module(_module)

from proxy import Proxy  # noqa: E402
from supervisor import Supervisor  # noqa: E402 - has just been made importable
from worker_places import make_place, place  # noqa: E402

__all__ = ["make_place", "place"]


@pytest.fixture(scope="session")
def rounds() -> int:
    """How much is to be played: ``PAYMENTS_CHAOS``, 1 when it is not set."""
    return int(os.environ.get("PAYMENTS_CHAOS", "1"))


@pytest.fixture(scope="session")
def long_run(rounds: int) -> None:
    """For what only a long run plays."""
    if rounds < 2:
        pytest.skip("set PAYMENTS_CHAOS to a number of rounds, 2 or more")


@pytest.fixture(scope="session")
def seed() -> int:
    """What chance starts from: ``PAYMENTS_SEED`` repeats a run."""
    return int(os.environ.get("PAYMENTS_SEED", "0")) or int.from_bytes(os.urandom(3), "big")


@pytest.fixture
def supervisor(place: Any) -> Iterator[Supervisor]:
    """Start processes at a place that begin at once."""
    if not hasattr(os, "waitid"):
        pytest.skip("needs fork and waitid")
    with Supervisor(place.folder) as started:
        yield started


@pytest.fixture
def store(request: pytest.FixtureRequest) -> str:
    """Which store the place has."""
    name: str = request.node.callspec.params["place"]
    return name


@pytest.fixture
def through(place: Any) -> Iterator[Callable[..., Proxy]]:
    """Let everybody at a place reach its gateway through a proxy only."""
    with contextlib.ExitStack() as stack:

        def start(**settings: Any) -> Proxy:
            proxy = stack.enter_context(Proxy(place.gateway.url, **settings))
            text = place.config.read_text("utf-8")
            place.config.write_text(text.replace(place.gateway.url, proxy.url), "utf-8")
            return proxy

        yield start
