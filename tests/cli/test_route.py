"""payouts route explains a choice and does nothing else; send and send --file choose by the same routes."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from payments_mtn_momo.emulator import MtnMomoEmulator

Call = Callable[..., Any]
MTN, AIRTEL, ELSEWHERE = "256772123456", "256752123456", "254722123456"
ROUTES = """
[[routes]]
account = "large"
currency = "UGX"
min_amount = "1000000"

[[routes]]
account = "mtn-uganda"
country = "UG"
operator = "mtn"

[[routes]]
account = "large"
country = "UG"
operator = "airtel"

[[routes]]
account = "large"
operator = "safaricom"
"""


@pytest.fixture
def routes(config: Path) -> Path:
    """A configuration with two accounts and four routes."""
    return write(config, ROUTES)


def write(config: Path, routes: str) -> Path:
    text = config.read_text("utf-8").partition("\n[[routes]]")[0]
    own = text.partition("[accounts.mtn-uganda]")[2].partition("\n[")[0]
    second = "" if "[accounts.large]" in text else f"\n[accounts.large]{own}\n"
    config.write_text(f"{text}{second}\n{routes}", "utf-8")
    return config


def rows(gateway: MtnMomoEmulator) -> int:
    return len(gateway.ledger())


@pytest.mark.usefixtures("routes")
def test_route_explains_its_choice_and_does_nothing_else(payouts: Call, gateway: MtnMomoEmulator) -> None:
    before = rows(gateway)
    ran = payouts("route", "--to", f"+{MTN}", "--amount", "5000 UGX", "--json")

    assert ran.code == 0
    choice = ran.json
    masked, routes = choice["payee"], choice.pop("routes")
    assert choice == {
        "account": "mtn-uganda",
        "by": "route",
        "route": 2,
        "why": "route 2 (mtn-uganda): country is UG; operator is mtn (by the prefix).",
        "hint": None,
        "payee": masked,
        "amount": "5000",
        "currency": "UGX",
        "country": "UG",
        "operator": "mtn",
        "operator_from": "prefix",
        "asked": None,
        "prefix": "mtn",
        "portable": False,
        "would_ask": [],
    }
    assert [tuple(one) for one in routes] == [("route", "account", "verdict", "why")] * 4
    assert [tuple(one.values()) for one in routes] == [
        (1, "large", "no", ["amount is below 1000000"]),
        (2, "mtn-uganda", "matches", ["country is UG", "operator is mtn (by the prefix)"]),
        (3, "large", "no", ["operator is mtn (by the prefix), not airtel"]),
        (4, "large", "no", ["operator is mtn (by the prefix), not safaricom"]),
    ]
    assert payouts("list", "--json").json == []
    assert rows(gateway) == before


@pytest.mark.usefixtures("routes")
def test_route_is_printed_with_every_route_and_no_number(payouts: Call) -> None:
    asked = ("route", "--to", f"+{MTN}", "--amount", "5000", "--currency", "UGX")
    result, revealed = payouts(*asked), payouts(*asked, "--reveal")

    assert result.code == 0
    assert re.search(r"^account +mtn-uganda$", result.out, re.MULTILINE)
    assert re.search(r"^operator +mtn \(by the prefix\)$", result.out, re.MULTILINE)
    assert len(re.findall(r"^[1-4]  +(?:large|mtn-uganda)", result.out, re.MULTILINE)) == 4
    assert MTN not in result.out
    assert MTN in revealed.out


@pytest.mark.usefixtures("routes")
@pytest.mark.parametrize(
    ("to", "more", "account", "source"),
    [
        (AIRTEL, (), "large", "prefix"),
        (AIRTEL, ("--operator", "mtn"), "mtn-uganda", "caller"),
        (ELSEWHERE, ("--operator", "safaricom"), "large", "caller"),
    ],
)
def test_route_prefers_the_named_operator_to_the_prefix(
    payouts: Call, to: str, more: tuple[str, ...], account: str, source: str
) -> None:
    fields = payouts("route", "--to", to, "--amount", "5000 UGX", "--json", *more).json

    assert (fields["account"], fields["operator_from"]) == (account, source)


@pytest.mark.usefixtures("routes")
@pytest.mark.parametrize(("to", "amount"), [(ELSEWHERE, "5000 UGX"), (MTN, "5000 EUR")])
def test_route_without_an_account_exits_with_3_and_says_what_to_do(payouts: Call, to: str, amount: str) -> None:
    ran = payouts("route", "--to", to, "--amount", amount, "--json")

    assert (ran.code, ran.json["account"], ran.json["route"], len(ran.json["routes"])) == (3, None, None, 4)
    assert "Name the account" in ran.json["hint"]
    assert payouts("route", "--to", to, "--amount", amount).code == 3


@pytest.mark.usefixtures("routes")
@pytest.mark.parametrize(
    "wrong",
    [
        ("--amount", "5000 UGX", "--currency", "KES"),
        ("--amount", "5000 UGX", "--operation", "refund"),
        ("--amount", "5000 UGX", "--operation", "gift"),
    ],
)
def test_route_with_contradicting_arguments_is_a_usage_error(payouts: Call, wrong: tuple[str, ...]) -> None:
    assert payouts("route", "--to", MTN, *wrong).code == 2


@pytest.mark.usefixtures("config")
def test_route_without_routes_takes_the_only_account(payouts: Call) -> None:
    fields = payouts("route", "--to", MTN, "--amount", "5000", "--json").json

    assert (fields["account"], fields["by"], fields["routes"]) == ("mtn-uganda", "only_account", [])


def test_route_without_routes_needs_an_account_named(payouts: Call, config: Path, pay: Call) -> None:
    """As it was before there were routes."""
    write(config, "")
    for ran in (payouts("route", "--to", MTN, "--amount", "5000", "--json"), pay("k", "--json")):
        assert (ran.code, ran.error["code"]) == (1, "invalid_payout")
        assert ran.error["message"] == "Name the account to pay from: large, mtn-uganda."
        assert "default_account, or [[routes]]" in ran.error["hint"]


# --- paying by them ---


@pytest.mark.usefixtures("routes")
def test_send_chooses_by_routes(pay: Call, payouts: Call, gateway: MtnMomoEmulator) -> None:
    before = rows(gateway)
    assert pay("by-prefix", "--json", to=MTN).json["account"] == "mtn-uganda"
    assert pay("by-amount", "--json", to=MTN, amount="1000000").json["account"] == "large"
    assert pay("by-word", "--json", "--operator", "safaricom", to=ELSEWHERE).json["account"] == "large"
    assert pay("by-name", "--json", "--account", "large", to=MTN).json["account"] == "large"
    assert rows(gateway) == before + 4
    refused = pay("unroutable", "--json", to=ELSEWHERE)
    assert (refused.code, refused.error["code"]) == (1, "no_route")
    assert "Nothing was recorded and nothing was sent." in refused.error["hint"]
    assert ELSEWHERE not in refused.err
    assert payouts("show", "unroutable").code == 1
    assert rows(gateway) == before + 4


def test_file_is_paid_by_routes_and_never_routed_anew(routes: Path, payouts: Call, folder: Path) -> None:
    table = ["key,to,amount,operator,account", f"f1,{MTN},5000,,", f"f2,{AIRTEL},5000,,", f"f3,{AIRTEL},5000,mtn,"]
    table += [f"f4,{MTN},1000000,,", f"f5,{MTN},5000,,large", f"f1,{MTN},5000,,"]
    (folder / "people.csv").write_text("\n".join(table), "utf-8")
    fields = payouts("send", "--file", "people.csv", "--yes", "--json", "--wait", "20").json

    assert [row["account"] for row in fields] == ["mtn-uganda", "large", "mtn-uganda", "large", "large", "mtn-uganda"]
    assert [row["same_as_row"] for row in fields] == [None] * 5 + [2]
    assert [row["operator"] for row in fields] == [None, None, "mtn", None, None, None]
    assert {row["status"] for row in fields} == {"SUCCEEDED"}
    write(routes, '[[routes]]\naccount = "large"\n')
    again = payouts("send", "--file", "people.csv", "--yes", "--json").json
    assert [(row["id"], row["account"]) for row in again] == [(row["id"], row["account"]) for row in fields]


@pytest.mark.usefixtures("routes")
def test_file_with_rows_without_a_route_is_refused_whole(payouts: Call, folder: Path, gateway: MtnMomoEmulator) -> None:
    """Every such row is named, and nobody is paid: not even those whose route is plain."""
    before = rows(gateway)
    lost = [f"lost{number},{ELSEWHERE},{number},UGX" for number in range(1, 25)]
    table = ["key,to,amount,currency", f"plain,{MTN},5000,UGX", *lost, f"foreign,{MTN},5000,EUR"]
    (folder / "people.csv").write_text("\n".join(table), "utf-8")
    ran = payouts("send", "--file", "people.csv", "--yes", "--json")

    assert (ran.code, ran.error["message"][:16]) == (1, "25 of 26 rows of")
    assert [row["row"] for row in ran.json if row["error"] and row["error"]["code"] == "no_route"] == list(range(3, 28))
    assert ELSEWHERE not in ran.out
    assert ELSEWHERE not in ran.err
    assert rows(gateway) == before
    assert payouts("list", "--json").json == []


# --- what is wrong is found at start ---


@pytest.mark.parametrize(
    ("routes", "says"),
    [
        ('[[routes]]\naccount = "gone"\n', "'gone', which is not configured"),
        ('[[routes]]\naccount = "large"\ncurrency = "KES"\n', "large pays in UGX, not in KES"),
        ('[[routes]]\naccount = "large"\nmax_amount = "5"\n', "need a currency"),
        ('[[routes]]\naccount = "large"\n[[routes]]\naccount = "mtn-uganda"\n', "never has its turn"),
        ('[routes]\naccount = "large"\n', "two pairs of brackets"),
    ],
)
def test_routes_that_are_wrong_stop_every_command(
    payouts: Call, pay: Call, config: Path, routes: str, says: str, gateway: MtnMomoEmulator
) -> None:
    """Also for who names the account: a mistake is not left for the middle of a batch."""
    before = rows(gateway)
    write(config, routes)
    for ran in (pay("k", "--json", "--account", "large"), payouts("route", "--to", MTN, "--amount", "5", "--json")):
        assert (ran.code, ran.error["code"]) == (1, "settings_invalid")
        assert says in f"{ran.error['message']} {ran.error['hint']}"
    assert rows(gateway) == before
    assert says in payouts("doctor").out


def test_doctor_counts_routes_and_names_accounts_without_one(payouts: Call, config: Path) -> None:
    write(config, '[[routes]]\naccount = "mtn-uganda"\n')

    assert "1 route; none leads to large" in payouts("doctor").out
    write(config, ROUTES)
    assert re.search(r"^ok +routes: 4 routes$", payouts("doctor").out, re.MULTILINE)


def test_phone_number_data_is_loaded_only_for_routes_that_need_it(config: Path, run_program: Call) -> None:
    """It is large, and an extra: neither help nor routes by amount touch it."""
    write(config, '[[routes]]\naccount = "large"\ncurrency = "UGX"\nmin_amount = "5"\n')
    program = (
        "import sys\n"
        "from payments_core.cli.app import run\n"
        f"code = run(['route', '--to', '{MTN}', '--amount', '5 UGX'] if sys.argv[1:] else ['--help'])\n"
        "print(code, 'phonenumbers' in sys.modules)\n"
    )
    for arguments in ([], ["route"]):
        assert run_program(program, *arguments).stdout.splitlines()[-1] == "0 False"
