"""A payout that another provider has refused is paid through pawaPay: each in its own words, and only one has paid."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from payments_core import Money, Payee, PayoutClient, PayoutStatus
from payments_core.client import assemble
from payments_core.domain.errors import InvalidPayout
from payments_mtn_momo.emulator import MtnMomoEmulator
from payments_mtn_momo.emulator import payees as fates
from payments_pawapay.emulator import PawapayEmulator

ZAMBIAN = "260763456789"
WHO = {"actor": "Ann", "reason": "no float on the first account"}


def both(folder: Path, one: MtnMomoEmulator, other: PawapayEmulator) -> tuple[Path, str]:
    """Write one configuration with an account at each; return it, and what the first account is called."""
    config, apart = folder / "payouts.toml", folder / "apart"
    apart.mkdir()
    [first] = one.write_config(config)
    [name] = other.write_config(apart / "payouts.toml")
    text = (apart / "payouts.toml").read_text("utf-8")
    table = text[text.index(f"[accounts.{name}]") :].replace(f"[accounts.{name}]", "[accounts.spare]")
    config.write_text(config.read_text("utf-8") + "\n" + table.replace('"file:', '"file:apart/'), "utf-8")
    return config, first


def test_failover_pays_here_what_another_provider_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Options are the first provider's: what has some is not taken over."""
    monkeypatch.setitem(fates.TRANSFER_PAYEES, ZAMBIAN, fates.failed("NOT_ENOUGH_FUNDS"))  # type: ignore[arg-type]
    ahead = timedelta()
    with MtnMomoEmulator(target="mtnzambia") as one, PawapayEmulator() as other:
        config, first = both(tmp_path, one, other)
        with PayoutClient(assemble(config, clock=lambda: datetime.now(UTC) + ahead)) as client:
            for key, options in (("k/1", {}), ("k/2", {"transfer_type": "SALARY"})):
                payee, amount = Payee.msisdn(ZAMBIAN), Money("5", "ZMW")
                client.send(key=key, account=first, payee=payee, amount=amount, options=options)
                assert client.wait(key, timeout_s=20).status is PayoutStatus.FAILED
            ahead += timedelta(seconds=30)
            assert client.reissue("k/1", **WHO, account="spare").account == "spare"
            deadline = time.monotonic() + 20
            while client.refresh("k/1").status is not PayoutStatus.SUCCEEDED:
                assert time.monotonic() < deadline
                time.sleep(0.1)
            with pytest.raises(InvalidPayout, match="transfer_type"):
                client.reissue("k/2", **WHO, account="spare")
            assert client.get("k/2").account == first
        assert [int(entry["credits"]) for entry in one.ledger()] == [0, 0]
        assert [int(entry["credits"]) for entry in other.ledger()] == [1]
