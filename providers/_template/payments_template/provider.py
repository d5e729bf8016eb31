"""One account of Template Pay as the core sees it: which calls there are.

What the words mean is in ``codec``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from urllib.parse import quote, urlsplit

from payments_core.domain.errors import InvalidAmount, InvalidCurrency, InvalidPayee, InvalidPayout
from payments_core.domain.masking import scrub
from payments_core.domain.payout import Operation, Order
from payments_core.domain.references import uuid4_shaped
from payments_core.http.flow import HttpFlow, exchange
from payments_core.http.messages import HttpRequest, HttpResponse, fill, slot
from payments_core.http.parsing import parse_object, text_of
from payments_core.provider import (
    AccountRefused,
    Acknowledgement,
    Attempt,
    Callback,
    CheckOutcome,
    Credential,
    Draft,
    ParsedCallback,
    SubmitOutcome,
)
from payments_template import codec
from payments_template.settings import TemplateSettings

__all__ = ["TemplateProvider"]

_QUANTUM = Decimal("0.01")


class TemplateProvider:
    """Pays from one merchant's account.

    Args:
        settings: The account.

    """

    def __init__(self, settings: TemplateSettings) -> None:
        self._settings = settings

    def validate(self, order: Order) -> None:
        """Raise ``InvalidPayout`` when the order cannot be paid from this account."""
        if not order.payee.is_msisdn:
            raise InvalidPayee("Template Pay pays to telephone numbers.", hint="Make it with Payee.msisdn(…).")
        if order.amount.currency != self._settings.currency:
            raise InvalidCurrency(
                f"This account pays in {self._settings.currency}, not in {order.amount.currency}.",
                hint="Name an account of that currency.",
            )
        if not order.amount.is_multiple_of(_QUANTUM):
            raise InvalidAmount(
                f"{order.amount} has more than two decimals.", hint="Amounts are never rounded for you."
            )
        if given := scrub(", ".join(sorted(order.options))):  # the core does not check options
            raise InvalidPayout(f"Template Pay has no option {given}.", hint="It has none.")

    def draft(self, order: Order, attempt: Attempt) -> Draft:
        """Return the payment's draft: pure, equal for equal arguments.

        Raises:
            InvalidPayout: The order cannot be paid from this account.

        """
        self.validate(order)
        reference = uuid4_shaped(attempt.seed)
        fields = {
            "id": reference,
            "merchant": self._settings.merchant,
            "to": order.payee.value,
            "amount": order.amount.text,
            "currency": str(order.amount.currency),
            "note": order.note[:60],
            "callback_url": self._settings.callback_url,
        }
        request = replace(self._request("POST", "/payments", "pay"), body=json.dumps(fields), moves_money=True)
        return Draft({"reference": reference}, request, order)

    def submit(self, draft: Draft) -> HttpFlow[SubmitOutcome]:
        """Send the payment once and map the answer to its outcome."""
        answer = yield from exchange(draft.request)
        return codec.read_submitted(answer, draft.references["reference"])

    def check(self, draft: Draft) -> HttpFlow[CheckOutcome]:
        """Read the payment's status at the provider."""
        reference = draft.references["reference"]
        path = f"/payments/{quote(reference, safe='')}"
        answer = yield from exchange(replace(self._request("GET", path, "status"), repeatable=True))
        return codec.read_status(answer, reference)

    def binding(self, operation: Operation) -> Mapping[str, str]:
        """Return the host and the identity that payments are sent to and as."""
        where = {"host": urlsplit(self._settings.base_url).netloc, "merchant": self._settings.merchant}
        return {"provider": "template", **where, "operation": str(operation)}

    # The key never changes. A provider with tokens fetches one here.

    def authenticate(self) -> HttpFlow[Credential | AccountRefused]:
        """Return the key."""
        yield from ()  # makes this a flow without a request
        return Credential({"api_key": self._settings.api_key.get_secret_value()})

    def apply(self, request: HttpRequest, credential: Credential, *, at: datetime, entropy: bytes) -> HttpRequest:
        """Return the request with the key in its slot."""
        return fill(request, credential.secrets)

    def is_auth_refusal(self, response: HttpResponse) -> bool:
        """Return False: the key never changes, so a new one cannot help."""
        return False

    # Callbacks are not signed. A callback is a hint: it makes the next check due, and the check decides.

    def verify(self, callback: Callback) -> bool | None:
        """Return None: callbacks are not signed."""
        return None

    def parse(self, callback: Callback) -> ParsedCallback | None:
        """Return the payment that a callback names; None when it names none.

        No reference here holds our own id, so any reference finds the payment. Where one does, return that one.
        """
        fields = parse_object(callback.body)
        reference, status = text_of(fields.get("id")), text_of(fields.get("status"))
        return ParsedCallback(references={"reference": reference}, status=status) if reference else None

    def acknowledge(self, callback: Callback) -> Acknowledgement:
        """Acknowledge with 200, independent of the content."""
        return Acknowledgement()

    def _request(self, method: str, path: str, operation: str) -> HttpRequest:
        headers = {"Authorization": f"Bearer {slot('api_key')}", "Content-Type": "application/json"}
        return HttpRequest(method, f"{self._settings.base_url}{path}", operation, headers=headers)
