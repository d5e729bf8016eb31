"""Options of an emulator: one for each point where the provider's sources differ, with checked values."""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError

from payments_core.domain.bounds import describe_range

__all__ = ["Options", "describe", "fits"]

_adapter = functools.cache(TypeAdapter)
_MOST = 1_000_000_000  # so that seconds stay numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of an emulator; a derived class gives each a type and a default.

    Raises:
        ValueError: A value does not fit its option.

    """

    def __post_init__(self) -> None:
        for name, hint in self.hints().items():
            if not fits(getattr(self, name), hint):
                raise ValueError(f"{name} must be {describe(hint)}, not {getattr(self, name)!r}")

    @classmethod
    @functools.cache
    def hints(cls) -> Mapping[str, Any]:
        """Return the type of each option by name."""
        hints = get_type_hints(cls)
        return {field.name: hints[field.name] for field in fields(cls)}

    @classmethod
    def read(cls, written: Mapping[str, str]) -> dict[str, Any]:
        """Return options parsed from text, for a command line.

        Args:
            written: Names to texts: ``{"shape": "object", "delayed_s": "2", "words": "CREATED,PENDING"}``.
                ``none`` stands for None.

        Raises:
            ValueError: A name or value is not valid; the message lists the valid ones.

        """
        hints = cls.hints()
        if unknown := sorted(set(written) - set(hints)):
            raise ValueError(f"unknown switches: {', '.join(unknown)}; there are: {', '.join(hints)}")
        return {name: _read(name, text.strip(), hints[name]) for name, text in written.items()}


def _read(name: str, text: str, hint: Any) -> Any:
    if get_origin(hint) is tuple:
        return tuple(_read(name, part.strip(), get_args(hint)[0]) for part in text.split(",") if part.strip())
    for possible in _possible(text):
        if fits(possible, hint):
            return possible
    raise ValueError(f"{name} must be {describe(hint)}, not {text!r}")


def _possible(text: str) -> Iterator[Any]:
    yield text
    with contextlib.suppress(ValueError):
        yield None if text.lower() == "none" else json.loads(text.lower())


def fits(value: Any, hint: Any) -> bool:
    """Whether a value fits an option's type; a number also has to be from 0 to a billion."""
    try:
        _adapter(hint).validate_python(value, strict=True)
    except ValidationError:
        return False
    return not isinstance(value, int | float) or 0 <= value <= _MOST


def describe(hint: Any) -> str:
    """Return the valid values of a type, for a person."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Literal:
        return f"one of {', '.join(map(str, parts))}"
    if origin is tuple:
        return f"some of {describe(parts[0]).removeprefix('one of ')}"
    if parts:
        return " or ".join(describe(part) for part in parts)
    names = {int: describe_range(0, _MOST, whole=True), float: describe_range(0, _MOST), bool: "true or false"}
    return names.get(hint, "none" if hint is NoneType else "text")
