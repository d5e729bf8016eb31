"""pause, unpause, providers and doctor."""

from __future__ import annotations

import re
import sqlite3
import stat
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from payments_mtn_momo.emulator import MtnMomoEmulator

Call = Callable[..., Any]


@pytest.mark.usefixtures("gateway")
@pytest.mark.parametrize("option", [(), ("--account", "mtn-uganda")], ids=["all", "one account"])
def test_a_pause_stops_payments_says_why_and_ends(pay: Call, payouts: Call, option: tuple[str, ...]) -> None:
    payouts("pause", "--why", "wrong amounts", *option)

    ran = pay("wages-1", "--json")
    shown = payouts("show", "wages-1")
    lifted = payouts("unpause", *option)

    assert (ran.code, ran.json["status"], ran.json["tries"]) == (4, "CREATED", 0)
    assert f"paused by a person (wrong amounts). `{' '.join(('payouts unpause', *option))}` ends it." in shown.out
    assert "`payouts resume` sends what waited." in lifted.out
    assert payouts("resume").code == 0


def test_the_emergency_stop_works_where_a_secret_and_a_provider_are_missing(payouts: Call, config: Path) -> None:
    text = re.sub(r"^api_key = .*$", 'api_key = "env:NO_SUCH_KEY"', config.read_text("utf-8"), flags=re.MULTILINE)
    config.write_text(text.replace('provider = "mtn_momo"', 'provider = "not_installed"'), "utf-8")

    assert payouts("pause", "--json").json == {"account": None, "paused": True, "why": "paused by a person"}
    assert payouts("list").code == 0
    assert payouts("unpause", "--json").json == {"account": None, "lifted": True, "left": []}
    assert payouts("unpause").out == "There was no such pause.\n"


@pytest.mark.usefixtures("gateway")
def test_a_misspelt_account_is_not_paused_by_silence(payouts: Call) -> None:
    ran = payouts("pause", "--account", "mtn-ugnada", "--json")

    assert (ran.code, ran.error["code"]) == (1, "unknown_account")
    assert "mtn-uganda" in ran.error["message"]


def test_providers_are_listed_and_on_request_told_what_they_can(payouts: Call) -> None:
    listed, loaded = payouts("providers", "--json").json, payouts("providers", "--load", "--json").json

    mtn = next(one for one in listed if one["name"] == "mtn_momo")
    assert list(mtn) == ["name", "distribution", "version", "entry_point"]
    assert (mtn["distribution"], mtn["entry_point"]) == ("payments-mtn-momo", "payments_mtn_momo.plugin")
    able = next(one for one in loaded if one["name"] == "mtn_momo")
    assert able == {
        "name": "mtn_momo",
        "title": "MTN MoMo Disbursements",
        "operations": ["transfer"],
        "capabilities": ["credentials", "validation"],
        "emulator": True,
        "docs": "https://momodeveloper.mtn.com",
    }


def test_a_plugin_without_commands_of_its_own_says_so(payouts: Call) -> None:
    ran = payouts("mtn_momo", "provision", "--json")

    assert (ran.code, ran.error["code"]) == (1, "plugin_invalid")
    assert "brings no commands of its own" in ran.error["message"]


@pytest.mark.usefixtures("gateway")
def test_the_doctor_finds_a_healthy_installation_healthy_and_moves_no_money(
    payouts: Call, gateway: MtnMomoEmulator
) -> None:
    before = len(gateway.ledger())

    ran = payouts("doctor", "--json")

    assert ran.code == 0
    assert ran.json["ok"] is True
    assert [(check["what"], check["level"]) for check in ran.json["checks"]] == [
        ("configuration", "ok"),
        ("plugins", "ok"),
        ("account mtn-uganda", "ok"),
        ("journal", "ok"),
        ("credentials of mtn-uganda", "ok"),
    ]
    assert len(gateway.ledger()) == before


def test_the_doctor_names_every_illness_at_once(pay: Call, payouts: Call, config: Path, folder: Path) -> None:
    pay("wages-1")
    payouts("pause")
    text = config.read_text("utf-8").replace("mtn-uganda]", "mtn-kampala]")
    config.write_text(f'{text}\n[accounts.mpesa]\nprovider = "mpesa"\n', "utf-8")
    next((folder / "secrets").glob("*api-key")).chmod(0o644)
    (folder / "payouts.db").chmod(0o640)

    ran = payouts("doctor")

    assert ran.code == 1
    assert "wrong  account mtn-kampala: others may read the secret file" in ran.out
    assert "No installed plugin brings the provider 'mpesa'" in ran.out
    assert "wrong  journal: others may read" in ran.out
    assert "wrong  journal: open payouts belong to accounts that are not configured: mtn-uganda" in ran.out
    assert "note   pause: all accounts are paused by a person" in ran.out
    assert "ok     credentials of mtn-kampala: the provider accepts them" in ran.out


@pytest.mark.usefixtures("gateway")
def test_the_doctor_says_that_payouts_wait_for_a_person(pay: Call, payouts: Call, folder: Path) -> None:
    pay("wages-1", "--wait", "5")
    journal = sqlite3.connect(folder / "payouts.db")
    with journal:
        journal.execute("UPDATE payouts SET status = 'REVIEW'")
    journal.close()

    ran = payouts("doctor")

    assert ran.code == 0
    assert "note   review: 1 payouts wait for a person" in ran.out


def test_a_new_configuration_has_a_namespace_of_its_own_and_loads(payouts: Call, folder: Path) -> None:
    assert payouts("doctor", "--init").code == 0
    assert payouts("doctor", "--init", "--config", "other.toml").code == 0

    first, second = (tomllib.loads((folder / name).read_text("utf-8")) for name in ("payouts.toml", "other.toml"))

    assert re.fullmatch(r"[0-9a-f]{32}", first["installation"]["namespace"])
    assert first["installation"] != second["installation"]
    ran = payouts("doctor")
    assert (ran.code, "none is configured" in ran.out) == (0, True)
    assert stat.S_IMODE((folder / "payouts.db").stat().st_mode) == 0o600


def test_a_configuration_is_never_written_over(payouts: Call, folder: Path) -> None:
    payouts("doctor", "--init")
    before = (folder / "payouts.toml").read_text("utf-8")

    ran = payouts("doctor", "--init", "--json")

    assert (ran.code, ran.error["code"]) == (1, "settings_invalid")
    assert "is there already, and its namespace must not be lost" in ran.error["message"]
    assert (folder / "payouts.toml").read_text("utf-8") == before


def test_the_example_in_a_new_configuration_is_right(
    payouts: Call, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Uncommented as it says, the account is understood."""
    payouts("doctor", "--init")
    text = (folder / "payouts.toml").read_text("utf-8")
    start = text.index("# [accounts.")
    (folder / "payouts.toml").write_text(text[:start] + re.sub(r"(?m)^# ", "", text[start:]), "utf-8")
    monkeypatch.setenv("MTN_UGANDA_API_KEY", "made-up")
    monkeypatch.setenv("MTN_UGANDA_SUBSCRIPTION_KEY", "made-up")
    monkeypatch.setattr("payments_core.client.PayoutClient.check_account", lambda *_: "")  # it names the live gateway

    ran = payouts("doctor")

    assert (ran.code, "ok     account mtn-uganda: MTN MoMo Disbursements, UGX, REAL MONEY moves" in ran.out) == (
        0,
        True,
    )
