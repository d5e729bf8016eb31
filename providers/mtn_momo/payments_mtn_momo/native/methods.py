"""The methods of the native clients: each drives one call, which is written once, with its signature and docstring."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from types import NoneType
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, get_args, get_type_hints

from payments_core.http.flow import HttpFlow

__all__ = ["AsyncMethod", "Method"]

C = TypeVar("C")
P = ParamSpec("P")
T = TypeVar("T")


class AsyncMethod(Generic[P, T]):
    """A method of a client for an event loop.

    Args:
        call: A method of the client's ``_calls``; the client's ``_session`` drives what it returns.

    """

    def __init__(self, call: Callable[Concatenate[C, P], HttpFlow[T]]) -> None:
        async def method(client: Any, *args: P.args, **kwargs: P.kwargs) -> T:
            result: T = await client._session.run(call(client._calls, *args, **kwargs))  # noqa: SLF001 its own
            return result

        self._method: Any = _described(method, call)

    def __get__(self, client: object, owner: type | None = None) -> Callable[P, Coroutine[Any, Any, T]]:
        bound: Callable[P, Coroutine[Any, Any, T]] = self._method.__get__(client, owner)
        return bound


class Method(Generic[P, T]):
    """A method of a client for threads; see :class:`AsyncMethod`."""

    def __init__(self, call: Callable[Concatenate[C, P], HttpFlow[T]]) -> None:
        def method(client: Any, *args: P.args, **kwargs: P.kwargs) -> T:
            result: T = client._session.run(call(client._calls, *args, **kwargs))  # noqa: SLF001 its own
            return result

        self._method: Any = _described(method, call)

    def __get__(self, client: object, owner: type | None = None) -> Callable[P, T]:
        bound: Callable[P, T] = self._method.__get__(client, owner)
        return bound


def _described(method: Any, call: Callable[..., Any]) -> Any:
    """Return a method with the name, docstring and signature of its call; it returns what the flow ends with."""
    hints = get_type_hints(call)
    hints["return"] = get_args(hints["return"])[-1]
    method.__annotations__ = hints
    result = None if hints["return"] is NoneType else hints["return"]
    method.__signature__ = inspect.signature(call, eval_str=True).replace(return_annotation=result)
    method.__name__, method.__qualname__, method.__doc__ = call.__name__, call.__name__, call.__doc__
    return method
