"""pawaPay's profiles for the conformance suite; see ``payments_core.testing.conformance``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from payments_core.domain.money import Money
from payments_core.domain.payout import Payee
from payments_core.http.messages import HttpResponse
from payments_core.provider import AccountRefused, Callback, Draft, Duplicate, Final, NotAccepted, Pending, Unknown
from payments_core.testing.conformance import ExpectedOutcome, ProviderConformance, reply
from payments_pawapay.codec import OUR_ID
from payments_pawapay.emulator import PawapayEmulator
from payments_pawapay.spec import SPEC

__all__ = ["PawapayConformance", "SignedPawapayConformance"]


def _answer(status: int, word: str, code: str = "", *, named: bool = True) -> Callable[[Draft], HttpResponse]:
    def answer(draft: Draft) -> HttpResponse:
        fields: dict[str, Any] = {"payoutId": draft.references["reference"] if named else None, "status": word}
        if code:
            fields["failureReason"] = {"failureCode": code, "failureMessage": "in words"}
        else:
            fields["created"] = "2026-11-25T08:00:00Z"
        return reply(status, fields)

    return answer


class PawapayConformance(ProviderConformance):
    """pawaPay without signatures."""

    spec = SPEC
    payee = Payee.msisdn("+999700000789")
    other_payee = Payee.msisdn("+999700001789")
    unpayable = Payee.msisdn("+999700000089")
    amount = Money("15.2", "ZMW")
    wrong_payees = (Payee(kind="email", value="payee@example.org"), Payee.msisdn("+9987000000789"))
    wrong_amounts = (
        Money("5.005", "ZMW"),
        Money("5.5", "XOF"),  # an operator that takes whole amounts
        Money("5", "UGX"),
        Money("1000001", "ZMW"),
        Money("0.5", "ZMW"),
    )
    settings = {"country": "XTS", "operator": "TEST_MOMO_XTS"}
    statuses = {
        "ACCEPTED": "pending",
        "ENQUEUED": "pending",
        "PROCESSING": "pending",
        "IN_RECONCILIATION": "pending",
        "COMPLETED": "succeeded",
        "FAILED": "failed",
    }
    answers = {
        "taken": ExpectedOutcome(Pending, _answer(200, "ACCEPTED")),
        "used before": ExpectedOutcome(Duplicate, _answer(200, "DUPLICATE_IGNORED")),
        "refused, named": ExpectedOutcome(Final, _answer(200, "REJECTED", "INVALID_PHONE_NUMBER")),
        "refused, not named": ExpectedOutcome(Final, _answer(200, "REJECTED", "AMOUNT_OUT_OF_BOUNDS", named=False)),
        "refused with 400": ExpectedOutcome(Final, _answer(400, "REJECTED", "MISSING_PARAMETER")),
        "refused, an unlisted code": ExpectedOutcome(Unknown, _answer(200, "REJECTED", "A_NEW_WORD")),
        "refused, unknown error": ExpectedOutcome(Unknown, _answer(200, "REJECTED", "UNKNOWN_ERROR")),
        "operator down": ExpectedOutcome(NotAccepted, _answer(200, "REJECTED", "PROVIDER_TEMPORARILY_UNAVAILABLE")),
        "no funds": ExpectedOutcome(Final, _answer(200, "REJECTED", "PAWAPAY_WALLET_OUT_OF_FUNDS")),
        "401, a wrong token": ExpectedOutcome(AccountRefused, _answer(401, "REJECTED", "AUTHENTICATION_ERROR")),
        "403, not allowed": ExpectedOutcome(AccountRefused, _answer(403, "REJECTED", "AUTHORISATION_ERROR")),
        "403, signed wrongly": ExpectedOutcome(AccountRefused, _answer(403, "REJECTED", "HTTP_SIGNATURE_ERROR")),
        "200, not allowed": ExpectedOutcome(AccountRefused, _answer(200, "REJECTED", "PAYOUTS_NOT_ALLOWED")),
        "429, too many": ExpectedOutcome(NotAccepted, lambda _: reply(429, retry_after="1")),
        "500": ExpectedOutcome(Unknown, _answer(500, "", "UNKNOWN_ERROR")),
        "503": ExpectedOutcome(Unknown, lambda _: reply(503)),
    }

    emulated: ClassVar[PawapayEmulator]
    switches: ClassVar[Mapping[str, Any]] = {}

    @classmethod
    def emulator(cls) -> PawapayEmulator:
        """Return an emulator that pays at once."""
        cls.emulated = PawapayEmulator(**cls.switches)
        return cls.emulated

    def status(self, draft: Draft, word: str, reason: object = None) -> HttpResponse | Callback:
        """Write the answer to a check of a payment."""
        order = draft.order
        fields: dict[str, Any] = {
            "payoutId": draft.references["reference"],
            "status": word,
            "amount": f"{order.amount.amount:.2f}",
            "currency": str(order.amount.currency),
            "country": "XTS",
            "recipient": {
                "type": "MMO",
                "accountDetails": {"phoneNumber": order.payee.value, "provider": "TEST_MOMO_XTS"},
            },
            "metadata": {OUR_ID: draft.references["external_id"]},
        }
        if isinstance(reason, str):
            fields["failureReason"] = {"failureCode": reason, "failureMessage": "in words"}
        elif reason is not None:
            fields["failureReason"] = reason
        return reply(200, {"status": "FOUND", "data": fields})

    def not_found(self, draft: Draft) -> HttpResponse | Callback:
        """Write the answer to a check of a payment that was never made."""
        return reply(200, {"status": "NOT_FOUND"})

    def callback_settings(self, address: str, path: str) -> Mapping[str, Any]:
        """Set the dashboard's callback URL; the account needs it because signatures cover it."""
        self.emulated.gateway.callback_url = address + path
        return {"callback_url": address + path}

    def wrong_settings(self) -> Mapping[str, Any]:
        """Return settings with a wrong token."""
        return {"api_token": "env:PAYMENTS_CONFORMANCE_WRONG_SECRET"}


class SignedPawapayConformance(PawapayConformance):
    """pawaPay with signed payments and signed callbacks."""

    switches: ClassVar[Mapping[str, Any]] = {"signed_callbacks": True, "signed_requests": True}

    def callback_settings(self, address: str, path: str) -> Mapping[str, Any]:
        """Return the settings that require signed callbacks."""
        return {**super().callback_settings(address, path), "signed_callbacks": True}
