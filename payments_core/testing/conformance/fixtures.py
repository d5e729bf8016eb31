"""Fixtures of every group of promises, and the promises that are skipped with a reason."""

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
    """Mark a promise as one of providers that have any of these capabilities."""

    def mark(promise: F) -> F:
        promise.__dict__["needs"] = capabilities
        return promise

    return mark


def why_skipped(profile: type[Profile] | Profile, name: str) -> str:
    """Return the reason why a promise is skipped for a provider; empty when it is tested.

    Args:
        profile: The provider's profile.
        name: The name of the promise's test, with or without its parameters in brackets.

    """
    promise = name.partition("[")[0]
    if reason := profile.skipped.get(name, "") or profile.skipped.get(promise, ""):
        return reason
    wanted: Sequence[Capability] = getattr(getattr(profile, promise), "needs", ())
    if not wanted or profile.spec.capabilities & set(wanted):
        return ""
    return f"{profile.spec.title} has no {' and no '.join(wanted)}"


class Promises(Profile):
    """The fixtures of the suite."""

    @property
    def package(self) -> str:
        """The provider's top-level package."""
        return self.spec.build.__module__.partition(".")[0]

    @pytest.fixture(autouse=True)
    def _skip_with_a_reason(self, request: pytest.FixtureRequest) -> None:
        if reason := why_skipped(self, request.node.name):
            pytest.skip(reason)

    @pytest.fixture(scope="class")
    @classmethod
    def running(cls) -> Iterator[Emulator[Any]]:
        """One emulator for the provider's whole run."""
        with cls.emulator() as emulator:
            yield emulator

    @pytest.fixture(params=["sync", "async"])
    def kind(self, request: pytest.FixtureRequest) -> Kind:
        """The client that pays: sync or async."""
        found: Kind = request.param
        return found

    @pytest.fixture(scope="class")
    @classmethod
    def receiver(cls) -> Iterator[CallbackReceiver | None]:
        """The server that receives callbacks; None for a provider without any."""
        if not {Capability.CALLBACKS, Capability.RESULT_CALLBACKS} & cls.spec.capabilities:
            yield None
            return
        with CallbackReceiver() as receiver:
            yield receiver

    @pytest.fixture
    def harness(
        self, running: Emulator[Any], receiver: CallbackReceiver | None, tmp_path: Path, kind: Kind
    ) -> Iterator[Harness]:
        """Return a new installation."""
        with self.played(running, tmp_path, kind, receiver) as harness:
            yield harness

    @pytest.fixture(scope="class")
    @classmethod
    def shared_harness(
        cls, running: Emulator[Any], tmp_path_factory: pytest.TempPathFactory, receiver: CallbackReceiver | None
    ) -> Iterator[Harness]:
        """Return one installation for the whole class; nothing is paid from it."""
        harness = Harness(cls(), running, tmp_path_factory.mktemp("shared_harness"), "sync", receiver)
        yield harness
        harness.close()

    @contextmanager
    def played(
        self, running: Emulator[Any], folder: Path, kind: Kind, receiver: CallbackReceiver | None
    ) -> Iterator[Harness]:
        """Provide a new installation, with an emulator without faults."""
        running.set_faults({})
        harness = Harness(self, running, folder, kind, receiver)
        try:
            yield harness
        finally:
            running.set_faults({})
            harness.close()

    def builds_on(self, harness: Harness, *promises: Callable[[Harness], None]) -> None:
        """Skip a promise that depends on a broken one, so that one fault fails one test.

        Args:
            harness: The installation to test them in.
            promises: Tests of this class that need only a harness.

        """
        for promise in promises:
            name = getattr(promise, "func", promise).__name__
            if why_skipped(self, name):
                continue  # a skipped promise is no missing basis
            try:
                promise(harness)
            except Exception:  # noqa: BLE001 - its own test reports the failure
                pytest.skip(f"builds on {name}, which is broken")
