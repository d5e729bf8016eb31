"""Settings: what payouts.toml may say, checked before anything starts."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from payments_core.domain.bounds import DAY_S, HOUR_S, describe_range
from payments_core.domain.errors import SecretMissing, SettingsError
from payments_core.domain.payout import Operation
from payments_core.settings.amount_limits import AmountLimits
from payments_core.settings.files import read_file
from payments_core.settings.types import Interval, Rate, Seconds, Timeout, range_of

__all__ = ["AccountSettings", "Configuration", "WorkerSettings", "load", "read_account", "read_secret"]


_MOST_WAITS = 1000  # of a schedule
_MOST_BYTES = 1024 * 1024  # of the configuration
_MOST_SECRET_BYTES = 64 * 1024
_SCHEDULE = (5.0, 15.0, 60.0, *[300.0] * 5, *[1800.0] * 2, *[HOUR_S] * 70)  # not quite 72 hours, then REVIEW


class AccountSettings(BaseModel):
    """What every account may set; a provider's settings class adds its own fields.

    Defaults are checked as what a person writes is. Two names mean something to the core where a provider has them:
    ``callback_url``, which `payouts doctor` compares with the address it would be called at, and ``base_url``, which
    an emulator's configuration sets.
    """

    # hide_input_in_errors: pydantic would print a too-short secret in the clear.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=True)

    provider: str = Field(
        description="Name of the provider that pays from this account, as `payouts providers` lists it."
    )
    currency: str = Field(pattern=r"^[A-Z]{3}$", description="ISO 4217 code of the account's money.")
    timeout_s: Timeout = Field(
        default=30.0,
        description="Longest wait for the answer to a payment, in seconds; at most half of `lease_s`.",
    )
    lease_s: Interval = Field(
        default=90.0,
        description="How long a send holds its payout before others may ask what became of it, in seconds.",
    )
    max_in_flight: int = Field(
        default=16,
        strict=True,
        ge=1,
        le=1000,
        description="Payments on the wire at once; also the number of connections.",
    )
    poll_schedule_s: tuple[Seconds, ...] = Field(
        default=_SCHEDULE,
        min_length=1,
        max_length=_MOST_WAITS,
        description="Waits between reads of an open payout, in seconds; after the last one the payout goes to REVIEW. "
        "A failure that a result callback told is read again after the first three.",
    )
    retry_schedule_s: tuple[Seconds, ...] = Field(
        default=(2.0, 8.0, 30.0, 120.0, 300.0),
        min_length=1,
        max_length=_MOST_WAITS,
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
    dedupe_settle_s: Seconds | None = Field(
        default=None,
        description="How long after the last moment at which a payment can have left it is paid again at the soonest, "
        "in seconds. May only lengthen the provider's own figure, except in rehearsal (sandbox or loopback).",
    )
    largest_amount: AmountLimits | None = Field(
        default=None,
        description='The most that one payout may be, by currency, such as `{ UGX = "5000000" }`; a currency that the '
        "table does not name is not paid in. More is refused when a payout is made, and waits if it was made before. "
        "Left out, nothing is refused: `payouts doctor` asks for it where real money moves.",
    )
    approve_above: AmountLimits | None = Field(
        default=None,
        description="A payout of more than this waits until somebody approves it, by currency, such as "
        '`{ UGX = "500000" }`; one in a currency that the table does not name always waits.',
    )
    guard_timeout_s: Timeout = Field(
        default=10.0,
        description="Longest wait for a guard (`payments_before_submit`) or `payments_needs_approval`, in seconds.",
    )
    probe_after_s: Interval = Field(
        default=300.0,
        description="How long an account blocked by its provider waits before one payment probes it, in seconds.",
    )
    reads_per_s: Rate | None = Field(
        default=None,
        description="Status reads a second at most, all processes together; 0 for no limit. Left out: the provider's "
        "own figure.",
    )
    posts_per_s: Rate | None = Field(
        default=None,
        description="Payments a second at most, all processes together; 0 for no limit. Left out: the provider's own "
        "figure.",
    )
    circuit_after: int = Field(
        default=20,
        strict=True,
        ge=0,
        le=10_000,
        description="After so many payments in a row without a clear answer payments stop and are probed one by one, "
        "while reads go on; 0 for never.",
    )

    default_operation: Operation = Field(
        default=Operation.TRANSFER,
        description="Which kind of payment it makes when the caller names none: `transfer` or `deposit`.",
    )
    retry: Mapping[str, Mapping[str, Any]] = Field(
        default={},
        description="What differs from the provider's retry table: `[accounts.NAME.retry.token]` with `attempts`, "
        "`first_wait_s`, `longest_wait_s`, `jitter_s`, `timeout_s`, `deadline_s` or `statuses`.",
    )
    retired: tuple[Mapping[str, Any], ...] = Field(
        default=(),
        repr=False,
        description="What it paid as before, each a table `[[accounts.NAME.retired]]` with the provider's own settings "
        "of that time: open payouts are read as what sent them, and nothing is paid so any more.",
    )

    @model_validator(mode="after")
    def _times_fit(self) -> Self:
        if self.timeout_s > self.lease_s / 2:
            msg = f"timeout_s ({self.timeout_s:g}) is more than half of lease_s ({self.lease_s:g})"
            raise ValueError(msg)
        if self.default_operation is Operation.REFUND:
            msg = "default_operation cannot be refund: a refund names what it refunds"
            raise ValueError(msg)
        return self

    @property
    def is_test_mode(self) -> bool:
        """True when no real money can move: a sandbox, or a server on this machine. A provider overrides it.

        Where it is False, ``visible_after_s`` and ``dedupe_settle_s`` may not be shorter than the provider's own, a
        missing journal is not made (``payouts journal init``), and ``payouts doctor`` says that real money moves. What
        a rehearsal paid is not paid again from a real account.
        """
        return False

    @property
    def currencies(self) -> frozenset[str] | None:
        """What it can pay in: its own currency. A provider overrides it; None where only the provider knows."""
        return frozenset({self.currency})

    @property
    def operators(self) -> frozenset[str] | None:
        """Whose customers it is set to pay, in the words of routes. A provider overrides it; None for not set."""
        return None


class WorkerSettings(BaseModel):
    """How a worker behaves: the table ``[worker]``, which may be left out."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    poll_s: Timeout = Field(
        default=2.0,
        description="Longest sleep before a worker looks for what others have accepted or made due, in seconds.",
    )
    claim_s: Interval = Field(
        default=30.0,
        description="How long a worker that is not heard of keeps others from what it has taken, in seconds; it renews "
        "its claims while it lives. Also the wait before a payout that could not be worked on is tried again.",
    )
    grace_s: float = Field(
        default=35.0,
        strict=True,
        ge=0,
        le=DAY_S,
        allow_inf_nan=False,
        description="Longest wait for what is in flight when a worker is told to stop, in seconds; as long as the "
        "longest `timeout_s` and a little more.",
    )


