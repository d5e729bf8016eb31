"""The first route that surely takes an order is taken; what hangs on something unknown is refused."""

from __future__ import annotations

from typing import Any

import pytest

from payments_core.domain.errors import InvalidPayout, NoRoute
from payments_core.domain.payout import Operation, Payee
from payments_core.routing import Source, Verdict

UGANDA = (
    {"account": "mtn-ug", "country": "UG", "operator": "mtn"},
    {"account": "airtel-ug", "country": "UG", "operator": "airtel"},
)
KENYA = (
    {"account": "safaricom", "country": "KE", "operator": "safaricom"},
    {"account": "airtel-ke", "country": "KE", "operator": "airtel"},
)
MTN_UG, AIRTEL_UG, AFRICELL_UG = "+256772123456", "+256752123456", "+256791123456"
SAFARICOM_KE = "+254722123456"


def accepting(tables: Any) -> Any:
    return [table | {"operator_hint": "accept"} for table in tables]


@pytest.mark.parametrize(("to", "account"), [(MTN_UG, "mtn-ug"), (AIRTEL_UG, "airtel-ug")])
def test_prefix_decides_where_numbers_keep_their_operator(read: Any, choose_by: Any, to: str, account: str) -> None:
    choice, asked = choose_by(read(*UGANDA), to)

    assert (choice.account, choice.by, asked) == (account, "route", ())
    assert choice.payee.source is Source.PREFIX


def test_prefix_decides_nothing_where_numbers_are_portable(read: Any, choose_by: Any) -> None:
    """It is a hint, and a hint is no verdict: nothing is chosen, and the refusal says what would help."""
    choice, _ = choose_by(read(*KENYA), SAFARICOM_KE, "5000 KES")

    assert choice.account == ""
    assert [one.verdict for one in choice.tried] == [Verdict.NOT_KNOWN, Verdict.NOT_KNOWN]
    with pytest.raises(
        NoRoute, match="the prefix hints at safaricom, but numbers may change operators there"
    ) as error_info:
        raise choice.refusal()
    assert isinstance(error_info.value, InvalidPayout)
    assert 'operator_hint = "accept"' in error_info.value.hint
    assert "--operator" in error_info.value.hint
    assert "722123456" not in str(error_info.value)


def test_route_may_accept_the_prefix_as_a_hint(read: Any, choose_by: Any) -> None:
    assert choose_by(read(*accepting(KENYA)), SAFARICOM_KE, "5000 KES").choice.account == "safaricom"


def test_hint_accepted_by_one_route_decides_no_other(read: Any, choose_by: Any) -> None:
    """The earlier route could be the right one, so the later one is not taken."""
    routes = read(KENYA[1], *accepting(KENYA[:1]))

    assert choose_by(routes, SAFARICOM_KE, "5000 KES").choice.account == ""


def test_route_may_refuse_hints_everywhere(read: Any, choose_by: Any) -> None:
    routes = read(*(table | {"operator_hint": "refuse"} for table in UGANDA))

    choice, _ = choose_by(routes, MTN_UG)
    assert choice.account == ""
    assert 'operator_hint is "refuse"' in choice.why


@pytest.mark.parametrize("to", [MTN_UG, SAFARICOM_KE, AIRTEL_UG])
def test_operator_given_by_the_caller_decides(read: Any, choose_by: Any, to: str) -> None:
    routes = read({"account": "airtel-ug", "operator": "airtel"}, {"account": "broker"})

    choice, asked = choose_by(routes, to, says="airtel", answers={"broker": "mtn"})
    assert (choice.account, asked, choice.payee.source) == ("airtel-ug", (), Source.CALLER)


def test_operator_found_by_a_provider_beats_the_prefix(read: Any, choose_by: Any) -> None:
    routes = read({"account": "mtn-ug", "operator": "mtn"}, {"account": "broker", "operator": "airtel"})

    choice, asked = choose_by(routes, MTN_UG, answers={"broker": "airtel"})
    assert (choice.account, asked) == ("broker", ("broker",))
    assert (choice.payee.source, choice.payee.asked, choice.payee.hint) == (Source.PROVIDER, "broker", "mtn")


