"""deposit, refund, and the account's own operation; the doctor on identities and on what a provider finds."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from payments_mtn_momo.emulator import MtnMomoEmulator

NUMBER, OTHER = "256700199887", "256700199888"
Call = Callable[..., Any]


def add(config: Path, text: str) -> None:
    """Put lines under the head of the account's table."""
    before = config.read_text("utf-8")
    config.write_text(before.replace("[accounts.mtn-uganda]\n", f"[accounts.mtn-uganda]\n{text}\n", 1), "utf-8")


# --- deposit, and the account's own operation ---


def test_deposit_is_sent_like_a_transfer(payouts: Call, gateway: MtnMomoEmulator) -> None:
    ran = payouts("deposit", "--key", "d/1", "--to", f"+{NUMBER}", "--amount", "5", "--wait", "10", "--json")

    assert (ran.code, ran.json["operation"], ran.json["status"]) == (0, "deposit", "SUCCEEDED")
    found = payouts("send", "--key", "d/1", "--to", NUMBER, "--amount", "5", "--operation", "deposit", "--json")
    assert found.json["id"] == ran.json["id"]
    reference = ran.json["references"]["reference"]
    assert [(row["posts"], row["credits"]) for row in gateway.ledger() if row["reference"] == reference] == [(1, 1)]


@pytest.mark.usefixtures("gateway")
def test_deposit_pays_every_row_of_a_file(payouts: Call, folder: Path) -> None:
    (folder / "people.csv").write_text(f"key,to,amount\nd/1,+{NUMBER},5\nd/2,+{OTHER},6\n", "utf-8")

    ran = payouts("deposit", "--file", "people.csv", "--yes", "--wait", "10", "--json")

    assert ran.code == 0
    assert [(row["operation"], row["status"]) for row in ran.json] == [("deposit", "SUCCEEDED")] * 2


@pytest.mark.usefixtures("gateway")
def test_send_without_an_operation_uses_the_accounts_own(pay: Call, payouts: Call, config: Path, folder: Path) -> None:
    """In a file as by itself; and what was recorded stays what it was when the account's default changes."""
    people = f"key,to,amount\nk/1,+{NUMBER},5\nk/3,+{NUMBER},5\n"
    (folder / "people.csv").write_text(people, "utf-8")
    first = pay("k/1", amount="5")
    add(config, 'default_operation = "deposit"')

    second = pay("k/2", "--json", amount="5")
    again = pay("k/1", "--json", amount="5")
    ran = payouts("send", "--file", "people.csv", "--yes", "--wait", "10", "--json")

    assert first.code == 4
    assert (second.json["operation"], again.json["operation"]) == ("deposit", "transfer")
    assert [(row["key"], row["operation"], row["error"]) for row in ran.json] == [
        ("k/1", "transfer", None),
        ("k/3", "deposit", None),
    ]
    named = payouts("send", "--file", "people.csv", "--yes", "--operation", "deposit", "--json")
    assert [row["error"] and row["error"]["code"] for row in named.json] == ["key_reused", None]


@pytest.mark.usefixtures("gateway")
def test_row_of_a_file_has_the_operation_of_its_account(payouts: Call, config: Path, folder: Path) -> None:
    """Two rows of one file may go two ways."""
    text = config.read_text("utf-8")
    table = text[text.index("[accounts.mtn-uganda]\n") :].removeprefix("[accounts.mtn-uganda]\n")
    config.write_text(f'{text}\n[accounts.depositor]\ndefault_operation = "deposit"\n{table}', "utf-8")
    people = f"key,to,amount,account\nk/1,+{NUMBER},5,mtn-uganda\nk/2,+{NUMBER},5,depositor\n"
    (folder / "people.csv").write_text(people, "utf-8")

    ran = payouts("send", "--file", "people.csv", "--yes", "--json")

    assert [(row["account"], row["operation"]) for row in ran.json] == [
        ("mtn-uganda", "transfer"),
        ("depositor", "deposit"),
    ]


# --- refund ---


@pytest.fixture
def collection(gateway: MtnMomoEmulator) -> str:
    return gateway.add_collection(amount="100", currency="UGX", payer=NUMBER)


@pytest.fixture
def refund(payouts: Call, collection: str) -> Call:
    def call(key: str, amount: str, *more: str, original: str = "100") -> Any:
        result = ("--collection", collection, "--amount", amount, "--original-amount", original)
        return payouts("refund", "--key", key, *result, *more)

    return call


