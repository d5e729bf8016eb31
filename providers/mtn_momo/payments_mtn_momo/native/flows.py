"""The native calls, each written once: what is asked, and what becomes of the answer. No socket, no clock, no lock."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Literal, TypeVar
from uuid import UUID

from pydantic import SecretStr

from payments_core.domain.bounds import LONGEST_S, check_number
from payments_core.domain.errors import InvalidCurrency, InvalidPayout, PaymentsError
from payments_core.domain.money import Currency
from payments_core.domain.payout import Payee
from payments_core.http.flow import HttpFlow, exchange
from payments_core.http.messages import HttpRequest, HttpResponse, NoAnswer, NotSent
from payments_core.http.parsing import number, text_of
from payments_core.provider import AccountRefused
from payments_mtn_momo import credentials
from payments_mtn_momo.answers import read_body
from payments_mtn_momo.native import bodies, reading
from payments_mtn_momo.native.asking import act, ask, checked, legible
from payments_mtn_momo.native.bodies import Payment
from payments_mtn_momo.native.errors import ReadError, ReadRefused, ReadUnanswered
from payments_mtn_momo.native.failures import (
    Asked,
    misused,
    read_failed,
    read_unanswered,
    unasked,
)
from payments_mtn_momo.native.models import (
    Accepted,
    AccessToken,
    Balance,
    ConsentRequest,
    Oauth2Token,
    PaymentStatus,
)
from payments_mtn_momo.native.people import BasicUserInfo, UserInfo
from payments_mtn_momo.operations import OPERATIONS
from payments_mtn_momo.requests import build, own_secrets, sealed
from payments_mtn_momo.settings import MtnMomoSettings

__all__ = ["AccountType", "Flows"]

T = TypeVar("T")
AccountType = Literal["msisdn", "email", "party_code"]
_CIBA = "urn:openid:params:grant-type:ciba"  # MTN's own, not the standard's


class Flows:
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
        """Ask for a token of the API user."""
        asked = self._asked("token")
        try:
            answer = yield from exchange(credentials.ask_for_token(self._settings))
        except (NotSent, NoAnswer) as ended:
            failure = read_unanswered(asked, ended)
        else:
            found = self._read_token(asked, answer)
            if isinstance(found, AccessToken):
                return found
            failure = found
        raise failure

    def _read_token(self, asked: Asked, answer: HttpResponse) -> AccessToken | ReadError:
        try:
            found = credentials.read_token(answer, self._settings)  # the same judge as for the neutral provider
        except NoAnswer:
            return read_failed(asked, answer, kind=ReadUnanswered)
        if isinstance(found, AccountRefused):
            return read_failed(asked, answer, kind=ReadRefused, reason=found.reason.code)
        fields = dict(read_body(answer).fields)
        fields.pop("access_token", None)
        return AccessToken(
            access_token=SecretStr(found.secrets["access_token"]),
            token_type=text_of(fields.pop("token_type", "")),
            expires_in_s=float(number(fields.pop("expires_in", None)) or 3600),
            renew_at=found.expires_at or answer.at,
            extra=fields,
        )

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
        asked = self._asked("bc_authorize")
        if consent_valid_in_s is not None:
            valid_s = consent_valid_in_s
            checked(asked, lambda: check_number("consent_valid_in_s", valid_s, 1, LONGEST_S, whole=True))
        form = {
            "login_hint": f"ID:{checked(asked, lambda: bodies.party_of(msisdn).value)}/MSISDN",
            "scope": scope,
            "access_type": access_type,
            "consent_valid_in": "" if consent_valid_in_s is None else str(consent_valid_in_s),
            "client_notification_token": client_notification_token,
            "scope_instruction": scope_instruction,
        }
        request = build(
            self._settings,
            "bc_authorize",
            form={name: value for name, value in form.items() if value},
            callback_url=checked(asked, lambda: bodies.callback_url(callback_url, self._settings)),
            auth=self._consent_auth,
        )
        answer = yield from act(asked, request if request.credential else sealed(request, self._secrets))
        return legible(asked, reading.read_consent_request(answer), answer)

    def oauth2_token(self, grant_type: str, name: str, secret: SecretStr) -> HttpFlow[Oauth2Token]:
        """Ask for a consent's token, or for its next one."""
        asked = self._asked("oauth2_token", hidden=(secret.get_secret_value(),))
        # Opened in passing: a variable of this frame would be in every error tracker's report.
        request = build(
            self._settings, "oauth2_token", form={"grant_type": grant_type, name: secret.get_secret_value()}
        )
        answer = yield from act(asked, sealed(request, self._secrets))
        return legible(asked, reading.read_oauth2_token(answer), answer)

    def create_oauth2_token(self, consent: ConsentRequest | str) -> HttpFlow[Oauth2Token]:
        """Ask for the token of a consent."""
        name = consent.auth_req_id if isinstance(consent, ConsentRequest) else consent
        return self.oauth2_token(_CIBA, "auth_req_id", SecretStr(name))

    def refresh_oauth2_token(self, token: Oauth2Token | SecretStr | str) -> HttpFlow[Oauth2Token]:
        """Ask for the next token of a consent."""
        refresh = token.refresh_token if isinstance(token, Oauth2Token) else token
        if refresh is None:
            raise misused(
                self._asked("oauth2_token"),
                InvalidPayout("This consent has no refresh token.", hint="Ask for consent with access_type='offline'."),
            )
        return self.oauth2_token("refresh_token", "refresh_token", SecretStr(_open(refresh)))

    def ask_user_info(self, token: Oauth2Token | SecretStr | str | None) -> HttpFlow[UserInfo]:
        """Read who holds an account, with consent."""
        if token is None:
            return ask(
                self._asked("user_info"), build(self._settings, "user_info", auth="bearer"), reading.read_user_info
            )
        secret = _open(token.access_token if isinstance(token, Oauth2Token) else token)
        asked = self._asked("user_info", hidden=(secret,))
        if reading.sendable_secret(secret) is None:
            raise unasked(asked, InvalidPayout("The consent's token is empty or cannot be sent."))
        request = sealed(build(self._settings, "user_info"), self._secrets | {"oauth2_token": secret})
        return ask(asked, request, reading.read_user_info)

    # --- reads ---

    def get_account_balance(self, currency: str = "") -> HttpFlow[Balance]:
        """Read the balance, in one currency if it is named."""
        if not currency:
            return ask(self._asked("balance"), build(self._settings, "balance"), reading.read_balance)
        asked = self._asked("balance_in")
        try:
            path = {"currency": str(Currency(currency))}
        except InvalidCurrency as problem:
            raise unasked(asked, problem) from None
        return ask(asked, build(self._settings, "balance_in", path=path), reading.read_balance)

    def get_basic_user_info(self, account: str, account_type: AccountType) -> HttpFlow[BasicUserInfo]:
        """Read the name of an account holder."""
        asked = self._asked("basic_user_info")
        request = build(self._settings, "basic_user_info", path=_holder(asked, account, account_type))
        return ask(asked, request, reading.read_basic_user_info)

    def is_active(self, account: str, account_type: AccountType) -> HttpFlow[bool]:
        """Read whether an account holder can be paid."""
        asked = self._asked("account_active")
        request = build(self._settings, "account_active", path=_holder(asked, account, account_type))
        return ask(asked, request, reading.read_active)

    def get_status(
        self, operation: Literal["transfer_status", "deposit_status", "refund_status"], reference: str | UUID
    ) -> HttpFlow[PaymentStatus]:
        """Read what became of a payment."""
        asked = self._asked(operation, str(reference))
        try:
            name = bodies.any_reference(reference)
        except InvalidPayout as problem:
            raise unasked(asked, problem) from None
        request = build(self._settings, operation, path={"reference": name})
        return ask(asked, request, lambda answer: reading.read_payment(answer, reference=name))

    # --- payments ---

    def transfer(
        self, payment: Payment, *, reference: str | UUID, payee: Payee | str, transfer_type: str
    ) -> HttpFlow[Accepted]:
        """Pay a wallet."""

        def more() -> dict[str, Any]:
            kind = {"transferType": bodies.plain(transfer_type, "transfer_type")} if transfer_type else {}
            return bodies.payee_fields(payee) | kind

        return self._pay("transfer", payment, reference, more)

    def deposit(
        self, payment: Payment, *, reference: str | UUID, payee: Payee | str, version: Literal[1, 2]
    ) -> HttpFlow[Accepted]:
        """Pay cash into a wallet."""
        return self._pay(f"deposit_v{version}", payment, reference, lambda: bodies.payee_fields(payee))

    def refund(
        self, payment: Payment, *, reference: str | UUID, reference_id_to_refund: str | UUID, version: Literal[1, 2]
    ) -> HttpFlow[Accepted]:
        """Pay a collection back."""

        def more() -> dict[str, Any]:
            return {"referenceIdToRefund": bodies.any_reference(reference_id_to_refund)}

        return self._pay(f"refund_v{version}", payment, reference, more)

    def _pay(
        self, operation: str, payment: Payment, reference: str | UUID, more: Callable[[], dict[str, Any]]
    ) -> HttpFlow[Accepted]:
        if operation not in OPERATIONS:
            asked = self._asked(f"{operation.partition('_')[0]}_v2", str(reference))
            raise misused(asked, InvalidPayout("There is no such version.", hint="Give version=1 or version=2."))
        asked = self._asked(operation, str(reference))

        def ready() -> tuple[str, str, HttpRequest]:
            name = bodies.payment_reference(reference)
            body, external_id = bodies.payment_body(payment, self._settings, reference=name, more=more())
            callback = bodies.callback_url(payment.callback_url, self._settings)
            request = build(self._settings, operation, reference=name, callback_url=callback, body=body)
            return name, external_id, request

        name, external_id, request = checked(asked, ready)
        answer = yield from act(asked, request)
        return Accepted(name, operation, external_id, answer.at)

    def send_delivery_notification(self, reference: str | UUID, message: str, *, language: str) -> HttpFlow[None]:
        """Tell the payer of a collection something."""
        asked = self._asked("delivery_notification", str(reference))

        def ready() -> HttpRequest:
            if not 1 <= len(message) <= 160:
                raise InvalidPayout("The message must have 1 to 160 characters.")
            return build(
                self._settings,
                "delivery_notification",
                path={"reference": bodies.any_reference(reference)},
                headers={
                    "notificationMessage": bodies.header_text(message),
                    "Language": bodies.plain(language, "language"),
                },
                body=json.dumps({"notificationMessage": bodies.plain(message, "message")}, separators=(",", ":")),
            )

        yield from act(asked, checked(asked, ready))

    def _asked(self, operation: str, reference: str = "", *, hidden: tuple[str, ...] = ()) -> Asked:
        return Asked(operation, reference, (*self._hidden, *(text for text in hidden if len(text) > 3)))


def _holder(asked: Asked, account: str, account_type: AccountType) -> dict[str, str]:
    """Return whom a read is about, as the path wants it."""
    try:
        found = bodies.party_of(account if account_type == "msisdn" else Payee(account_type, account))
    except PaymentsError as problem:
        failure = unasked(asked, problem)
    else:
        return {"account_type": found.kind, "account": found.value}
    raise failure


def _open(secret: SecretStr | str) -> str:
    return secret.get_secret_value() if isinstance(secret, SecretStr) else secret
