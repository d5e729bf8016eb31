"""The sandbox's own users and keys: the calls that exist nowhere else, and need nothing but a subscription key."""

from __future__ import annotations

from uuid import UUID

from pydantic import SecretStr

from payments_core.domain.errors import InvalidPayout, SettingsError
from payments_core.http.flow import HttpFlow
from payments_core.http.messages import HttpRequest
from payments_mtn_momo.api import results
from payments_mtn_momo.api.models import ApiKey, ApiUser
from payments_mtn_momo.api.payments import new_reference, read_version_4, write_json
from payments_mtn_momo.api.requests import build
from payments_mtn_momo.callback_address import check_callback_host
from payments_mtn_momo.native.calls import NativeCalls, plain, read_settings, run_call
from payments_mtn_momo.settings import MtnMomoSettings

__all__ = ["ProvisioningCalls"]


class ProvisioningCalls(NativeCalls):
    """The three calls, each written once.

    Args:
        subscription_key: The Disbursements subscription's key.
        base_url: The sandbox when empty, or a server on this machine.

    Raises:
        SettingsError: The key cannot be sent, or the address is not the sandbox's.

    """

    def __init__(self, subscription_key: str | SecretStr, base_url: str) -> None:
        super().__init__(_sandbox(subscription_key, base_url))

    def create_api_user(self, provider_callback_host: str, *, api_user: str | UUID = "") -> HttpFlow[ApiUser]:
        """Make an API user.

        Args:
            provider_callback_host: The only host its callbacks may go to: a bare name. It cannot be changed later.
            api_user: Its id, a UUID of version 4; drawn when empty.

        Raises:
            AlreadyUsedError: There is one with this id.
            ActionError: It was not sent, was refused, or its outcome is unknown; ``reference`` is the id.

        """
        new_user = api_user or new_reference()

        def prepare() -> HttpRequest:
            reference = read_version_4(new_user)
            try:
                check_callback_host(provider_callback_host.lower())
            except ValueError as problem:
                hint = "It cannot be changed later."
                raise InvalidPayout(f"provider_callback_host {problem}.", hint=hint) from None
            body = write_json({"providerCallbackHost": provider_callback_host})
            return self._filled(build(self.settings, "create_api_user", reference=reference, body=body))

        return run_call(
            self._context("create_api_user", str(new_user)),
            prepare,
            lambda _: ApiUser(read_version_4(new_user), provider_callback_host, "sandbox"),
        )

    def create_api_key(self, api_user: str | UUID) -> HttpFlow[ApiKey]:
        """Make a key for an API user; it is shown once, and another one may end the tokens of the last.

        Raises:
            RefusedError: There is no such user; a new one may take two seconds to appear.
            ActionError: It was not sent, was refused, or its outcome is unknown.

        """
        return run_call(
            self._context("create_api_key", str(api_user)),
            lambda: self._about_user("create_api_key", api_user),
            lambda response: results.read(ApiKey, response, api_user=read_version_4(api_user)),
        )

    def get_api_user(self, api_user: str | UUID) -> HttpFlow[ApiUser]:
        """Read an API user.

        Raises:
            ReadNotFound: There is none with this id.
            ReadError: It could not be read.

        """
        return run_call(
            self._context("get_api_user", str(api_user)),
            lambda: self._about_user("get_api_user", api_user),
            lambda response: results.read(ApiUser, response, api_user=read_version_4(api_user)),
        )

    def _about_user(self, operation: str, api_user: str | UUID) -> HttpRequest:
        return self._filled(build(self.settings, operation, path={"api_user": read_version_4(api_user)}))


def _sandbox(subscription_key: str | SecretStr, base_url: str) -> MtnMomoSettings:
    """Return settings of a user that does not exist yet: an account's rules for keys and addresses hold here too."""
    user = {"api_user": "00000000-0000-4000-8000-000000000000", "api_key": "not-made-yet"}
    address = {"base_url": base_url} if base_url else {}
    key = plain(subscription_key)
    if not key:
        raise SettingsError("Provisioning needs the Disbursements subscription key of the sandbox.")
    return read_settings(None, {"target_environment": "sandbox", "subscription_key": key} | user | address)
