"""One MTN MoMo account as the core sees it: what to call. How the words translate is in ``codec``."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from payments_core.domain.errors import InvalidAmount, InvalidCurrency, InvalidPayee, InvalidPayout
from payments_core.domain.masking import quote, scrub
from payments_core.domain.payout import Operation, Order
from payments_core.domain.references import uuid4_shaped
from payments_core.http.flow import HttpFlow, exchange
from payments_core.http.messages import HttpRequest, HttpResponse
from payments_core.provider import (
    AccountRefused,
    Acknowledgement,
    Attempt,
    Callback,
    CheckOutcome,
    Credential,
    Draft,
    Finding,
    ParsedCallback,
    SubmitOutcome,
)
from payments_mtn_momo import callbacks, codec, credentials, diagnosis
from payments_mtn_momo.questions import LookupsMixin
from payments_mtn_momo.requests import build
from payments_mtn_momo.settings import UUID

__all__ = ["MtnMomoProvider"]

# A telephone number as E.164 has it: country code and number, digits only.
_ADDRESSES: Mapping[str, re.Pattern[str]] = {
    "msisdn": re.compile(r"[1-9][0-9]{7,14}", re.ASCII),
    "email": re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+"),
    "party_code": UUID,
    "collection": UUID,
}
_OPTIONS: Mapping[Operation, frozenset[str]] = {Operation.TRANSFER: frozenset({"transfer_type"})}  # of aggregators


_WRITTEN: Mapping[str, str] = {
    "msisdn": "The payee's number is not country code and number in digits only",
    "email": "The payee's address is no e-mail address",
    "party_code": "The payee's party code is no UUID",
    "collection": "The collection's reference is no UUID",
}
_WRITE: Mapping[str, str] = {
    "msisdn": "Make it with Payee.msisdn(…), which checks and normalises it.",
    "email": "Write it like name@example.org.",
    "party_code": "Write it as MTN shows it.",
    "collection": "Give the X-Reference-Id of the request to pay that is refunded.",
}


class _Calls(NamedTuple):
    send: str
    read: str
    version: str


_CALLS: Mapping[Operation, _Calls] = {
    Operation.TRANSFER: _Calls("transfer", "transfer_status", "v1_0"),
    Operation.DEPOSIT: _Calls("deposit_v2", "deposit_status", "v2_0"),
    Operation.REFUND: _Calls("refund_v2", "refund_status", "v2_0"),
}


class MtnMomoProvider(LookupsMixin):
    """Pays from one account's wallet to MTN wallets: transfers, deposits, and refunds of collections.

    Args:
        settings: The account.

    """

    def validate(self, order: Order) -> None:
        """Raise ``InvalidPayout`` when the order cannot be paid on this account."""
        target, payee = self._settings.target, order.payee
        if unknown := set(order.options) - _OPTIONS.get(order.operation, frozenset()):
            raise InvalidPayout(
                f"Unknown options: {scrub(', '.join(sorted(unknown)))}.",
                hint="A transfer through MTN MoMo takes transfer_type; deposits and refunds take no options.",
            )
        if payee.kind not in _ADDRESSES:
            raise InvalidPayee(
                f"This account cannot pay to a payee of kind {quote(payee.kind)}.",
                hint="Give a telephone number: Payee.msisdn(…).",
            )
        if not _ADDRESSES[payee.kind].fullmatch(payee.value):
            raise InvalidPayee(f"{_WRITTEN[payee.kind]}.", hint=_WRITE[payee.kind])
        if order.amount.currency != target.currency:
            raise InvalidCurrency(
                f"This account pays in {target.currency}, not in {order.amount.currency}.",
                hint=f"Give the amount in {target.currency}, or name an account of the other currency.",
            )
        if not order.amount.is_multiple_of(target.quantum):
            digits = -int(target.quantum.as_tuple().exponent)
            allowed = f"at most {digits} decimals" if digits else "whole numbers only"
            raise InvalidAmount(
                f"{order.amount} has too many decimals.",
                hint=f"{target.currency} takes {allowed} here; amounts are never rounded for you.",
            )

    def draft(self, order: Order, attempt: Attempt) -> Draft:
        """Make the payment ready: pure, equal for equal arguments.

        Raises:
            InvalidPayout: The order cannot be paid on this account.

        """
        self.validate(order)
        reference, external_id = uuid4_shaped(attempt.seed), attempt.payout_id
        if order.operation is Operation.REFUND:
            # No answer shows which collection a refund pays back; what we call it by tells it all the same.
            external_id += f"-{hashlib.sha256(order.payee.value.lower().encode()).hexdigest()[:12]}"
        request = build(
            self._settings,
            _CALLS[order.operation].send,
            reference=reference,  # the resource's id, and the only thing that makes a repetition harmless
            callback_url=self._settings.callback_url,
            body=codec.encode_payment(order, external_id=external_id),
        )
        return Draft({"reference": reference, "external_id": external_id}, request, order)

    def submit(self, draft: Draft) -> HttpFlow[SubmitOutcome]:
        """Send the payment, once, and say what the answer means."""
        answer = yield from exchange(draft.request)
        return codec.read_submitted(answer)

    def check(self, draft: Draft) -> HttpFlow[CheckOutcome]:
        """Read the payment by its reference."""
        call = _CALLS[draft.order.operation].read
        answer = yield from exchange(build(self._settings, call, path={"reference": draft.references["reference"]}))
        return codec.read_status(answer)

    def binding(self, operation: Operation) -> Mapping[str, str]:
        """Return where and as whom it pays."""
        return {
            "provider": "mtn_momo",
            "platform": self._settings.platform,
            "host": self._settings.host,
            "environment": self._settings.target_environment,
            "api_user": self._settings.api_user,
            "operation": str(operation),
            "version": _CALLS[operation].version,
        }

    def authenticate(self) -> HttpFlow[Credential | AccountRefused]:
        """Obtain a token; ``AccountRefused`` when the gateway refuses the account's credentials.

        Raises:
            NoAnswer: The answer is neither a token nor a refusal.

        """
        answer = yield from exchange(credentials.ask_for_token(self._settings))
        return credentials.read_token(answer, self._settings)

    def apply(self, request: HttpRequest, credential: Credential, *, at: datetime, entropy: bytes) -> HttpRequest:
        """Return the request with token and subscription key in their slots; nothing is signed."""
        return credentials.fill_secrets(request, credential)

    def is_auth_refusal(self, response: HttpResponse) -> bool:
        """Say whether this answer means that the token is no longer good."""
        return credentials.is_token_refused(response)

    def verify(self, callback: Callback) -> bool | None:
        """Return None: MTN signs nothing."""
        return callbacks.verify(callback)

    def parse(self, callback: Callback) -> ParsedCallback | None:
        """Say which payment a callback is about; None when it names none."""
        return callbacks.parse(callback)

    def acknowledge(self, callback: Callback) -> Acknowledgement:
        """Answer 200, whatever it says."""
        return callbacks.acknowledge(callback)

    def diagnose(self) -> HttpFlow[Sequence[Finding]]:
        """Look at platform, target environment and currency, callback host, and the permission to pay."""
        return diagnosis.diagnose(self._settings)
