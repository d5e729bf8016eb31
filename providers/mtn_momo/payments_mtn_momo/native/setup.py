"""From settings or keyword arguments to what a native client is made of; whatever is wrong is found here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from payments_core.domain.errors import SettingsError
from payments_core.provider import RetryPolicy, overridden
from payments_mtn_momo.native.flows import Flows
from payments_mtn_momo.native.terms import NativeSessionConfig
from payments_mtn_momo.operations import retry_policies
from payments_mtn_momo.settings import MtnMomoSettings

__all__ = ["Retry", "policies", "settings_of", "terms_of", "utc_now"]

Retry = Mapping[str, Mapping[str, Any]]


def utc_now() -> datetime:
    """Return the time: aware, UTC."""
    return datetime.now(UTC)


def settings_of(settings: MtnMomoSettings | None, fields: Mapping[str, Any]) -> MtnMomoSettings:
    """Return the settings given, or made from keyword arguments.

    Raises:
        SettingsError: Each wrong field with its problem, never its value; or both were given.

    """
    if settings is not None:
        if fields:
            raise SettingsError("Give settings or keyword arguments, not both.")
        return settings
    try:
        return MtnMomoSettings.model_validate(dict(fields))
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, found['loc'])) or 'settings'}: {found['msg'].removeprefix('Value error, ')}"
            for found in error.errors(include_input=False, include_url=False, include_context=False)
        )
    raise SettingsError(
        f"The account's settings are wrong: {problems}.",
        hint="See the reference page of the provider mtn_momo for its own settings, the page reference/settings of the "
        "documentation for those of every account.",
    )


def policies(*overrides: Retry | None) -> dict[str, RetryPolicy]:
    """Return how each call is repeated.

    Args:
        overrides: What differs from the table of ``operations``; a later one counts more.

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


def terms_of(
    settings: MtnMomoSettings, flows: Flows, *, retry: Retry | None, clock: Callable[[], datetime]
) -> NativeSessionConfig:
    """Return what a client of this account goes by."""
    return NativeSessionConfig(
        label=f"mtn_momo:{settings.target_environment}",
        subscription_key=settings.subscription_key.get_secret_value(),
        timeout_s=settings.timeout_s,
        policies=policies(settings.retry, retry),
        fetch=flows.create_access_token,
        clock=clock,
    )
