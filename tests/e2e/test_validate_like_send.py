"""What `validate` says of an order is what `send` says of it, in another process, for every provider."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest
from installation import Installation, played

from payments_core import Money, Payee, PayoutClient, PayoutOrder
from payments_core.client import CheckedOrder
from payments_core.domain.errors import PaymentsError
from payments_core.plugins.manager import Plugins
from payments_core.testing.conformance.profile import Profile

NOW = datetime.now(UTC)
RECORDED = 5

# By field, what is wrong everywhere, with some providers, or nowhere.
ODD: dict[str, list[Any]] = {
    "key": ["", "k" * 201, "po_" + "a" * 24, "lo\u0308hn", "wage\u200b1", "wage\x00", "wage{{slot:pin}}", "wage\ud800"],
    "payee": [
        "",
        "0772123456",
        "256 772",
        "2.56772E+11",
        "+256772123456.0",
        "+254712345678",
        "+260971234567",
        "+46733123499",
        Payee("msisdn", "0772123456"),
        Payee("msisdn", "+256 772 123456"),
        Payee("email", "anna@example.com"),
        Payee("party_code", "P-1"),
        Payee.payer_of("collection-1"),
        Payee.msisdn("+256772123456", operator="mtn"),
        Payee.msisdn("+254712345678", operator="nobody"),
    ],
    "amount": [
        *("", "0", "-5", "5,5", "1e3", "5.5", "5.55", "5.555", "7000000", "99999999999999", Decimal("NaN"), 1.5, True),
        *(10**30, Money(5, "XAF"), Money("0.01", "EUR")),
    ],
    "currency": ["", "ugx", "EUR", "KES", "UGX", "ZMW", "USD"],
    "account": ["nobody", "", "256772123456"],
    "operation": ["transfer", "deposit", "refund", "loan"],
    "operator": ["mtn", "safaricom", "nobody"],
    "note": ["Wages", "\x00", "{{slot:pin}}", "half \ud800", "n" * 500, "\N{GRINNING FACE}"],
    "options": [
        {"nope": "1"},
        {"transfer_type": "x\x00"},
        {"command_id": "Salary"},
        {"provider": "MTN_MOMO_ZMB", "customer_message": "!"},
        {"metadata.": "1"},
    ],
    "not_before": [NOW, NOW + timedelta(days=2), NOW.replace(tzinfo=None), NOW.replace(year=1990)],
    "expires_at": [NOW - timedelta(days=2), NOW + timedelta(days=2), NOW.replace(tzinfo=None), NOW.replace(year=3100)],
}


def orders(dice: Random, profile: Profile, account: str, many: int) -> Iterator[PayoutOrder]:
    """Draw orders: good ones, and such that are wrong in one field or in several; some have a key that is known."""
    good = PayoutOrder(key="", payee=profile.payee, amount=profile.amount, options=dict(profile.options))
    for number in range(many):
        order = replace(good, key=f"like/{number}", account=dice.choice([account, account, None]))
        if isinstance(order.payee, Payee) and order.payee.is_msisdn and dice.random() < 0.5:
            order = replace(order, payee=f"+{order.payee.value}")
        if dice.random() < 0.5:
            order = replace(order, amount=profile.amount.text, currency=str(profile.amount.currency))
        if dice.random() < 0.15:
            order = replace(order, key=f"known/{dice.randrange(RECORDED)}")
        elif dice.random() < 0.1:
            order = replace(order, key=f"like/{dice.randrange(number + 1)}")
        for field in dice.sample(sorted(ODD), dice.choice([0, 0, 1, 1, 1, 2, 3])):
            order = replace(order, **{field: dice.choice(ODD[field])})
        yield order


def sent(client: PayoutClient, order: PayoutOrder) -> tuple[str, str, str]:
    """Return what `send` says of an order: nothing, or the error's code, message and hint."""
    try:
        client.send(**order.arguments())
    except PaymentsError as error:
        return _timeless(error.code, error.message, error.hint)
    return "", "", ""