@pytest.mark.parametrize("answers", [{}, {"broker": ""}, {"broker": "a code of its own"}])
def test_operator_lookup_without_answer_leaves_the_next_to_decide(
    read: Any, choose_by: Any, answers: dict[str, str]
) -> None:
    """The next one is asked, then the prefix; nothing is concluded from silence."""
    uganda = read({"account": "mtn-ug", "operator": "mtn"}, {"account": "broker", "operator": "airtel"})
    kenya = read({"account": "safaricom", "operator": "safaricom"}, {"account": "broker"})

    choice, asked = choose_by(uganda, MTN_UG, answers=answers)
    assert (choice.account, choice.payee.source, asked) == ("mtn-ug", Source.PREFIX, ("broker",))
    choice, asked = choose_by(kenya, SAFARICOM_KE, "5 KES", answers=answers)
    assert (choice.account, asked) == ("", ("broker",))


def test_operator_lookup_asks_only_the_providers_needed(read: Any, choose_by: Any) -> None:
    routes = read(
        {"account": "other-broker", "country": "KE", "operator": "mtn"},  # not in question
        {"account": "mtn-ug", "operator": "mtn"},
        {"account": "broker", "operator": "airtel"},
        {"account": "other-broker"},
    )

    assert choose_by(routes, MTN_UG, answers={"broker": "mtn", "other-broker": "airtel"}).asked == ("broker",)
    result, asked = choose_by(routes, MTN_UG, answers={"other-broker": "airtel"})
    assert (result.account, asked) == ("broker", ("broker", "other-broker"))


def test_operator_lookup_is_skipped_when_no_route_depends_on_it(read: Any, choose_by: Any) -> None:
    routes = read(
        {"account": "broker", "currency": "UGX", "max_amount": "5000"},
        {"account": "mtn-ug", "operator": "mtn"},
        {"account": "broker"},
    )

    assert choose_by(routes, MTN_UG, "5000 UGX") == (choose_by(routes, MTN_UG, "5000 UGX").choice, ())
    assert choose_by(routes, MTN_UG, "5000.01 UGX").asked == ("broker",)


def test_operator_lookup_is_skipped_when_only_the_country_is_unknown(read: Any, choose_by: Any) -> None:
    """A code of several countries, and a number that is in none of them."""
    routes = read({"account": "mtn-ug", "country": "UG"}, {"account": "broker", "country": ["US", "CA"]})

    choice, asked = choose_by(routes, "+19995550123", answers={"broker": "mtn"})
    assert (choice.account, asked) == ("", ())
    assert "country is not known" in choice.why


def test_operator_lookup_not_permitted_is_reported_with_its_accounts(read: Any, choose_by: Any) -> None:
    routes = read({"account": "mtn-ug", "operator": "mtn"}, {"account": "broker"})

    choice, asked = choose_by(routes, MTN_UG, answers={"broker": "airtel"}, ask=False)
    assert (choice.account, choice.unasked, asked) == ("mtn-ug", ("broker",), ())


def test_unknown_operator_that_changes_no_account_stops_nothing(read: Any, choose_by: Any) -> None:
    """Two routes to one account: whichever it is, the account is the same."""
    routes = read({"account": "airtel-ke", "operator": "airtel"}, {"account": "airtel-ke", "country": "KE"})

    choice, _ = choose_by(routes, SAFARICOM_KE, "5 KES")
    assert (choice.account, choice.route) == ("airtel-ke", 2)
    broker = read({"account": "broker", "operator": "airtel"}, {"account": "broker"})
    assert choose_by(broker, SAFARICOM_KE, "5 KES", answers={"broker": "airtel"}).asked == ()


def test_possible_match_alone_is_not_chosen(read: Any, choose_by: Any) -> None:
    choice, _ = choose_by(read(KENYA[0]), SAFARICOM_KE, "5 KES")

    assert choice.account == ""


