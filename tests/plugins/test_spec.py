"""What a plugin hands over: its capabilities are those of its class."""

from __future__ import annotations

from typing import Any

import pytest

from payments_core.domain.payout import Operation, Payee
from payments_core.provider import Capability, ProviderSpec
from payments_core.settings import AccountSettings


class Silent:
    """A provider that only pays."""


class Asking(Silent):
    """One with two lookups."""

    def name(self, payee: Payee) -> Any: ...

    def balances(self, currency: str | None = None) -> Any: ...


class Quiet(Asking):
    """One that takes a lookup away."""

    balances: Any = None


def spec_of(build: Any) -> ProviderSpec:
    return ProviderSpec("carrier", "Carrier", AccountSettings, build, frozenset({Operation.TRANSFER}))


@pytest.mark.parametrize(
    ("build", "capabilities"),
    [
        (Silent, set()),
        (Asking, {Capability.NAME_LOOKUP, Capability.BALANCES}),
        (Quiet, {Capability.NAME_LOOKUP}),
    ],
)
def test_capabilities_are_those_that_the_class_implements(build: type, capabilities: set[Capability]) -> None:
    assert spec_of(build).capabilities == capabilities


def test_provider_with_part_of_a_protocol_is_refused() -> None:
    """A misspelt method would take away the capability in silence."""
    with pytest.raises(TypeError, match="has a part of UserInfo and lacks user_info"):
        spec_of(type("Half", (Silent,), {"ask_consent": Asking.name, "user_infos": Asking.name}))


@pytest.mark.parametrize("build", [lambda _: Silent(), Silent(), "carrier:Silent"])
def test_build_that_is_no_class_is_refused(build: object) -> None:
    """Nothing tells what it makes can do."""
    with pytest.raises(TypeError, match=r"ProviderSpec carrier: build is .*give the provider's class itself"):
        spec_of(build)
