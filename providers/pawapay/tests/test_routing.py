"""Routes between three providers over real sockets, where pawaPay is asked whose customer a payee is."""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from payments_core import AsyncPayoutClient, Money, Payee, PayoutClient, PayoutOrder
from payments_core.cli.app import run
from payments_core.domain.errors import InvalidPayout, NoRoute
from payments_core.plugins.manager import Plugins
from payments_core.routing import Source
from payments_mtn_momo.emulator import MtnMomoEmulator
from payments_pawapay.codes import operator_key
from payments_pawapay.emulator import PawapayEmulator
from payments_pawapay.requests import operator_of

ROUTES = """
[[routes]]
account = "mtn-uganda"
country = "UG"
operator = "mtn"

[[routes]]
account = "airtel-uganda"
country = "UG"
operator = "airtel"

[[routes]]
account = "mtn-zambia"
country = "ZM"
operator = "mtn"

[[routes]]
account = "airtel-zambia"
country = "ZM"
operator = "airtel"

[[routes]]
account = "mpesa"
country = "KE"
operator = "safaricom"
max_amount = "1000"
currency = "KES"
"""
# An account for each operator, all at one pawaPay.
SPREAD = {
    "airtel-uganda": ("UGA", "AIRTEL_OAPI_UGA", "UGX"),
    "mtn-zambia": ("ZMB", "MTN_MOMO_ZMB", "ZMW"),
    "airtel-zambia": ("ZMB", "AIRTEL_OAPI_ZMB", "ZMW"),
}
MTN_UG, AIRTEL_UG, AIRTEL_ZM, KENYA = "+256772123456", "+256752123456", "+260977123456", "+254722123456"


class World(NamedTuple):
    """Three gateways, and how often the emulated pawaPay was asked for a payee's operator."""

    mtn: MtnMomoEmulator
    pawapay: PawapayEmulator
    mpesa: Any
    asked: list[str]

    @property
    def paid(self) -> tuple[int, int, int]:
        mtn, pawapay, mpesa = (len(one.ledger()) for one in (self.mtn, self.pawapay, self.mpesa))
        return mtn, pawapay, mpesa


@pytest.fixture(autouse=True)
def _keep_logging() -> Iterator[None]:
    """Undo what the command line sets up: its handler would go on to write into a test's closed output."""
    logger = logging.getLogger("payments_core")
    before = (list(logger.handlers), logger.level, logger.propagate)
    yield
    logger.handlers, logger.level, logger.propagate = before


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.chdir(tmp_path)
    module, _, name = Plugins().provider("mpesa_daraja").emulator.partition(":")
    kenyan = getattr(importlib.import_module(module), name)
    with ExitStack() as stack:
        mtn = stack.enter_context(MtnMomoEmulator(target="mtnuganda"))
        pawapay = stack.enter_context(PawapayEmulator())
        mpesa = stack.enter_context(kenyan(callback_url=f"http://127.0.0.1:9/callbacks/{'t' * 32}"))
        tables = []
        for place, emulator in enumerate((mtn, pawapay, mpesa)):
            path = tmp_path / f"{place}.toml"
            emulator.write_config(path)
            text = path.read_text("utf-8")
            tables.append(text[text.index("[accounts.") :])
        head = (tmp_path / "0.toml").read_text("utf-8").partition("[accounts.")[0]
        first = tables[1].replace('country = "ZMB"\noperator = "MTN_MOMO_ZMB"\ncurrency = "ZMW"\n', "@@@")
        own = [
            first.replace("[accounts.pawapay]", f"[accounts.{name}]").replace(
                "@@@", f'country = "{country}"\noperator = "{operator}"\ncurrency = "{currency}"\n'
            )
            + f"\n[accounts.{name}.retry.predict]\nattempts = 1\n"
            for name, (country, operator, currency) in SPREAD.items()
        ]
        (tmp_path / "payouts.toml").write_text("\n".join([head, tables[0], *own, tables[2], ROUTES]), "utf-8")
        asked: list[str] = []
        predict = pawapay.gateway._predict

        def counted(request: Any) -> Any:
            asked.append(request.payload["phoneNumber"])
            return predict(request)

        monkeypatch.setattr(pawapay.gateway, "_predict", counted)
        yield World(mtn, pawapay, mpesa, asked)


