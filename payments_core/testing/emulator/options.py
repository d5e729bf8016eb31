"""Options of an emulator: one for each point where the provider's sources differ, with checked values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import NoneType
from typing import Any, ClassVar, Literal, get_args, get_origin, get_type_hints

from payments_core.domain.bounds import describe_range

__all__ = ["Options", "describe", "fits"]

_MOST = 1_000_000_000  # so that seconds stay numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of an emulator; a derived class gives each a type and a default.

    Raises:
        ValueError: A value does not fit its option.

    """

    _known: ClassVar[dict[type, Mapping[str, Any]]] = {}

    def __post_init__(self) -> None:
        for name, hint in self.hints().items():
            if not fits(getattr(self, name), hint):
                raise ValueError(f"{name} must be {describe(hint)}, not {getattr(self, name)!r}")

    @classmethod
    def hints(cls) -> Mapping[str, Any]:
        """Return the type of each option by name."""
        if cls not in Options._known:
            hints = get_type_hints(cls)
            Options._known[cls] = {field.name: hints[field.name] for field in fields(cls)}
        return Options._known[cls]

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
    for possible in _possible(text, hint):
        if fits(possible, hint):
            return possible
    raise ValueError(f"{name} must be {describe(hint)}, not {text!r}")


def _possible(text: str, hint: Any) -> list[Any]:
    found: list[Any] = [text]
    words: dict[str, Any] = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        found.append(words[text.lower()])
    for kind in (int, float):
        try:
            found.append(kind(text))
        except ValueError:
            continue
    return found


def fits(value: Any, hint: Any) -> bool:
    """Whether a value fits an option's type."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Literal:
        return any(value == part and type(value) is type(part) for part in parts)
    if origin is tuple:
        return isinstance(value, tuple) and all(fits(one, parts[0]) for one in value)
    if parts:  # a union
        return any(fits(value, part) for part in parts)
    if hint in {int, float}:
        wide = isinstance(value, int | float) if hint is float else isinstance(value, int)
        return wide and not isinstance(value, bool) and 0 <= value <= _MOST
    return value is None if hint is NoneType else isinstance(value, hint)


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
