"""pause, unpause, providers and doctor."""

from __future__ import annotations

import re
import stat
import time
import tomllib
from collections.abc import Callable
from importlib.metadata import EntryPoint, version
from pathlib import Path
from typing import Any

import pytest

from payments_core import PayoutClient
from payments_core.plugins.hookspecs import GROUP
from payments_core.plugins.manager import Found
from payments_mtn_momo.emulator import MtnMomoEmulator
from payments_mtn_momo.spec import SPEC

Call = Callable[..., Any]


@pytest.mark.usefixtures("gateway")
@pytest.mark.parametrize("option", [(), ("--account", "mtn-uganda")], ids=["all", "one account"])
def test_pause_stops_payments_and_says_how_to_end_it(pay: Call, payouts: Call, option: tuple[str, ...]) -> None:
    output = payouts("pause", "--reason", "wrong amounts", *option)

    ran = pay("wages-1", "--json")
    shown = payouts("show", "wages-1")
    lifted = payouts("unpause", *option)

    assert (ran.code, ran.json["status"], ran.json["submissions"]) == (4, "CREATED", 0)
    assert f"paused by a person (wrong amounts). `{' '.join(('payouts unpause', *option))}` ends it." in shown.out
    assert f"paused: wrong amounts. `{' '.join(('payouts unpause', *option))}` ends it." in output.out
    assert "`payouts resume` sends what waited." in lifted.out
    assert payouts("resume").code == 0


@pytest.mark.usefixtures("gateway")
def test_pause_without_a_reason_is_reported_without_one(pay: Call, payouts: Call) -> None:
    """And not with the same words twice."""
    output = payouts("pause")
    pay("wages-1")

    assert output.out == "All accounts are paused. `payouts unpause` ends it.\n"
    assert "all accounts are paused by a person. `payouts unpause` ends it." in payouts("show", "wages-1").out


@pytest.mark.usefixtures("gateway")
@pytest.mark.parametrize(
    ("why", "kept"), [("stop \udcff now", "stop now"), ("a\0b", "a b"), ("\u3164 ", "paused by a person")], ids=ascii
)
def test_pause_is_set_whatever_the_reason_contains(payouts: Call, why: str, kept: str) -> None:
    """Whatever a terminal or a program hands over: half a character, NUL, or what nobody can see."""
    assert payouts("pause", "--reason", why, "--json").json["reason"] == kept
    with PayoutClient.from_config() as client:
        assert [pause.why for pause in client.pauses()] == [kept]
        client.unpause()
        client.pause(reason=why)
        assert [pause.why for pause in client.pauses()] == [kept]
    assert payouts("unpause").code == 0


def test_pause_needs_no_secret_and_no_provider(payouts: Call, change: Call) -> None:
    payouts("journal", "init")
    change(r"^api_key = .*$", 'api_key = "env:NO_SUCH_KEY"')
    change('provider = "mtn_momo"', 'provider = "not_installed"')

    assert payouts("pause", "--json").json == {"account": None, "paused": True, "reason": "paused by a person"}
    assert payouts("list").code == 0
    assert payouts("unpause", "--json").json == {"account": None, "lifted": True, "left": []}
    assert payouts("unpause").out == "There was no pause of all accounts.\n"


@pytest.mark.usefixtures("gateway")
def test_pause_of_a_misspelt_account_is_refused(payouts: Call) -> None:
    ran = payouts("pause", "--account", "mtn-ugnada", "--json")

    assert (ran.code, ran.error["code"]) == (1, "unknown_account")
    assert "mtn-uganda" in ran.error["message"]


def test_providers_are_listed_and_with_load_described(payouts: Call) -> None:
    listed, loaded = payouts("providers", "--json").json, payouts("providers", "--load", "--json").json

    mtn = next(one for one in listed if one["name"] == "mtn_momo")
    assert list(mtn) == ["name", "distribution", "version", "entry_point"]
    assert (mtn["distribution"], mtn["entry_point"]) == ("payments-mtn-momo", "payments_mtn_momo.plugin")
    able = next(one for one in loaded if one["name"] == "mtn_momo")
    assert able == {
        "name": "mtn_momo",
        "title": "MTN MoMo Disbursements",
        "operations": sorted(SPEC.operations),
        "capabilities": sorted(SPEC.capabilities),
        "emulator": True,
        "docs": "https://momodeveloper.mtn.com",
    }


@pytest.mark.usefixtures("tills")
def test_plugin_without_commands_says_so(payouts: Call, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "silent_plugin.py").write_text(
        "from payments_core import hookimpl\n\n\n@hookimpl\ndef payments_providers():\n    return []\n", "utf-8"
    )
    monkeypatch.syspath_prepend(folder)
    silent = Found(EntryPoint("silent", "silent_plugin", GROUP), "payments-silent", "1.0")
    monkeypatch.setattr("payments_core.plugins.manager.found", lambda: (silent,))

    ran = payouts("silent", "anything", "--json")

    assert (ran.code, ran.error["code"]) == (1, "plugin_invalid")
    assert "brings no commands of its own" in ran.error["message"]


