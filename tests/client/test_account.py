"""What both clients say of a configured account, without a request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from payments_core import Operation
from payments_core.client import AccountInfo
from payments_core.domain.errors import UnknownAccount
from payments_core.provider import Capability
from payments_mtn_momo.emulator import MtnMomoEmulator
from payments_mtn_momo.settings import MtnMomoSettings
from payments_mtn_momo.spec import SPEC

Run = Callable[[Callable[[Any], Any]], Any]


def test_account_shows_what_it_pays_and_can_be_asked(
    gateway: MtnMomoEmulator, using: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the account's settings remove is no capability of it; an unknown one is refused by its name."""
    monkeypatch.setattr(MtnMomoSettings, "unsupported_capabilities", frozenset({Capability.NAME_LOOKUP}))
    found = using(lambda client: client.account("mtn-sandbox"))

    assert Capability.NAME_LOOKUP in SPEC.capabilities
    assert found == AccountInfo(
        name="mtn-sandbox",
        provider="mtn_momo",
        operations=frozenset({Operation.TRANSFER, Operation.DEPOSIT, Operation.REFUND}),
        capabilities=SPEC.capabilities - {Capability.NAME_LOOKUP},
        currencies=frozenset({"EUR"}),
    )
    with pytest.raises(UnknownAccount, match="'nobody' is not configured"):
        using(lambda client: client.account("nobody"))
    assert gateway.ledger() == []
