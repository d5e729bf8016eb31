"""Settings: what payouts.toml may say, checked before anything starts."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from payments_core.errors import SecretMissing, SettingsError

__all__ = ["AccountSettings", "Configuration", "load", "read_account"]

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]

_HOUR = 3600.0
_SCHEDULE = (5.0, 15.0, 60.0, *[300.0] * 5, *[1800.0] * 2, *[_HOUR] * 70)  # not quite 72 hours, then REVIEW


class AccountSettings(BaseModel):
    """What every account may set; a provider's settings class adds its own fields."""

    # hide_input_in_errors: pydantic would print a too-short secret in the clear.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=True)

    provider: str = Field(description="Name of the provider that pays from this account, such as `mtn_momo`.")
    currency: str = Field(pattern=r"^[A-Z]{3}$", description="ISO 4217 code of the account's money.")
    timeout_s: Seconds = Field(
        default=30.0, description="Longest wait for the answer to a payment, in seconds; at most half of `lease_s`."
    )
    lease_s: Seconds = Field(
        default=90.0,
        description="How long a send holds its payout before others may ask what became of it, in seconds.",
    )
    max_in_flight: int = Field(
        default=16, ge=1, le=1000, description="Payments on the wire at once; also the number of connections."
    )
    poll_schedule_s: tuple[Seconds, ...] = Field(
        default=_SCHEDULE,
        min_length=1,
        description="Waits between reads of an open payout, in seconds; after the last one the payout goes to REVIEW.",
    )
    retry_schedule_s: tuple[Seconds, ...] = Field(
        default=(2.0, 8.0, 30.0, 120.0, 300.0),
        min_length=1,
        description="Waits before a payment that was proven not sent is sent again, in seconds; the last one repeats.",
    )
    visible_after_s: Seconds | None = Field(
        default=None,
        description="How long the provider may take to show a payment it has accepted, in seconds. May only lengthen "
        "the provider's own figure, except in rehearsal (sandbox or loopback).",
    )
    dedupe_window_s: Seconds | None = Field(
        default=None,
        description="How long the provider remembers a reference, in seconds. May only shorten the provider's "
        "own figure.",
    )
    guard_timeout_s: Seconds = Field(
        default=10.0, description="Longest wait for a `payments_before_submit` guard, in seconds."
    )
    probe_after_s: Seconds = Field(
        default=300.0,
        description="How long an account blocked by its provider waits before one payment probes it, in seconds.",
    )

    @model_validator(mode="after")
    def _times_fit(self) -> Self:
        if self.timeout_s > self.lease_s / 2:
            msg = f"timeout_s ({self.timeout_s:g}) is more than half of lease_s ({self.lease_s:g})"
            raise ValueError(msg)
        return self

    @property
    def is_rehearsal(self) -> bool:
        """True when no real money can move: a sandbox, or a server on this machine. A provider overrides it."""
        return False


@dataclass(frozen=True, slots=True)
class Configuration:
    """A payouts.toml, read but not yet given to the providers.

    Args:
        path: Where it was read; relative paths in it start from its folder.
        namespace: ``[installation] namespace``.
        journal: ``[journal] url``.
        accounts: The raw tables ``[accounts.<name>]``.

    """

    path: Path
    namespace: str
    journal: str
    accounts: Mapping[str, Mapping[str, Any]]


_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_TABLES = {"installation": {"namespace"}, "journal": {"url"}, "accounts": None}


def load(path: str | Path) -> Configuration:
    """Read a payouts.toml.

    Raises:
        SettingsError: There is none, it is no TOML, or a table is missing, unknown or of the wrong form.

    """
    file = Path(path)
    try:
        raw = tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        raise SettingsError(
            f"There is no configuration at {file.resolve()}.",
            hint="Stand in its folder, or name it with --config. For a new installation make one: `payouts doctor "
            "--init` for your own accounts, or `payouts emulator mtn_momo --write-config payouts.toml` to try it "
            "without money.",
        ) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}.") from None
    for table, allowed in _TABLES.items():
        if not isinstance(raw.get(table), dict):
            raise SettingsError(f"{path} has no [{table}] table.", hint="See docs/reference/settings.md for its form.")
        unknown = set(raw[table]) - allowed if allowed else set()
        if unknown:
            raise SettingsError(f"{path}: [{table}] does not know {', '.join(sorted(unknown))}.")
    if unknown := set(raw) - set(_TABLES):
        raise SettingsError(f"{path} has unknown tables: {', '.join(sorted(unknown))}.")
    namespace, url = raw["installation"].get("namespace"), raw["journal"].get("url")
    if not isinstance(namespace, str) or len(namespace) < 8:
        raise SettingsError(
            f"{path}: [installation] namespace is missing or shorter than 8 characters.",
            hint="Make one once with `payouts doctor --init` and never change it: references are derived from it.",
        )
    if not isinstance(url, str) or not url.startswith("sqlite:///"):
        raise SettingsError(f"{path}: [journal] url must look like sqlite:///payouts.db.")
    for name, account in raw["accounts"].items():
        if not _NAME.fullmatch(name) or not isinstance(account, dict) or not isinstance(account.get("provider"), str):
            raise SettingsError(
                f'{path}: [accounts.{name}] needs a provider = "…" and a name of small letters, digits, - and _.'
            )
    return Configuration(file, namespace, url, raw["accounts"])


S = TypeVar("S", bound=AccountSettings)


def read_account(
    settings: type[S], name: str, raw: Mapping[str, Any], *, resolve_secret: Callable[[str], SecretStr]
) -> S:
    """Check one account's table against its provider's settings, secrets resolved.

    Args:
        settings: The provider's settings class.
        name: The account's name, for messages.
        raw: The table.
        resolve_secret: Turns ``"env:NAME"`` or ``"file:PATH"`` into the secret; may raise ``SecretMissing``.

    Raises:
        SettingsError: Each wrong field with its problem; never its value.
        SecretMissing: A reference that points at nothing; never what it might have pointed at.

    """
    values: dict[str, Any] = {}
    for field, value in raw.items():
        secret = field in settings.model_fields and _holds_secret(settings.model_fields[field].annotation)
        try:
            values[field] = _resolved(value, resolve_secret) if secret else value
        except SecretMissing as missing:
            raise SecretMissing(f"[accounts.{name}] {field}: {missing.message}", hint=missing.hint) from None
    try:
        return settings.model_validate(values)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, found['loc'])) or 'settings'}: {_said(dict(found), settings)}"
            for found in error.errors(include_input=False, include_url=False, include_context=False)
        )
        raise SettingsError(
            f"[accounts.{name}] is wrong: {problems}.", hint="See docs/reference/settings.md for every setting."
        ) from None


def _said(found: Mapping[str, Any], settings: type[AccountSettings]) -> str:
    if found["type"] != "extra_forbidden":
        return str(found["msg"]).removeprefix("Value error, ")
    meant = difflib.get_close_matches(str(found["loc"][-1]), settings.model_fields, 1, 0.6)
    return f"no such setting; did you mean {meant[0]}?" if meant else "no such setting"


def _resolved(value: Any, resolve_secret: Callable[[str], SecretStr]) -> Any:
    if isinstance(value, dict):
        return {name: _resolved(part, resolve_secret) for name, part in value.items()}
    if isinstance(value, list):
        return [_resolved(part, resolve_secret) for part in value]
    return resolve_secret(value) if isinstance(value, str) else value


def _holds_secret(annotation: Any) -> bool:
    return annotation is SecretStr or any(_holds_secret(part) for part in get_args(annotation))
