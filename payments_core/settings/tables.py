"""Tables of the configuration, checked against their settings; an error names each field and never its value."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, SecretStr, ValidationError

from payments_core.domain.bounds import describe_range
from payments_core.domain.errors import SettingsError
from payments_core.settings.accounts import AccountSettings
from payments_core.settings.types import MOST_ENTRIES, range_of

__all__ = ["read_account", "read_table"]

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


def read_table(settings: type[S], title: str, raw: object, *, resolve_secret: Callable[[str], SecretStr]) -> S:
    """Check a table against its settings, as :func:`read_account` does; ``title`` is its name in messages."""
    if not isinstance(raw, Mapping):
        raise SettingsError(f"{title} must be a table.")
    values: dict[str, Any] = {}
    for setting, value in raw.items():
        is_secret = setting in settings.model_fields and _holds_secret(settings.model_fields[setting].annotation)
        try:
            values[setting] = _resolved(value, resolve_secret) if is_secret else value
        except SettingsError as error:
            raise type(error)(f"{title} {setting}: {error.message}", hint=error.hint) from None
    try:
        return settings.model_validate(values)
    except ValidationError as error:
        raise _invalid(title, error, settings) from None


def _invalid(title: str, error: ValidationError, settings: type[BaseModel]) -> SettingsError:
    errors = error.errors(include_input=False, include_url=False, include_context=False)
    inside = {found["loc"][:1] for found in errors if len(found["loc"]) > 1}
    problems = "; ".join(
        ": ".join(filter(None, (".".join(map(str, found["loc"])), _problem(dict(found), settings))))
        for found in errors
        if found["type"] != "too_short" or found["loc"] not in inside  # wrong entries are not counted
    )
    invalid = {str(found["loc"][0]) if found["loc"] else "" for found in errors}
    return SettingsError(f"{title} is wrong: {problems}.", hint=_hint(settings, invalid))


def _hint(settings: type[BaseModel], invalid: Collection[str]) -> str:
    """Return the hint that names the page of these settings: the common one, or the provider's too."""
    page = "the page reference/settings of the documentation"
    if not issubclass(settings, AccountSettings) or not any(_is_own(settings, name) for name in invalid):
        return f"See {page} for every setting."
    provider = settings.model_fields["provider"].default
    whose = f"the provider {provider}" if isinstance(provider, str) else "its provider"
    return f"See the reference page of {whose} for its own settings, {page} for those of every account."


def _is_own(settings: type[AccountSettings], name: str) -> bool:
    """Whether a setting is unknown, or one that the provider adds or changes."""
    field, common = settings.model_fields.get(name), AccountSettings.model_fields.get(name)
    if field is None or common is None:
        return True
    return field.annotation != common.annotation or field.is_required() != common.is_required()


# pydantic's types of errors, in plain words; the message of any other begins with "must be".
_PROBLEMS: Mapping[str, str] = {
    "missing": "is missing",
    "string_type": "must be text",
    "tuple_type": "must be a list, such as [5, 15, 60]",
    "too_short": "must not be empty",
    "too_long": f"must not have more than {MOST_ENTRIES} entries",
    "dict_type": "must be a table",
    "mapping_type": "must be a table",
}


_NUMBER = re.compile(r"(int|float|finite|greater|less)_")


def _is_whole(annotation: Any) -> bool:
    return annotation is int or int in get_args(annotation)


def _problem(found: Mapping[str, Any], settings: type[BaseModel]) -> str:
    if found["type"] == "extra_forbidden":
        similar = difflib.get_close_matches(str(found["loc"][-1]), settings.model_fields, 1, 0.6)
        return f"no such setting (did you mean {similar[0]}?)" if similar else "no such setting"
    if found["type"] == "string_pattern_mismatch" and found["loc"] == ("currency",):
        return "must be three capital letters, such as UGX"
    if (field := settings.model_fields.get(str(found["loc"][0] if found["loc"] else ""))) is not None:
        bounds = range_of(field)
        if bounds is not None and _NUMBER.match(found["type"]):
            return f"must be {describe_range(*bounds, whole=_is_whole(field.annotation))}"
    message = re.sub(r"^\w+ should ", "must ", str(found["msg"]).removeprefix("Value error, "))
    return _PROBLEMS.get(found["type"], message)


def _resolved(value: Any, resolve_secret: Callable[[str], SecretStr]) -> Any:
    if isinstance(value, dict):
        return {name: _resolved(part, resolve_secret) for name, part in value.items()}
    if isinstance(value, list):
        return [_resolved(part, resolve_secret) for part in value]
    return resolve_secret(value) if isinstance(value, str) else value


def _holds_secret(annotation: Any) -> bool:
    return annotation is SecretStr or any(_holds_secret(part) for part in get_args(annotation))
