"""M-Pesa's profile for the conformance suite; see ``payments_core.testing.conformance``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from payments_core.domain.money import Money
from payments_core.domain.payout import Payee
from payments_core.http.messages import HttpResponse
from payments_core.provider import Callback, Draft, Duplicate, Final, NotAccepted, Pending, Unknown
from payments_core.testing.conformance import ExpectedOutcome, ProviderConformance, reply
from payments_core.testing.conformance.profile import End
from payments_mpesa_daraja.codes import STATUSES
from payments_mpesa_daraja.emulator import MpesaDarajaEmulator
from payments_mpesa_daraja.emulator.payments import result
from payments_mpesa_daraja.spec import SPEC

__all__ = ["MpesaDarajaConformance"]

_MEANS: Mapping[str, End] = {"paid": "succeeded", "pending": "pending"}


def _error(status: int, code: str, message: str = "in words") -> HttpResponse:
    return reply(status, {"requestId": "1-2-3", "errorCode": code, "errorMessage": message})


def _taken(draft: Draft) -> HttpResponse:
    fields = {"ConversationID": "AG_1", "OriginatorConversationID": draft.references["originator"], "ResponseCode": "0"}
    return reply(200, fields)


def _later(code: str, text: str) -> Callback:
    """Write a result without parameters, as it comes to the path of a question."""
    fields = result(code, text, "Q-1", "AG_Q-1", "")
    return Callback("POST", {}, json.dumps(fields).encode(), datetime.now(UTC))


class MpesaDarajaConformance(ProviderConformance):
    """M-Pesa Kenya, through an emulated Daraja."""

    spec = SPEC
    payee = Payee.msisdn("+254708374149")
    other_payee = Payee.msisdn("+254190000010")
    unpayable = Payee.msisdn("+254190000001")
    amount = Money("50", "KES")
    wrong_payees = (Payee(kind="email", value="payee@example.org"), Payee.msisdn("+256772000000"))
    wrong_amounts = (Money("50.5", "KES"), Money("9", "KES"), Money("250001", "KES"), Money("50", "UGX"))
    statuses = {word: _MEANS.get(means, "failed") for word, means in STATUSES.items()}
    answers = {
        "200, taken": ExpectedOutcome(Pending, _taken),
        "500, used before": ExpectedOutcome(
            Duplicate, lambda _: _error(500, "500.002.1001", "Duplicate OriginatorConversationID")
        ),
        "500, maintenance": ExpectedOutcome(
            Unknown, lambda _: _error(500, "500.002.1001", "Service is under maintenance")
        ),
        "400, a bad field": ExpectedOutcome(Final, lambda _: _error(400, "400.002.02")),
        "404, a refused token": ExpectedOutcome(NotAccepted, lambda _: _error(404, "404.001.03")),
        "200, a refused token": ExpectedOutcome(NotAccepted, lambda _: _error(200, "401.002.01")),
        "500, too many": ExpectedOutcome(NotAccepted, lambda _: _error(500, "500.003.02")),
        "500, over the quota": ExpectedOutcome(NotAccepted, lambda _: _error(500, "500.003.03")),
        "500, anything": ExpectedOutcome(Unknown, lambda _: _error(500, "500.001.1001")),
        "200, an unlisted error": ExpectedOutcome(Unknown, lambda _: _error(200, "499.999.99")),
        "200, not taken": ExpectedOutcome(Unknown, lambda _: reply(200, {"ResponseCode": "1"})),
    }
    refused_questions = {
        "2001, the initiator": lambda _: _later("2001", "The initiator information is invalid."),
        "1, as a payment fails": lambda _: _later("1", "The balance is insufficient for the transaction."),
        "26, busy": lambda _: _later("26", "System internal error."),
    }
    skipped = {
        "test_the_answers_cover_every_outcome[AccountRefused]": "Daraja refuses an account when it is asked for "
        "a token, or by a result that comes later; no answer to a payment does.",
        "test_not_found_is_an_outcome_of_its_own": "SFC_IC0003 may mean that Daraja does not know the reference, "
        "or that the request was wrong.",
    }

    @classmethod
    def emulator(cls) -> MpesaDarajaEmulator:
        """Return one that pays and answers at once."""
        return MpesaDarajaEmulator()

    def status(self, draft: Draft, word: str, reason: object = None) -> HttpResponse | Callback:
        """Write the answer to a question."""
        order = draft.order
        rows = [
            ("DebitPartyName", "600997 - EMULATED"),
            ("CreditPartyName", f"{order.payee.value} - JOHN DOE"),
            ("OriginatorConversationID", draft.references["originator"]),
            ("TransactionReason", reason),
            ("TransactionStatus", word),
            ("Amount", f"{order.amount.text}.00"),
        ]
        payload = result(0, "Processed.", "Q-1", "AG_Q-1", "SK00000001", *rows)
        return Callback("POST", {}, json.dumps(payload).encode(), datetime.now(UTC))

    def not_found(self, draft: Draft) -> HttpResponse | Callback:
        """Write the answer to a check of a payment that was never made; its code has other meanings too."""
        return _later("SFC_IC0003", "The operator does not exist.")

    def callback_settings(self, address: str, path: str) -> Mapping[str, Any]:
        """Give the whole address."""
        return {"callback_url": address + path}

    def wrong_settings(self) -> Mapping[str, Any]:
        """Return settings with a wrong secret."""
        return {"consumer_secret": "env:PAYMENTS_CONFORMANCE_WRONG_SECRET"}
