"""Makes API users and keys in the sandbox."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from datetime import datetime
from types import TracebackType
from typing import Self
from uuid import UUID

from pydantic import SecretStr

from payments_mtn_momo.api.checks import new_reference
from payments_mtn_momo.api.models import ApiKey, ApiUser
from payments_mtn_momo.native.asynchronous.session import AsyncNativeSession
from payments_mtn_momo.native.provisioning_calls import ProvisioningCalls
from payments_mtn_momo.native.session_config import Retry, utc_now

__all__ = ["AsyncSandboxProvisioning"]

_CONNECTIONS = 4


class AsyncSandboxProvisioning:
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
        from payments_core.http.transport.aiohttp_async import (
            AiohttpTransport,  # here: the library is loaded only when used
        )

        self._calls = ProvisioningCalls(subscription_key, base_url)
        self._session = AsyncNativeSession(
            self._calls.config(retry, clock), AiohttpTransport(max_connections=_CONNECTIONS, clock=clock, tls=tls)
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

    async def create_api_user(self, provider_callback_host: str, *, api_user: str | UUID = "") -> ApiUser:
        """Make an API user.

        Args:
            provider_callback_host: The only host its callbacks may go to: a bare name. It cannot be changed later.
            api_user: Its id, a UUID of version 4; drawn when empty.

        Raises:
            AlreadyUsedError: There is one with this id.
            ActionError: It was not sent, was refused, or its outcome is unknown; ``reference`` is the id.

        """
        return await self._session.run(self._calls.create_api_user(provider_callback_host, api_user or new_reference()))

    async def create_api_key(self, api_user: str | UUID) -> ApiKey:
        """Make a key for an API user; it is shown once, and another one may end the tokens of the last.

        Raises:
            RefusedError: There is no such user; a new one may take two seconds to appear.
            ActionError: It was not sent, was refused, or its outcome is unknown.

        """
        return await self._session.run(self._calls.create_api_key(api_user))

    async def get_api_user(self, api_user: str | UUID) -> ApiUser:
        """Read an API user.

        Raises:
            ReadNotFound: There is none with this id.
            ReadError: It could not be read.

        """
        return await self._session.run(self._calls.get_api_user(api_user))