def test_refund_is_waited_for_shown_and_paid_once(
    refund: Call, payouts: Call, gateway: MtnMomoEmulator, collection: str
) -> None:
    ran, again = refund("r/1", "40", "--wait", "10", "--json"), refund("r/1", "40", "--json")

    assert (ran.code, ran.json["operation"], ran.json["status"]) == (0, "refund", "SUCCEEDED")
    assert (ran.json["payee"], ran.json["amount"]) == (collection, "40")
    assert again.json["id"] == ran.json["id"]
    assert [one["key"] for one in payouts("list", "--json").json] == ["r/1"]
    result = payouts("show", "r/1").out
    assert "operation   refund\n" in result
    assert "amount      40 UGX of 100 UGX\n" in result
    assert "40 UGX of 100 UGX  refund" in payouts("list").out
    reference = ran.json["references"]["reference"]
    assert [row["credits"] for row in gateway.ledger() if row["reference"] == reference] == [1]


def test_refund_over_the_collected_amount_is_refused(refund: Call, payouts: Call) -> None:
    refund("r/1", "40", "--wait", "10")

    over, other = refund("r/2", "61", "--json"), refund("r/3", "1", "--json", original="99")

    assert [(one.code, one.error["code"]) for one in (over, other)] == [(1, "over_refund")] * 2
    assert over.error["message"] == (
        "61 UGX cannot be refunded: of 100 UGX collected, 40 UGX is refunded or under way."
    )
    assert "100 UGX was collected, this one 99 UGX" in other.error["message"]
    for one in (over, other):
        assert one.error["hint"].endswith("Nothing was recorded and nothing was sent.")
    assert [one["key"] for one in payouts("list", "--json").json] == ["r/1"]


def test_refund_key_cannot_be_used_for_a_payment(refund: Call, pay: Call) -> None:
    refund("k/1", "40")

    ran = pay("k/1", "--json", amount="40")

    assert (ran.code, ran.error["code"]) == (1, "key_reused")


@pytest.mark.usefixtures("gateway")
@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("send", "--key", "k", "--to", NUMBER, "--amount", "1", "--operation", "refund"), "usage", "payouts refund"),
        (
            ("send", "--key", "k", "--to", NUMBER, "--amount", "1", "--operation", "gift"),
            "usage",
            "is unknown. Write transfer or deposit",
        ),
        (("deposit", "--key", "k", "--to", NUMBER, "--amount", "1", "--operation", "deposit"), "usage", "--operation"),
        (("deposit", "--key", "k"), "usage", "Missing --to, --amount; or give --file."),
        (("refund", "--key", "k", "--collection", "c", "--amount", "1"), "usage", "--original-amount"),
        (("refund", "--key", "k", "--collection", "c", "--to", NUMBER, "--amount", "1"), "usage", "--to"),
        (
            ("refund", "--key", "k", "--collection", "c d", "--amount", "1", "--original-amount", "1"),
            "invalid_payee",
            "collection's reference",
        ),
        (
            ("refund", "--key", "k", "--collection", "c-1", "--amount", "1", "--original-amount", "1"),
            "invalid_payee",
            "is no UUID",
        ),
        (
            ("refund", "--key", "k", "--collection", "c-1", "--amount", "2", "--original-amount", "1"),
            "invalid_amount",
            "cannot be refunded of",
        ),
    ],
)
def test_operation_with_wrong_arguments_is_refused(
    payouts: Call, arguments: tuple[str, ...], code: str, says: str
) -> None:
    ran = payouts(*arguments, "--json")

    assert (ran.code, ran.error["code"]) == (2 if code == "usage" else 1, code)
    assert says in ran.error["message"]
    assert payouts("list", "--json").json == []


# --- the doctor ---


def moved(config: Path, *, retire: bool) -> None:
    """Make the account pay as another API user, with the one it was among its retired identities or not."""
    text = config.read_text("utf-8")
    user = re.search(r'^api_user = "(.*)"$', text, re.MULTILINE)
    assert user is not None
    names = "target_environment|api_user|api_key|subscription_key|base_url|platform"
    own = "\n".join(found[0] for found in re.finditer(rf"^(?:{names}) = .*$", text, re.MULTILINE))
    text = text.replace(user[0], 'api_user = "4a4d2c34-0000-4000-8000-000000000000"')
    config.write_text(text + (f"\n[[accounts.mtn-uganda.retired]]\n{own}\n" if retire else ""), "utf-8")


def checks(ran: Any, what: str) -> list[tuple[str, str]]:
    return [(check["level"], check["says"]) for check in ran.json["checks"] if check["what"] == what]


def test_doctor_counts_the_payouts_that_need_a_retired_identity(pay: Call, payouts: Call, config: Path) -> None:
    pay("k/1")
    pay("k/2", "--wait", "10")
    moved(config, retire=True)

    needed = payouts("doctor", "--json")
    payouts("wait", "k/1", "--timeout", "10")
    free = payouts("doctor", "--json")

    what = "retired identity 1 of mtn-uganda"
    assert checks(needed, what) == [("ok", "1 payout still needs it")]
    assert checks(free, what) == [("note", "no payout needs it: it can be removed")]
    assert checks(needed, "identities of mtn-uganda") == []


