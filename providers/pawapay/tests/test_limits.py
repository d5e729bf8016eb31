"""What is learned of an account refuses an order and never rounds one; a draft is not made of it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from payments_core.domain.errors import InvalidAmount, InvalidCurrency, InvalidPayee, InvalidPayout
from payments_core.domain.money import Money
from payments_core.domain.payout import Order, Payee
from payments_core.http.messages import HttpRequest, NoAnswer
from payments_core.provider import Attempt, Balance, LookupRefused
from payments_core.testing.conformance import reply
from payments_core.testing.conformance.malformed import answered
from payments_pawapay.emulator.network import active_conf
from payments_pawapay.limits import read_configuration
from payments_pawapay.lookups import read_balances
from payments_pawapay.provider import PawapayProvider
from payments_pawapay.provider_config_cache import ProviderConfigCache

AT = datetime(2026, 11, 25, 8, tzinfo=UTC)
CONF = active_conf(signed_requests=False, signed_callbacks=False)
ORDER = Order(key="k", payee=Payee.msisdn("+260999700789"), amount=Money("15.2", "ZMW"))
ATTEMPT = Attempt(1, bytes(range(32)), "po_" + "a" * 24)


def order(amount: str = "15.2", currency: str = "ZMW", number: str = "+260999700789", **options: str) -> Order:
    return replace(ORDER, payee=Payee.msisdn(number), amount=Money(amount, currency), options=options)


@pytest.fixture
def provider(settle: Any) -> PawapayProvider:
    """Return one that has learned what the account may do."""
    made = PawapayProvider(settle(operator="MTN_MOMO_ZMB"))
    answered(made.refresh_provider_config(AT), replace(reply(200, CONF), at=AT))
    return made


ODD = ["\x1b[2Jx", "A" * 500_000, "46733123499", "mtn", "X\u202eY", ""]


@pytest.mark.parametrize("odd", ODD)
def test_operator_name_of_another_form_is_not_repeated(odd: str) -> None:
    """A message about an order holds no escape, no number and no endless text of pawaPay's: such a name is unknown."""
    takes = [{"currency": one, "operationTypes": {"PAYOUT": {}}} for one in (odd, "ZMW")]
    providers = [
        {"provider": name, "currencies": takes} for name in (odd, "MTN_MOMO_ZMB", *map("OP_{}".format, range(99)))
    ]
    known = read_configuration({"countries": [{"country": odd, "prefix": odd, "providers": providers}]})
    assert known is not None
    assert odd not in known.operators
    for operator, currency in (("NONE", "ZMW"), ("MTN_MOMO_ZMB", "UGX")):
        with pytest.raises(InvalidPayout) as refused:
            known.check(operator, "260999700789", Money("15", currency))
        assert refused.value.field == {"NONE": "operator"}.get(operator, "currency")  # the column of a file to correct
        assert not odd or odd not in str(refused.value)
        assert len(str(refused.value)) < 500
    with pytest.raises(InvalidPayout) as refused:  # nor of the caller's: a column of a file may be mistaken for another
        known.check("+260999700789", "260999700789", Money("15", "ZMW"))
    assert "260999700789" not in str(refused.value)
    wallet = {"country": odd, "provider": odd, "balance": "5", "currency": "ZMW"}
    assert read_balances(reply(200, {"balances": [wallet]}), None) == (Balance(Decimal(5), "ZMW"),)
    assert isinstance(read_balances(reply(200, {"balances": [wallet | {"currency": odd}]}), None), LookupRefused)


REFUSED: list[tuple[Order, type[InvalidPayout]]] = [
    (order("15.201"), InvalidAmount),
    (order("0.99"), InvalidAmount),
    (order("1000000.01"), InvalidAmount),
    (order("15", "UGX"), InvalidCurrency),
    (order(number="+256999700789"), InvalidPayee),  # a number of another country, and the account's own operator
    (replace(ORDER, payee=Payee("msisdn", "260999700789.0")), InvalidPayee),  # nothing but digits is sent
    (order("15.5", "UGX", "+256999700789", provider="AIRTEL_OAPI_UGA"), InvalidAmount),
    (order("15.5", "XOF", "+229999700789", provider="MTN_MOMO_BEN"), InvalidAmount),
    (order(provider="MTN_MOMO_KEN"), InvalidPayout),
    (order(customer_message="abc"), InvalidPayout),
    (order(customer_message="23 letters are too much"), InvalidPayout),
    (order(**{"metadata.": "x"}), InvalidPayout),
    (order(**{"metadata.payoutsId": "x"}), InvalidPayout),
    (order(**{"metadata.a": "x", "pii.a": "y"}), InvalidPayout),
    (order(**{f"metadata.{number}": "x" for number in range(10)}), InvalidPayout),
]


@pytest.mark.parametrize(("asked", "error"), REFUSED, ids=map(str, range(len(REFUSED))))
def test_amount_that_the_operator_does_not_take_is_refused(
    provider: PawapayProvider, asked: Order, error: type[InvalidPayout]
) -> None:
    assert [type(one) for one in provider.validate(asked)] == [error]


@pytest.mark.parametrize(
    "asked",
    [
        order("100"),
        order("15.20"),
        order("15.5", "UGX", "+256999700789", provider="MTN_MOMO_UGA"),  # one currency, another operator: two decimals
        order("15", "UGX", "+256999700789", provider="AIRTEL_OAPI_UGA"),
        order("1000000"),
    ],
    ids=["whole", "cut", "UGX of MTN", "UGX of Airtel", "most"],
)
def test_amount_that_the_operator_takes_is_written_plainly(provider: PawapayProvider, asked: Order) -> None:
    body = provider.draft(asked, ATTEMPT).request.body or ""
    assert f'"amount":"{asked.amount.text}"' in body
    assert not asked.amount.text.endswith(".20")


