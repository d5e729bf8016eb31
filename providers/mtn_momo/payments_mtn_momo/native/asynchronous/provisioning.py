"""Makes API users and keys in the sandbox."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from datetime import datetime

from pydantic import SecretStr

from payments_mtn_momo.native.asynchronous.session import AsyncNativeSession, AsyncSessionOwner
from payments_mtn_momo.native.calls import Retry, utc_now
from payments_mtn_momo.native.methods import AsyncMethod
from payments_mtn_momo.native.provisioning_calls import ProvisioningCalls

__all__ = ["AsyncSandboxProvisioning"]

_CONNECTIONS = 4


class AsyncSandboxProvisioning(AsyncSessionOwner):
    """Makes API users and keys in the sandbox; on one event loop; an asynchronous context manager.

    In production both come from the partner portal. Use the key of the Disbursements product: a user made with
    another product's key may be refused there (measured by other clients, who do not agree).

    Args:
        subscription_key: The Disbursements subscription's key.
        base_url: The sandbox, or a server on this machine.
        retry: How ``get_api_user`` is repeated, where it should differ from ``operations``.
        clock: Tells the time; aware, UTC.
        tls: For servers with certificates of their own.

    Raises:
        SettingsError: The key cannot be sent, or the address is not the sandbox's.

    """

    def __init__(
        self,
        subscription_key: str | SecretStr,
        *,
        base_url: str = "",
        retry: Retry | None = None,
        clock: Callable[[], datetime] = utc_now,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        from payments_core.http.transport.h11_async import (
            AsyncH11Transport,  # here: the library is loaded only when used
        )

        self._calls = ProvisioningCalls(subscription_key, base_url)
        self._session = AsyncNativeSession(
            "mtn_momo:provisioning",
            self._calls.settings,
            AsyncH11Transport(max_connections=_CONNECTIONS, clock=clock, tls=tls),
            retry=retry,
            clock=clock,
        )

    create_api_user = AsyncMethod(ProvisioningCalls.create_api_user)
    create_api_key = AsyncMethod(ProvisioningCalls.create_api_key)
    get_api_user = AsyncMethod(ProvisioningCalls.get_api_user)
