"""The neutral provider and the native client take and refuse the same payees: there is one rule."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from payments_core.domain.errors import InvalidPayee
from payments_core.domain.payout import Order, Payee
from payments_core.http.flow import run_flow
from payments_core.provider import LookupRefused
from payments_mtn_momo import MtnMomoProvider, MtnMomoSettings, new_reference
from payments_mtn_momo.native import NotSentError, ReadRefused
from payments_mtn_momo.native.payment_calls import DisbursementCalls

WRONG = [
    Payee("party_code", "5cecb5a78-bd0-4f49-87b1-8eb9ecc7b7bc"),  # a UUID, but for the places of its dashes
    Payee("party_code", "{5cecb5a7-8bd0-4f49-87b1-8eb9ecc7b7}"),
    Payee("email", "pay.example.org"),
    Payee("alias", "someone"),
]


@pytest.mark.parametrize("payee", WRONG, ids=["dashes", "braces", "email", "alias"])
def test_payee_is_refused_alike_by_every_client(
    payee: Payee, make_settings: Callable[..., MtnMomoSettings], make_order: Callable[..., Order]
) -> None:
    """Nothing leaves for a payee that MTN cannot address, by whichever door it came, and the cause is the same."""
    settings = make_settings()

    def send(_request: object) -> None:
        pytest.fail("a request left")

    provider, calls = MtnMomoProvider(settings), DisbursementCalls(settings)
    [neutral] = provider.validate(make_order(payee=payee))
    looked_up = run_flow(provider.account_holder(payee), send)  # type: ignore[arg-type]
    transfer = calls.transfer(reference=new_reference(), payee=payee, amount=5)
    with pytest.raises(NotSentError) as paid:
        run_flow(transfer, send)  # type: ignore[arg-type]
    with pytest.raises(ReadRefused) as read:
        run_flow(calls.is_active(payee.value, payee.kind), send)  # type: ignore[arg-type]

    assert isinstance(neutral, InvalidPayee)
    assert isinstance(looked_up, LookupRefused)
    assert looked_up.reason.text == neutral.message
    assert neutral.message in paid.value.message
    assert neutral.message in read.value.message
