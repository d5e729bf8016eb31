"""The emulator writes the account of the operator that is asked for."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from payments_core import Money, Payee, PayoutClient, PayoutStatus
from payments_pawapay.emulator import PawapayEmulator
from payments_pawapay.emulator.network import OPERATORS


@pytest.mark.parametrize("operator", OPERATORS)
def test_account_of_each_operator_pays_the_example(operator: str, tmp_path: Path) -> None:
    with PawapayEmulator(target=operator) as emulator:
        emulator.write_config(tmp_path / "payouts.toml")
        _, payee, _, amount = shlex.split(emulator.example)
        with PayoutClient.from_config(tmp_path / "payouts.toml") as client:
            currency = next(iter(OPERATORS[operator].currencies))
            sent = client.send(key="k-1", payee=Payee.msisdn(payee), amount=Money(amount, currency))
            assert client.wait(sent.id, timeout_s=20).status is PayoutStatus.SUCCEEDED


def test_unknown_operator_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match="MTN_MOMO_UGA"):
        PawapayEmulator(target="MTN_UGA")
