"""The calls about an account and its holders, each written once: tokens, consent, balances, names."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal, TypeVar

from pydantic import SecretStr

from payments_core.domain.bounds import LONGEST_S, check_number
from payments_core.domain.errors import InvalidPayout
from payments_core.domain.money import Currency
from payments_core.domain.payout import Payee
from payments_core.http.flow import HttpFlow
from payments_core.http.messages import HttpRequest, HttpResponse
from payments_mtn_momo.api import results
from payments_mtn_momo.api.access_token import read_access_token, token_request
from payments_mtn_momo.api.models import AccessToken, Balance, ConsentRequest, Oauth2Token, UserInfo
from payments_mtn_momo.api.requests import CIBA, build
from payments_mtn_momo.native.calls import NativeCalls, plain, read_callback_url, read_payee, run_call

__all__ = ["AccountCalls", "AccountType"]

T = TypeVar("T")
_read_balance = partial(results.read, Balance)
AccountType = Literal["msisdn", "email", "party_code"]


class AccountCalls(NativeCalls):
    """Tokens, consent, and reads; none of them moves money."""

    def create_access_token(self) -> HttpFlow[AccessToken]:
        """Fetch a token of the API user."""
        return run_call(self._context("token"), lambda: token_request(self.settings), read_access_token)

    def authorize_consent(
        self,
        msisdn: str,
        *,
        scope: str = "profile",
        access_type: Literal["online", "offline"] = "online",
        consent_valid_in_s: int | None = None,
        client_notification_token: str = "",
        scope_instruction: str = "",
        callback_url: str = "",
    ) -> HttpFlow[ConsentRequest]:
        """Ask an account holder for consent to read more about them (MTN: bc-authorize).

        Args:
            msisdn: Whom; country code and number.
            scope: ``profile`` or ``all_info``; several are separated by blanks.
            access_type: ``offline`` also gives a refresh token.
            consent_valid_in_s: How long the consent is good, in seconds; only with ``offline``.
            client_notification_token: For MTN to show in its notification.
            scope_instruction: A financial instruction in Base64, for a consented payment.
            callback_url: Where MTN reports the end.
        """

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
                    self.settings,
                    "bc_authorize",
                    form={name: value for name, value in form.items() if value},
                    callback_url=read_callback_url(callback_url, self.settings),
                    auth=self._consent_auth,
                )
            )

        return run_call(self._context("bc_authorize"), prepare, partial(results.read, ConsentRequest))

    def create_oauth2_token(self, consent: ConsentRequest | str) -> HttpFlow[Oauth2Token]:
        """Fetch the token of a consent; ask again after the consent's interval while it has not been given.

        Args:
            consent: What ``authorize_consent`` returned, or its ``auth_req_id``.

        Raises:
            ActionError: It was not sent, was refused (not given yet, too late, used up), or its outcome is unknown.

        """
        name = consent.auth_req_id if isinstance(consent, ConsentRequest) else consent
        return self._oauth2_token(CIBA, "auth_req_id", SecretStr(name))

    def refresh_oauth2_token(self, token: Oauth2Token | SecretStr | str) -> HttpFlow[Oauth2Token]:
        """Fetch the next token of a consent of access type ``offline``.

        Args:
            token: The last one, or its refresh token.
        """
        refresh_token = token.refresh_token if isinstance(token, Oauth2Token) else token
        return self._oauth2_token("refresh_token", "refresh_token", refresh_token)

    def _oauth2_token(self, grant_type: str, name: str, secret: SecretStr | str | None) -> HttpFlow[Oauth2Token]:
        def prepare() -> HttpRequest:
            if secret is None:
                hint = "Ask for consent with access_type='offline'."
                raise InvalidPayout("This consent has no refresh token.", hint=hint)
            return self._filled(
                build(self.settings, "oauth2_token", form={"grant_type": grant_type, name: plain(secret)})
            )

        return run_call(self._context("oauth2_token", hidden=secret), prepare, partial(results.read, Oauth2Token))

    def ask_user_info(self, token: Oauth2Token | SecretStr | str | None = None) -> HttpFlow[UserInfo]:
        """Read who holds an account, as far as the account holder consented.

        Args:
            token: The consent's token. None sends the API user's own, as older libraries do; MTN's export wants the
                consent's.
        """
        secret = token.access_token if isinstance(token, Oauth2Token) else token

        def prepare() -> HttpRequest:
            if secret is None:
                return build(self.settings, "user_info", auth="bearer")
            if results.sendable_secret(plain(secret)) is None:
                raise InvalidPayout("The consent's token is empty or cannot be sent.")
            return self._filled(build(self.settings, "user_info"), {"oauth2_token": plain(secret)})

        return run_call(self._context("user_info", hidden=secret), prepare, partial(results.read, UserInfo))

    def get_account_balance(self) -> HttpFlow[Balance]:
        """Read the account's balance.

        Raises:
            ReadError: It could not be read; the sandbox fails at random here.

        """
        return run_call(self._context("balance"), lambda: build(self.settings, "balance"), _read_balance)

    def get_account_balance_in(self, currency: str) -> HttpFlow[Balance]:
        """Read the account's balance in one currency.

        Args:
            currency: ISO 4217, such as ``UGX``.
        """
        return run_call(
            self._context("balance_in"),
            lambda: build(self.settings, "balance_in", path={"currency": str(Currency(currency))}),
            _read_balance,
        )

    def get_basic_user_info(self, msisdn: str, *, account_type: AccountType = "msisdn") -> HttpFlow[UserInfo]:
        """Read the name of an account holder, without consent.

        Args:
            msisdn: Whom; country code and number, or what ``account_type`` says.
            account_type: ``msisdn``, ``email`` or ``party_code``.

        Raises:
            ReadNotFound: There is no such account holder.
            ReadError: It could not be read.

        """
        return self._about_holder("basic_user_info", msisdn, account_type, partial(results.read, UserInfo))

    def is_active(self, account: str, account_type: AccountType = "msisdn") -> HttpFlow[bool]:
        """Read whether an account holder is registered and active.

        Args:
            account: Whom; country code and number, or what ``account_type`` says.
            account_type: ``msisdn``, ``email`` or ``party_code``.

        Raises:
            ReadNotFound: There is no such account holder; in production an unknown wallet is False instead.
            ReadError: It could not be read.

        """
        return self._about_holder("account_active", account, account_type, results.read_active)

    def _about_holder(
        self, operation: str, account: str, account_type: AccountType, read: Callable[[HttpResponse], T | None]
    ) -> HttpFlow[T]:
        def prepare() -> HttpRequest:
            payee = read_payee(account if account_type == "msisdn" else Payee(account_type, account))
            return build(self.settings, operation, path={"account_type": payee.kind, "account": payee.value})

        return run_call(self._context(operation), prepare, read)
