"""What the tests share: an installation that pays through the emulator, with either client, on the emulator's clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from pydantic import SecretStr

from payments_core.testing.conformance import Harness
from payments_core.testing.conformance.harness import CallbackReceiver
from payments_pawapay.conformance import PawapayConformance, SignedPawapayConformance
from payments_pawapay.emulator import PawapayEmulator
from payments_pawapay.settings import PawapaySettings

Play: TypeAlias = Callable[..., Harness]
Settle: TypeAlias = Callable[..., PawapaySettings]


@pytest.fixture(params=["sync", "async"])
def play(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Play]:
    """Return what plays a scene with either client: ``play(enqueued_s=60)``."""
    with ExitStack() as stack:

        def played(**switches: Any) -> Harness:
            emulator = stack.enter_context(PawapayEmulator(**switches))
            kind = SignedPawapayConformance if switches.get("signed_callbacks") else PawapayConformance
            profile = kind()
            kind.emulated = emulator
            harness = Harness(profile, emulator, tmp_path, request.param, stack.enter_context(CallbackReceiver()))
            stack.callback(harness.close)
            return harness

        yield played


@pytest.fixture
def settle() -> Settle:
    """Return what makes settings of an account: ``settle(operator="MTN_MOMO_ZMB")``."""

    def settings(**more: Any) -> PawapaySettings:
        fields = {"api_token": SecretStr("token-of-somebody"), "country": "ZMB", "currency": "ZMW", **more}
        return PawapaySettings.model_validate(fields)

    return settings