@pytest.mark.parametrize(("hours", "level"), [(0, "note"), (-47, "ok"), (-49, "note")])
def test_failure_that_is_not_settled_keeps_its_identity(
    pay: Call, payouts: Call, config: Path, write_sql: Call, hours: int, level: str
) -> None:
    """For two days a read may still say something else, and whoever pays again has to ask; then the failure stands."""
    assert pay("k/1", "--wait", "10", to="46733123457").code == 3
    [(reason, at)] = write_sql("SELECT reason, updated_at FROM payouts")
    fields = json.dumps({**json.loads(reason), "settling_h": 48.0 if hours else 0.0})
    write_sql("UPDATE payouts SET reason = ?, updated_at = ?", [fields, at + hours * 3_600_000_000])
    moved(config, retire=True)
    assert [one for one, _ in checks(payouts("doctor", "--json"), "retired identity 1 of mtn-uganda")] == [level]


def test_open_payout_keeps_the_identities_of_its_earlier_attempts(
    pay: Call, payouts: Call, config: Path, write_sql: Call
) -> None:
    """They are asked about before it is sent again, whoever sends it now."""
    pay("k/1", to="46733123453")
    moved(config, retire=True)
    columns = [column for _, column, *_ in write_sql("PRAGMA table_info(attempts)")]
    taken = {"payout_id": "id", "number": "attempt", "ended_at": "updated_at", "decided_by": "'read'"}
    values = ", ".join(taken.get(column, f'"{column}"') for column in columns)
    write_sql(f"INSERT INTO attempts SELECT {values} FROM payouts")  # noqa: S608 - our own names
    [(binding,)] = write_sql("SELECT binding FROM payouts")
    fields = json.loads(binding)
    [user] = [name for name in fields if "user" in name]
    fields[user] = "4a4d2c34-0000-4000-8000-000000000000"
    write_sql("UPDATE payouts SET attempt = 2, binding = ?", [json.dumps(fields)])
    assert checks(payouts("doctor", "--json"), "retired identity 1 of mtn-uganda") == [
        ("ok", "1 payout still needs it")
    ]


def test_credentials_of_a_retired_identity_are_checked_while_needed(
    pay: Call, payouts: Call, config: Path, folder: Path
) -> None:
    """While a payout needs it, credentials that are refused are wrong; afterwards they are only worth a note."""
    pay("k/1")
    moved(config, retire=True)
    what = "credentials of retired identity 1 of mtn-uganda"
    good = payouts("doctor", "--json")
    key = next((folder / "secrets").glob("*api-key"))
    kept = key.read_text("utf-8")
    key.write_text("f" * 32, "utf-8")

    needed, asked, shown = (
        payouts("doctor", "--json"),
        payouts("wait", "k/1", "--timeout", "0.3"),
        payouts("show", "k/1"),
    )
    key.write_text(kept, "utf-8")
    payouts("wait", "k/1", "--timeout", "10")
    key.write_text("f" * 32, "utf-8")
    free = payouts("doctor", "--json")

    assert checks(good, what) == [("ok", "the provider accepts them")]
    assert [level for level, _ in (*checks(needed, what), *checks(free, what))] == ["wrong", "note"]
    for ran in (asked, shown):
        assert ran.code == 4
        assert "why         no request could be made: no credential: credentials (login_failed)" in ran.out


def test_refused_login_names_the_settings_to_look_at(payouts: Call, config: Path, gateway: Any) -> None:
    """It is tried once, not once for each question."""
    next((config.parent / "secrets").glob("*api-key")).write_text("f" * 32, "utf-8")

    ran = payouts("doctor", "--json")

    ((level, says),) = checks(ran, "credentials of mtn-uganda")
    assert (ran.code, level) == (1, "wrong")
    assert says.startswith("credentials (login_failed): ")
    assert "api_user and api_key" in says
    assert ran.json["checks"][-1]["what"] == "credentials of mtn-uganda"


def test_doctor_reports_open_payouts_of_an_unknown_identity(pay: Call, payouts: Call, config: Path) -> None:
    """What was sent as somebody else can only be asked about as that one; what was not sent goes out as it is now.

    What has ended is not counted.
    """
    pay("k/0", "--wait", "10")
    pay("k/1")
    payouts("pause")
    pay("k/2")
    moved(config, retire=False)

    ran = payouts("doctor", "--json")

    assert ran.code == 1
    assert checks(ran, "identities of mtn-uganda") == [
        ("wrong", "1 open payout was sent with an identity that the account does not have")
    ]


def test_doctor_reports_the_findings_of_a_provider(payouts: Call, tills: Any) -> None:
    tills.refusals["/till"] = [500]

    ran = payouts("doctor")

    assert ran.code == 1
    assert "wrong  till of east: 7001 is closed\n       Open it in Tally's portal.\n" in ran.out
    assert "ok     till of west: 7002 is open\n" in ran.out
    assert "ok     credentials of west: it needs none\n" in ran.out
