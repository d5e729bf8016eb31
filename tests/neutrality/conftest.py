"""What the neutrality test shares: the installed providers by their names, and what plays the others' stand-ins."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from load_modules import load_modules

from payments_core.plugins.manager import Plugins
from payments_core.testing.conformance import Harness, Profile
from payments_core.testing.conformance.harness import CallbackReceiver
from payments_core.testing.emulator.server import Emulator

Play: TypeAlias = Callable[..., Harness]

load_modules(Path(__file__).parent, "standins", "like_airtel", "like_gsma", "like_orange", "like_vodacom", "like_wave")


@pytest.fixture
def put_on(tmp_path: Path) -> Iterator[Callable[[Profile, Emulator[Any]], Harness]]:
    """Return what starts an emulator, and an installation that pays through it and is called back."""
    with ExitStack() as stack:

        def played(profile: Profile, emulator: Emulator[Any]) -> Harness:
            folder = tmp_path / str(len(list(tmp_path.iterdir())))
            folder.mkdir()
            running = stack.enter_context(emulator)
            harness = Harness(profile, running, folder, "sync", stack.enter_context(CallbackReceiver()))
            stack.callback(harness.close)
            return harness

        yield played


@pytest.fixture
def play(put_on: Callable[[Profile, Emulator[Any]], Harness]) -> Play:
    """Return what plays an installed provider, with switches of its emulator: ``play("pawapay", enqueued_s=60)``."""

    def played(name: str, *, profile: str = "", **switches: Any) -> Harness:
        spec = Plugins().provider(name)
        emulator = _found(spec.emulator)(**switches)
        module, _, kind = spec.conformance.partition(":")
        written = _found(f"{module}:{profile or kind}")()
        written.emulated = emulator
        return put_on(written, emulator)

    return played


def _found(where: str) -> Any:
    module, _, name = where.partition(":")
    return getattr(import_module(module), name)
