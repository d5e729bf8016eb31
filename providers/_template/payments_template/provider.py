"""One account of Template Pay as the core sees it: which calls there are.

What the words mean is in ``codec``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from urllib.parse import quote, urlsplit

from payments_core.domain.errors import InvalidAmount, InvalidCurrency, InvalidPayee, InvalidPayout
from payments_core.domain.payout import Operation, Order
from payments_core.domain.references import uuid4_shaped
from payments_core.http.flow import HttpFlow, exchange
from payments_core.http.messages import HttpRequest, slot
from payments_core.http.parsing import parse_object, text_of
from payments_core.provider import (
    ApiKeyProvider,
    Attempt,
    Callback,
    CheckOutcome,
    Draft,
    ParsedCallback,
    SubmitOutcome,
    UnsignedCallbacks,
)
from payments_template import codec
from payments_template.settings import TemplateSettings

__all__ = ["TemplateProvider"]

_QUANTUM = Decimal("0.01")


class TemplateProvider(ApiKeyProvider, UnsignedCallbacks):
    """Pays from one merchant's account.

    Args:
        settings: The account.

    """

    def __init__(self, settings: TemplateSettings) -> None:
        self._settings = settings

    def validate(self, order: Order) -> Iterator[InvalidPayout]:
        """Yield all that is wrong with the order on this account."""
        if not order.payee.is_msisdn:
            yield InvalidPayee("Template Pay pays to telephone numbers.", hint="Make it with Payee.msisdn(…).")
        if order.amount.currency != self._settings.currency:
            yield InvalidCurrency(
                f"This account pays in {self._settings.currency}, not in {order.amount.currency}.",
                hint="Name an account of that currency.",
            )
        if not order.amount.is_multiple_of(_QUANTUM):
            yield InvalidAmount(
                f"{order.amount} has more than two decimals.", hint="Amounts are never rounded for you."
            )

    def draft(self, order: Order, attempt: Attempt) -> Draft:
        """Return the payment's draft: pure, equal for equal arguments."""
        reference = uuid4_shaped(attempt.seed)
        fields = {
            "id": reference,
            "merchant": self._settings.merchant,
            "to": order.payee.value,  # digits only, country code first: no plus
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

    def secrets(self) -> Mapping[str, str]:
        """Return the key, which never changes. A provider with tokens implements ``Authenticates`` instead."""
        return {"api_key": self._settings.api_key.get_secret_value()}

    # Callbacks are not signed. A callback is a hint: it makes the next check due, and the check decides.

    def parse(self, callback: Callback) -> ParsedCallback | None:
        """Return the payment that a callback names; None when it names none.

        No reference here holds our own id, so any reference finds the payment. Where one does, return that one.
        """
        fields = parse_object(callback.body)
        reference, status = text_of(fields.get("id")), text_of(fields.get("status"))
        return ParsedCallback(references={"reference": reference}, status=status) if reference else None

    def _request(self, method: str, path: str, operation: str) -> HttpRequest:
        headers = {"Authorization": f"Bearer {slot('api_key')}", "Content-Type": "application/json"}
        return HttpRequest(method, f"{self._settings.base_url}{path}", operation, headers=headers)