@dataclass(frozen=True, slots=True)
class Configuration:
    """A payouts.toml, read but not yet given to the providers.

    Args:
        path: Where it was read; relative paths in it start from its folder.
        namespace: ``[installation] namespace``.
        journal: ``[journal] url``: an address without a password, or a reference to one.
        accounts: The raw tables ``[accounts.<name>]``.
        worker: ``[worker]``.
        webhooks: The raw tables ``[webhooks.<name>]``.
        default_account: ``[installation] default_account``; empty when there is none.
        routes: The raw tables ``[[routes]]``, in their order.

    """

    path: Path
    namespace: str
    journal: str
    accounts: Mapping[str, Mapping[str, Any]]
    worker: WorkerSettings = field(default_factory=WorkerSettings)
    webhooks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    default_account: str = ""
    routes: Sequence[Mapping[str, Any]] = ()


_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_ADDRESSES = ("sqlite:///", "postgresql://", "postgres://", "env:", "file:")
_TABLES = {"installation": {"namespace", "default_account"}, "journal": {"url"}, "accounts": None}
_OPTIONAL = {"routes", "webhooks", "worker"}


def load(path: str | Path) -> Configuration:
    """Read a payouts.toml.

    Raises:
        SettingsError: There is none, others can change it, it is no TOML, or a table is missing, unknown or of the
            wrong form.

    """
    file = Path(path)
    raw = _read_toml(file, str(path))
    strangers = sorted(set(raw) - set(_TABLES) - _OPTIONAL)
    for table, allowed in _TABLES.items():
        if not isinstance(raw.get(table), dict):
            meant = difflib.get_close_matches(table, strangers, 1, 0.6)
            misspelt = f"There is [{meant[0]}]: did you mean [{table}]?" if meant else ""
            raise SettingsError(
                f"{path} has no [{table}] table.",
                hint=misspelt or "See the page reference/settings of the documentation for its form.",
            )
        unknown = set(raw[table]) - allowed if allowed else set()
        if unknown:
            raise SettingsError(f"{path}: [{table}] does not know {', '.join(sorted(unknown))}.")
    if strangers:
        there_are = ", ".join(f"[{table}]" for table in (*_TABLES, *sorted(_OPTIONAL)))
        raise SettingsError(f"{path} has unknown tables: {', '.join(strangers)}.", hint=f"There are {there_are}.")
    namespace, url = raw["installation"].get("namespace"), raw["journal"].get("url")
    if not isinstance(namespace, str) or len(namespace) < 8:
        raise SettingsError(
            f"{path}: [installation] namespace is missing or shorter than 8 characters.",
            hint="References are derived from it: put back the one that the journal was made with. A new installation "
            'takes a fresh one, such as: python3 -c "import secrets; print(secrets.token_hex(16))".',
        )
    if not isinstance(url, str) or not url.startswith(_ADDRESSES):
        raise SettingsError(
            f"{path}: [journal] url must look like sqlite:///payouts.db or postgresql://user@host/database."
        )
    if _has_password(url):
        raise SettingsError(
            f"{path}: [journal] url holds a password.",
            hint='Put the whole address where secrets are, and write url = "env:NAME" or "file:PATH"; or leave the '
            "password out and give it to PGPASSFILE.",
        )
    for name, account in raw["accounts"].items():
        if not _NAME.fullmatch(name) or not isinstance(account, dict) or not isinstance(account.get("provider"), str):
            raise SettingsError(
                f'{path}: [accounts.{name}] needs a provider = "…" and a name of small letters, digits, - and _.'
            )
    default = raw["installation"].get("default_account", "")
    if default != "" and default not in list(raw["accounts"]):
        raise SettingsError(
            f"{path}: [installation] default_account names {default!r}, which is not configured.",
            hint="Name an account as in [accounts.NAME], or leave the setting out.",
        )
    worker, webhooks = _read_worker(raw.get("worker", {})), raw.get("webhooks", {})
    if not isinstance(webhooks, dict) or not all(
        _NAME.fullmatch(name) and isinstance(table, dict) for name, table in webhooks.items()
    ):
        raise SettingsError(
            f"{path}: a webhook is a table [webhooks.NAME] with a name of small letters, digits, - and _."
        )
    for name, table in webhooks.items():
        listed = table.get("accounts", [])
        if isinstance(listed, list) and (stranger := [one for one in listed if one not in raw["accounts"]]):
            raise SettingsError(
                f"{path}: [webhooks.{name}] accounts names {stranger[0]!r}, which is not configured.",
                hint="Name accounts as in [accounts.NAME], or leave the setting out for all.",
            )
    routes = raw.get("routes", [])
    if not isinstance(routes, list) or not all(isinstance(table, dict) for table in routes):
        raise SettingsError(
            f"{path}: routes are tables of their own, in the order in which they are tried.",
            hint="Begin each with [[routes]], in two pairs of brackets.",
        )
    if default and routes:
        raise SettingsError(
            f"{path}: [installation] default_account and [[routes]] both say which account pays.",
            hint="Leave out default_account; a last route without conditions takes what no other takes.",
        )
    return Configuration(file, namespace, url, raw["accounts"], worker, webhooks, default, tuple(routes))


