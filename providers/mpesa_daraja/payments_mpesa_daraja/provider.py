"""Payments from one M-Pesa short code: which requests are made. ``codec`` maps the answers."""

from __future__ import annotations

import base64
import functools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from payments_core.domain.errors import InvalidAmount, InvalidCurrency, InvalidPayee, InvalidPayout
from payments_core.domain.payout import Operation, Order, Reason, ReasonCode
from payments_core.domain.references import PROVIDER_REFERENCE
from payments_core.http.flow import HttpFlow, exchange
from payments_core.http.messages import HttpRequest, HttpResponse, fill, slot
from payments_core.provider import (
    AccountRefused,
    Acknowledgement,
    Attempt,
    Balance,
    Callback,
    CheckOutcome,
    Credential,
    Deferred,
    Draft,
    Entropy,
    LookupRefused,
    ParsedCallback,
    SubmitOutcome,
    UnsignedCallbacks,
)
from payments_mpesa_daraja import balances, codec
from payments_mpesa_daraja.credential import encrypt
from payments_mpesa_daraja.redaction import redacted
from payments_mpesa_daraja.settings import COMMANDS, MpesaDarajaSettings

__all__ = ["MpesaDarajaProvider"]

_WHOLE, _LEAST, _MOST = Decimal(1), Decimal(10), Decimal(250_000)  # portal: B2C, limits of a payment
_PAYEE = re.compile(r"254[17][0-9]{8}")
_ACCEPTED = json.dumps({"ResultCode": 0, "ResultDesc": "Accepted"}).encode()


