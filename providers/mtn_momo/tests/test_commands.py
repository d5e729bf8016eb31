"""``payouts mtn_momo …``: a consent is asked for and shown masked; a sandbox user becomes an account, once."""

from __future__ import annotations

import json
import logging
import os
import stat
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pydantic import SecretStr
from stamina.instrumentation import set_on_retry_hooks

from payments_core.cli.app import run
from payments_mtn_momo.commands.accounts import Plan
from payments_mtn_momo.commands.provision import _gateway
from payments_mtn_momo.emulator import MtnMomoEmulator
from payments_mtn_momo.targets import BASE_URLS

NUMBER = "+46733123499"
WAITS = "+46733123452"
REJECTS = "+46733123451"


class Ran(NamedTuple):
    """What one call of the command line left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def error(self) -> dict[str, str]:
        found: dict[str, str] = json.loads(self.err.splitlines()[-1])["error"]
        return found


Payouts = Callable[..., Ran]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PAYOUTS_CONFIG", raising=False)
    return tmp_path


@pytest.fixture
def payouts(folder: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Payouts]:
    logger = logging.getLogger("payments_core")
    before = (list(logger.handlers), logger.level, logger.propagate)

    def call(*arguments: str) -> Ran:
        capsys.readouterr()
        code = run(["mtn_momo", *arguments])
        return Ran(code, *capsys.readouterr())

    yield call
    logger.handlers, logger.level, logger.propagate = before
    set_on_retry_hooks(None)


@pytest.fixture
def sandbox() -> Iterator[MtnMomoEmulator]:
    with MtnMomoEmulator(consent_interval_s=1) as emulator:
        yield emulator


# --- consent -------------------------------------------------------------------------------------------------------


@pytest.fixture
def consent(payouts: Payouts, sandbox: MtnMomoEmulator, folder: Path) -> Payouts:
    sandbox.write_config(folder / "payouts.toml")
    return lambda to, *more: payouts("consent", "--account", "mtn-sandbox", "--to", to, *more)


def test_consent_command_shows_the_person_masked(consent: Payouts, sandbox: MtnMomoEmulator) -> None:
    ran, table = consent(NUMBER, "--scope", "all_info", "--json"), consent(NUMBER)

    assert (ran.code, table.code) == (0, 0)
    assert (ran.json["answered"], ran.json["scope"], ran.json["account"]) == (True, "all_info", "mtn-sandbox")
    person = ran.json["person"]
    assert person["occupation"] == "M***"
    assert person["address"]["country"] == "S***"
    assert person["email_verified"] is True
    assert person["credit_score"] == "1***"
    for entry in (ran.out, ran.err, table.out, table.err):
        assert [
            word for word in ("Sand", "Box", "1976", "Ericsson", "46733123499", "domain.test") if word in entry
        ] == []
    assert ["family_name", "B***"] in [line.split() for line in table.out.splitlines()]
    assert sandbox.ledger() == []


def test_consent_command_shows_the_person_whole_with_reveal(consent: Payouts) -> None:
    ran = consent(NUMBER, "--scope", "all_info", "--reveal", "--json")

    assert ran.json["payee"] == "46733123499"
    assert (ran.json["person"]["family_name"], ran.json["person"]["credit_score"]) == ("Box", 123)
    assert "address.country" in consent(NUMBER, "--scope", "all_info", "--reveal").out


def test_consent_command_without_an_answer_exits_with_its_own_code(consent: Payouts) -> None:
    ran, result = consent(WAITS, "--wait", "0", "--json"), consent(WAITS, "--wait", "0")

    assert (ran.code, ran.json["answered"], ran.json["person"]) == (4, False, None)
    assert result.code == 4
    assert "has not answered within 0 s" in result.out


def test_consent_command_accepts_an_answer_while_it_waits(payouts: Payouts, folder: Path) -> None:
    with MtnMomoEmulator(consent_interval_s=1, consent_pending_s=0.5) as emulator:
        emulator.write_config(folder / "payouts.toml")
        ran = payouts("consent", "--account", "mtn-sandbox", "--to", WAITS, "--wait", "30", "--json")

    assert (ran.code, ran.json["answered"]) == (0, True)


def test_consent_command_asks_again_after_a_lost_answer(consent: Payouts, sandbox: MtnMomoEmulator) -> None:
    sandbox.set_faults({"answer_lost_before_acceptance": {"on": "oauth2_token", "next": 1}})

    assert consent(NUMBER, "--wait", "30").code == 0


def test_consent_command_reports_a_refusal_as_an_answer(consent: Payouts) -> None:
    """It is no error, and leaves as a wallet that is not active does; what is not known leaves with 4, as elsewhere."""
    ran, result, unknown = consent(REJECTS, "--json"), consent(REJECTS), consent("+46733123450", "--json")

    assert (ran.code, ran.err, ran.json["answered"], ran.json["person"]) == (3, "", True, None)
    assert (result.code, result.err) == (3, "")
    assert "said no, or MTN did for them" in result.out
    assert (unknown.code, unknown.error["code"]) == (4, "lookup_failed")
    assert "no such account holder" in unknown.error["message"]


def test_consent_command_with_the_gateway_down_is_not_known_yet(payouts: Payouts, folder: Path) -> None:
    with MtnMomoEmulator() as emulator:
        emulator.write_config(folder / "payouts.toml")

    ran = payouts("consent", "--to", NUMBER, "--json")

    assert (ran.code, ran.error["code"]) == (4, "lookup_failed")


def test_consent_command_needs_no_name_of_the_only_account(consent: Payouts, payouts: Payouts, folder: Path) -> None:
    ran = payouts("consent", "--to", NUMBER, "--json")
    text = (folder / "payouts.toml").read_text("utf-8")
    table = text[text.index("[accounts.") :].replace("mtn-sandbox]", "second]")
    (folder / "payouts.toml").write_text(f"{text}\n{table}", "utf-8")
    several = payouts("consent", "--to", NUMBER, "--json")

    assert (ran.code, ran.json["account"]) == (0, "mtn-sandbox")
    assert (several.code, "Configured: mtn-sandbox, second." in several.error["message"]) == (2, True)


def test_consent_command_reports_misuse(consent: Payouts, payouts: Payouts) -> None:
    assert consent("0733123499").code == 1
    assert consent(NUMBER, "--scope", "everything").code == 2
    assert payouts("consent", "--account", "mtn-sandbox").code == 2
    assert payouts("consent", "--account", "nobody", "--to", NUMBER).code == 1


# --- provision -----------------------------------------------------------------------------------------------------


@pytest.fixture
def provision(payouts: Payouts, sandbox: MtnMomoEmulator, monkeypatch: pytest.MonkeyPatch) -> Payouts:
    monkeypatch.setenv("MOMO_KEY", sandbox.credentials.subscription_key)

    def call(*more: str) -> Ran:
        given = ("--subscription-key", "env:MOMO_KEY", "--callback-host", "pay.example.org", "--url", sandbox.url)
        return payouts("provision", *given, *more)

    return call


def users(emulator: MtnMomoEmulator) -> set[str]:
    return set(emulator._gateway.gateway.door.users) - {emulator.credentials.api_user}


def test_provision_command_writes_a_configuration_that_pays(
    provision: Payouts, sandbox: MtnMomoEmulator, folder: Path
) -> None:
    """User, key and account are made; the key stands in a file of its owner's alone, and nowhere else."""
    ran = provision("--json")

    assert ran.code == 0
    [user] = users(sandbox)
    key = sandbox._gateway.gateway.door.users[user].key
    file = folder / ran.json["api_key"].removeprefix("file:")
    assert (ran.json["account"], ran.json["api_user"]) == ("mtn-sandbox", user)
    assert file.read_text("utf-8").strip() == key
    text = (folder / "payouts.toml").read_text("utf-8")
    assert len(tomllib.loads(text)["installation"]["namespace"]) == 32
    assert [
        secret for secret in (key, sandbox.credentials.subscription_key) if secret in text + ran.out + ran.err
    ] == []
    if os.name == "posix":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    paid = run(["send", "--key", "first", "--to", NUMBER, "--amount", "5", "--wait", "10", "--json"])
    assert (paid, len(sandbox.ledger())) == (0, 1)
    assert run(["doctor"]) == 0