def _read_toml(file: Path, path: str) -> dict[str, Any]:
    try:
        text = read_file(file, path, most_bytes=_MOST_BYTES).text
    except FileNotFoundError:
        raise SettingsError(
            f"There is no configuration at {file.resolve()}.",
            hint="Stand in its folder, or name it with --config. For a new installation make one: `payouts doctor "
            "--init` for your own accounts, or `payouts emulator PROVIDER --write-config payouts.toml` to try it "
            "without money.",
        ) from None
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{path} cannot be read: it is not UTF-8.", hint="Save it as UTF-8.") from None
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # Python refuses a number of thousands of digits by itself
        said: object = "a number in it is too long, or its tables are nested too deep"
        if isinstance(error, tomllib.TOMLDecodeError):
            said = error
        raise SettingsError(
            f"{path} cannot be read as TOML: {said}.",
            hint='Look at that line: text stands in double quotes (api_key = "env:NAME"), and each table and setting '
            "stands there once.",
        ) from None


def _read_worker(raw: object) -> WorkerSettings:
    try:
        return WorkerSettings.model_validate(raw)
    except ValidationError as error:
        raise _wrong("[worker]", error, WorkerSettings) from None


def _has_password(url: str) -> bool:
    if not url.startswith("postgres"):
        return False
    user = url.split("://", 1)[1].rpartition("@")[0]
    return ":" in user or re.search(r"[?&](ssl)?password=", url) is not None


