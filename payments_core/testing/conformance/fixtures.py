"""What every group of promises has: the scene it plays in, and the promises that are skipped with a reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

from payments_core.provider import Capability
from payments_core.testing.conformance.harness import CallbackReceiver, Harness, Kind
from payments_core.testing.conformance.profile import Profile
from payments_core.testing.emulator.server import Emulator

__all__ = ["Promises", "needs", "why_skipped"]

F = TypeVar("F", bound=Callable[..., Any])


def needs(*capabilities: Capability) -> Callable[[F], F]:
    """Mark a promise of providers that declare one of some capabilities."""

    def mark(promise: F) -> F:
        promise.__dict__["needs"] = capabilities
        return promise

    return mark


def why_skipped(profile: type[Profile] | Profile, name: str) -> str:
    """Return why a promise is not asked of a provider; empty when it is.

    Args:
        sheet: The provider's.
        name: Of the promise's test.

    """
    if reason := profile.skipped.get(name, ""):
        return reason
    wanted: Sequence[Capability] = getattr(getattr(profile, name), "needs", ())
    if not wanted or profile.spec.capabilities & set(wanted):
        return ""
    return f"{profile.spec.title} declares no {' and no '.join(wanted)}"


class Promises(Profile):
    """The fixtures of the suite."""

    @property
    def package(self) -> str:
        """Whose functions and variables are the provider's own."""
        return self.spec.build.__module__.partition(".")[0]

    @pytest.fixture(autouse=True)
    def _skip_with_a_reason(self, request: pytest.FixtureRequest) -> None:
        if reason := why_skipped(self, request.function.__name__):
            pytest.skip(reason)

    @pytest.fixture(scope="class")
    @classmethod
    def running(cls) -> Iterator[Emulator[Any]]:
        """One emulator for the provider's whole run."""
        with cls.emulator() as emulator:
            yield emulator

    @pytest.fixture(params=["sync", "async"])
    def kind(self, request: pytest.FixtureRequest) -> Kind:
        """Which client pays."""
        found: Kind = request.param
        return found

    @pytest.fixture(scope="class")
    @classmethod
    def receiver(cls) -> Iterator[CallbackReceiver | None]:
        """Where callbacks come to, of a provider that calls back or answers later."""
        if not {Capability.CALLBACKS, Capability.RESULT_CALLBACKS} & cls.spec.capabilities:
            yield None
            return
        with CallbackReceiver() as receiver:
            yield receiver

    @pytest.fixture
    def harness(
        self, running: Emulator[Any], receiver: CallbackReceiver | None, tmp_path: Path, kind: Kind
    ) -> Iterator[Harness]:
        """Return an installation of its own."""
        with self.played(running, tmp_path, kind, receiver) as harness:
            yield harness

    @pytest.fixture(scope="class")
    @classmethod
    def shared_harness(
        cls, running: Emulator[Any], tmp_path_factory: pytest.TempPathFactory, receiver: CallbackReceiver | None
    ) -> Iterator[Harness]:
        """Return an installation for what no client has a part in: nothing is paid from it."""
        harness = Harness(cls(), running, tmp_path_factory.mktemp("shared_harness"), "sync", receiver)
        yield harness
        harness.close()

    @contextmanager
    def played(
        self, running: Emulator[Any], folder: Path, kind: Kind, receiver: CallbackReceiver | None
    ) -> Iterator[Harness]:
        """Play in an installation of its own, with an emulator that behaves."""
        running.set_faults({})
        harness = Harness(self, running, folder, kind, receiver)
        try:
            yield harness
        finally:
            running.set_faults({})
            harness.close()

    def builds_on(self, harness: Harness, *promises: Callable[[Harness], None]) -> None:
        """Skip what must fail as well when another promise is broken, so that a fault is told once.

        Args:
            scene: Where they are tried.
            promises: Each a test of this class that needs nothing more than a scene.

        """
        for promise in promises:
            name = getattr(promise, "func", promise).__name__
            if why_skipped(self, name):
                continue  # what a provider has not is no ground that is missing
            try:
                promise(harness)
            except Exception:  # noqa: BLE001 - however it fails, it is told where it belongs
                pytest.skip(f"builds on {name}, which is broken")
