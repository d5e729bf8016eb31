"""`payouts batch validate` and `template`: what is wrong with a file, told before anything is recorded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from payments_core.provider import Capability
from payments_mtn_momo.settings import MtnMomoSettings

NUMBER = "256772123456"
Call = Callable[..., Any]
pytestmark = pytest.mark.usefixtures("gateway")


def test_validate_prints_what_is_found_by_kind_and_what_would_be_paid(payouts: Call, folder: Path) -> None:
    """20 findings of each kind, and how many there are; 1 when something was found; no whole number is shown."""
    wrong = [f"w-{n},+{NUMBER},-5,x" for n in range(25)]
    (folder / "people.csv").write_text(
        "\n".join(["key,Mobile,amount,Shirt", f"k-1,+{NUMBER},5,x", "k-2,+256772000001,25.5,x", *wrong]), "latin-1"
    )
    ran = payouts("batch", "validate", "people.csv", "--rejects", "rejects.csv")

    assert ran.code == 1
    assert "people.csv (CSV, UTF-8, commas): 27 rows, 1 new payout, 26 refused." in ran.out
    assert ["mtn-uganda", "1", "5", "UGX"] in [line.split()[:4] for line in ran.out.splitlines()]
    assert "refused: not_positive, 25 rows, the first 20" in ran.out
    assert "UGX takes whole numbers only here" in ran.out
    assert "note: repeated_payee, 24 rows" not in ran.out
    assert "Columns by other names: to: Mobile." in ran.err
    assert "Unknown columns are ignored: Shirt." in ran.err
    assert "The refused rows are in rejects.csv" in ran.err
    assert NUMBER not in ran.out + ran.err
    assert len((folder / "rejects.csv").read_text("utf-8-sig").splitlines()) == 27
    assert payouts("list", "--json").json == []
    assert (
        payouts("batch", "validate", "people.csv", "--rejects", "people.csv", "--json").error["code"]
        == "invalid_argument"
    )


def test_validate_does_not_write_over_corrected_rejects(payouts: Call, folder: Path) -> None:
    """The report is printed, and the error says what to do; the rows that are there already are no error."""
    (folder / "people.csv").write_text(f"key,to,amount\nk-1,+{NUMBER},5\nk-2,+{NUMBER},-5\n", "utf-8")
    command = ("batch", "validate", "people.csv", "--rejects", "rejects.csv")
    payouts(*command)
    again = payouts(*command)
    corrected = (folder / "rejects.csv").read_text("utf-8-sig").replace("-5", "5")
    (folder / "rejects.csv").write_text(corrected, "utf-8-sig")
    refused, as_json = payouts(*command), payouts(*command, "--json")

    assert (again.code, "The refused rows are in rejects.csv" in again.err) == (1, True)
    assert (refused.code, as_json.code, as_json.error["code"]) == (1, 1, "invalid_argument")
    assert "people.csv (CSV, UTF-8, commas): 2 rows, 1 new payout, 1 refused." in refused.out
    assert "rejects.csv is there already" in refused.err
    assert "If it was corrected, validate that file itself." in refused.err
    assert "The refused rows are in" not in refused.err
    assert (folder / "rejects.csv").read_text("utf-8-sig") == corrected
    assert sorted(path.name for path in folder.glob(".*rejects*")) == []


def test_validate_as_json_has_every_count(payouts: Call, folder: Path) -> None:
    text = f"Payee;Phone;Net pay\nE1;{NUMBER};25,000\nE2;0772000001;1.500\nE3;0772000001;1.500\n"
    (folder / "people").write_text(text, "utf-8")
    options = ("--round", "wages-2026-11", "--column", "payee_id=Payee", "--json")
    refused = payouts("batch", "validate", "people", *options)
    ran = payouts("batch", "validate", "people", *options, "--decimal", "comma")

    assert refused.code == 1
    assert [(one["code"], one["rows"]) for one in refused.json["findings"]] == [("amount_ambiguous", 3)]
    assert ran.code == 1
    assert ran.json["file"]["delimiter"] == ";"
    assert ran.json["file"]["columns"] == {"payee_id": "Payee", "to": "Phone", "amount": "Net pay"}
    assert (ran.json["rows"], ran.json["new"], ran.json["refused"], ran.json["recorded"]) == (3, 3, 0, {})
    (total,) = ran.json["totals"]
    assert (total["account"], total["payouts"], total["amount"]) == ("mtn-uganda", 3, "3025.000")
    (finding,) = ran.json["findings"]
    assert (finding["level"], finding["code"]) == ("warning", "repeated_payment")
    assert finding["first"][0]["reason"] == "Row 3 pays this number the same amount."


def test_validate_shows_what_is_paid_already(payouts: Call, folder: Path) -> None:
    (folder / "people.csv").write_text(f"key,to,amount\nk-1,+{NUMBER},5\n", "utf-8")
    payouts("send", "--file", "people.csv", "--yes", "--wait", "10")
    ran = payouts("batch", "validate", "people.csv")
    assert ran.code == 0
    assert "1 row, 0 new payouts, 1 recorded already (SUCCEEDED), 0 refused." in ran.out
    assert "No row has a fault or a warning." in ran.out


def test_validate_without_keys_needs_the_name_of_the_round(payouts: Call, folder: Path) -> None:
    (folder / "people.csv").write_text(f"to,amount\n+{NUMBER},5\n", "utf-8")
    ran = payouts("batch", "validate", "people.csv", "--json")
    assert (ran.code, ran.error["code"]) == (1, "invalid_payout")
    assert "--round" in ran.error["hint"]
    assert payouts("batch", "validate", "people.csv", "--column", "amount").code == 2
    wrong = payouts("batch", "validate", "people.csv", "--round", "wages", "--currency", "ugx", "--json")
    assert wrong.error["code"] == "invalid_currency"
    missing = payouts("batch", "validate", "nobody.csv", "--rejects", "people.csv", "--json")
    assert missing.error["message"].startswith("nobody.csv cannot be read")
    assert (folder / "people.csv").read_text("utf-8").startswith("to,amount")


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "xlsx"])
def test_template_is_a_file_that_can_be_validated(payouts: Call, folder: Path, suffix: str) -> None:
    """It is never written over another file."""
    assert payouts("batch", "template", f"people.{suffix}").code == 0
    assert payouts("batch", "validate", f"people.{suffix}", "--round", "wages").code == 0
    written = (folder / f"people.{suffix}").read_bytes()
    again = payouts("batch", "template", f"people.{suffix}", "--json")
    assert (again.code, again.error["code"]) == (1, "invalid_argument")
    assert (folder / f"people.{suffix}").read_bytes() == written
    assert payouts("batch", "template").out.startswith("payee_id,name,to,amount,currency,note")
    assert payouts("batch", "template", "people.doc").code == 2


def test_template_is_in_the_currency_and_country_of_the_first_account(payouts: Call, folder: Path, tills: Any) -> None:
    """Without a configuration, or with an account that cannot be built, it is as ever."""
    kenyan = payouts("batch", "template").out.splitlines()[1]
    assert payouts("batch", "template", "people.csv").code == 0
    found = payouts("batch", "validate", "people.csv", "--round", "wages", "--account", "east", "--json").json
    (folder / "payouts.toml").unlink()
    ran = payouts("batch", "template")

    assert kenyan == "E-001,Example One,+254772000001,250,KES,Wages"
    assert (found["new"], found["refused"]) == (2, 0)
    assert (ran.code, ran.out.splitlines()[1]) == (0, "E-001,Example One,+256772000001,25000,UGX,Wages")


def test_validate_asks_about_wallets_and_names(payouts: Call, folder: Path, gateway: Any) -> None:
    """1 for a warning, 4 where no answer came, and then the answers of before are kept."""
    (folder / "people.csv").write_text(f"key,to,amount,name\nk-1,+{NUMBER},5,Sand Box\nk-2,+256772000001,5,Other\n")
    command = ("batch", "validate", "people.csv", "--wallets", "wallets.jsonl")
    gateway.set_faults({"status_503": {"on": "account_active"}})
    unanswered = payouts(*command)
    gateway.set_faults({})
    ran, as_json = payouts(*command), payouts(*command, "--json")

    assert unanswered.code == 4
    assert "No answer for 2 rows: " in unanswered.out
    assert "Run the command again: what is in wallets.jsonl is not asked again" in unanswered.out
    assert ran.code == as_json.code == 1
    assert "Wallets: 2 rows answered, 0 not." in ran.out
    assert "name: 1 MATCHED, 1 NO_MATCH" in ran.out
    assert "warning: name_no_match, 1 row" in ran.out
    assert NUMBER not in ran.out + ran.err
    assert as_json.json["wallets"]["holders"] == {"active": 2}
    assert [one["code"] for one in as_json.json["wallets"]["findings"]] == ["name_no_match"]
    assert payouts("list", "--json").json == []
    refused = payouts("batch", "validate", "people.csv", "--wallets", "people.csv", "--json")
    assert refused.error["code"] == "invalid_argument"


def test_validate_says_where_a_provider_cannot_tell_about_wallets(
    payouts: Call, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is no answer, and nothing that is asked again."""
    lacks = frozenset({Capability.ACCOUNT_HOLDERS, Capability.NAME_LOOKUP})
    monkeypatch.setattr(MtnMomoSettings, "unsupported_capabilities", lacks)
    (folder / "people.csv").write_text(f"key,to,amount\nk-1,+{NUMBER},5\nk-2,+256772000001,5\n", "utf-8")
    command = ("batch", "validate", "people.csv", "--wallets", "wallets.jsonl")
    ran, as_json = payouts(*command), payouts(*command, "--json")

    assert (ran.code, as_json.code) == (0, 0)
    assert "Wallets: 0 rows answered, 0 not, 2 not supported." in ran.out
    assert "The provider of account mtn-uganda cannot tell whether a wallet is active: 2 rows." in ran.out
    assert as_json.json["wallets"]["unsupported"] == {"mtn-uganda": 2}
    assert as_json.json["wallets"]["holders"] == {"unsupported": 2}