_VARIABLE = re.compile(r"(?=[A-Z])(?!.*[A-Z0-9]{20})[A-Z0-9_]{1,64}")
_PATH = re.compile(r"(?=.*[/.])(?!.*[A-Za-z0-9+=]{20})[^:@\0]{1,300}")


def _is_name(kind: str, rest: str, root: Path) -> bool:
    """Whether what stands after ``env:`` or ``file:`` may be repeated: it may be the secret itself."""
    if kind == "env":
        return rest in os.environ or _VARIABLE.fullmatch(rest) is not None
    return os.path.lexists(root / rest) or _PATH.fullmatch(rest) is not None


def read_secret(
    reference: str, *, root: Path, on_exposed: Callable[[str], object] = lambda _file: None
) -> SecretStr | None:
    """Return the secret at ``env:NAME`` or ``file:PATH``; None when the reference is of another form.

    Args:
        reference: As written in the configuration.
        root: Where relative paths start.
        on_exposed: Called with the name of a file that others than its owner may read.

    Raises:
        SecretMissing: There is none.
        SettingsError: The file is no regular one, too large, or others can change it.

    """
    kind, _, rest = reference.partition(":")
    if kind in {"env", "file"} and not _is_name(kind, rest, root):
        names = "an environment variable" if kind == "env" else "a file that is there"
        raise SecretMissing(
            f"What stands after {kind}: is not the name of {names}; it is not repeated here, as it may be the secret.",
            hint="Write the name of a variable, such as env:API_KEY, or the path of a file, such as file:secrets/key; "
            "a secret itself never stands in the configuration.",
        )
    if kind == "env":
        if not os.environ.get(rest):
            how = "is empty" if rest in os.environ else "does not exist"
            raise SecretMissing(f"The environment variable {rest} {how}.", hint=f"Set it: export {rest}=…")
        return SecretStr(os.environ[rest])
    if kind == "file":
        text, why = "", "is empty"
        try:
            found = read_file(root / rest, f"The secret file {rest}", most_bytes=_MOST_SECRET_BYTES)
        except (OSError, ValueError) as error:
            why = f"cannot be read: {type(error).__name__}"
        else:
            text = found.text.strip()
            if found.is_exposed and not text.startswith("-----BEGIN CERTIFICATE-----"):  # that is no secret
                on_exposed(rest)
        if not text:
            raise SecretMissing(
                f"The secret file {rest} {why}.",
                hint="Make it, readable by you alone (mode 0600), with the secret on one line.",
            )
        return SecretStr(text)
    return None


S = TypeVar("S", bound=BaseModel)
A = TypeVar("A", bound=AccountSettings)


def read_account(
    settings: type[A], name: str, raw: Mapping[str, Any], *, resolve_secret: Callable[[str], SecretStr]
) -> A:
    """Check one account's table against its provider's settings, secrets resolved.

    Args:
        settings: The provider's settings class.
        name: The account's name, for messages; ``NAME.retired`` for what it paid as before.
        raw: The table.
        resolve_secret: Turns ``"env:NAME"`` or ``"file:PATH"`` into the secret; may raise ``SecretMissing``.

    Raises:
        SettingsError: Each wrong field with its problem; never its value.
        SecretMissing: A reference that points at nothing; never what it might have pointed at.

    """
    title = f"[[accounts.{name}]]" if name.endswith(".retired") else f"[accounts.{name}]"
    return read_table(settings, title, raw, resolve_secret=resolve_secret)


