"""How values of ours may leave the program: never by an encoder that opens them without being told to.

``dataclasses.asdict``, and the encoders of web frameworks that use it, write every field of a dataclass: a payee's
complete number, and an amount as whatever a ``Decimal`` becomes there, often a float. A value that :func:`closed`
decorates is no dataclass to them: they fail, or write what its pydantic schema says.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from pydantic_core import CoreSchema

__all__ = ["closed", "written_as"]

T = TypeVar("T")


def closed(kind: type[T]) -> type[T]:
    """Take a dataclass out of what ``dataclasses.asdict`` opens; it needs a ``__reduce__`` of its own to be copied."""
    del kind.__dataclass_fields__  # type: ignore[attr-defined]
    return kind


def written_as(kind: type[T], write: Callable[[T], Any]) -> CoreSchema:
    """Return the pydantic schema of a value that is written as its own function says, and is read from nothing."""
    from pydantic_core import core_schema  # here: only models of applications need it

    written = core_schema.plain_serializer_function_ser_schema(write, return_schema=core_schema.any_schema())
    return core_schema.is_instance_schema(kind, serialization=written)