@pytest.fixture(params=["sync", "async"])
def do(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Call a method of either client, made anew."""

    def call(method: str, **named: Any) -> Any:
        async def wait() -> Any:
            async with AsyncPayoutClient.from_config() as client:
                return await getattr(client, method)(**named)

        if request.param == "async":
            return asyncio.run(wait())
        with PayoutClient.from_config() as client:
            return getattr(client, method)(**named)

    return call


def pay(do: Any, key: str, to: str, amount: str, operator: str = "") -> Any:
    money = Money(*amount.split())
    return do("send", key=key, payee=Payee.msisdn(to, operator=operator), amount=money)


def test_validate_asks_for_an_operator_where_send_would(world: World, do: Any) -> None:
    """Its answer goes above the prefix; and the limits that pawaPay tells hold in a process that had not asked."""
    orders = [
        PayoutOrder(key="a", payee=AIRTEL_UG, amount="5000", currency="UGX"),
        PayoutOrder(key="b", payee=AIRTEL_ZM, amount="15", currency="ZMW"),
        PayoutOrder(key="c", payee=KENYA, amount="500", currency="KES", operator="safaricom"),
        PayoutOrder(key="d", payee=AIRTEL_ZM, amount="99999999", currency="ZMW", account="airtel-zambia"),
    ]
    found = do("validate", orders=orders)
    asked = sorted(world.asked)
    with pytest.raises(InvalidPayout) as refused:
        do("send", **orders[3].arguments())

    assert [one.account for one in found.orders] == ["mtn-uganda", "mtn-zambia", "mpesa", "airtel-zambia"]
    assert asked == sorted([AIRTEL_UG.lstrip("+"), AIRTEL_ZM.lstrip("+")])
    assert found.orders[3].findings[0].reason == refused.value.message
    assert "accepts" in refused.value.message
    assert world.paid == (0, 0, 0)
    assert [do("send", **order.arguments()).account for order in orders[:3]] == [
        one.account for one in found.orders[:3]
    ]


def test_payee_is_paid_by_the_provider_that_serves_the_operator(world: World, do: Any) -> None:
    """What the caller says of the operator needs no lookup."""
    assert pay(do, "ug-mtn", MTN_UG, "5000 UGX", "mtn").account == "mtn-uganda"
    assert world.paid == (1, 0, 0)
    assert pay(do, "ug-airtel", AIRTEL_UG, "5000 UGX", "airtel").account == "airtel-uganda"
    assert world.paid == (1, 1, 0)
    assert pay(do, "ke", KENYA, "500 KES", "safaricom").account == "mpesa"
    assert world.paid == (1, 1, 1)
    assert pay(do, "zm", AIRTEL_ZM, "10 ZMW", "airtel").account == "airtel-zambia"
    assert world.paid == (1, 2, 1)
    assert world.asked == []


def test_operator_lookup_is_believed_above_the_prefix(world: World, do: Any) -> None:
    """The number was Airtel's; pawaPay says MTN, and numbers are portable there. The one of it is paid, once."""
    choice = do("route", payee=Payee.msisdn(AIRTEL_ZM), amount=Money(10, "ZMW"))
    assert (choice.account, choice.payee.operator, choice.payee.source) == ("mtn-zambia", "mtn", Source.PROVIDER)
    assert (choice.payee.hint, choice.payee.is_portable, choice.payee.asked) == ("airtel", True, "mtn-zambia")
    assert len(world.asked) == 1
    assert pay(do, "zm", AIRTEL_ZM, "10 ZMW").account == "mtn-zambia"
    assert len(world.asked) == 2
    again = pay(do, "zm", AIRTEL_ZM, "10 ZMW")
    assert (again.account, again.attempt, len(world.asked)) == ("mtn-zambia", 1, 2)  # found, and so not asked about
    assert world.paid == (0, 1, 0)


@pytest.mark.parametrize("fault", ["status_500", "status_503", "answer_lost_before_acceptance"])
def test_operator_lookup_without_an_answer_decides_nothing(world: World, do: Any, fault: str) -> None:
    """Where numbers are portable nothing is left but a refusal; where they are not, the prefix."""
    world.pawapay.set_faults({fault: {"on": "predict", "p": 1}})
    with pytest.raises(NoRoute, match="the prefix hints at airtel, but numbers may change operators there"):
        pay(do, "zm", AIRTEL_ZM, "10 ZMW")
    assert world.paid == (0, 0, 0)
    assert do("route", payee=Payee.msisdn(AIRTEL_ZM), amount=Money(10, "ZMW")).account == ""
    assert pay(do, "ug", AIRTEL_UG, "5000 UGX").account == "airtel-uganda"
    assert world.paid == (0, 1, 0)


def test_transaction_of_the_caller_does_not_wait_for_a_provider(world: World, do: Any) -> None:
    with pytest.raises(NoRoute):
        do("accept", key="zm", payee=Payee.msisdn(AIRTEL_ZM), amount=Money(10, "ZMW"), connection=object())
    assert world.asked == []


def test_amount_above_every_route_is_refused(world: World, do: Any) -> None:
    with pytest.raises(NoRoute, match="amount is above 1000"):
        pay(do, "ke", KENYA, "1000.5 KES", "safaricom")
    assert world.paid == (0, 0, 0)


def test_route_command_asks_the_provider_only_with_its_option(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["route", "--to", AIRTEL_ZM, "--amount", "10 ZMW", "--json"]
    assert run(asked) == 4
    fields = json.loads(capsys.readouterr().out)
    assert (fields["account"], fields["would_ask"]) == (None, ["mtn-zambia", "airtel-zambia"])
    assert "--ask" in fields["hint"]
    assert world.asked == []
    assert run([*asked, "--ask"]) == 0
    fields = json.loads(capsys.readouterr().out)
    assert (fields["account"], fields["operator_from"], fields["asked"]) == ("mtn-zambia", "provider", "mtn-zambia")
    assert len(world.asked) == 1
    assert world.paid == (0, 0, 0)


def test_batch_looks_up_every_operator_before_any_payment(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One row without an answer refuses the file, whatever the others' answers are; then each is asked about once."""
    table = ["key,to,amount,currency,operator", f"a,{AIRTEL_ZM},10,ZMW,", f"b,{MTN_UG},5000,UGX,mtn"]
    (tmp_path / "people.csv").write_text("\n".join([*table, "c,+254733123456,10,KES,", f"a,{AIRTEL_ZM},10,ZMW,"]))
    assert run(["send", "--file", "people.csv", "--yes", "--json"]) == 1
    refused = json.loads(capsys.readouterr().out)
    assert [row["error"] and row["error"]["code"] for row in refused] == [None, None, "no_route", None]
    assert world.paid == (0, 0, 0)
    world.asked.clear()
    (tmp_path / "people.csv").write_text("\n".join([*table, f"a,{AIRTEL_ZM},10,ZMW,"]))
    assert run(["send", "--file", "people.csv", "--yes", "--json", "--wait", "20"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["account"] for row in rows] == ["mtn-zambia", "mtn-uganda", "mtn-zambia"]
    assert world.paid == (1, 1, 0)
    assert len(world.asked) == 1


@pytest.mark.parametrize(
    ("code", "key"),
    [
        ("MTN_MOMO_ZMB", "mtn"),
        ("AIRTEL_OAPI_UGA", "airtel"),
        ("ORANGE_CIV", "orange"),
        ("VODACOM_TZA", "vodacom"),
        ("WAVE_SEN", "wave"),
        ("MPESA_KEN", "safaricom"),
        ("MPESA_LSO", ""),  # whose it is there, we do not know
        ("TEST_MOMO_XTS", ""),
        ("", ""),
    ],
)
def test_operator_code_maps_to_the_name_in_routes(code: str, key: str) -> None:
    assert operator_key(code) == key


@pytest.mark.parametrize(
    ("default", "option", "pays"),
    [("MTN_MOMO_ZMB", "", "MTN_MOMO_ZMB"), ("AIRTEL_OAPI_ZMB", "MTN_MOMO_ZMB", "MTN_MOMO_ZMB")],
)
def test_payee_of_the_named_operator_is_accepted(default: str, option: str, pays: str, order: Any) -> None:
    assert operator_of(order("mtn", option), default) == pays


@pytest.mark.parametrize(
    ("default", "option"), [("AIRTEL_OAPI_ZMB", ""), ("", ""), ("MTN_MOMO_ZMB", "AIRTEL_OAPI_ZMB")]
)
def test_payee_of_another_operator_is_refused(default: str, option: str, order: Any) -> None:
    """A payee that the caller calls MTN's customer is paid nowhere else."""
    with pytest.raises(InvalidPayout, match="payee's operator is mtn"):
        operator_of(order("mtn", option), default)


@pytest.fixture
def order() -> Callable[[str, str], Any]:
    from payments_core import Order

    def make(operator: str, option: str) -> Order:
        options = {"provider": option} if option else {}
        return Order("key", Payee.msisdn(AIRTEL_ZM, operator=operator), Money(10, "ZMW"), options=options)

    return make