def said(checked: CheckedOrder) -> tuple[str, str, str]:
    found = checked.findings[0] if checked.findings else None
    return _timeless(found.code, found.reason, found.hint) if found else ("", "", "")


def _timeless(code: str, message: str, hint: str) -> tuple[str, str, str]:
    """Leave out the status in which another payout stands at the moment."""
    return code, re.sub(r"(?<=\(po_.{24}, )[A-Z]+", "", message), hint


@pytest.mark.parametrize("many", [200, pytest.param(10_000, marks=pytest.mark.proof)])
@pytest.mark.parametrize("name", sorted(Plugins().providers()))
def test_validate_says_of_each_order_what_send_says(name: str, many: int, tmp_path: Path) -> None:
    """The same orders are accepted, and each other one has the error of `send` as its first finding."""
    spec, dice = Plugins().provider(name), Random(f"{name}:{many}")  # noqa: S311 - reproducible on purpose
    profile, emulator = played(spec)
    with emulator:
        home = Installation(spec, profile, emulator, tmp_path)
        text, route = home.config.read_text("utf-8"), f'[[routes]]\naccount = "{home.account}"\nmax_amount = "1000000"'
        limit = f'[accounts.{home.account}.largest_amount]\n{profile.amount.currency} = "6000000"\n'
        limited = "" if "largest_amount" in text else limit
        home.config.write_text(f'{text}\n{limited}{route}\ncurrency = "{profile.amount.currency}"\n', "utf-8")
        with PayoutClient.from_config(home.config) as client:
            for number in range(RECORDED):
                known = PayoutOrder(key=f"known/{number}", payee=profile.payee, amount=profile.amount)
                options = dict(profile.options)
                client.accept(**replace(known, account=home.account, options=options).arguments())
        drawn = list(orders(dice, profile, home.account, many))
        with PayoutClient.from_config(home.config) as client:
            before = client.runtime.journal.counts()
            found = client.validate(iter(drawn))
            assert client.runtime.journal.counts() == before
        with PayoutClient.from_config(home.config) as client:
            for order, checked in zip(drawn, found.orders, strict=True):
                expected = sent(client, order)
                if checked.same_key_as and checked.findings and "among these" in said(checked)[1]:
                    assert expected[0] == said(checked)[0] == "key_reused", (order.account, checked)
                else:
                    assert said(checked) == expected, (order.account, checked)
    accepted = sum(one.is_accepted for one in found.orders)
    assert many / 10 < accepted < many * 0.8
    assert len({said(one)[1] for one in found.refused}) > 20


@pytest.mark.parametrize("many", [100, pytest.param(2_000, marks=pytest.mark.proof)])
@pytest.mark.parametrize("name", sorted(Plugins().providers()))
def test_validate_says_of_each_order_what_send_says_of_the_day(name: str, many: int, tmp_path: Path) -> None:
    """With a daily limit, an order is checked against what is left when it is checked: before each one is sent."""
    spec, dice = Plugins().provider(name), Random(f"{name}:{many}:day")  # noqa: S311 - reproducible on purpose
    profile, emulator = played(spec)
    currency, amount = profile.amount.currency, profile.amount.amount
    limit = f'[accounts.{{}}.daily_limit]\n{currency} = "{amount * many / 8}"\n'
    said_of_the_day = 0
    with emulator:
        home = Installation(spec, profile, emulator, tmp_path)
        home.config.write_text(f"{home.config.read_text('utf-8')}\n{limit.format(home.account)}", "utf-8")
        with PayoutClient.from_config(home.config) as client:
            for order in orders(dice, profile, home.account, many):
                [checked] = client.validate([order]).orders
                assert said(checked) == sent(client, order), (order.account, checked)
                said_of_the_day += said(checked)[0] == "daily_limit_reached"
    assert said_of_the_day > many / 10