def test_operator_unknown_to_us_is_not_overruled_by_the_prefix(read: Any, choose_by: Any) -> None:
    """The prefix does not overrule what the caller said, even when we do not understand it."""
    for entry in ("AIRTEL_OAPI_UGA", "Airtel"):
        choice, asked = choose_by(read(*UGANDA, {"account": "broker"}), MTN_UG, says=entry)
        assert (choice.account, asked) == ("", ())
    assert "none of ours" in choice.hint


@pytest.mark.parametrize("to", ["+12025550123", "+80012345678"])
def test_number_of_another_country_matches_no_route_by_country(read: Any, choose_by: Any, to: str) -> None:
    assert choose_by(read(*UGANDA), to).choice.account == ""


@pytest.mark.parametrize(
    ("amount", "account"),
    [
        ("0.5 UGX", "deposits"),
        ("99.99 UGX", "deposits"),
        ("100 UGX", "mtn-ug"),
        ("200 UGX", "mtn-ug"),
        ("200.01 UGX", ""),
    ],
)
def test_amount_bounds_of_a_route_are_exact_and_inclusive(read: Any, choose_by: Any, amount: str, account: str) -> None:
    routes = read(
        {"account": "mtn-ug", "currency": "UGX", "min_amount": "100", "max_amount": "200"},
        {"account": "deposits", "currency": "UGX", "max_amount": "199"},
    )

    assert choose_by(routes, amount=amount).choice.account == account


def test_account_is_not_chosen_for_an_order_it_cannot_pay(read: Any, choose_by: Any) -> None:
    """A route says nothing of currency or operation: its account does."""
    routes = read({"account": "refunds"}, {"account": "safaricom"}, {"account": "mtn-ug"})

    assert choose_by(routes, amount="5 UGX").choice.account == "mtn-ug"
    assert choose_by(routes, amount="5 KES").choice.account == "safaricom"
    assert choose_by(routes, amount="5 ZMW").choice.account == ""


@pytest.mark.parametrize(
    ("operation", "account"),
    [
        (Operation.TRANSFER, "mtn-ug"),
        (Operation.DEPOSIT, "deposits"),
        (None, "deposits"),  # its own default is a deposit, and it comes first
        (Operation.REFUND, ""),
    ],
)
def test_operation_is_that_of_the_caller_or_of_each_account(
    read: Any, choose_by: Any, operation: Operation | None, account: str
) -> None:
    routes = read(
        {"account": "deposits", "operation": "deposit"},
        {"account": "mtn-ug", "operation": "transfer"},
    )
    payee = Payee.payer_of("collection/1") if operation is Operation.REFUND else None

    assert choose_by(routes, operation=operation, payee=payee).choice.account == account


def test_payee_without_a_number_has_no_country(read: Any, choose_by: Any) -> None:
    """The payer of a collection is known to its provider alone: nothing is concluded of a country."""
    refund = {"operation": Operation.REFUND, "payee": Payee.payer_of("collection/1")}
    by_country = read({"account": "refunds", "country": "UG"}, {"account": "broker"})

    assert choose_by(read({"account": "refunds"}), **refund).choice.account == "refunds"
    choice, asked = choose_by(by_country, **refund)
    assert (choice.account, asked) == ("", ())


def test_explanation_covers_every_route(read: Any, choose_by: Any) -> None:
    choice, _ = choose_by(read(*UGANDA, *KENYA), AIRTEL_UG)

    assert [str(one) for one in choice.tried] == [
        "route 1 (mtn-ug): operator is airtel (by the prefix), not mtn",
        "route 2 (airtel-ug): country is UG; operator is airtel (by the prefix)",
        "route 3 (safaricom): currency is UGX, not KES; country is UG, not KE; operator is airtel (by the prefix), "
        "not safaricom",
        "route 4 (airtel-ke): currency is UGX, not KES; country is UG, not KE",
    ]
