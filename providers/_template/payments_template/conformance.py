"""Template Pay's profile for the conformance suite; see ``payments_core.testing.conformance``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from payments_core.domain.money import Money
from payments_core.domain.payout import Payee
from payments_core.http.messages import HttpResponse
from payments_core.provider import AccountRefused, Callback, Draft, Duplicate, Final, NotAccepted, Pending, Unknown
from payments_core.testing.conformance import ExpectedOutcome, ProviderConformance, reply
from payments_template.emulator import TemplateEmulator
from payments_template.spec import SPEC

__all__ = ["TemplateConformance"]


def _error(status: int, code: str, **headers: str) -> HttpResponse:
    return reply(status, {"error": code, "message": "in words"}, **headers)


class TemplateConformance(ProviderConformance):
    """Template Pay, which does not exist."""

    spec = SPEC
    payee = Payee.msisdn("+999700000010")
    other_payee = Payee.msisdn("+999700000011")
    unpayable = Payee.msisdn("+999700000001")
    amount = Money("5", "KES")
    wrong_payees = (Payee(kind="email", value="payee@example.org"),)
    wrong_amounts = (Money("5.005", "KES"), Money("5", "UGX"))
    statuses = {"accepted": "pending", "paid": "succeeded", "failed": "failed"}
    answers = {
        "201, taken": ExpectedOutcome(
            Pending, lambda draft: reply(201, {"id": draft.references["reference"], "status": "accepted"})
        ),
        "409, used before": ExpectedOutcome(Duplicate, lambda _: _error(409, "duplicate_id")),
        "422, unknown wallet": ExpectedOutcome(Final, lambda _: _error(422, "no_such_wallet")),
        "422, anything else": ExpectedOutcome(Unknown, lambda _: _error(422, "a_new_word")),
        "401, a wrong key": ExpectedOutcome(AccountRefused, lambda _: _error(401, "bad_key")),
        "403, not allowed": ExpectedOutcome(AccountRefused, lambda _: _error(403, "not_allowed")),
        "429, too many": ExpectedOutcome(NotAccepted, lambda _: _error(429, "too_many", retry_after="1")),
        "500": ExpectedOutcome(Unknown, lambda _: _error(500, "internal")),
        "503": ExpectedOutcome(Unknown, lambda _: _error(503, "busy")),
    }

    @classmethod
    def emulator(cls) -> TemplateEmulator:
        """Return an emulator that pays at once."""
        return TemplateEmulator()

    def status(self, draft: Draft, word: str, reason: object = None) -> HttpResponse | Callback:
        """Write the answer to a check of a payment."""
        order = draft.order
        fields: dict[str, Any] = {"id": draft.references["reference"], "to": order.payee.value, "status": word}
        fields |= {"amount": order.amount.text, "currency": str(order.amount.currency)}
        return reply(200, fields if reason is None else {**fields, "reason": reason})

    def not_found(self, draft: Draft) -> HttpResponse | Callback:
        """Write the answer to a check of a payment that was never made."""
        return _error(404, "no_such_payment")

    def callback_settings(self, address: str, path: str) -> Mapping[str, Any]:
        """Return the setting that holds the whole callback URL."""
        return {"callback_url": address + path}

    def wrong_settings(self) -> Mapping[str, Any]:
        """Return settings with a wrong key."""
        return {"api_key": "env:PAYMENTS_CONFORMANCE_WRONG_SECRET"}
