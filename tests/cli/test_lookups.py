"""balance, account-status and name: what they print, what they leave with, and what they never show."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from payments_mtn_momo.emulator import MtnMomoEmulator

NUMBER, IDLE, SILENT = "256700199887", "46733123451", "46733123452"
MERCHANT = "254700000900"
NAME = "Achieng' Grace Otieno"
Call = Callable[..., Any]


# --- through MTN ---


@pytest.mark.usefixtures("gateway")
def test_balance_is_printed_as_exact_text(payouts: Call) -> None:
    ran, table = payouts("balance", "--json"), payouts("balance", "--currency", "UGX")

    assert ran.code == table.code == 0
    (held,) = ran.json
    assert list(held) == ["account", "amount", "currency", "label", "error"]
    assert (held["account"], held["currency"], held["error"]) == ("mtn-uganda", "UGX", None)
    assert re.fullmatch(r"\d+(\.\d+)?", held["amount"])
    assert table.out.splitlines()[0].split() == ["ACCOUNT", "AMOUNT", "CURRENCY", "WHY"]
    assert table.out.splitlines()[1].split() == ["mtn-uganda", held["amount"], "UGX"]


@pytest.mark.usefixtures("gateway")
@pytest.mark.parametrize(
    ("number", "code", "status", "words"),
    [
        (NUMBER, 0, "active", "has a wallet, and it is active."),
        (IDLE, 3, "not_active", "has no active wallet."),
    ],
)
def test_account_status_says_whether_a_wallet_is_active(
    payouts: Call, number: str, code: int, status: str, words: str
) -> None:
    result, as_json = (
        payouts("account-status", "--to", f"+{number}"),
        payouts("account-status", "--to", number, "--json"),
    )

    assert result.code == as_json.code == code
    assert result.out.endswith(f": {words}\n")
    masked = as_json.json["payee"]
    assert as_json.json == {"account": "mtn-uganda", "payee": masked, "status": status}
    assert number not in result.out + as_json.out
    assert payouts("account-status", "--to", number, "--json", "--reveal").json["payee"] == number


@pytest.mark.usefixtures("gateway")
def test_account_status_that_is_not_reported_exits_with_4(payouts: Call) -> None:
    """Not knowing is not "no": the number may well have a wallet."""
    ran = payouts("account-status", "--to", SILENT, "--json")

    assert (ran.code, ran.out, ran.error["code"]) == (4, "", "lookup_failed")
    assert "No money was asked to move." in ran.error["hint"]
    assert SILENT not in ran.err


@pytest.mark.usefixtures("gateway")
def test_name_is_printed_as_initials_unless_revealed(payouts: Call) -> None:
    asked = ("name", "--to", f"+{NUMBER}")
    result, as_json, revealed = payouts(*asked), payouts(*asked, "--json"), payouts(*asked, "--json", "--reveal")

    assert result.code == as_json.code == revealed.code == 0
    assert result.out == f"{as_json.json['payee']}: S. B.\n"
    assert as_json.json == {"account": "mtn-uganda", "payee": as_json.json["payee"], "name": "S. B."}
    assert revealed.json == {"account": "mtn-uganda", "payee": NUMBER, "name": "Sand Box"}
    assert [one for one in (result, as_json) if NUMBER in one.out or "Sand" in one.out] == []


@pytest.mark.parametrize("arguments", [("account-status",), ("name",)])
def test_lookup_moves_no_money_and_logs_no_number(
    payouts: Call, gateway: MtnMomoEmulator, arguments: tuple[str, ...]
) -> None:
    before = len(gateway.ledger())

    ran = payouts(*arguments, "--to", NUMBER, "--log-level", "DEBUG")

    assert ran.code == 0
    assert "http.answered" in ran.err, "the control: events were printed"
    assert [word for word in (NUMBER, "Sand") if word in ran.out + ran.err] == []
    assert len(gateway.ledger()) == before
    assert payouts("list", "--json").json == []


def test_lookup_through_a_gateway_that_is_down_exits_with_4(payouts: Call, folder: Path) -> None:
    with MtnMomoEmulator(target="mtnuganda") as emulator:
        emulator.write_config(folder / "payouts.toml")

    for arguments in (("account-status", "--to", NUMBER), ("name", "--to", NUMBER)):
        ran = payouts(*arguments, "--json")
        assert (ran.code, ran.error["code"]) == (4, "lookup_failed")
    ran = payouts("balance", "--json")
    assert (ran.code, [one["error"]["code"] for one in ran.json]) == (4, ["lookup_failed"])


@pytest.mark.usefixtures("gateway")
@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (("account-status",), 2, "usage"),
        (("name", "--account", "mtn-uganda"), 2, "usage"),
        (("balance", "--to", NUMBER), 2, "usage"),
        (("account-status", "--to", "0700199887"), 1, "invalid_payee"),
        (("name", "--to", NUMBER, "--account", "nobody"), 1, "unknown_account"),
        (("balance", "--account", "nobody"), 1, "unknown_account"),
    ],
)
def test_lookup_with_wrong_arguments_is_refused(
    payouts: Call, arguments: tuple[str, ...], code: int, error: str
) -> None:
    ran = payouts(*arguments, "--json")

    assert (ran.code, ran.error["code"]) == (code, error)


# --- through several accounts of a provider that is nothing like MTN ---


def test_balance_is_asked_of_every_account(payouts: Call, tills: Any) -> None:
    ran = payouts("balance", "--json")

    assert ran.code == 0
    assert [(one["account"], one["amount"], one["currency"]) for one in ran.json] == [
        ("east", "1234.56", "KES"),
        ("east", "-1.00", "UGX"),
        ("west", "1234.56", "KES"),
        ("west", "-1.00", "UGX"),
    ]
    one = payouts("balance", "--account", "west", "--currency", "UGX", "--json").json
    assert [(row["account"], row["amount"]) for row in one] == [("west", "-1.00")]
    nothing = payouts("balance", "--currency", "EUR")
    assert (nothing.code, nothing.out, nothing.err) == (0, "", "No balance in EUR.\n")
    assert tills.ledger == []


def test_balance_of_a_silent_account_hides_no_other(payouts: Call, tills: Any) -> None:
    """The others are shown, the silent one is named, and the exit code says that not all is known."""
    tills.refusals["/balance"] = [503]

    ran = payouts("balance", "--json")

    assert ran.code == 4
    silent, *others = ran.json
    assert (silent["account"], silent["amount"], silent["error"]["code"]) == ("east", None, "lookup_failed")
    assert "BUSY" in silent["error"]["message"]
    assert "Ask again in 5 s." in silent["error"]["hint"]
    assert {one["account"] for one in others} == {"west"}
    tills.refusals["/balance"] = [503]
    table = payouts("balance")
    assert (table.code, table.out.splitlines()[1].split()[0]) == (4, "east")
    assert "did not tell its balance" in table.out


def test_balance_leaves_out_accounts_that_cannot_tell(
    payouts: Call, tills: Any, folder: Path, running: MtnMomoEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tally  # type: ignore[import-not-found]  # found by the fixture

    quiet = type("Quiet", (tally.Tally,), {"balances": None, "name": None})
    monkeypatch.setattr(tally, "SPEC", replace(tally.SPEC, build=quiet))
    ran, named, name = (
        payouts("balance", "--json"),
        payouts("balance", "--account", "east", "--json"),
        payouts("name", "--to", MERCHANT, "--account", "east", "--json"),
    )

    assert [(one.code, one.error["code"]) for one in (ran, named, name)] == [(1, "not_supported")] * 3
    assert "Account east cannot be asked for this: Tally has no balances" in named.error["message"]
    running.write_config(folder / "mtn.toml")
    mtn = (folder / "mtn.toml").read_text("utf-8")
    with (folder / "payouts.toml").open("a", encoding="utf-8") as file:
        file.write("\n" + mtn[mtn.index("[accounts.") :])
    assert [one["account"] for one in payouts("balance", "--json").json] == ["mtn-uganda"]


@pytest.mark.usefixtures("tills")
def test_lookup_with_several_accounts_needs_one_named(payouts: Call) -> None:
    for asked in ("account-status", "name"):
        ran = payouts(asked, "--to", MERCHANT, "--json")
        assert (ran.code, ran.error["code"]) == (2, "usage")
        assert "--account. Configured: east, west." in ran.error["message"]


@pytest.mark.usefixtures("tills")
def test_lookup_of_an_unknown_number_is_not_found_and_has_no_name(payouts: Call) -> None:
    asked = ("--account", "east", "--json")
    found = payouts("account-status", "--to", "254700000021", *asked)
    name, empty = payouts("name", "--to", MERCHANT, *asked), payouts("name", "--to", "254700000021", *asked)

    assert (found.code, found.json["status"]) == (3, "not_found")
    assert (name.code, name.json["name"]) == (0, "A. G. O.")
    assert (empty.code, empty.json["name"]) == (4, None)
    result = payouts("name", "--to", "254700000021", "--account", "east")
    assert result.out.endswith(": the provider gave no name\n")


def test_name_cannot_send_commands_to_the_terminal(payouts: Call, tills: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import tally_gateway  # type: ignore[import-not-found]  # found by the fixture

    monkeypatch.setitem(tally_gateway.NAMES, MERCHANT, "Ada\x1b[2J Evil\u202eX")
    ran = payouts("name", "--to", MERCHANT, "--account", "east", "--reveal")

    assert ran.code == 0
    assert [letter for letter in ran.out.strip() if not letter.isprintable()] == []