def test_provision_command_says_what_to_do_next(provision: Payouts) -> None:
    fields = provision("--config", "other.toml").out

    assert "[accounts.mtn-sandbox] to other.toml" in fields
    assert "payouts doctor --config other.toml" in fields
    assert "--amount 5 --wait 10 --config other.toml" in fields


def test_provision_command_adds_an_account_and_changes_nothing_else(
    provision: Payouts, sandbox: MtnMomoEmulator, folder: Path
) -> None:
    config = folder / "payouts.toml"
    sandbox.write_config(config)
    before = config.read_text("utf-8").rstrip("\n") + "\n# kept, without a line break at the end"
    config.write_text(before, "utf-8")

    ran = provision("--account", "second")

    after = config.read_text("utf-8")
    assert ran.code == 0
    assert after.startswith(before)
    assert set(tomllib.loads(after)["accounts"]) == {"mtn-sandbox", "second"}
    assert tomllib.loads(after)["accounts"]["second"]["callback_host"] == "pay.example.org"
    assert run(["doctor"]) == 0


def test_provision_command_never_overwrites_an_account(
    provision: Payouts, sandbox: MtnMomoEmulator, folder: Path
) -> None:
    """It is found before anything is made."""
    sandbox.write_config(folder / "payouts.toml")
    before = (folder / "payouts.toml").read_bytes()

    ran = provision("--json")

    assert (ran.code, ran.error["code"]) == (1, "settings_invalid")
    assert "has an account mtn-sandbox already" in ran.error["message"]
    assert (folder / "payouts.toml").read_bytes() == before
    assert users(sandbox) == set()