@pytest.mark.usefixtures("gateway")
def test_doctor_reports_a_healthy_installation_and_moves_no_money(payouts: Call, gateway: MtnMomoEmulator) -> None:
    before = len(gateway.ledger())

    ran = payouts("doctor", "--json")

    assert ran.code == 0
    assert ran.json["ok"] is True
    looked_at = [check["what"] for check in ran.json["checks"]]
    assert looked_at[:5] == ["configuration", "plugins", "account mtn-uganda", "journal", "credentials of mtn-uganda"]
    assert looked_at[5:], "the provider's own findings follow the account's credentials"
    assert all(what.endswith(" of mtn-uganda") for what in looked_at[5:])
    assert {check["level"] for check in ran.json["checks"]} == {"ok"}
    assert len(gateway.ledger()) == before


def test_doctor_reports_every_finding_at_once(pay: Call, payouts: Call, config: Path, folder: Path) -> None:
    pay("wages-1")
    payouts("pause")
    text = config.read_text("utf-8").replace("mtn-uganda]", "mtn-kampala]")
    config.write_text(f'{text}\n[accounts.mpesa]\nprovider = "mpesa"\n', "utf-8")
    next((folder / "secrets").glob("*api-key")).chmod(0o644)
    (folder / "payouts.db").chmod(0o640)

    ran = payouts("doctor")

    assert ran.code == 1
    assert "wrong  account mtn-kampala: other users may read the secret file" in ran.out
    assert "No installed plugin has the provider 'mpesa'" in ran.out
    assert "wrong  journal: other users may read" in ran.out
    assert "wrong  journal: open payouts belong to accounts that are not configured: mtn-uganda" in ran.out
    assert "note   pause: all accounts are paused by a person" in ran.out
    assert "ok     credentials of mtn-kampala: the provider accepts them" in ran.out


@pytest.mark.parametrize("gone", [False, True], ids=["another identity", "another account"])
def test_doctor_notes_payouts_that_were_never_accepted(
    pay: Call, payouts: Call, write_sql: Call, gateway: MtnMomoEmulator, gone: bool
) -> None:
    """There is nothing to ask about such a payout, under the identity it was tried as or any other."""
    gateway.set_faults({"status_429": {"on": "transfer", "next": 1}})
    pay("wages-1")
    account = "gone" if gone else "mtn-uganda"
    write_sql("UPDATE payouts SET status = 'REVIEW', binding = '{}', account = ?", [account])

    ran, shown = payouts("doctor"), payouts("show", "wages-1")

    assert ran.code == 0, ran.out
    assert "note   review: 1 payout in review was never accepted\n" in ran.out
    assert "safe to pay these under another key" in ran.out
    assert "money       No money moved." in shown.out
    assert "safe to pay under another key" in shown.out
    assert "Do not pay" not in shown.out


@pytest.mark.usefixtures("gateway")
def test_doctor_names_the_installed_versions(payouts: Call) -> None:
    """Whoever reports something can say what they use."""
    ran, as_json = payouts("doctor"), payouts("doctor", "--json")

    assert as_json.json["version"] == version("payments-core")
    [result] = [line for line in ran.out.splitlines() if line.startswith("ok     plugins: ")]
    assert f"payments-core {version('payments-core')}; installed: " in result
    assert f"mtn_momo {version('payments-mtn-momo')}" in result
    assert "payouts.toml, 1 account\n" in ran.out


def test_doctor_reports_a_server_that_cannot_be_reached(payouts: Call, folder: Path) -> None:
    """Nobody is sent to the portal because of it."""
    with MtnMomoEmulator(target="mtnuganda") as emulator:
        emulator.write_config(folder / "payouts.toml")

    ran = payouts("doctor")

    assert ran.code == 1
    assert "Check that its server runs and is reachable" in ran.out
    assert "portal" not in ran.out


@pytest.mark.usefixtures("gateway")
def test_pause_is_reported_once_and_shown_where_it_holds(pay: Call, payouts: Call) -> None:
    """The sentence is enough for a person; whoever asked for events gets one. What waits says why it waits."""
    paused, events = payouts("pause", "--reason", "payday moved"), payouts("pause", "--log-level", "INFO")
    held = pay("wages-1")

    assert "\nwhy " not in held.out, "nobody was asked"
    assert (paused.err, paused.out.count("\n")) == ("", 1)
    assert "account.paused" in events.err
    (head, row) = payouts("list").out.splitlines()
    assert row[head.index("WHY") :].startswith("paused: paused by a person")


