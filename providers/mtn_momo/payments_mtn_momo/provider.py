"""One MTN MoMo account as the core sees it: which calls it makes. What they look like and mean is in ``api``."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from payments_core.domain.errors import InvalidPayout
from payments_core.domain.payout import Operation, Order
from payments_core.domain.references import uuid4_shaped
from payments_core.http.flow import HttpFlow, exchange
from payments_core.http.messages import HttpRequest, HttpResponse, fill
from payments_core.provider import (
    AccountRefused,
    Attempt,
    Callback,
    CheckOutcome,
    Credential,
    Draft,
    Entropy,
    Finding,
    ParsedCallback,
    SubmitOutcome,
    UnsignedCallbacks,
    findings_of,
)
from payments_mtn_momo import callbacks, diagnosis
from payments_mtn_momo.api import access_token, codec
from payments_mtn_momo.api.payments import check_amount, check_payee, encode_payment, recipient
from payments_mtn_momo.api.requests import build
from payments_mtn_momo.lookups import LookupsMixin

__all__ = ["MtnMomoProvider"]


class _Calls(NamedTuple):
    send: str
    read: str
    version: str


_CALLS: Mapping[Operation, _Calls] = {
    Operation.TRANSFER: _Calls("transfer", "transfer_status", "v1_0"),
    Operation.DEPOSIT: _Calls("deposit_v2", "deposit_status", "v2_0"),
    Operation.REFUND: _Calls("refund_v2", "refund_status", "v2_0"),
}


class MtnMomoProvider(LookupsMixin, UnsignedCallbacks):
    """Pays from one account's wallet to MTN wallets: transfers, deposits, and refunds of collections.

    Args:
        settings: The account.

    """

    def validate(self, order: Order) -> Sequence[InvalidPayout]:
        """Return all that is wrong with the order on this account."""
        return findings_of(
            lambda: check_payee(order.payee, may_be_collection=True),
            lambda: check_amount(order.amount, self._settings.target),
        )

    def draft(self, order: Order, attempt: Attempt) -> Draft:
        """Make the payment ready: pure, equal for equal arguments."""
        reference, external_id = uuid4_shaped(attempt.seed), attempt.payout_id
        if order.operation is Operation.REFUND:
            # No response shows which collection a refund pays back; its external id does.
            external_id += f"-{hashlib.sha256(order.payee.value.lower().encode()).hexdigest()[:12]}"
        body = encode_payment(
            order.amount,
            external_id=external_id,
            to=recipient(order.payee, transfer_type=order.options.get("transfer_type", "")),
            payer_message=order.note,
        )
        request = build(
            self._settings,
            _CALLS[order.operation].send,
            reference=reference,  # the resource's id, and the only thing that makes a repetition harmless
            callback_url=self._settings.callback_url,
            body=body,
        )
        return Draft({"reference": reference, "external_id": external_id}, request, order)

    def submit(self, draft: Draft) -> HttpFlow[SubmitOutcome]:
        """Send the payment, once, and return what the response means."""
        response = yield from exchange(draft.request)
        return codec.read_submit(response)

    def check(self, draft: Draft) -> HttpFlow[CheckOutcome]:
        """Read the payment by its reference."""
        call = _CALLS[draft.order.operation].read
        request = build(self._settings, call, path={"reference": draft.references["reference"]})
        response = yield from exchange(request)
        return codec.read_status(response)

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
            NoAnswer: The response is neither a token nor a refusal.

        """
        response = yield from exchange(access_token.token_request(self._settings))
        return access_token.read_credential(response, self._settings.subscription_key)

    def apply(self, request: HttpRequest, credential: Credential, *, at: datetime, entropy: Entropy) -> HttpRequest:
        """Return the request with token and subscription key in their slots; nothing is signed."""
        return fill(request, credential.secrets)

    def is_auth_refusal(self, response: HttpResponse) -> bool:
        """Whether this response means that the token is no longer good."""
        return access_token.is_token_refused(response)

    def parse(self, callback: Callback) -> ParsedCallback | None:
        """Return which payment a callback is about; None when it names none."""
        return callbacks.parse(callback)

    def diagnose(self) -> HttpFlow[Sequence[Finding]]:
        """Look at platform, target environment and currency, callback host, and the permission to pay."""
        return diagnosis.diagnose(self._settings)