class MpesaDarajaProvider(UnsignedCallbacks):
    """Pays from one short code, by B2C v3.

    Args:
        settings: The account.

    """

    def __init__(self, settings: MpesaDarajaSettings) -> None:
        self._settings = settings

    # --- payments ---

    def validate(self, order: Order) -> Iterator[InvalidPayout]:
        """Yield all that is wrong with the order on this account."""
        if not self._settings.callback_url:
            yield InvalidPayout(
                "This account has no callback_url, and M-Pesa sends results only by callback.",
                hint="`payouts callbacks --url ADDRESS --reveal` prints it; `payouts serve` has to run there.",
                field="account",
            )
        if order.payee.kind != "msisdn" or not _PAYEE.fullmatch(order.payee.value):
            yield InvalidPayee(
                "M-Pesa pays to Kenyan mobile numbers: 254, then 7 or 1, then eight digits.",
                hint="Make it with Payee.msisdn(…).",
            )
        if order.amount.currency != codec.CURRENCY:
            yield InvalidCurrency(
                f"M-Pesa pays in {codec.CURRENCY}, not in {order.amount.currency}.",
                hint="Name an account of that currency.",
            )
        if not order.amount.is_multiple_of(_WHOLE) or not _LEAST <= order.amount.amount <= _MOST:
            yield InvalidAmount(
                f"M-Pesa pays whole shillings from {_LEAST} to {_MOST}, not {order.amount}.",
                hint="Amounts are never rounded or split for you.",
            )
        if self._command(order) not in COMMANDS:
            yield InvalidPayout(
                "There is no such command_id.", hint=f"There are: {', '.join(COMMANDS)}.", field="options"
            )

    def draft(self, order: Order, attempt: Attempt) -> Draft:
        """Return the payment's draft: pure, equal for equal arguments."""
        # Begins with our id, so that a callback leads to the payout; 36 characters, as long as the portal's samples.
        originator = f"{attempt.payout_id}-{attempt.seed[:4].hex()}"
        fields = {
            "OriginatorConversationID": originator,
            "InitiatorName": self._settings.initiator,
            "SecurityCredential": slot("security_credential"),
            "CommandID": self._command(order),
            "Amount": str(int(order.amount.amount)),
            "PartyA": self._settings.shortcode,
            "PartyB": order.payee.value,
            "Remarks": order.note[:100] if len(order.note) > 1 else "Payout",  # 2 to 100 characters
            **self._callback_urls(slot("answer_token")),
        }
        request = replace(self._post("/mpesa/b2c/v3/paymentrequest", "pay", fields), moves_money=True)
        return Draft({"originator": originator}, request, order)

    def submit(self, draft: Draft) -> HttpFlow[SubmitOutcome]:
        """Send the payment once; its result comes to the path minted for this submission."""
        answer = yield from exchange(draft.request)
        return codec.read_submitted(answer, draft)

    def check(self, draft: Draft) -> HttpFlow[CheckOutcome]:
        """Query the payment's status; the result comes to the path minted for the query."""
        fields = {
            "Initiator": self._settings.initiator,
            "SecurityCredential": slot("security_credential"),
            "CommandID": "TransactionStatusQuery",
            # Without OriginatorConversationID: the result could be taken for the payment's own.
            "OriginalConversationID": draft.references["originator"],
            **({"TransactionID": receipt} if (receipt := draft.references.get(PROVIDER_REFERENCE)) else {}),
            "PartyA": self._settings.shortcode,
            "IdentifierType": "4",
            "Remarks": "Status",
            "Occasion": "Status",
            **self._callback_urls(draft.answer_token or ""),
        }
        asked = self._post("/mpesa/transactionstatus/v1/query", "status", fields)
        answer = yield from exchange(replace(asked, repeatable=True))
        return codec.read_asked(answer)

    def read_answer(self, draft: Draft, callback: Callback) -> CheckOutcome:
        """Map a result callback to the minted path of the payment, or of a query about it."""
        return codec.read_answer(draft, callback)

    def query_balances(self) -> HttpFlow[Deferred | LookupRefused]:
        """Query the balances of the short code's accounts; the result comes to the path minted for the query."""
        if not self._settings.callback_url:
            return LookupRefused(
                reason=Reason(ReasonCode.MISCONFIGURED, text="callback_url is not set, so no result can arrive")
            )
        fields = {
            "Initiator": self._settings.initiator,
            "SecurityCredential": slot("security_credential"),
            "CommandID": "AccountBalance",
            "PartyA": self._settings.shortcode,
            "IdentifierType": "4",
            "Remarks": "Balance",
            **self._callback_urls(slot("answer_token")),
        }
        asked = self._post("/mpesa/accountbalance/v1/query", "balance", fields)
        answer = yield from exchange(replace(asked, repeatable=True))
        return balances.read_acceptance(answer)

    def read_balances(self, callback: Callback) -> tuple[Balance, ...] | LookupRefused | None:
        """Return the balances in a result callback, the paying account first."""
        return balances.read_balances(callback)

    def binding(self, operation: Operation) -> Mapping[str, str]:
        """Return the host and the identity that payments are sent to and as."""
        settings = self._settings
        binding = {"provider": "mpesa_daraja", "host": settings.host, "shortcode": settings.shortcode}
        return binding | {"operation": str(operation), "version": "b2c/v3"}

    # --- credentials ---

    def authenticate(self) -> HttpFlow[Credential | AccountRefused]:
        """Obtain a token; it invalidates the previous one."""
        settings = self._settings
        pair = f"{settings.consumer_key.get_secret_value()}:{settings.consumer_secret.get_secret_value()}"
        request = HttpRequest(
            "GET",
            f"{settings.base_url}/oauth/v1/generate?grant_type=client_credentials",
            "token",
            headers={"Authorization": f"Basic {slot('basic')}"},
            repeatable=True,
            credential=False,
        )
        answer = yield from exchange(fill(request, {"basic": base64.b64encode(pair.encode()).decode()}))
        return codec.read_token(answer)

    def apply(self, request: HttpRequest, credential: Credential, *, at: datetime, entropy: Entropy) -> HttpRequest:
        """Return the request with token and security credential in their slots."""
        return fill(request, {**credential.secrets, "security_credential": self._security_credential})

    def is_auth_refusal(self, response: HttpResponse) -> bool:
        """Whether an answer refuses the token."""
        return codec.is_token_refused(response)

    @functools.cached_property
    def _security_credential(self) -> str:
        settings = self._settings
        return encrypt(settings.initiator_password.get_secret_value(), settings.certificate.get_secret_value())

    # --- callbacks to the account's path: unsigned, so they are hints ---

    def parse(self, callback: Callback) -> ParsedCallback | None:
        """Return the payment that a callback names; None when it names none."""
        return codec.parse_callback(callback)

    def acknowledge(self, callback: Callback) -> Acknowledgement:
        """Acknowledge it in M-Pesa's form, independent of the content."""
        return Acknowledgement(headers={"content-type": "application/json"}, body=_ACCEPTED)

    def redact(self, callback: Callback) -> Callback:
        """Return it without the security credential, which a request that timed out in a queue carries back."""
        return redacted(callback)

    # --- requests ---

    def _command(self, order: Order) -> str:
        return order.options.get("command_id", self._settings.command_id)

    def _callback_urls(self, token: str) -> dict[str, str]:
        """Return both callback URLs: the minted path for the result, the account's path for a queue timeout."""
        ours = self._settings.callback_url
        return {"ResultURL": f"{ours.rpartition('/')[0]}/{token}", "QueueTimeOutURL": ours}

    def _post(self, path: str, operation: str, fields: Mapping[str, str]) -> HttpRequest:
        headers = {"Authorization": f"Bearer {slot('access_token')}", "Content-Type": "application/json"}
        return HttpRequest(
            "POST", f"{self._settings.base_url}{path}", operation, headers=headers, body=json.dumps(fields)
        )
