"""The profile of MTN MoMo for the conformance suite; see ``payments_core.testing.conformance``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from payments_core.domain.money import Money
from payments_core.domain.payout import Payee
from payments_core.http.messages import HttpResponse
from payments_core.provider import AccountRefused, Callback, Draft, Duplicate, Final, NotAccepted, Pending, Unknown
from payments_core.testing.conformance import ExpectedOutcome, ProviderConformance, reply
from payments_mtn_momo.emulator import MtnMomoEmulator
from payments_mtn_momo.emulator.replies import MESSAGES
from payments_mtn_momo.spec import SPEC

__all__ = ["MtnMomoConformance"]


def _momo(status: int, code: str) -> HttpResponse:
    return reply(status, {"code": code, "message": MESSAGES.get(code, code)})


def _gateway(status: int, message: str, **headers: str) -> HttpResponse:
    return reply(status, {"statusCode": status, "message": message}, **headers)


class MtnMomoConformance(ProviderConformance):
    """MTN MoMo Disbursements, in the sandbox."""

    spec = SPEC
    payee = Payee.msisdn("+46733123499")
    other_payee = Payee.msisdn("+46733123498")
    unpayable = Payee.msisdn("+46733123457")
    amount = Money("5", "EUR")
    wrong_payees = (Payee(kind="wallet", value="46733123499"),)
    wrong_amounts = (Money("5.005", "EUR"), Money("5", "UGX"))
    statuses = {
        "SUCCESSFUL": "succeeded",
        "FAILED": "failed",
        "PENDING": "pending",
        "CREATED": "pending",
        "REJECTED": "unknown",
        "TIMEOUT": "unknown",
    }
    answers = {
        "202, taken": ExpectedOutcome(Pending, lambda _: reply(202)),
        "409, used before": ExpectedOutcome(Duplicate, lambda _: _momo(409, "RESOURCE_ALREADY_EXIST")),
        "400, a bad body": ExpectedOutcome(Final, lambda _: reply(400)),
        "401, a refused token": ExpectedOutcome(NotAccepted, lambda _: _gateway(401, "Unauthorized.")),
        "403, a foreign address": ExpectedOutcome(AccountRefused, lambda _: _gateway(403, "FORBIDDEN IP")),
        "429, too many": ExpectedOutcome(
            NotAccepted, lambda _: _gateway(429, "Rate limit is exceeded.", retry_after="1")
        ),
        "500, not allowed": ExpectedOutcome(AccountRefused, lambda _: _momo(500, "NOT_ALLOWED")),
        "500, the wrong target": ExpectedOutcome(
            AccountRefused, lambda _: _momo(500, "NOT_ALLOWED_TARGET_ENVIRONMENT")
        ),
        "500, the wrong callback host": ExpectedOutcome(
            AccountRefused, lambda _: _momo(500, "INVALID_CALLBACK_URL_HOST")
        ),
        "500, the wrong currency": ExpectedOutcome(AccountRefused, lambda _: _momo(500, "INVALID_CURRENCY")),
        "500, anything": ExpectedOutcome(Unknown, lambda _: _momo(500, "INTERNAL_PROCESSING_ERROR")),
        "503": ExpectedOutcome(Unknown, lambda _: _momo(503, "SERVICE_UNAVAILABLE")),
        "404, of a payment": ExpectedOutcome(Unknown, lambda _: _momo(404, "RESOURCE_NOT_FOUND")),
    }
    final_statuses = frozenset({400})  # the export gives a 400 no body, and nothing is created

    @classmethod
    def emulator(cls) -> MtnMomoEmulator:
        """Return a sandbox that calls back anywhere on this machine."""
        return MtnMomoEmulator(callback_host="localhost")

    def status(self, draft: Draft, word: str, reason: object = None) -> HttpResponse | Callback:
        """Write a status as the sandbox does."""
        fields: dict[str, Any] = {
            "financialTransactionId": "1234567890",
            "externalId": draft.references["external_id"],
            "amount": draft.order.amount.text,
            "currency": str(draft.order.amount.currency),
            "payee": {"partyIdType": "MSISDN", "partyId": draft.order.payee.value.lstrip("+")},
            "status": word,
        }
        return reply(200, fields if reason is None else {**fields, "reason": reason})

    def not_found(self, draft: Draft) -> HttpResponse | Callback:
        """Write the 404 of a status."""
        return _momo(404, "RESOURCE_NOT_FOUND")

    def callback_settings(self, address: str, path: str) -> Mapping[str, Any]:
        """Give the whole address."""
        return {"callback_url": address + path}

    def wrong_settings(self) -> Mapping[str, Any]:
        """Give another user's key."""
        return {"api_key": "env:PAYMENTS_CONFORMANCE_WRONG_SECRET"}
