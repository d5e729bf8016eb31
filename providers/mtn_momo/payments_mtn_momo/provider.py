"""One MTN MoMo account as the core sees it: what to call. How the words translate is in ``codec``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from payments_core.errors import InvalidAmount, InvalidCurrency, InvalidPayee, InvalidPayout
from payments_core.flow import Flow, exchange
from payments_core.payout import Operation, Order
from payments_core.provider import Attempt, Blocked, Checked, Credential, Draft, Submitted
from payments_core.references import uuid4_shaped
from payments_core.wire import HttpRequest, HttpResponse
from payments_mtn_momo import codec, credentials
from payments_mtn_momo.requests import build
from payments_mtn_momo.settings import MtnMomoSettings

__all__ = ["MtnMomoProvider"]

_MSISDN = re.compile(r"[1-9][0-9]{7,14}")  # E.164: country code and number, digits only


class _Calls(NamedTuple):
    send: str
    read: str
    version: str


_CALLS: Mapping[Operation, _Calls] = {Operation.TRANSFER: _Calls("transfer", "transfer_status", "v1_0")}


class MtnMomoProvider:
    """Pays transfers from one account's wallet to MTN wallets.

    Args:
        settings: The account.

    """

    def __init__(self, settings: MtnMomoSettings) -> None:
        self._settings = settings

    def validate(self, order: Order) -> None:
        """Raise ``InvalidPayout`` when the order cannot be paid on this account."""
        target = self._settings.target
        if order.operation not in _CALLS:
            raise InvalidPayout(f"This account cannot pay a {order.operation}.", hint="It pays transfers.")
        if order.options:
            named = ", ".join(sorted(order.options))
            raise InvalidPayout(f"Unknown options: {named}.", hint="A transfer through MTN MoMo takes no options.")
        if order.payee.kind != "msisdn":
            raise InvalidPayee(
                f"This account cannot pay to a payee of kind {order.payee.kind!r}.",
                hint="Give a telephone number: Payee.msisdn(…).",
            )
        if not _MSISDN.fullmatch(order.payee.value):
            raise InvalidPayee(
                "The payee's number is not country code and number in digits only.",
                hint="Make it with Payee.msisdn(…), which checks and normalises it.",
            )
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
        reference = uuid4_shaped(attempt.seed)
        request = build(
            self._settings,
            _CALLS[order.operation].send,
            reference=reference,  # the resource's id, and the only thing that makes a repetition harmless
            body=codec.encode_transfer(order, external_id=attempt.payout_id),
        )
        return Draft({"reference": reference, "external_id": attempt.payout_id}, request, order)

    def submit(self, draft: Draft) -> Flow[Submitted]:
        """Send the transfer, once, and say what the answer means."""
        answer = yield from exchange(draft.request)
        return codec.read_transfer(answer)

    def check(self, draft: Draft) -> Flow[Checked]:
        """Read the transfer by its reference."""
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

    def authenticate(self) -> Flow[Credential | Blocked]:
        """Obtain a token; ``Blocked`` when the gateway refuses the account's credentials.

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
