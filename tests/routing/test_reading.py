"""Routes are checked when a client is made: what can never work is found before the first payout."""

from __future__ import annotations

import builtins
import sys
from typing import Any

import pytest

from payments_core.domain.errors import SettingsError

MTN = {"account": "mtn-ug", "country": "UG", "operator": "mtn"}


@pytest.mark.parametrize(
    ("tables", "says"),
    [
        ([{}], "number 1 is wrong: account: is missing"),
        ([MTN | {"country_code": "UG"}], "did you mean country"),
        ([{"account": "mtn-gh"}], "leads to 'mtn-gh', which is not configured"),
        ([MTN, {"account": "mtn-gh"}], "number 2 leads to"),
        ([MTN | {"country": "ug"}], "country"),
        ([MTN | {"country": ["UG", "XX"]}], "there is no country XX"),
        ([MTN | {"operator": "safaricon"}], "names no operator we know; did you mean safaricom?"),
        ([MTN | {"operator": ["mtn", "?"]}], "there are 9mobile, africell"),
        ([MTN | {"operator_hint": "maybe"}], "operator_hint"),
        ([MTN | {"currency": "KES"}], "can never be paid: mtn-ug pays in UGX, not in KES"),
        ([MTN | {"operation": "refund"}], "can never be paid: Carrier has no refund; it has deposit, transfer"),
        ([MTN | {"operation": "gift"}], "operation"),
        ([MTN | {"min_amount": "5"}], "min_amount and max_amount need a currency"),
        ([MTN | {"max_amount": "5"}], "need a currency"),
        ([MTN | {"currency": "UGX", "max_amount": 5}], "is written as text"),
        ([MTN | {"currency": "UGX", "max_amount": "1e3"}], "is written as text"),
        ([MTN | {"currency": "UGX", "max_amount": "4", "min_amount": "5"}], "min_amount (5) is above max_amount (4)"),
        (
            [{"account": "airtel-only", "operator": "mtn"}],
            "is for mtn, and airtel-only is set to pay customers of airtel",
        ),
    ],
)
def test_route_with_a_mistake_is_refused_at_start(read: Any, tables: list[dict[str, Any]], says: str) -> None:
    with pytest.raises(SettingsError) as refused:
        read(*tables)

    assert says in str(refused.value)
    assert "[[routes]]" in str(refused.value)


@pytest.mark.parametrize(
    ("earlier", "later", "is_hidden"),
    [
        ({}, {}, True),
        ({}, {"country": "UG"}, True),
        ({"country": "UG"}, {}, False),
        ({"country": ["UG", "KE"]}, {"country": "UG"}, True),
        ({"country": "UG"}, {"country": ["UG", "KE"]}, False),
        ({"operator": "mtn"}, {"country": "UG", "operator": "mtn"}, True),
        ({"operator": "mtn"}, {"country": "UG"}, False),
        ({"operator": "mtn", "operator_hint": "refuse"}, {"operator": "mtn", "operator_hint": "accept"}, True),
        ({"operation": "transfer"}, {"operation": "deposit"}, False),
        ({"operation": "transfer"}, {}, False),
        ({}, {"operation": "deposit"}, True),
        ({"operation": ["transfer", "deposit"]}, {}, True),
        ({"currency": "UGX"}, {}, True),  # both accounts pay in it alone
        ({"account": "airtel-ke"}, {}, False),  # another currency
        ({"account": "broker"}, {}, True),
        ({}, {"account": "broker"}, False),  # it may pay in any
        ({"account": "broker", "currency": "UGX"}, {}, True),
        ({"currency": "UGX", "max_amount": "100"}, {"currency": "UGX", "min_amount": "100"}, False),
        ({"currency": "UGX", "max_amount": "100"}, {"currency": "UGX", "max_amount": "100"}, True),
        ({"currency": "UGX", "max_amount": "100"}, {"currency": "UGX", "max_amount": "100.01"}, False),
        ({"currency": "UGX", "min_amount": "5"}, {"currency": "UGX", "min_amount": "5", "max_amount": "7"}, True),
        ({"currency": "UGX", "min_amount": "5"}, {"currency": "UGX", "max_amount": "7"}, False),
        ({"currency": "UGX", "min_amount": "5"}, {}, False),
    ],
)
def test_route_that_can_never_match_is_refused(
    read: Any, earlier: dict[str, Any], later: dict[str, Any], is_hidden: bool
) -> None:
    tables = ({"account": "mtn-ug", **earlier}, {"account": "airtel-ug", **later})
    if not is_hidden:
        assert len(read(*tables)) == 2
        return
    with pytest.raises(SettingsError, match=r"number 2 .* never has its turn: number 1"):
        read(*tables)


def test_routes_by_country_or_operator_need_the_extra(read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it the error at start has its name; routes by amount or currency do without."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "phonenumbers"]:
        monkeypatch.delitem(sys.modules, name)
    really = builtins.__import__

    def without(name: str, *more: Any, **named: Any) -> Any:
        if name.partition(".")[0] == "phonenumbers":
            raise ModuleNotFoundError(name)
        return really(name, *more, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    for asking in ({"country": "UG"}, {"operator": "mtn"}):
        with pytest.raises(SettingsError, match=r"payments-core\[routing\]"):
            read({"account": "mtn-ug", **asking})
    assert len(read({"account": "mtn-ug", "currency": "UGX", "max_amount": "5"}, {"account": "airtel-ug"})) == 2
