"""Whatever is wrong, the command line says what happened and what to do next, and shows no traceback and no secret."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from payments_core.journal.sqlite.journal import SqliteJournal
from payments_mtn_momo.emulator import MtnMomoEmulator

Call = Callable[..., Any]
NUMBER = "46733000001"


_GOOD = "from payments_core import hookimpl\n@hookimpl\ndef payments_providers(): return []"


def test_configuration_that_is_missing_is_reported_with_next_steps(pay: Call) -> None:
    ran = pay("wages-1")

    assert ran.code == 1
    assert "There is no configuration at" in ran.err
    assert "`payouts doctor --init`" in ran.err
    assert "`payouts emulator PROVIDER --write-config payouts.toml`" in ran.err


@pytest.mark.usefixtures("gateway")
def test_account_that_is_unknown_is_refused(pay: Call) -> None:
    ran = pay("wages-1", "--account", "mtn-ghana", "--json")

    assert ran.code == 1
    assert ran.error == {
        "code": "unknown_account",
        "message": "Account 'mtn-ghana' is not configured. Configured: mtn-uganda.",
        "hint": "Correct the name, or add [accounts.…] to the configuration. "
        "Nothing was recorded and nothing was sent.",
    }


def test_account_that_is_gone_does_not_make_a_payout_unsent(pay: Call, payouts: Call, change: Call) -> None:
    """It was recorded before, and the provider has it: whoever is told "nothing was sent" would pay it again."""
    pay("wages-1")
    change(r"mtn-uganda\]", "mtn-kampala]")

    ran, waited = pay("wages-1", "--json"), payouts("wait", "wages-1", "--json")

    for one in (ran, waited):
        assert (one.code, one.error["code"]) == (4, "payout_interrupted")
        assert "Its account 'mtn-uganda' is not configured any more" in one.error["message"]
        assert "It may have been sent." in one.error["message"]
        assert "nothing was sent" not in one.err


def test_secret_that_is_missing_is_named(pay: Call, payouts: Call, change: Call) -> None:
    change(r"^api_key = .*$", 'api_key = "env:NO_SUCH_KEY"')

    ran = pay("wages-1", "--json")

    assert (ran.code, ran.error["code"]) == (1, "secret_missing")
    assert ran.error["hint"] == "Set it: export NO_SUCH_KEY=… Nothing was recorded and nothing was sent."
    assert payouts("balance", "--json").error["hint"] == "Set it: export NO_SUCH_KEY=…"


def test_wrong_key_pauses_the_account_and_fails_nothing(pay: Call, payouts: Call, folder: Path, config: Path) -> None:
    next((folder / "secrets").glob("*api-key")).write_text("0" * 32)

    ran = pay("wages-1")

    assert ran.code == 4
    assert "status      CREATED: recorded, not sent yet" in ran.out
    assert "the provider does not accept our credentials" in ran.out
    assert "`payouts unpause --account mtn-uganda`" in ran.out
    sick = payouts("doctor")
    assert sick.code == 1
    assert "wrong  credentials of mtn-uganda: credentials" in sick.out
    assert "Compare the account's user, keys and environment with the provider's portal" in sick.out


@pytest.mark.usefixtures("gateway")
@pytest.mark.parametrize(
    ("more", "code", "hint"),
    [
        (("--to", "0700199887"), "invalid_payee", "Write it with the country code, such as +256772123456."),
        (("--to", "+25670O199887"), "invalid_payee", "Write it with the country code, such as +256772123456."),
        (("--to", "+2567"), "invalid_payee", "Write it with the country code, such as +256772123456."),
        (
            ("--currency", "EUR"),
            "invalid_currency",
            "Give the amount in UGX, or name an account of the other currency.",
        ),
        (
            ("--amount", "5.50"),
            "invalid_amount",
            "UGX takes whole numbers only here; amounts are never rounded for you.",
        ),
    ],
    ids=["national", "a letter", "too short", "another currency", "decimals"],
)
def test_order_that_cannot_be_paid_is_refused_with_a_hint(
    payouts: Call, more: tuple[str, ...], code: str, hint: str
) -> None:
    ran = payouts("send", "--key", "wages-1", "--to", f"+{NUMBER}", "--amount", "5", *more, "--json")

    assert (ran.code, ran.error["code"]) == (1, code)
    assert ran.error["hint"].startswith(hint)
    assert ran.error["hint"].endswith("Nothing was recorded and nothing was sent.")


@pytest.mark.usefixtures("gateway")
def test_key_reused_for_another_order_is_refused(pay: Call) -> None:
    pay("wages-1")

    ran = pay("wages-1", "--json", amount="6")

    assert (ran.code, ran.error["code"]) == (1, "key_reused")
    assert "another amount (recorded 25000 UGX, now 6 UGX). This time nothing was sent" in ran.error["message"]
    assert "Another key makes another payment" in ran.error["hint"]


@pytest.mark.usefixtures("gateway")
def test_key_reused_names_what_differs_and_masks_payees(pay: Call) -> None:
    """Amounts and operations as they are, payees masked, of notes no word, and of the key its ends."""
    key = "wages/+256700199887"
    pay(key, "--note", "for Achieng")

    ran = pay(key, "--note", "for Otieno", "--operation", "deposit", "--json", to="+256772000111", amount="25000")

    output = ran.error["message"]
    assert "another payee (recorded 256******887, now 256******111)" in output
    assert "another operation (recorded transfer, now deposit)." in output
    assert "amount" not in output
    assert [word for word in ("Achieng", "Otieno", "256700199887", "256772000111") if word in ran.err] == []


def test_provider_that_is_not_installed_is_reported(pay: Call, change: Call) -> None:
    change(r"^provider = .*$", 'provider = "mpesa_ke"')

    ran = pay("wages-1", "--json")

    assert (ran.code, ran.error["code"]) == (1, "provider_not_installed")
    assert re.search(r"Installed: .*\bmtn_momo\b", ran.error["message"])
    assert "payments-mpesa" not in ran.error["hint"]
    assert ran.error["hint"].endswith("Nothing was recorded and nothing was sent.")


@pytest.mark.parametrize(
    ("pattern", "replacement", "says"),
    [
        (r"^\[journal\]$", "[journals]", "There is [journals]: did you mean [journal]?"),
        (r'^namespace = "(.*)"$', r"namespace = \1", "text stands in double quotes"),
        (r"^namespace = .*$", "", "put back the one that the journal was made with"),
    ],
    ids=["table", "quotes", "namespace"],
)
def test_configuration_that_cannot_be_used_says_how_to_mend_it(
    pay: Call, change: Call, pattern: str, replacement: str, says: str
) -> None:
    """And that nothing was sent; never to make a new one in its place."""
    change(pattern, replacement)

    ran = pay("wages-1", "--json")

    assert (ran.code, ran.error["code"]) == (1, "settings_invalid")
    assert says in ran.error["hint"]
    assert "--init" not in ran.error["hint"]
    assert ran.error["hint"].endswith("Nothing was recorded and nothing was sent.")


def test_gateway_down_leaves_the_payout_to_be_sent_later(pay: Call, payouts: Call, folder: Path) -> None:
    with MtnMomoEmulator(target="mtnuganda") as emulator:
        emulator.write_config(folder / "payouts.toml")

    ran = pay("wages-1")

    assert ran.code == 4
    assert "status      CREATED" in ran.out
    assert "the provider could not be reached or did not accept it" in ran.out
    assert "When it is due, `payouts resume` or the same key again sends it once." in ran.out
    assert payouts("list", "--json").json[0]["submissions"] == 0


def test_writes_forbidden_pauses_the_account_until_it_is_lifted(
    pay: Call, payouts: Call, gateway: MtnMomoEmulator, change: Call
) -> None:
    change(r"^probe_after_s = 10", "probe_after_s = 2")
    gateway.set_faults({"writes_forbidden": True})
    first, second = pay("wages-1"), pay("wages-2", "--json")
    gateway.set_faults({})
    waiting = payouts("resume", "--timeout", "0")

    assert [first.code, second.code, waiting.code] == [4, 4, 4]
    assert "the account mtn-uganda is paused because the provider refuses the account" in first.out
    assert "by `payouts unpause --account mtn-uganda`" in first.out
    assert (second.json["status"], second.json["submissions"]) == ("CREATED", 0)
    assert "2 of them wait unsent: the account mtn-uganda is paused" in waiting.out
    assert payouts("unpause", "--account", "mtn-uganda").out.endswith("`payouts resume` sends what waited.\n")
    assert payouts("resume").code == 0
    assert {one["status"] for one in payouts("list", "--json").json} == {"SUCCEEDED"}


@pytest.mark.usefixtures("gateway")
def test_journal_locked_by_another_program_is_reported(
    pay: Call, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pay("wages-1")
    monkeypatch.setitem(SqliteJournal.__init__.__kwdefaults__, "busy_timeout_s", 0.1)
    other = sqlite3.connect(folder / "payouts.db")
    other.execute("BEGIN IMMEDIATE")

    ran = pay("wages-2", "--json")

    other.close()
    assert (ran.code, ran.error["code"]) == (1, "journal_locked")
    assert "let it finish or stop it, and try again; the same key is safe" in ran.error["hint"]


@pytest.mark.usefixtures("gateway")
def test_payout_that_is_unknown_is_reported(payouts: Call) -> None:
    ran = payouts("show", "wages-9", "--json")

    assert (ran.code, ran.error["code"]) == (1, "unknown_payout")
    assert ran.error["hint"].startswith("Check its spelling first: `payouts list` shows all. A key is recorded")


@pytest.mark.parametrize(
    ("plugins", "code", "message", "hint"),
    [
        (
            {"one": _GOOD, "two": _GOOD},
            1,
            "Two plugins are called 'fake'",
            "Uninstall one of the two",
        ),
        (
            {"one": "from payments_core import hookimpl\n@hookimpl\ndef payments_provider(): ..."},
            1,
            "implements unknown hooks: payments_provider.",
            "payments_providers",
        ),
        (
            {"one": "raise OSError('broken')"},
            1,
            "cannot be imported: OSError: broken.",
            "PAYMENTS_DISABLED_PLUGINS=fake",
        ),
    ],
    ids=["two of one name", "misspelt hook", "import fails"],
)
def test_broken_plugins_are_named_with_their_distribution(
    folder: Path, plugins: dict[str, str], code: int, message: str, hint: str
) -> None:
    for name, text in plugins.items():
        (folder / f"plugin_{name}.py").write_text(text, "utf-8")
        info = folder / f"plugin_{name}-1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: plugin-{name}\nVersion: 1\n", "utf-8")
        (info / "entry_points.txt").write_text(f"[payments_core]\nfake = plugin_{name}\n", "utf-8")
    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])

    ran = subprocess.run(
        [sys.executable, "-m", "payments_core", "providers", "--load"],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == code
    assert message in ran.stderr
    assert hint in ran.stderr
    assert "plugin-one 1" in ran.stderr or len(plugins) > 1
    assert "Traceback" not in ran.stderr


def test_unexpected_error_is_reported_without_traceback_or_number(
    payouts: Call, folder: Path, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(*_: object, **__: object) -> None:
        raise RuntimeError("boom at +256700199887 with Bearer abc.def")

    monkeypatch.setattr("payments_core.journal.open_journal", explode)

    ran, deep = payouts("list"), payouts("list", "--log-level", "DEBUG")

    assert (ran.code, deep.code) == (1, 1)
    assert "RuntimeError: boom at +25*******887 with Bearer ***" in ran.err
    assert "--log-level DEBUG" in ran.err
    assert "Traceback" not in ran.err
    assert "test_error_output.py" in deep.err
    assert "256700199887" not in deep.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("frobnicate",),
        ("list", "--frobnicate"),
        ("send", "--key", "wages-1"),
        ("send", "--file", "people.csv", "--yes", "--key", "wages-1"),
        ("send", "--key", "k", "--to", "+256700199887", "--amount", "1", "--operation", "gift"),
        ("list", "--status", "DONE"),
        ("wait", "wages-1", "--timeout", "-1"),
        ("wait", "wages-1", "--timeout", "soon"),
        ("list", "--log-level", "LOUD"),
    ],
)
def test_usage_error_exits_with_2_in_words_and_as_json(payouts: Call, arguments: tuple[str, ...]) -> None:
    ran, as_json = payouts(*arguments), payouts(*arguments, "--json")

    assert (ran.code, as_json.code) == (2, 2)
    assert "Error: " in ran.err
    assert as_json.error["code"] == "usage"
    assert [word for word in ("Input", "parse") if word in ran.err + as_json.err] == []
    pays = arguments[0] == "send"
    assert as_json.error["hint"] == ("See `payouts --help`. Nothing was sent." if pays else "See `payouts --help`.")
    assert ran.err.endswith("Nothing was sent.\n") == pays


def test_closed_pipe_of_a_reader_is_not_an_error(folder: Path, pay: Call, gateway: MtnMomoEmulator) -> None:
    pay("wages-1")
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-P", "-m", "payments_core", "list"]
    with os.fdopen(writer, "wb") as output:
        ended = subprocess.run(command, cwd=folder, stdout=output, stderr=subprocess.PIPE, timeout=60, check=False)

    assert (ended.returncode, ended.stderr) == (1, b"")


@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX shell")
def test_closed_output_changes_nothing_but_what_is_printed(gateway: Any, folder: Path) -> None:
    """What was paid is paid, and the exit code says so: whoever closed the output wants the code only."""
    for closed in (">&-", "--json >&-", "<&- >&- 2>&-"):
        fields = shell(f"send --key k --to {NUMBER} --amount 5 --wait 10 {closed}", folder)
        assert (fields.returncode, fields.stdout, fields.stderr) == (0, "", "")
    fields = shell("show k --json", folder)
    assert json.loads(fields.stdout)["status"] == "SUCCEEDED"
    assert shell("list --account none >&-", folder).returncode == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_output_that_cannot_be_written_is_reported(gateway: Any, folder: Path) -> None:
    """A full disk under the report of a payment is no defect: what was done is recorded, and it is said so."""
    pay = f"send --key k --to {NUMBER} --amount 5 --wait 10"
    for more in ("", " --json"):
        result = shell(f"{pay}{more} >/dev/full", folder)
        assert result.returncode == 1
        assert "The output could not be written: No space left on device" in result.stderr
        assert "Everything done is recorded" in result.stderr
        assert "defect" not in result.stderr
        assert "Traceback" not in result.stderr
    assert shell(f"{pay} >/dev/full 2>&1", folder).returncode == 1
    assert shell("--version >/dev/full", folder).returncode == 1
    assert json.loads(shell("show k --json", folder).stdout)["status"] == "SUCCEEDED"


def shell(words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Call the command line in a shell, which can close a stream or send it elsewhere."""
    command = ["sh", "-c", f'"{sys.executable}" -P -m payments_core {words}']
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)
