"""Payments from one pawaPay account: which requests are made. ``codec`` and ``lookups`` map the answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from urllib.parse import urlsplit

from payments_core.domain.errors import InvalidAmount, InvalidCurrency, InvalidPayee, InvalidPayout
from payments_core.domain.payout import Operation, Order, Payee
from payments_core.domain.references import uuid4_shaped
from payments_core.http.flow import HttpFlow, exchange
from payments_core.http.messages import HttpRequest, HttpResponse, NoAnswer, NotSent
from payments_core.http.parsing import parse_json
from payments_core.provider import (
    Acknowledgement,
    ApiKeyProvider,
    Attempt,
    Balance,
    Callback,
    CancelAnswer,
    CheckOutcome,
    Credential,
    Draft,
    Entropy,
    Finding,
    LookupRefused,
    Operator,
    ParsedCallback,
    SubmitOutcome,
    findings_of,
)
from payments_pawapay import callbacks, codec, lookups
from payments_pawapay.limits import FINEST, read_configuration
from payments_pawapay.provider_config_cache import ProviderConfigCache
from payments_pawapay.requests import MOST_AT_ONCE, SIGNED, Calls, check_options, operator_of, payment
from payments_pawapay.settings import PawapaySettings
from payments_pawapay.signatures import Signer, Verifier

__all__ = ["PawapayProvider"]


class PawapayProvider(ApiKeyProvider):
    """Pays from one account at pawaPay, to many operators in many countries.

    Args:
        settings: The account.

    Raises:
        SettingsError: The signing key cannot be used, or the extra it needs is not installed.

    """

    def __init__(self, settings: PawapaySettings) -> None:
        self._settings = settings
        self._calls = Calls(settings.base_url)
        self._config_cache = ProviderConfigCache(settings.learn_every_s, settings.callback_keys)
        self._signer = Signer(settings) if settings.signing_key else None
        self._verifier = Verifier(settings.callback_url) if settings.signed_callbacks else None

    # --- paying ---

    def validate(self, order: Order) -> Iterator[InvalidPayout]:
        """Yield all that is wrong with the order on this account, by the known configuration."""
        if not order.payee.is_msisdn:
            yield InvalidPayee("pawaPay pays to telephone numbers.", hint="Make it with Payee.msisdn(…).")
        if self._config_cache.configuration is None and not order.amount.is_multiple_of(FINEST):
            yield InvalidAmount(f"{order.amount} has over two decimals.", hint="Amounts are never rounded for you.")
        yield from findings_of(
            lambda: check_options(order.options),
            lambda: self._check_route(operator_of(order, self._settings.operator), order),
        )

    def _check_route(self, operator: str, order: Order) -> None:
        if self._config_cache.configuration is not None:
            self._config_cache.configuration.check(operator, order.payee.value, order.amount)
        elif operator == self._settings.operator and order.amount.currency != self._settings.currency:
            raise InvalidCurrency(
                f"{operator} is paid in {self._settings.currency} from this account, not in {order.amount.currency}.",
                hint="Name the operator that takes it, by the option provider.",
            )

    def draft(self, order: Order, attempt: Attempt) -> Draft:
        """Return the payment's draft: pure, equal for equal arguments."""
        reference = uuid4_shaped(attempt.seed)
        fields = payment(order, operator_of(order, self._settings.operator), reference, attempt.payout_id)
        references = {"reference": reference, "external_id": attempt.payout_id}
        return Draft(references, self._calls.pay(fields), order)

    def submit(self, draft: Draft) -> HttpFlow[SubmitOutcome]:
        """Send the payment once and map the answer to its outcome."""
        answer = yield from exchange(draft.request)
        return codec.read_submitted(answer, draft.references["reference"])

    def submit_many(self, drafts: Sequence[Draft]) -> HttpFlow[Sequence[SubmitOutcome]]:
        """Send many payments in one request and return the outcome of each; not atomic.

        Outside the engine's promises: the caller validates the orders and stores the references before the call.

        Args:
            drafts: At most 20.

        Raises:
            InvalidPayout: No drafts, or more than 20.

        """
        if not 1 <= len(drafts) <= MOST_AT_ONCE:
            raise InvalidPayout(f"A bulk has 1 to {MOST_AT_ONCE} payments, not {len(drafts)}.")
        answer = yield from exchange(self._in_one(drafts))
        return codec.read_many(answer, [draft.references["reference"] for draft in drafts])

    def _in_one(self, drafts: Sequence[Draft]) -> HttpRequest:
        """Return one request for many payments; built apart, so that no waiting frame holds payees."""
        payments = [parse_json((draft.request.body or "").encode()) for draft in drafts]
        return self._calls.pay_many([one for one in payments if isinstance(one, dict)])

    def check(self, draft: Draft) -> HttpFlow[CheckOutcome]:
        """Read the payment's status at the provider."""
        reference = draft.references["reference"]
        answer = yield from exchange(self._calls.status(reference))
        if self._verifier is not None:  # a process that only checks needs new keys too
            yield from self._fetch_keys(answer.at)
        return codec.read_status(answer, reference)

    def cancel(self, draft: Draft) -> HttpFlow[CancelAnswer | LookupRefused]:
        """Ask to fail an enqueued payment; ``check`` reads the result."""
        reference = draft.references["reference"]
        answer = yield from exchange(self._calls.cancel(reference))
        return lookups.read_cancel(answer, reference)

    def resend_callback(self, reference: str) -> HttpFlow[CancelAnswer | LookupRefused]:
        """Ask for a payment's callback again; ``TOO_LATE`` means here that the payment has not ended yet."""
        answer = yield from exchange(self._calls.resend_callback(reference))
        return lookups.read_cancel(answer, reference)

    def binding(self, operation: Operation) -> Mapping[str, str]:
        """Return the host and the identity that payments are sent to and as."""
        return {
            "provider": "pawapay",
            "version": "v2",
            "host": urlsplit(self._settings.base_url).netloc,
            "merchant": self._settings.merchant,
            "operation": str(operation),
        }

    # --- credentials ---

    def secrets(self) -> Mapping[str, str]:
        """Return the token, which never changes."""
        return {"api_token": self._settings.api_token.get_secret_value()}

    def apply(self, request: HttpRequest, credential: Credential, *, at: datetime, entropy: Entropy) -> HttpRequest:
        """Return the request with the token in its slot, signed where it moves money and a key is set."""
        filled = super().apply(request, credential, at=at, entropy=entropy)
        if self._signer is None or request.operation not in SIGNED:
            return filled
        return self._signer.sign(filled, at)

    # --- the account's configuration ---

    def refresh_provider_config(self, at: datetime) -> HttpFlow[None]:
        """Fetch operators, limits and keys that are out of date."""
        if self._config_cache.begin("configuration", at):
            answer = yield from exchange(self._calls.active_conf())
            self._store_configuration(answer)
        if self._verifier is not None:
            yield from self._fetch_keys(at)

    def _store_configuration(self, answer: HttpResponse) -> None:
        found = read_configuration(parse_json(answer.body)) if answer.status == 200 else None
        if found is not None:
            self._config_cache.configuration = found
            self._config_cache.fetched("configuration", answer.at)

    def _fetch_keys(self, at: datetime) -> HttpFlow[None]:
        if not self._config_cache.begin("keys", at):
            return
        try:
            answer = yield from exchange(self._calls.keys())
        except (NotSent, NoAnswer):
            return  # the call that needed it goes on without new keys
        if keys := lookups.read_keys(answer):
            self._config_cache.replace_keys(keys, answer.at)

    # --- lookups ---

    def balances(self, currency: str | None = None) -> HttpFlow[tuple[Balance, ...] | LookupRefused]:
        """Return the wallets' balances, one for each country and currency."""
        answer = yield from exchange(self._calls.balances())
        return lookups.read_balances(answer, currency)

    def operator(self, payee: Payee) -> HttpFlow[Operator | LookupRefused]:
        """Return the predicted operator of a number; wrong where the number was ported."""
        answer = yield from exchange(self._calls.predict(payee.value))
        return lookups.read_operator(answer)

    def diagnose(self) -> HttpFlow[Sequence[Finding]]:
        """Check the account's configuration and its operator's availability."""
        answer = yield from exchange(self._calls.active_conf())
        known = read_configuration(parse_json(answer.body)) if answer.status == 200 else None
        available = yield from exchange(self._calls.availability())
        return tuple(lookups.findings(known, lookups.read_availability(available), self._settings))

    # --- callbacks: hints, even when signed ---

    def verify(self, callback: Callback) -> bool | None:
        """Whether pawaPay signed it; None for unsigned callbacks and for a key that is not known yet."""
        return None if self._verifier is None else self._verifier.verify(callback, self._config_cache)

    def parse(self, callback: Callback) -> ParsedCallback | None:
        """Return the payment that a callback names; None when it names none."""
        return callbacks.parse(callback)

    def acknowledge(self, callback: Callback) -> Acknowledgement:
        """Acknowledge with 200, independent of the content: anything else repeats it for fifteen minutes."""
        return Acknowledgement()
