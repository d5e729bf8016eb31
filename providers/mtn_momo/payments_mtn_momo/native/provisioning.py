"""The sandbox's own users and keys: the calls that exist nowhere else, and need nothing but a subscription key."""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Callable
from datetime import datetime
from types import TracebackType
from typing import Self
from uuid import UUID

from pydantic import SecretStr

from payments_core.domain.errors import InvalidPayout, PaymentsError, SettingsError
from payments_core.http.flow import HttpFlow
from payments_mtn_momo.native import reading
from payments_mtn_momo.native.asking import act, ask
from payments_mtn_momo.native.bodies import new_reference, payment_reference
from payments_mtn_momo.native.failures import Asked, illegible, misused, unasked
from payments_mtn_momo.native.line import NativeSession
from payments_mtn_momo.native.line_async import AsyncNativeSession
from payments_mtn_momo.native.models import ApiKey, ApiUser
from payments_mtn_momo.native.setup import Retry, policies, settings_of, utc_now
from payments_mtn_momo.native.terms import NativeSessionConfig
from payments_mtn_momo.requests import build, own_secrets, sealed
from payments_mtn_momo.settings import MtnMomoSettings

__all__ = ["AsyncSandboxProvisioning", "SandboxProvisioning"]

_HOST = re.compile(r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*")
_CONNECTIONS = 4


class _Flows:
    """The three calls, each written once."""

    def __init__(self, subscription_key: str | SecretStr, base_url: str) -> None:
        self.settings = _sandbox(subscription_key, base_url)
        self._key = {"subscription_key": own_secrets(self.settings)["subscription_key"]}
        self._hidden = tuple(self._key.values())

    def create_api_user(self, provider_callback_host: str, api_user: str | UUID) -> HttpFlow[ApiUser]:
        asked = Asked("create_api_user", str(api_user), self._hidden)
        try:
            name = payment_reference(api_user)
            if not _HOST.fullmatch(provider_callback_host) or provider_callback_host.replace(".", "").isdigit():
                raise InvalidPayout(
                    "provider_callback_host is no host name.",
                    hint="Write a bare name such as pay.example.org: no scheme, port or path; it cannot be changed.",
                )
        except PaymentsError as problem:
            failure = misused(asked, problem)
        else:
            body = json.dumps({"providerCallbackHost": provider_callback_host}, separators=(",", ":"))
            request = build(self.settings, "create_api_user", reference=name, body=body)
            yield from act(asked, sealed(request, self._key))
            return ApiUser(name, provider_callback_host, "sandbox")
        raise failure

    def create_api_key(self, api_user: str | UUID) -> HttpFlow[ApiKey]:
        asked = Asked("create_api_key", str(api_user), self._hidden)
        try:
            name = payment_reference(api_user)
        except PaymentsError as problem:
            failure = misused(asked, problem)
        else:
            request = build(self.settings, "create_api_key", path={"api_user": name})
            answer = yield from act(asked, sealed(request, self._key))
            key = reading.read_api_key(answer)
            if key is not None:
                return ApiKey(name, key)
            failure = illegible(asked, answer)
        raise failure

    def get_api_user(self, api_user: str | UUID) -> HttpFlow[ApiUser]:
        asked = Asked("get_api_user", str(api_user), self._hidden)
        try:
            name = payment_reference(api_user)
        except PaymentsError as problem:
            failure = unasked(asked, problem)
        else:
            request = sealed(build(self.settings, "get_api_user", path={"api_user": name}), self._key)
            return (yield from ask(asked, request, lambda answer: reading.read_api_user(answer, api_user=name)))
        raise failure

    def terms(self, retry: Retry | None, clock: Callable[[], datetime]) -> NativeSessionConfig:
        return NativeSessionConfig(
            label="mtn_momo:provisioning",
            subscription_key=self._key["subscription_key"],
            timeout_s=self.settings.timeout_s,
            policies=policies(retry),
            fetch=None,
            clock=clock,
        )


def _sandbox(subscription_key: str | SecretStr, base_url: str) -> MtnMomoSettings:
    """Return settings of a user that does not exist yet: an account's rules for keys and addresses hold here too."""
    nobody = {"target_environment": "sandbox", "api_user": "00000000-0000-4000-8000-000000000000", "api_key": "none"}
    address = {"base_url": base_url} if base_url else {}
    key = subscription_key if isinstance(subscription_key, str) else subscription_key.get_secret_value()
    if not key:
        raise SettingsError("Provisioning needs the Disbursements subscription key of the sandbox.")
    return settings_of(None, nobody | {"subscription_key": key} | address)


class SandboxProvisioning:
    """Makes API users and keys in the sandbox; may be used from many threads, and is a context manager.

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
        from payments_core.http.transport.httpx_sync import HttpxTransport  # here: the library is loaded only when used

        self._flows = _Flows(subscription_key, base_url)
        self._line = NativeSession(
            self._flows.terms(retry, clock), HttpxTransport(max_connections=_CONNECTIONS, clock=clock, tls=tls)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._line.close()

    def create_api_user(self, provider_callback_host: str, *, api_user: str | UUID = "") -> ApiUser:
        """Make an API user.

        Args:
            provider_callback_host: The only host its callbacks may go to: a bare name. It cannot be changed later.
            api_user: Its id, a UUID of version 4; drawn when empty.

        Raises:
            AlreadyUsedError: There is one with this id.
            ActionError: It was not sent, was refused, or its outcome is unknown; ``reference`` is the id.

        """
        return self._line.run(self._flows.create_api_user(provider_callback_host, api_user or new_reference()))

    def create_api_key(self, api_user: str | UUID) -> ApiKey:
        """Make a key for an API user; it is shown once, and another one may end the tokens of the last.

        Raises:
            RefusedError: There is no such user; a new one may take two seconds to appear.
            ActionError: It was not sent, was refused, or its outcome is unknown.

        """
        return self._line.run(self._flows.create_api_key(api_user))

    def get_api_user(self, api_user: str | UUID) -> ApiUser:
        """Read an API user.

        Raises:
            ReadNotFound: There is none with this id.
            ReadError: It could not be read.

        """
        return self._line.run(self._flows.get_api_user(api_user))


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

        self._flows = _Flows(subscription_key, base_url)
        self._line = AsyncNativeSession(
            self._flows.terms(retry, clock), AiohttpTransport(max_connections=_CONNECTIONS, clock=clock, tls=tls)
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._line.close()

    async def create_api_user(self, provider_callback_host: str, *, api_user: str | UUID = "") -> ApiUser:
        """Make an API user.

        Args:
            provider_callback_host: The only host its callbacks may go to: a bare name. It cannot be changed later.
            api_user: Its id, a UUID of version 4; drawn when empty.

        Raises:
            AlreadyUsedError: There is one with this id.
            ActionError: It was not sent, was refused, or its outcome is unknown; ``reference`` is the id.

        """
        return await self._line.run(self._flows.create_api_user(provider_callback_host, api_user or new_reference()))

    async def create_api_key(self, api_user: str | UUID) -> ApiKey:
        """Make a key for an API user; it is shown once, and another one may end the tokens of the last.

        Raises:
            RefusedError: There is no such user; a new one may take two seconds to appear.
            ActionError: It was not sent, was refused, or its outcome is unknown.

        """
        return await self._line.run(self._flows.create_api_key(api_user))

    async def get_api_user(self, api_user: str | UUID) -> ApiUser:
        """Read an API user.

        Raises:
            ReadNotFound: There is none with this id.
            ReadError: It could not be read.

        """
        return await self._line.run(self._flows.get_api_user(api_user))