def test_draft_does_not_depend_on_the_provider_config(settle: Any, provider: PawapayProvider) -> None:
    """What is known decides whether, and never what."""
    ignorant = PawapayProvider(settle(operator="MTN_MOMO_ZMB"))
    assert ignorant.draft(ORDER, ATTEMPT) == provider.draft(ORDER, ATTEMPT)


def test_amount_without_a_reported_limit_is_sent(settle: Any) -> None:
    """More than two decimals no operator takes; beyond the account's own currency an operator has to be named."""
    ignorant = PawapayProvider(settle(operator="MTN_MOMO_ZMB"))
    assert not list(ignorant.validate(order("15.5", "XOF", "+229999700789", provider="MTN_MOMO_BEN")))
    for asked in (order("15.201"), order("15", "XOF")):
        assert len(list(ignorant.validate(asked))) == 1


def test_operator_is_never_guessed(settle: Any) -> None:
    stranger = PawapayProvider(settle())
    [missing] = stranger.validate(ORDER)
    assert "operator is missing" in missing.message
    named = replace(ORDER, payee=Payee("msisdn", "260999700789", {"operator": "MTN_MOMO_ZMB"}))
    assert '"provider":"MTN_MOMO_ZMB"' in (stranger.draft(named, ATTEMPT).request.body or "")
    [twice] = stranger.validate(replace(named, options={"provider": "AIRTEL_OAPI_ZMB"}))
    assert "two operators" in twice.message


def test_operator_option_beats_the_account_setting(provider: PawapayProvider) -> None:
    body = provider.draft(order(provider="AIRTEL_OAPI_ZMB"), ATTEMPT).request.body or ""
    assert '"provider":"AIRTEL_OAPI_ZMB"' in body


def test_note_is_reduced_to_what_is_allowed(provider: PawapayProvider) -> None:
    fields = {"": None, "abc": None, "Salary, November 2026 (second half)": "Salary November 2026 s"}
    for note, message in fields.items():
        body = provider.draft(replace(ORDER, note=note), ATTEMPT).request.body or ""
        assert (f'"customerMessage":"{message}"' in body) is (message is not None)


def test_provider_config_is_refreshed_when_it_is_old(settle: Any) -> None:
    """Once an hour; a minute after a question without an answer; what was known stays meanwhile."""
    made = PawapayProvider(settle(operator="MTN_MOMO_ZMB", learn_every_s=3600.0))

    def asked(seconds: float, answer: Any) -> int:
        at, requests = AT + timedelta(seconds=seconds), list[HttpRequest]()
        with contextlib.suppress(NoAnswer):
            answered(
                made.refresh_provider_config(at),
                answer if isinstance(answer, NoAnswer) else replace(answer, at=at),
                requests,
            )
        return len(requests)

    good, bad = reply(200, CONF), reply(500)
    assert [asked(0, bad), asked(59, good), asked(60, NoAnswer("lost", at=AT)), asked(120, good)] == [1, 0, 1, 1]
    assert [type(one) for one in made.validate(order("15", "UGX"))] == [InvalidCurrency]
    assert [asked(3719, good), asked(3720, bad), asked(3779, good)] == [0, 1, 0]
    assert [type(one) for one in made.validate(order("15", "UGX"))] == [InvalidCurrency]


@pytest.mark.parametrize("expected", [None, [], {}, {"countries": 7}, "x"])
def test_provider_config_that_is_unreadable_is_not_stored(expected: object) -> None:
    assert read_configuration(expected) is None


def test_provider_config_is_read_in_its_three_forms() -> None:
    """By name, in a list of names, and in a list that names each inside."""
    payout: Mapping[str, Any] = {"minAmount": "2", "maxTransactionLimit": "9", "decimalsInAmount": "NONE"}
    for kinds in (
        {"PAYOUT": payout},
        [{"DEPOSIT": {}}, {"PAYOUT": payout}],
        [{"operationType": "DEPOSIT"}, {"operationType": "PAYOUT", **payout}],
    ):
        currency = {"currency": "ZMW", "operationTypes": kinds}
        providers = [{"provider": "X", "currencies": [currency, 7]}, None]
        known = read_configuration({"countries": [{"country": "ZMB", "prefix": "260", "providers": providers}, 7]})
        assert known is not None
        limits = known.operators["X"].limits["ZMW"]
        assert (str(limits.quantum), str(limits.least), str(limits.most)) == ("1", "2", "9")


def test_unknown_key_is_fetched_soon_and_not_all_the_time() -> None:
    known = ProviderConfigCache(3600, {"pinned": "p"})
    assert known.begin("keys", AT)
    known.replace_keys({"one": "1"}, AT)
    assert known.keys == {"pinned": "p", "one": "1"}
    assert not known.begin("keys", AT + timedelta(seconds=600))
    known.miss_key()
    assert not known.begin("keys", AT + timedelta(seconds=59))
    assert known.begin("keys", AT + timedelta(seconds=60))
    assert not known.begin("keys", AT + timedelta(seconds=119)), "a stranger's key id causes no constant requests"
    known.replace_keys({"two": "2"}, AT + timedelta(seconds=60))
    assert known.keys == {"pinned": "p", "two": "2"}, "a key that is not listed any more is not trusted any more"
    assert not known.begin("keys", AT + timedelta(seconds=600))
