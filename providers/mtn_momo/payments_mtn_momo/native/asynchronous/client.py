"""The native client: one method a call of MTN's Disbursements, under the names people know."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal

from payments_core.http.transport import make_async_transport
from payments_mtn_momo.api.models import AccessToken
from payments_mtn_momo.native.asynchronous.session import AsyncNativeSession, AsyncSessionOwner
from payments_mtn_momo.native.calls import Retry, read_settings, utc_now
from payments_mtn_momo.native.methods import AsyncMethod
from payments_mtn_momo.native.payment_calls import DisbursementCalls
from payments_mtn_momo.settings import MtnMomoSettings

__all__ = ["AsyncDisbursementsClient"]


class AsyncDisbursementsClient(AsyncSessionOwner):
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
        self.settings = read_settings(settings, fields)
        self._calls = DisbursementCalls(self.settings, consent_auth=consent_auth)
        self._session = AsyncNativeSession(
            f"mtn_momo:{self.settings.target_environment}",
            self.settings,
            make_async_transport(self.settings, clock=clock, tls=tls),
            retry=retry,
            clock=clock,
            fetch=self._calls.create_access_token,
        )

    async def create_access_token(self) -> AccessToken:
        """Fetch a new token and use it from now on; never needed, as every call fetches one when it has none.

        Raises:
            ReadError: None could be had.

        """
        token = await self._session.run(self._calls.create_access_token())
        self._session.keep(token)
        return token

    authorize_consent = AsyncMethod(DisbursementCalls.authorize_consent)
    create_oauth2_token = AsyncMethod(DisbursementCalls.create_oauth2_token)
    refresh_oauth2_token = AsyncMethod(DisbursementCalls.refresh_oauth2_token)
    ask_user_info = AsyncMethod(DisbursementCalls.ask_user_info)
    get_account_balance = AsyncMethod(DisbursementCalls.get_account_balance)
    get_account_balance_in = AsyncMethod(DisbursementCalls.get_account_balance_in)
    get_basic_user_info = AsyncMethod(DisbursementCalls.get_basic_user_info)
    is_active = AsyncMethod(DisbursementCalls.is_active)
    get_transfer_status = AsyncMethod(DisbursementCalls.get_transfer_status)
    get_deposit_status = AsyncMethod(DisbursementCalls.get_deposit_status)
    get_refund_status = AsyncMethod(DisbursementCalls.get_refund_status)
    transfer = AsyncMethod(DisbursementCalls.transfer)
    deposit = AsyncMethod(DisbursementCalls.deposit)
    refund = AsyncMethod(DisbursementCalls.refund)
    send_delivery_notification = AsyncMethod(DisbursementCalls.send_delivery_notification)
