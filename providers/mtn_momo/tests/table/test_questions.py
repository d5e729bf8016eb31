"""The sandbox's holders, balances and consents, asked through both clients."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from momo_ends import ACTIVE, BALANCES, CONSENTS, Ask

from payments_core import Payee
from payments_core.domain.errors import LookupFailed
from payments_core.provider import HolderStatus, Person
from payments_mtn_momo.emulator.holders import FLAPPING
from payments_mtn_momo.native import MomoError

if TYPE_CHECKING:
    from providers.mtn_momo.tests.table.conftest import Face, Gate, Payer

ACCOUNT = "mtn-sandbox"


@pytest.mark.parametrize("row", ACTIVE, ids=str)
def test_holder_answer_is_never_guessed(native: Face, payer: Payer, gate: Gate, row: Ask) -> None:
    """Only a 404 that names the holder is "not found", and only false is "not active"; the rest is no answer."""
    kind, holder = row.about
    if isinstance(row.native, bool):
        assert native.is_active(holder, kind) is row.native
    else:
        with pytest.raises(MomoError) as caught:
            native.is_active(holder, kind)
        assert type(caught.value) is row.native
        assert caught.value.hint
    payee = Payee(kind, holder)
    if row.neutral:
        assert payer.face.account_holder(ACCOUNT, payee) is HolderStatus(row.neutral)
    else:
        _not_answered(lambda: payer.face.account_holder(ACCOUNT, payee), holder)

    assert [request.operation for request in gate.requests if request.operation != "token"] == ["account_active"] * 2


def _not_answered(ask: Any, hidden: str) -> LookupFailed:
    with pytest.raises(LookupFailed) as caught:
        ask()
    assert caught.value.hint.startswith("No money was asked to move")
    assert hidden not in str(caught.value)
    return caught.value


def test_balance_answer_is_never_guessed(native: Face, payer: Payer, gate: Gate) -> None:
    """Each outcome in its turn, as measured: a value, also below zero, or no answer, and never a value made up."""
    assert tuple(row.about[1] for row in BALANCES) == FLAPPING
    for row in BALANCES:
        if isinstance(row.native, str):
            assert str(native.get_account_balance().available_balance) == row.native
        else:
            with pytest.raises(MomoError) as caught:
                native.get_account_balance()
            assert type(caught.value) is row.native
    for row in BALANCES:
        if row.neutral:
            [found] = payer.face.balances(ACCOUNT)
            assert (str(found.amount), found.currency) == (row.neutral, "EUR")
        else:
            _not_answered(lambda: payer.face.balances(ACCOUNT), "46733123")

    assert [request.operation for request in gate.requests if request.operation != "token"] == ["balance"] * 2 * len(
        BALANCES
    )


@pytest.mark.parametrize("row", CONSENTS, ids=str)
def test_consent_refusal_comes_at_its_step_in_the_native_client(native: Face, gate: Gate, row: Ask) -> None:
    """The refusal comes at the step of its scenario; the steps before it succeed."""
    where, number = row.about
    steps: dict[str, Callable[[Any], Any]] = {
        "authorize": lambda _: native.authorize_consent(number, scope="all_info", access_type="offline"),
        "token": lambda consent: native.create_oauth2_token(consent),
        "refresh": lambda token: native.refresh_oauth2_token(token),
        "user_info": lambda token: native.ask_user_info(token),
    }
    got: Any = None
    for step, ask in steps.items():
        if step == where:
            with pytest.raises(MomoError) as caught:
                ask(got)
            assert type(caught.value) is row.native
            assert not caught.value.money_may_have_moved
            assert caught.value.hint
            return
        got = ask(got)

    assert where == ""
    assert got.given_name == "Sand"


@pytest.mark.parametrize("row", CONSENTS, ids=str)
def test_consent_refusal_says_when_to_retry_in_the_neutral_client(payer: Payer, gate: Gate, row: Ask) -> None:
    """A consent that is still open says when to ask again, and no other does."""
    where, number = row.about

    def ask() -> Any:
        consent = payer.face.ask_consent(ACCOUNT, Payee.msisdn(number), scopes=["all_info"])
        return payer.face.user_info(ACCOUNT, consent)

    if where in {"", "refresh"}:  # it takes no token that could be refreshed
        found = ask()
        assert isinstance(found, Person)
        assert found.given_name == "Sand"
        return
    result = _not_answered(ask, number)
    assert (result.retry_after_s is not None) is (number == "46733123452")
    last = {"authorize": "bc_authorize", "token": "oauth2_token", "user_info": "user_info"}[where]
    assert gate.requests[-1].operation == last
