"""The native calls, each written once: what is sent, and what becomes of the response. No socket, no clock, no lock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, TypeVar
from uuid import UUID

from pydantic import SecretStr

from payments_core.domain.bounds import LONGEST_S, check_number
from payments_core.domain.errors import InvalidPayout, PaymentsError
from payments_core.domain.money import Currency
from payments_core.domain.payout import Payee
from payments_core.http.flow import HttpFlow, exchange
from payments_core.http.messages import HttpRequest, HttpResponse, NoAnswer, NotSent
from payments_mtn_momo.api import results
from payments_mtn_momo.api.access_token import read_access_token, token_request
from payments_mtn_momo.api.checks import check_text, read_reference, read_version_4
from payments_mtn_momo.api.models import (
    Accepted,
    AccessToken,
    Balance,
    ConsentRequest,
    Oauth2Token,
    PaymentStatus,
)
from payments_mtn_momo.api.operations import OPERATIONS
from payments_mtn_momo.api.payment_body import fold, recipient, write_json
from payments_mtn_momo.api.people import BasicUserInfo, UserInfo
from payments_mtn_momo.api.requests import CIBA, build, fill_secrets, own_secrets
from payments_mtn_momo.native.failures import CallContext, failed, misused, unanswered
from payments_mtn_momo.native.payments import Payment, read_callback_url, read_payee
from payments_mtn_momo.settings import MtnMomoSettings

__all__ = ["AccountType", "Calls", "run_call"]

T = TypeVar("T")
AccountType = Literal["msisdn", "email", "party_code"]


def run_call(
    context: CallContext, prepare: Callable[[], HttpRequest], read: Callable[[HttpResponse], T | None]
) -> HttpFlow[T]:
    """Send one call, once, and return what its response holds.

    Args:
        context: What an error is about.
        prepare: Makes the request; a frame that waits would show its secrets to an error tracker.
        read: Reads the response of a success; None when it cannot be read.

    Raises:
        MomoError: It did not end well: a ``ReadError`` for a read, an ``ActionError`` for anything else.

    """
    try:
        response = yield from exchange(prepare())
    except PaymentsError as problem:
        failure = misused(context, problem)
    except (NotSent, NoAnswer) as ended:
        failure = unanswered(context, ended)
    else:
        result = read(response) if response.status in OPERATIONS[context.operation].success else None
        if result is not None:
            return result
        failure = failed(context, response)
    raise failure


class Calls:
    """The calls of one account.

    Args:
        settings: The account.
        consent_auth: How the request for consent speaks: the export says Basic, MTN's own libraries send Bearer.

    """

    def __init__(self, settings: MtnMomoSettings, *, consent_auth: Literal["bearer", "basic"] = "bearer") -> None:
        self._settings = settings
        self._consent_auth: Literal["bearer", "basic"] = consent_auth
        self._secrets = own_secrets(settings)
        self._hidden = (settings.api_key.get_secret_value(), *self._secrets.values())

    # --- tokens and consent ---

    def create_access_token(self) -> HttpFlow[AccessToken]:
        """Fetch a token of the API user."""
        return run_call(self._context("token"), lambda: token_request(self._settings), read_access_token)

    def authorize_consent(
        self,
        msisdn: str,
        *,
        scope: str,
        access_type: str,
        consent_valid_in_s: int | None,
        client_notification_token: str,
        scope_instruction: str,
        callback_url: str,
    ) -> HttpFlow[ConsentRequest]:
        """Ask an account holder for consent."""

        def prepare() -> HttpRequest:
            if consent_valid_in_s is not None:
                check_number("consent_valid_in_s", consent_valid_in_s, 1, LONGEST_S, whole=True)
            form = {
                "login_hint": f"ID:{read_payee(msisdn).value}/MSISDN",
                "scope": scope,
                "access_type": access_type,
                "consent_valid_in": "" if consent_valid_in_s is None else str(consent_valid_in_s),
                "client_notification_token": client_notification_token,
                "scope_instruction": scope_instruction,
            }
            return self._filled(
                build(
                    self._settings,
                    "bc_authorize",
                    form={name: value for name, value in form.items() if value},
                    callback_url=read_callback_url(callback_url, self._settings),
                    auth=self._consent_auth,
                )
            )

        return run_call(self._context("bc_authorize"), prepare, results.read_consent_request)

    def create_oauth2_token(self, consent: ConsentRequest | str) -> HttpFlow[Oauth2Token]:
        """Fetch the token of a consent."""
        name = consent.auth_req_id if isinstance(consent, ConsentRequest) else consent
        return self._oauth2_token(CIBA, "auth_req_id", SecretStr(name))

    def refresh_oauth2_token(self, token: Oauth2Token | SecretStr | str) -> HttpFlow[Oauth2Token]:
        """Fetch the next token of a consent."""
        refresh_token = token.refresh_token if isinstance(token, Oauth2Token) else token
        return self._oauth2_token("refresh_token", "refresh_token", refresh_token)

    def _oauth2_token(self, grant_type: str, name: str, secret: SecretStr | str | None) -> HttpFlow[Oauth2Token]:
        def prepare() -> HttpRequest:
            if secret is None:
                hint = "Ask for consent with access_type='offline'."
                raise InvalidPayout("This consent has no refresh token.", hint=hint)
            return self._filled(
                build(self._settings, "oauth2_token", form={"grant_type": grant_type, name: _plain(secret)})
            )

        return run_call(self._context("oauth2_token", hidden=secret), prepare, results.read_oauth2_token)

    def ask_user_info(self, token: Oauth2Token | SecretStr | str | None) -> HttpFlow[UserInfo]:
        """Read who holds an account, with consent."""
        secret = token.access_token if isinstance(token, Oauth2Token) else token

        def prepare() -> HttpRequest:
            if secret is None:
                return build(self._settings, "user_info", auth="bearer")
            if results.sendable_secret(_plain(secret)) is None:
                raise InvalidPayout("The consent's token is empty or cannot be sent.")
            return self._filled(build(self._settings, "user_info"), {"oauth2_token": _plain(secret)})

        return run_call(self._context("user_info", hidden=secret), prepare, results.read_user_info)

    # --- reads ---

    def get_account_balance(self, currency: str = "") -> HttpFlow[Balance]:
        """Read the balance, in one currency if it is named."""

        def prepare() -> HttpRequest:
            if not currency:
                return build(self._settings, "balance")
            return build(self._settings, "balance_in", path={"currency": str(Currency(currency))})

        return run_call(self._context("balance_in" if currency else "balance"), prepare, results.read_balance)

    def get_basic_user_info(self, account: str, account_type: AccountType) -> HttpFlow[BasicUserInfo]:
        """Read the name of an account holder."""
        return self._about_holder("basic_user_info", account, account_type, results.read_basic_user_info)

    def is_active(self, account: str, account_type: AccountType) -> HttpFlow[bool]:
        """Read whether an account holder can be paid."""
        return self._about_holder("account_active", account, account_type, results.read_active)

    def _about_holder(
        self, operation: str, account: str, account_type: AccountType, read: Callable[[HttpResponse], T | None]
    ) -> HttpFlow[T]:
        def prepare() -> HttpRequest:
            payee = read_payee(account if account_type == "msisdn" else Payee(account_type, account))
            return build(self._settings, operation, path={"account_type": payee.kind, "account": payee.value})

        return run_call(self._context(operation), prepare, read)

    def get_status(
        self, operation: Literal["transfer_status", "deposit_status", "refund_status"], reference: str | UUID
    ) -> HttpFlow[PaymentStatus]:
        """Read what became of a payment."""
        return run_call(
            self._context(operation, str(reference)),
            lambda: build(self._settings, operation, path={"reference": read_reference(reference)}),
            lambda response: results.read_payment(response, reference=read_reference(reference)),
        )

    # --- payments ---

    def transfer(
        self, payment: Payment, *, reference: str | UUID, payee: Payee | str, transfer_type: str
    ) -> HttpFlow[Accepted]:
        """Pay a wallet."""
        return self._pay(
            "transfer",
            payment,
            reference,
            lambda: recipient(read_payee(payee), transfer_type=check_text(transfer_type, "transfer_type")),
        )

    def deposit(
        self, payment: Payment, *, reference: str | UUID, payee: Payee | str, version: Literal[1, 2]
    ) -> HttpFlow[Accepted]:
        """Pay cash into a wallet."""
        return self._pay(f"deposit_v{version}", payment, reference, lambda: recipient(read_payee(payee)))

    def refund(
        self, payment: Payment, *, reference: str | UUID, reference_id_to_refund: str | UUID, version: Literal[1, 2]
    ) -> HttpFlow[Accepted]:
        """Pay a collection back."""
        return self._pay(
            f"refund_v{version}",
            payment,
            reference,
            lambda: recipient(Payee.payer_of(read_reference(reference_id_to_refund))),
        )

    def _pay(
        self, operation: str, payment: Payment, reference: str | UUID, to: Callable[[], Mapping[str, object]]
    ) -> HttpFlow[Accepted]:
        known = operation if operation in OPERATIONS else f"{operation.partition('_')[0]}_v2"
        external_id = payment.external_id or str(reference).lower()

        def prepare() -> HttpRequest:
            if known != operation:
                raise InvalidPayout("There is no such version.", hint="Give version=1 or version=2.")
            return build(
                self._settings,
                operation,
                reference=read_version_4(reference),
                callback_url=read_callback_url(payment.callback_url, self._settings),
                body=payment.encode(self._settings, external_id=external_id, to=to()),
            )

        return run_call(
            self._context(known, str(reference)),
            prepare,
            lambda response: Accepted(read_version_4(reference), operation, external_id, response.at),
        )

    def send_delivery_notification(self, reference: str | UUID, message: str, *, language: str) -> HttpFlow[bool]:
        """Send the payer of a collection a message."""

        def prepare() -> HttpRequest:
            if not 1 <= len(message) <= 160:
                raise InvalidPayout("The message must have 1 to 160 characters.")
            return build(
                self._settings,
                "delivery_notification",
                path={"reference": read_reference(reference)},
                headers={
                    "notificationMessage": _header_text(message),
                    "Language": check_text(language, "language"),
                },
                body=write_json({"notificationMessage": check_text(message, "message")}),
            )

        return run_call(self._context("delivery_notification", str(reference)), prepare, lambda _: True)

    def _context(self, operation: str, reference: str = "", *, hidden: SecretStr | str | None = None) -> CallContext:
        secret = "" if hidden is None else _plain(hidden)
        return CallContext(operation, reference, (*self._hidden, secret) if len(secret) > 3 else self._hidden)

    def _filled(self, request: HttpRequest, secrets: Mapping[str, str] | None = None) -> HttpRequest:
        """Return a request with what the account holds in its slots; the session fills one that wants the token."""
        return request if request.credential else fill_secrets(request, {**self._secrets, **(secrets or {})})


def _header_text(text: str) -> str:
    """Return text as far as a header field can carry it: ASCII, accents dropped."""
    kept = "".join(mark for mark in fold(text) if mark.isascii() and mark.isprintable()).strip()
    if not kept:
        raise InvalidPayout(
            "The message holds nothing that a header field can carry.", hint="Write it in Latin letters."
        )
    return check_text(kept, "message")


def _plain(secret: SecretStr | str) -> str:
    return secret.get_secret_value() if isinstance(secret, SecretStr) else secret
