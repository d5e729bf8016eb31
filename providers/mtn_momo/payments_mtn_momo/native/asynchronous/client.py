"""The native client: one method a call of MTN's Disbursements, under the names people know."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from datetime import datetime
from types import TracebackType
from typing import Any, Literal, Self
from uuid import UUID

from pydantic import SecretStr

from payments_core.domain.payout import Payee
from payments_mtn_momo.api.models import (
    Accepted,
    AccessToken,
    Balance,
    ConsentRequest,
    Oauth2Token,
    PaymentStatus,
)
from payments_mtn_momo.api.people import BasicUserInfo, UserInfo
from payments_mtn_momo.native.asynchronous.session import AsyncNativeSession
from payments_mtn_momo.native.calls import AccountType, Calls
from payments_mtn_momo.native.payments import Amount, Payment
from payments_mtn_momo.native.session_config import NativeSessionConfig, Retry, read_policies, read_settings, utc_now
from payments_mtn_momo.settings import MtnMomoSettings

__all__ = ["AsyncDisbursementsClient"]


class AsyncDisbursementsClient:
    """MTN's Disbursements, call by call; on one event loop; an asynchronous context manager.

    It writes nothing down and repeats no payment: there is no journal behind it, and the promise that one key leads to
    at most one payment is ``AsyncPayoutClient``'s, not this client's. Draw a reference with ``new_reference()``,
    store it with the payment *before* you send, and after a :class:`NotSentError` or :class:`UnknownOutcomeError` go on
    with the same reference, never with a new one.
    A cancelled payment may have been sent: treat it as unknown.

    A payment that was not taken raises an :class:`ActionError`, which always carries the reference; a read that failed
    raises a :class:`ReadError`. Token, target environment and subscription key are added by the client.

    Args:
        settings: The account; or give the fields of ``MtnMomoSettings`` as keyword arguments. Of what
            every account has, ``timeout_s``, ``max_in_flight`` and ``retry`` count here; all else is the journal's.
        retry: How reads and the token call are repeated, where it should differ from the settings:
            ``{"balance": {"attempts": 5}}``. Payments are never repeated.
        consent_auth: How ``authorize_consent`` speaks: the export says Basic, MTN's own libraries send Bearer.
        clock: Tells the time; aware, UTC.
        tls: For servers with certificates of their own; by default what the operating system trusts.
        fields: Fields of ``MtnMomoSettings``.

    Raises:
        SettingsError: The settings or ``retry`` are wrong.

    """

    def __init__(
        self,
        settings: MtnMomoSettings | None = None,
        *,
        retry: Retry | None = None,
        consent_auth: Literal["bearer", "basic"] = "bearer",
        clock: Callable[[], datetime] = utc_now,
        tls: ssl.SSLContext | None = None,
        **fields: Any,
    ) -> None:
        from payments_core.http.transport.aiohttp_async import (
            AiohttpTransport,  # here: the library is loaded only when used
        )

        self.settings = read_settings(settings, fields)
        self._calls = Calls(self.settings, consent_auth=consent_auth)
        config = NativeSessionConfig(
            label=f"mtn_momo:{self.settings.target_environment}",
            subscription_key=self.settings.subscription_key.get_secret_value(),
            timeout_s=self.settings.timeout_s,
            policies=read_policies(self.settings.retry, retry),
            fetch=self._calls.create_access_token,
            clock=clock,
        )
        self._session = AsyncNativeSession(
            config, AiohttpTransport(max_connections=self.settings.max_in_flight, clock=clock, tls=tls)
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._session.close()

    # --- tokens and consent ---

    async def create_access_token(self) -> AccessToken:
        """Fetch a new token and use it from now on; never needed, as every call fetches one when it has none.

        Raises:
            ReadError: None could be had.

        """
        token = await self._session.run(self._calls.create_access_token())
        self._session.keep(token)
        return token

    async def authorize_consent(
        self,
        msisdn: str,
        *,
        scope: str = "profile",
        access_type: Literal["online", "offline"] = "online",
        consent_valid_in_s: int | None = None,
        client_notification_token: str = "",
        scope_instruction: str = "",
        callback_url: str = "",
    ) -> ConsentRequest:
        """Ask an account holder for consent to read more about them (MTN: bc-authorize).

        Args:
            msisdn: Whom; country code and number.
            scope: ``profile`` or ``all_info``; several are separated by blanks.
            access_type: ``offline`` also gives a refresh token.
            consent_valid_in_s: How long the consent is good, in seconds; only with ``offline``.
            client_notification_token: For MTN to show in its notification.
            scope_instruction: A financial instruction in Base64, for a consented payment.
            callback_url: Where MTN reports the end.

        Raises:
            ActionError: It was not sent, was refused, or its outcome is unknown.

        """
        return await self._session.run(
            self._calls.authorize_consent(
                msisdn,
                scope=scope,
                access_type=access_type,
                consent_valid_in_s=consent_valid_in_s,
                client_notification_token=client_notification_token,
                scope_instruction=scope_instruction,
                callback_url=callback_url,
            )
        )

    async def create_oauth2_token(self, consent: ConsentRequest | str) -> Oauth2Token:
        """Fetch the token of a consent; ask again after the consent's interval while it has not been given.

        Args:
            consent: What ``authorize_consent`` returned, or its ``auth_req_id``.

        Raises:
            ActionError: It was not sent, was refused (not given yet, too late, used up), or its outcome is unknown.

        """
        return await self._session.run(self._calls.create_oauth2_token(consent))

    async def refresh_oauth2_token(self, token: Oauth2Token | SecretStr | str) -> Oauth2Token:
        """Fetch the next token of a consent of access type ``offline``.

        Args:
            token: The last one, or its refresh token.

        Raises:
            ActionError: It was not sent, was refused, or its outcome is unknown.

        """
        return await self._session.run(self._calls.refresh_oauth2_token(token))

    async def ask_user_info(self, token: Oauth2Token | SecretStr | str | None = None) -> UserInfo:
        """Read who holds an account, as far as the account holder consented.

        Args:
            token: The consent's token. None sends the API user's own, as older libraries do; MTN's export wants the
                consent's.

        Raises:
            ReadError: It could not be read.

        """
        return await self._session.run(self._calls.ask_user_info(token))

    # --- reads ---

    async def get_account_balance(self) -> Balance:
        """Read the account's balance.

        Raises:
            ReadError: It could not be read; the sandbox fails at random here.

        """
        return await self._session.run(self._calls.get_account_balance())

    async def get_account_balance_in(self, currency: str) -> Balance:
        """Read the account's balance in one currency.

        Args:
            currency: ISO 4217, such as ``UGX``.

        Raises:
            ReadError: It could not be read.

        """
        return await self._session.run(self._calls.get_account_balance(currency))

    async def get_basic_user_info(self, msisdn: str, *, account_type: AccountType = "msisdn") -> BasicUserInfo:
        """Read the name of an account holder, without consent.

        Args:
            msisdn: Whom; country code and number, or what ``account_type`` says.
            account_type: ``msisdn``, ``email`` or ``party_code``.

        Raises:
            ReadNotFound: There is no such account holder.
            ReadError: It could not be read.

        """
        return await self._session.run(self._calls.get_basic_user_info(msisdn, account_type))

    async def is_active(self, account: str, account_type: AccountType = "msisdn") -> bool:
        """Read whether an account holder is registered and active.

        Args:
            account: Whom; country code and number, or what ``account_type`` says.
            account_type: ``msisdn``, ``email`` or ``party_code``.

        Raises:
            ReadNotFound: There is no such account holder; in production an unknown wallet is False instead.
            ReadError: It could not be read.

        """
        return await self._session.run(self._calls.is_active(account, account_type))

    async def get_transfer_status(self, reference: str | UUID) -> PaymentStatus:
        """Read what became of a transfer.

        Args:
            reference: The one it was sent with.

        Raises:
            ReadNotFound: MTN knows none under it, here and for this API user, or not yet; never a failure by itself.
            ReadError: It could not be read; that says nothing about the transfer.

        """
        return await self._session.run(self._calls.get_status("transfer_status", reference))

    async def get_deposit_status(self, reference: str | UUID) -> PaymentStatus:
        """Read what became of a deposit, of either version; see ``get_transfer_status``."""
        return await self._session.run(self._calls.get_status("deposit_status", reference))

    async def get_refund_status(self, reference: str | UUID) -> PaymentStatus:
        """Read what became of a refund, of either version; see ``get_transfer_status``."""
        return await self._session.run(self._calls.get_status("refund_status", reference))

    # --- payments ---

    async def transfer(
        self,
        *,
        reference: str | UUID,
        payee: Payee | str,
        amount: Amount,
        external_id: str = "",
        payer_message: str = "",
        payee_note: str = "",
        callback_url: str | None = None,
        transfer_type: str = "",
    ) -> Accepted:
        """Pay a wallet, once: taken is not paid, so read ``get_transfer_status`` until it is final.

        Nothing is written down here and nothing is sent again by itself.

        Args:
            reference: A UUID of version 4 that you stored before this call (``new_reference()``).
            payee: Who; a text is a telephone number with its country code.
            amount: How much; a ``Money``, or a number in the account's currency. Never rounded.
            external_id: Shown in MTN's records; the reference when empty.
            payer_message: For the payer's history; reduced to what the gateway takes.
            payee_note: For the payee's history; ``payer_message`` when empty.
            callback_url: Where MTN reports the end; its host must be the one registered for the API user. The settings'
                own when left out, nowhere when empty.
            transfer_type: Only for aggregators, as agreed with MTN.

        Raises:
            NotSentError: Nothing left: make the same call again.
            RefusedError: MTN refused, and no money moved: put right what the hint says.
            AlreadyUsedError: An earlier request under this reference was accepted: read its status.
            UnknownOutcomeError: Money may have moved: read the status by this reference.

        """
        payment = Payment(
            amount=amount,
            external_id=external_id,
            payer_message=payer_message,
            payee_note=payee_note,
            callback_url=callback_url,
        )
        return await self._session.run(
            self._calls.transfer(payment, reference=reference, payee=payee, transfer_type=transfer_type)
        )

    async def deposit(
        self,
        *,
        reference: str | UUID,
        payee: Payee | str,
        amount: Amount,
        external_id: str = "",
        payer_message: str = "",
        payee_note: str = "",
        callback_url: str | None = None,
        version: Literal[1, 2] = 2,
    ) -> Accepted:
        """Pay cash into a wallet, once; arguments and errors as for ``transfer``.

        Args:
            reference: As for ``transfer``.
            payee: As for ``transfer``.
            amount: As for ``transfer``.
            external_id: As for ``transfer``.
            payer_message: As for ``transfer``.
            payee_note: As for ``transfer``.
            callback_url: As for ``transfer``; MTN calls it by PUT for version 2 and by POST for version 1.
            version: Of MTN's call.

        Raises:
            ActionError: As for ``transfer``.

        """
        payment = Payment(
            amount=amount,
            external_id=external_id,
            payer_message=payer_message,
            payee_note=payee_note,
            callback_url=callback_url,
        )
        return await self._session.run(self._calls.deposit(payment, reference=reference, payee=payee, version=version))

    async def refund(
        self,
        *,
        reference: str | UUID,
        reference_id_to_refund: str | UUID,
        amount: Amount,
        external_id: str = "",
        payer_message: str = "",
        payee_note: str = "",
        callback_url: str | None = None,
        version: Literal[1, 2] = 2,
    ) -> Accepted:
        """Pay a collection back, in full or in part, once; the payer of the collection gets it.

        Nothing here knows how much of the collection was paid back before.

        Args:
            reference: Of this refund; as for ``transfer``.
            reference_id_to_refund: The collection's own reference.
            amount: As for ``transfer``.
            external_id: As for ``transfer``.
            payer_message: As for ``transfer``.
            payee_note: As for ``transfer``.
            callback_url: As for ``transfer``; MTN calls it by PUT for version 2 and by POST for version 1.
            version: Of MTN's call.

        Raises:
            ActionError: As for ``transfer``.

        """
        payment = Payment(
            amount=amount,
            external_id=external_id,
            payer_message=payer_message,
            payee_note=payee_note,
            callback_url=callback_url,
        )
        return await self._session.run(
            self._calls.refund(
                payment, reference=reference, reference_id_to_refund=reference_id_to_refund, version=version
            )
        )

    async def send_delivery_notification(self, reference: str | UUID, message: str, *, language: str = "") -> None:
        """Send the payer of a successful collection a message.

        Args:
            reference: Of the collection.
            message: 1 to 160 characters; a header field carries it too, without accents.
            language: ISO 639, such as ``en``.

        Raises:
            ActionError: It was not sent, was refused, or its outcome is unknown.

        """
        await self._session.run(self._calls.send_delivery_notification(reference, message, language=language))