@pytest.mark.parametrize(
    ("fault", "left"),
    [
        ({"status_503": {"on": "create_api_user", "next": 1}}, 0),
        ({"answer_lost_after_acceptance": {"on": "create_api_user", "next": 1}}, 1),
        ({"status_503": {"on": "create_api_key", "next": 1}}, 1),
        ({"answer_lost_after_acceptance": {"on": "create_api_key", "next": 1}}, 1),
    ],
)
def test_provision_command_that_stopped_half_way_can_be_run_again(
    provision: Payouts, sandbox: MtnMomoEmulator, folder: Path, fault: dict[str, Any], left: int
) -> None:
    sandbox.set_faults(fault)
    stopped = provision("--json")

    assert stopped.code == 1
    assert not (folder / "payouts.toml").exists()
    assert "no account uses it. Run it again" in stopped.err
    assert len(users(sandbox)) == left
    again = provision("--json")
    assert again.code == 0
    assert len(users(sandbox)) == left + 1
    assert again.json["api_user"] in users(sandbox)


def test_provision_command_that_cannot_write_says_so(provision: Payouts, folder: Path) -> None:
    (folder / "secrets").write_text("a file where a folder belongs", "utf-8")

    ran = provision("--json")

    assert (ran.code, ran.error["code"]) == (1, "settings_invalid")
    assert "cannot be written" in ran.error["message"]
    assert not (folder / "payouts.toml").exists()


def test_provision_command_waits_for_a_user_that_appears_late(
    payouts: Payouts, monkeypatch: pytest.MonkeyPatch
) -> None:
    with MtnMomoEmulator(user_appears_s=0.6) as emulator:
        monkeypatch.setenv("MOMO_KEY", emulator.credentials.subscription_key)
        given = ("--subscription-key", "env:MOMO_KEY", "--callback-host", "pay.example.org", "--url", emulator.url)

        assert payouts("provision", *given).code == 0


def test_provision_command_reads_a_key_from_a_file(payouts: Payouts, sandbox: MtnMomoEmulator, folder: Path) -> None:
    """Its path starts at the configuration's folder, there as in the account."""
    (folder / "pay").mkdir()
    (folder / "pay" / "key").write_text(sandbox.credentials.subscription_key, "utf-8")
    (folder / "pay" / "key").chmod(0o600)
    given = ("--subscription-key", "file:key", "--callback-host", "pay.example.org", "--url", sandbox.url)

    assert payouts("provision", *given, "--config", "pay/payouts.toml").code == 0
    assert run(["doctor", "--config", "pay/payouts.toml"]) == 0


