"""How a native call runs: what is sent, once, and what becomes of the response. No socket, no clock, no lock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias, TypeVar

from pydantic import SecretStr

from payments_core.domain.errors import InvalidPayee, InvalidPayout, PaymentsError, SettingsError
from payments_core.domain.payout import Payee
from payments_core.http.flow import HttpFlow, exchange
from payments_core.http.messages import HttpRequest, HttpResponse, NoAnswer, NotSent, fill
from payments_core.provider import RetryPolicy, overridden
from payments_core.settings.tables import read_table
from payments_mtn_momo.api.operations import OPERATIONS, retry_policies
from payments_mtn_momo.api.payments import check_payee
from payments_mtn_momo.api.requests import own_secrets
from payments_mtn_momo.callback_address import check_callback_url
from payments_mtn_momo.native.failures import CallContext, failed, misused, unanswered
from payments_mtn_momo.settings import MtnMomoSettings

__all__ = [
    "NativeCalls",
    "Retry",
    "plain",
    "read_callback_url",
    "read_payee",
    "read_policies",
    "read_settings",
    "run_call",
    "utc_now",
]

T = TypeVar("T")
Retry: TypeAlias = Mapping[str, Mapping[str, Any]]


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


class NativeCalls:
    """What the calls of one account share.

    Args:
        settings: The account.
        consent_auth: How the request for consent speaks: the export says Basic, MTN's own libraries send Bearer.

    """

    def __init__(self, settings: MtnMomoSettings, *, consent_auth: Literal["bearer", "basic"] = "bearer") -> None:
        self.settings = settings
        self._consent_auth: Literal["bearer", "basic"] = consent_auth
        self._secrets = own_secrets(settings)
        self._hidden = (settings.api_key.get_secret_value(), *self._secrets.values())

    def _context(self, operation: str, reference: str = "", *, hidden: SecretStr | str | None = None) -> CallContext:
        secret = "" if hidden is None else plain(hidden)
        return CallContext(operation, reference, (*self._hidden, secret) if len(secret) > 3 else self._hidden)

    def _filled(self, request: HttpRequest, secrets: Mapping[str, str] | None = None) -> HttpRequest:
        """Return a request with what the account holds in its slots; the session fills one that wants the token."""
        return request if request.credential else fill(request, {**self._secrets, **(secrets or {})})


def utc_now() -> datetime:
    """Return the time: aware, UTC."""
    return datetime.now(UTC)


def read_settings(settings: MtnMomoSettings | None, fields: Mapping[str, Any]) -> MtnMomoSettings:
    """Return the settings given, or made from keyword arguments.

    Raises:
        SettingsError: Each wrong field with its problem, never its value; or both were given.

    """
    if settings is None:
        return read_table(MtnMomoSettings, "The account", fields, resolve_secret=SecretStr)
    if fields:
        raise SettingsError("Give settings or keyword arguments, not both.")
    return settings


def read_policies(*overrides: Retry | None) -> dict[str, RetryPolicy]:
    """Return how each call is repeated.

    Args:
        overrides: What differs from the table of operations; a later one counts more.

    Raises:
        SettingsError: A figure makes no sense.

    """
    table = retry_policies()
    try:
        for override in overrides:
            table = overridden(table, override or {})
    except ValueError as error:
        problem = str(error)
    else:
        return table
    raise SettingsError(f"retry is wrong: {problem}.", hint="See the page reference/operations of the documentation.")


def plain(secret: SecretStr | str) -> str:
    """Return a secret that a caller gave, opened."""
    return secret.get_secret_value() if isinstance(secret, SecretStr) else secret


def read_payee(payee: Payee | str) -> Payee:
    """Return who is paid or looked up; a text is a telephone number.

    Raises:
        InvalidPayee: MTN cannot address it.

    """
    read = Payee.msisdn(payee) if isinstance(payee, str) else payee
    if not isinstance(read, Payee):
        raise InvalidPayee("The account holder is neither a text nor a Payee.")
    check_payee(read)
    return read


def read_callback_url(url: str | None, settings: MtnMomoSettings) -> str:
    """Return the callback's address: the account's when None is given.

    Raises:
        InvalidPayout: MTN would refuse it, or never call it (Common Error Codes, the portal's page Callback).

    """
    if url is None:
        return settings.callback_url
    if not url:
        return ""
    try:
        check_callback_url(url, is_live=not settings.is_test_mode, registered_host=settings.callback_host)
    except ValueError as problem:
        raise InvalidPayout(
            f"The callback's address {problem}.", hint="Leave it out, or use the host registered for the API user."
        ) from None
    return url