def read_table(
    settings: type[S], title: str, raw: Mapping[str, Any], *, resolve_secret: Callable[[str], SecretStr]
) -> S:
    """Check a table against its settings, secrets resolved; as :func:`read_account`.

    Args:
        settings: The settings class.
        title: The table's name, for messages.
        raw: The table.
        resolve_secret: Turns a reference into the secret; may raise ``SecretMissing``.

    Raises:
        SettingsError: Each wrong field with its problem; never its value.
        SecretMissing: A reference that points at nothing.

    """
    values: dict[str, Any] = {}
    for setting, value in raw.items():
        secret = setting in settings.model_fields and _holds_secret(settings.model_fields[setting].annotation)
        try:
            values[setting] = _resolved(value, resolve_secret) if secret else value
        except SettingsError as wrong:
            raise type(wrong)(f"{title} {setting}: {wrong.message}", hint=wrong.hint) from None
    try:
        return settings.model_validate(values)
    except ValidationError as error:
        raise _wrong(title, error, settings) from None


def _wrong(title: str, error: ValidationError, settings: type[BaseModel]) -> SettingsError:
    errors = error.errors(include_input=False, include_url=False, include_context=False)
    inside = {found["loc"][:1] for found in errors if len(found["loc"]) > 1}
    problems = "; ".join(
        ": ".join(filter(None, (".".join(map(str, found["loc"])), _said(dict(found), settings))))
        for found in errors
        if found["type"] != "too_short" or found["loc"] not in inside  # wrong entries are not counted
    )
    wrong = {str(found["loc"][0]) if found["loc"] else "" for found in errors}
    return SettingsError(f"{title} is wrong: {problems}.", hint=_where(settings, wrong))


def _where(settings: type[BaseModel], wrong: Collection[str]) -> str:
    """Say which page explains settings: that of all, or the provider's too, wherever its distribution comes from."""
    page = "the page reference/settings of the documentation"
    if not issubclass(settings, AccountSettings) or not any(_is_own(settings, name) for name in wrong):
        return f"See {page} for every setting."
    provider = settings.model_fields["provider"].default
    whose = f"the provider {provider}" if isinstance(provider, str) else "its provider"
    return f"See the reference page of {whose} for its own settings, {page} for those of every account."


def _is_own(settings: type[AccountSettings], name: str) -> bool:
    """Say whether a setting is one that the provider adds or changes, or may be: what is unknown, and what they say."""
    field, common = settings.model_fields.get(name), AccountSettings.model_fields.get(name)
    if field is None or common is None:
        return True
    return field.annotation != common.annotation or field.is_required() != common.is_required()


# pydantic's words for what is written wrongly, in ours; what is not here is told with "must be".
_SAID: Mapping[str, str] = {
    "missing": "is missing",
    "string_type": "must be text",
    "tuple_type": "must be a list, such as [5, 15, 60]",
    "too_short": "must not be empty",
    "too_long": f"must not have more than {_MOST_WAITS} entries",
    "dict_type": "must be a table",
    "mapping_type": "must be a table",
}


_NUMBER = re.compile(r"(int|float|finite|greater|less)_")


def _is_whole(annotation: Any) -> bool:
    return annotation is int or int in get_args(annotation)


def _said(found: Mapping[str, Any], settings: type[BaseModel]) -> str:
    if found["type"] == "extra_forbidden":
        meant = difflib.get_close_matches(str(found["loc"][-1]), settings.model_fields, 1, 0.6)
        return f"no such setting (did you mean {meant[0]}?)" if meant else "no such setting"
    if found["type"] == "string_pattern_mismatch" and found["loc"] == ("currency",):
        return "must be three capital letters, such as UGX"
    if (field := settings.model_fields.get(str(found["loc"][0] if found["loc"] else ""))) is not None:
        bounds = range_of(field)
        if bounds is not None and _NUMBER.match(found["type"]):
            return f"must be {describe_range(*bounds, whole=_is_whole(field.annotation))}"
    message = re.sub(r"^\w+ should ", "must ", str(found["msg"]).removeprefix("Value error, "))
    return _SAID.get(found["type"], message)


def _resolved(value: Any, resolve_secret: Callable[[str], SecretStr]) -> Any:
    if isinstance(value, dict):
        return {name: _resolved(part, resolve_secret) for name, part in value.items()}
    if isinstance(value, list):
        return [_resolved(part, resolve_secret) for part in value]
    return resolve_secret(value) if isinstance(value, str) else value


def _holds_secret(annotation: Any) -> bool:
    return annotation is SecretStr or any(_holds_secret(part) for part in get_args(annotation))