@pytest.mark.parametrize(
    ("given", "code", "says"),
    [
        ({"--url": None}, 2, "one of the two"),
        ({"--sandbox": ""}, 2, "one of the two"),
        ({"--url": BASE_URLS["legacy"]}, 2, "come from the partner portal"),
        ({"--url": BASE_URLS["momo_africa"]}, 2, "come from the partner portal"),
        ({"--url": BASE_URLS["sandbox"]}, 2, "with --sandbox"),
        ({"--url": "https://127.0.0.1.example.org"}, 2, "is not on this machine"),
        ({"--url": "http://[::1"}, 2, "is not on this machine"),
        ({"--url": "http://127.0.0.1:1/path"}, 1, "must end after the host"),
        ({"--callback-host": "https://pay.example.org"}, 2, "bare host name"),
        ({"--callback-host": "192.0.2.7"}, 2, "MTN wants a name"),
        ({"--subscription-key": "env:NOT_THERE"}, 1, "NOT_THERE does not exist"),
        ({"--account": "Not A Name"}, 1, "cannot be added"),
    ],
)
def test_provision_command_reports_misuse_before_anything_is_made(
    payouts: Payouts,
    sandbox: MtnMomoEmulator,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    given: dict[str, str | None],
    code: int,
    says: str,
) -> None:
    monkeypatch.setenv("MOMO_KEY", sandbox.credentials.subscription_key)
    known = {"--subscription-key": "env:MOMO_KEY", "--callback-host": "pay.example.org", "--url": sandbox.url}
    words = [word for name, value in (known | given).items() if value is not None for word in (name, value) if word]

    ran = payouts("provision", *words, "--json")

    assert (ran.code, says in ran.error["message"]) == (code, True)
    assert users(sandbox) == set()
    assert not (folder / "payouts.toml").exists()


def test_provision_command_uses_the_real_sandbox_only_when_named(tmp_path: Path) -> None:
    """It is never called here: only where a call would go, and that the account needs no address of its own."""
    assert _gateway("", at_sandbox=True) == BASE_URLS["sandbox"] == "https://sandbox.momodeveloper.mtn.com"
    plan = Plan(
        config=tmp_path / "payouts.toml",
        account="mtn-sandbox",
        base_url=BASE_URLS["sandbox"],
        subscription_key="env:MOMO_KEY",
        callback_host="pay.example.org",
    )
    plan.check()
    plan.write("d4ffabe0-d0b3-46e2-88bb-a634733813d3", SecretStr("made up"))
    written = tomllib.loads((tmp_path / "payouts.toml").read_text("utf-8"))["accounts"]["mtn-sandbox"]
    assert "base_url" not in written
    assert written["api_key"] == "file:secrets/mtn-sandbox-d4ffabe0-api-key"


def test_provision_command_refuses_a_key_as_an_argument(payouts: Payouts, sandbox: MtnMomoEmulator) -> None:
    key = sandbox.credentials.subscription_key
    ran = payouts("provision", "--subscription-key", key, "--callback-host", "pay.example.org", "--url", sandbox.url)

    assert ran.code == 2
    assert "env:NAME or file:PATH" in ran.err
    assert key not in ran.out + ran.err


def test_provision_command_reports_a_wrong_key(
    provision: Payouts, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    monkeypatch.setenv("MOMO_KEY", "0123456789abcdef0123456789abcdef")

    ran = provision("--json")

    assert (ran.code, "subscription key" in ran.error["message"]) == (1, True)
    assert "may have been made" not in ran.err
    assert "0123456789abcdef" not in ran.err
    assert not (folder / "payouts.toml").exists()


def test_commands_are_listed_in_a_fresh_process(sandbox: MtnMomoEmulator, tmp_path: Path) -> None:
    environment = os.environ | {"MOMO_KEY": sandbox.credentials.subscription_key}
    given = ["--subscription-key", "env:MOMO_KEY", "--callback-host", "pay.example.org", "--url", sandbox.url]
    command = [sys.executable, "-P", "-m", "payments_core", "mtn_momo", "provision", *given, "--json"]

    ran = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=True)

    assert json.loads(ran.stdout)["api_user"] in users(sandbox)
    assert ran.stderr == ""
    assert (tmp_path / "payouts.toml").exists()