@pytest.mark.usefixtures("gateway")
def test_pause_reason_is_masked_before_it_is_stored(pay: Call, payouts: Call, folder: Path) -> None:
    """It is masked before it is stored, so that no command, no log and no other process has it."""
    entries = [payouts("pause", "--reason", "tel +256 772 123456", "--log-level", "INFO"), pay("wages-1")]
    entries += [payouts(*command) for command in (("doctor",), ("list",), ("list", "--json"), ("show", "wages-1"))]
    for ran in entries:
        assert "772 123456" not in ran.out + ran.err
    assert "tel +25*********456" in entries[0].out
    with PayoutClient.from_config(folder / "payouts.toml") as client:
        client.pause(reason="tel +256772123456")
        assert [pause.why for pause in client.pauses()] == ["tel +25*******456"]


@pytest.mark.usefixtures("gateway")
def test_doctor_notes_payouts_that_wait_for_a_decision(pay: Call, payouts: Call, write_sql: Call) -> None:
    pay("wages-1", "--wait", "5")
    write_sql("UPDATE payouts SET status = 'REVIEW'")

    ran = payouts("doctor")

    assert ran.code == 0
    assert "never taken" not in ran.out
    assert "note   review: 1 payout waits for a decision" in ran.out


@pytest.mark.usefixtures("gateway")
def test_doctor_reports_circuits_and_penalties(pay: Call, payouts: Call, write_sql: Call) -> None:
    """Whoever wonders why nothing moves sees which account is slowed or stopped, and until when."""
    pay("wages-1")
    until = 1_000_000 * int(time.time() + 1800)
    write_sql("INSERT INTO permits VALUES ('mtn-uganda', 'read', 0, '[]', ?, 1800000000)", [until])
    write_sql("INSERT INTO pauses VALUES ('mtn-uganda', 0, '20 payments in a row', 'circuit', ?, 30000000)", [until])

    ran = payouts("doctor")

    assert ran.code == 1
    assert "wrong  pause: the account mtn-uganda is stopped because the results" in ran.out
    assert "note   rate: status checks of mtn-uganda wait until" in ran.out
    assert payouts("unpause", "--account", "mtn-uganda", "--json").json["lifted"] is True
    assert "circuit" not in payouts("doctor").out


def test_configuration_from_init_has_its_own_namespace_and_loads(payouts: Call, folder: Path) -> None:
    assert payouts("doctor", "--init").code == 0
    assert payouts("doctor", "--init", "--config", "other.toml").code == 0

    first, second = (tomllib.loads((folder / name).read_text("utf-8")) for name in ("payouts.toml", "other.toml"))

    assert re.fullmatch(r"[0-9a-f]{32}", first["installation"]["namespace"])
    assert first["installation"] != second["installation"]
    ran = payouts("doctor")
    assert (ran.code, "none is configured" in ran.out) == (0, True)
    assert stat.S_IMODE((folder / "payouts.db").stat().st_mode) == 0o600


def test_configuration_is_never_overwritten(payouts: Call, folder: Path) -> None:
    payouts("doctor", "--init")
    before = (folder / "payouts.toml").read_text("utf-8")

    ran = payouts("doctor", "--init", "--json")

    assert (ran.code, ran.error["code"]) == (1, "settings_invalid")
    assert "exists already, and its namespace must not be lost" in ran.error["message"]
    assert (folder / "payouts.toml").read_text("utf-8") == before


def test_configuration_from_init_has_a_working_example(
    payouts: Call, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Uncommented as it says, the account is understood; without its limit, or with another's, the doctor asks."""
    payouts("doctor", "--init")
    text = (folder / "payouts.toml").read_text("utf-8")
    start = text.index("# [accounts.")
    (folder / "payouts.toml").write_text(text[:start] + re.sub(r"(?m)^# ", "", text[start:]), "utf-8")
    monkeypatch.setenv("MTN_UGANDA_API_KEY", "made-up")
    monkeypatch.setenv("MTN_UGANDA_SUBSCRIPTION_KEY", "made-up")
    for asked, nothing in (("check_account", ""), ("diagnose", ())):  # it names the live gateway
        monkeypatch.setattr(f"payments_core.client.PayoutClient.{asked}", lambda *_, payload=nothing: payload)

    before, made, ran = payouts("doctor"), payouts("journal", "init"), payouts("doctor")

    assert (before.code, "wrong  journal: There is no journal" in before.out) == (1, True)
    assert (made.code, ran.code) == (0, 0)
    assert "ok     account mtn-uganda: MTN MoMo Disbursements, UGX, REAL MONEY moves" in ran.out
    assert "largest_amount" not in ran.out

    text = (folder / "payouts.toml").read_text("utf-8")
    for written, means in (
        ("", "none for UGX: a mistyped amount is paid like any other"),
        ('largest_amount = { EUR = "5" }', "none for UGX: nothing is paid in UGX"),
    ):
        (folder / "payouts.toml").write_text(re.sub("(?m)^largest_amount = .*", written, text), "utf-8")
        assert f"note   largest_amount of mtn-uganda: {means}" in payouts("doctor").out
