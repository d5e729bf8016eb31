"""One account of pawaPay as the core sees it: which calls there are. What the words mean is in ``codec``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from urllib.parse import urlsplit

from payments_core.domain.errors import InvalidAmount, InvalidCurrency, InvalidPayee, InvalidPayout
from payments_core.domain.payout import Operation, Order, Payee
from payments_core.domain.references import uuid4_shaped
from payments_core.http.flow import HttpFlow, exchange
from payments_core.http.messages import HttpRequest, HttpResponse, NoAnswer, NotSent, fill
from payments_core.http.parsing import parse_json
from payments_core.provider import (
    AccountRefused,
    Acknowledgement,
    Attempt,
    Balance,
    Callback,
    CancelAnswer,
    CheckOutcome,
    Credential,
    Draft,
    Finding,
    LookupRefused,
    Operator,
    ParsedCallback,
    SubmitOutcome,
)
from payments_pawapay import callbacks, codec, lookups
from payments_pawapay.limits import FINEST, read_configuration
from payments_pawapay.provider_config_cache import ProviderConfigCache
from payments_pawapay.requests import MOST_AT_ONCE, SIGNED, Calls, check_options, operator_of, payment
from payments_pawapay.settings import PawapaySettings
from payments_pawapay.signatures import Signer, Verifier

__all__ = ["PawapayProvider"]


class PawapayProvider:
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

    def validate(self, order: Order) -> None:
        """Raise ``InvalidPayout`` when the order cannot be paid from this account, as far as is known."""
        if not order.payee.is_msisdn:
            raise InvalidPayee("pawaPay pays to telephone numbers.", hint="Make it with Payee.msisdn(…).")
        operator = operator_of(order, self._settings.operator)
        check_options(order.options)
        if not order.amount.is_multiple_of(FINEST):
            raise InvalidAmount(
                f"{order.amount} has more than two decimals.", hint="Amounts are never rounded for you."
            )
        if self._config_cache.configuration is not None:
            self._config_cache.configuration.check(operator, order.payee.value, order.amount)
        elif operator == self._settings.operator and order.amount.currency != self._settings.currency:
            raise InvalidCurrency(
                f"{operator} is paid in {self._settings.currency} from this account, not in {order.amount.currency}.",
                hint="Name the operator that takes it, by the option provider.",
            )

    def draft(self, order: Order, attempt: Attempt) -> Draft:
        """Make the payment ready: pure, equal for equal arguments.

        Raises:
            InvalidPayout: The order cannot be paid from this account.

        """
        self.validate(order)
        reference = uuid4_shaped(attempt.seed)
        fields = payment(order, operator_of(order, self._settings.operator), reference, attempt.payout_id)
        references = {"reference": reference, "external_id": attempt.payout_id}
        return Draft(references, self._calls.pay(fields), order)

    def submit(self, draft: Draft) -> HttpFlow[SubmitOutcome]:
        """Send the payment, once, and say what the answer means."""
        answer = yield from exchange(draft.request)
        return codec.read_submitted(answer, draft.references["reference"])

    def submit_many(self, drafts: Sequence[Draft]) -> HttpFlow[Sequence[SubmitOutcome]]:
        """Send many payments in one request, and say of each what its answer means; not atomic.

        Not for the engine, which writes down one payment before it sends it: whoever calls this keeps the references.

        Args:
            drafts: At most 20.

        Raises:
            InvalidPayout: There are none, or too many.

        """
        if not 1 <= len(drafts) <= MOST_AT_ONCE:
            raise InvalidPayout(f"A bulk has 1 to {MOST_AT_ONCE} payments, not {len(drafts)}.")
        answer = yield from exchange(self._in_one(drafts))
        return codec.read_many(answer, [draft.references["reference"] for draft in drafts])

    def _in_one(self, drafts: Sequence[Draft]) -> HttpRequest:
        """Return one request for many payments; built apart, as a frame that waits is seen by error trackers."""
        payments = [parse_json((draft.request.body or "").encode()) for draft in drafts]
        return self._calls.pay_many([one for one in payments if isinstance(one, dict)])

    def check(self, draft: Draft) -> HttpFlow[CheckOutcome]:
        """Ask what became of the payment."""
        reference = draft.references["reference"]
        answer = yield from exchange(self._calls.status(reference))
        if self._verifier is not None:  # a process that only reads has to hear of new keys, too
            yield from self._learn_keys(answer.at)
        return codec.read_status(answer, reference)

    def cancel(self, draft: Draft) -> HttpFlow[CancelAnswer | LookupRefused]:
        """Ask to fail a payment that is enqueued; what became of it is told by ``check``."""
        reference = draft.references["reference"]
        answer = yield from exchange(self._calls.cancel(reference))
        return lookups.read_cancel(answer, reference)

    def resend_callback(self, reference: str) -> HttpFlow[CancelAnswer | LookupRefused]:
        """Ask for a payment's callback once more: ``TOO_LATE`` here means that the payment has not ended yet."""
        answer = yield from exchange(self._calls.resend_callback(reference))
        return lookups.read_cancel(answer, reference)

    def binding(self, operation: Operation) -> Mapping[str, str]:
        """Return where and as whom it pays."""
        return {
            "provider": "pawapay",
            "version": "v2",
            "host": urlsplit(self._settings.base_url).netloc,
            "merchant": self._settings.merchant,
            "operation": str(operation),
        }

    # --- credentials: the token never changes, so nothing is fetched ---

    def authenticate(self) -> HttpFlow[Credential | AccountRefused]:
        """Return the token."""
        yield from ()  # a flow, though it asks for nothing
        return Credential({"api_token": self._settings.api_token.get_secret_value()})

    def apply(self, request: HttpRequest, credential: Credential, *, at: datetime, entropy: bytes) -> HttpRequest:
        """Return the request with the token in its slot, signed where it moves money and a key is set."""
        filled = fill(request, credential.secrets)
        if self._signer is None or request.operation not in SIGNED:
            return filled
        return self._signer.sign(filled, at)

    def is_auth_refusal(self, response: HttpResponse) -> bool:
        """Return False: another token would be no better."""
        return False

    # --- what the account goes by ---

    def refresh_provider_config(self, at: datetime) -> HttpFlow[None]:
        """Ask for operators, limits and keys where they are out of date."""
        if self._config_cache.begin("configuration", at):
            answer = yield from exchange(self._calls.active_conf())
            self._take_configuration(answer)
        if self._verifier is not None:
            yield from self._learn_keys(at)

    def _take_configuration(self, answer: HttpResponse) -> None:
        found = read_configuration(parse_json(answer.body)) if answer.status == 200 else None
        if found is not None:
            self._config_cache.configuration = found
            self._config_cache.learned("configuration", answer.at)

    def _learn_keys(self, at: datetime) -> HttpFlow[None]:
        if not self._config_cache.begin("keys", at):
            return
        try:
            answer = yield from exchange(self._calls.keys())
        except (NotSent, NoAnswer):
            return  # whatever it was asked beside is not spoilt by it
        if keys := lookups.read_keys(answer):
            self._config_cache.learn_keys(keys, answer.at)

    # --- questions ---

    def balances(self, currency: str | None = None) -> HttpFlow[tuple[Balance, ...] | LookupRefused]:
        """Ask what the wallets hold: one for each country and currency."""
        answer = yield from exchange(self._calls.balances())
        return lookups.read_balances(answer, currency)

    def operator(self, payee: Payee) -> HttpFlow[Operator | LookupRefused]:
        """Ask whose customer a number is thought to be; pawaPay can be wrong where numbers are carried over."""
        answer = yield from exchange(self._calls.predict(payee.value))
        return lookups.read_operator(answer)

    def diagnose(self) -> HttpFlow[Sequence[Finding]]:
        """Look at what the account may do, and whether its operator works."""
        answer = yield from exchange(self._calls.active_conf())
        known = read_configuration(parse_json(answer.body)) if answer.status == 200 else None
        available = yield from exchange(self._calls.availability())
        return tuple(lookups.findings(known, lookups.read_availability(available), self._settings))

    # --- callbacks: hints, also where they are proven ---

    def verify(self, callback: Callback) -> bool | None:
        """Say whether pawaPay signed it; None where nothing is signed, or with a key that is not known yet."""
        return None if self._verifier is None else self._verifier.verify(callback, self._config_cache)

    def parse(self, callback: Callback) -> ParsedCallback | None:
        """Say which payment it is about; None when it names none."""
        return callbacks.parse(callback)

    def acknowledge(self, callback: Callback) -> Acknowledgement:
        """Answer 200, whatever it says: anything else brings it again for fifteen minutes."""
        return Acknowledgement()
