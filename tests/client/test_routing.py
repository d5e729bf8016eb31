"""Both clients choose by the routes, after the caller and the plugins, and never for a payout that is there already."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from payments_core import AsyncPayoutClient, Money, Order, Payee, PayoutClient, PayoutOrder, hookimpl
from payments_core.client import assemble
from payments_core.domain.errors import NoRoute
from payments_core.plugins.manager import Plugins
from payments_core.routing import Choice
from payments_mtn_momo.emulator import MtnMomoEmulator

MTN, AIRTEL = Payee.msisdn("+256772123456"), Payee.msisdn("+256752123456")
AMOUNT = Money(5000, "UGX")
BY_OPERATOR = '[[routes]]\naccount = "{0}"\noperator = "mtn"\n[[routes]]\naccount = "{1}"\noperator = "airtel"\n'
Do = Callable[..., Any]


class Chooser:
    """A plugin that chooses for one amount."""

    @hookimpl
    def payments_choose_account(self, order: Order, accounts: Sequence[str]) -> str | None:
        return accounts[-1] if order.amount == Money(7, "UGX") else None


@pytest.fixture
def gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MtnMomoEmulator]:
    monkeypatch.chdir(tmp_path)
    with MtnMomoEmulator(target="mtnuganda") as started:
        started.write_config(tmp_path / "payouts.toml")
        yield started


@pytest.fixture
def route(gateway: MtnMomoEmulator, tmp_path: Path) -> Callable[[str], None]:
    """Write a configuration with the accounts one and two, and routes."""
    path = tmp_path / "payouts.toml"
    head, _, own = path.read_text("utf-8").partition("[accounts.mtn-uganda]")

    def write(routes: str) -> None:
        path.write_text(f"{head}[accounts.one]{own}\n[accounts.two]{own}\n{routes}", "utf-8")

    write(BY_OPERATOR.format("one", "two"))
    return write


@pytest.fixture(params=["sync", "async"])
def do(request: pytest.FixtureRequest) -> Do:
    """Call a method of either client, made anew."""

    def call(method: str, **named: Any) -> Any:
        plugins = Plugins()
        plugins.register(Chooser(), "chooser")
        runtime = assemble("payouts.toml", plugins=plugins)

        async def wait() -> Any:
            async with AsyncPayoutClient(runtime) as client:
                return await getattr(client, method)(**named)

        if request.param == "async":
            return asyncio.run(wait())
        with PayoutClient(runtime) as client:
            return getattr(client, method)(**named)

    return call


@pytest.mark.usefixtures("route")
def test_caller_goes_before_plugins_and_plugins_before_routes(do: Do) -> None:
    def chosen(payee: Payee, amount: Money, account: str | None = None) -> tuple[str, str]:
        choice: Choice = do("route", payee=payee, amount=amount, account=account)
        return choice.account, choice.by

    assert chosen(MTN, AMOUNT) == ("one", "route")
    assert chosen(AIRTEL, AMOUNT) == ("two", "route")
    assert chosen(MTN, Money(7, "UGX")) == ("two", "plugin")
    assert chosen(MTN, Money(7, "UGX"), "one") == ("one", "caller")
    assert chosen(AIRTEL, AMOUNT, "one") == ("one", "caller")


@pytest.mark.parametrize("method", ["send", "accept"])
def test_key_stays_with_its_account_whatever_the_routes_become(
    do: Do, route: Callable[[str], None], gateway: MtnMomoEmulator, method: str
) -> None:
    first = do(method, key="once", payee=MTN, amount=AMOUNT)
    assert first.account == "one"
    for routes in (BY_OPERATOR.format("two", "one"), '[[routes]]\naccount = "two"\ncountry = "KE"\n'):
        route(routes)
        again = do("send", key="once", payee=MTN, amount=AMOUNT)
        assert (again.id, again.account, again.attempt) == (first.id, "one", 1)
    assert [entry["credits"] for entry in gateway.ledger()] == [1]


@pytest.mark.usefixtures("route")
def test_validate_chooses_the_accounts_from_which_send_pays(do: Do) -> None:
    """By routes, a plugin or the caller; without a choice, with the error of `send`."""
    stranger = Payee.msisdn("+254722123456")
    orders = [
        PayoutOrder(key="mtn", payee=MTN, amount=AMOUNT),
        PayoutOrder(key="airtel", payee=AIRTEL, amount=AMOUNT),
        PayoutOrder(key="plugin", payee=MTN, amount=Money(7, "UGX")),
        PayoutOrder(key="caller", payee=AIRTEL, amount=AMOUNT, account="one"),
    ]
    lost = PayoutOrder(key="lost", payee=stranger, amount=AMOUNT)
    found = do("validate", orders=[*orders, lost])
    with pytest.raises(NoRoute) as refused:
        do("send", **lost.arguments())

    assert [one.account for one in found.orders] == ["one", "two", "two", "one", ""]
    assert [do("send", **order.arguments()).account for order in orders] == ["one", "two", "two", "one"]
    [finding] = found.orders[4].findings
    assert (finding.field, finding.reason, finding.hint) == ("account", refused.value.message, refused.value.hint)
    assert [(total.account, total.count) for total in found.totals] == [("one", 2), ("two", 2)]


@pytest.mark.usefixtures("route")
@pytest.mark.parametrize("method", ["send", "accept"])
def test_payout_without_an_account_is_not_recorded(do: Do, gateway: MtnMomoEmulator, method: str) -> None:
    stranger = Payee.msisdn("+254722123456")
    with pytest.raises(NoRoute, match="numbers may change operators there"):
        do(method, key="none", payee=stranger, amount=AMOUNT)
    assert gateway.ledger() == []
    # Said by the caller, it is known: the very key is free for it.
    text = do("send", key="none", payee=Payee.msisdn("+254722123456", operator="airtel"), amount=AMOUNT)
    assert text.account == "two"
