"""Malformed answers (broken, mistyped, unlisted), and a flow driven with a given answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, TypeVar

from payments_core.http.flow import HttpFlow
from payments_core.http.messages import HttpRequest, HttpResponse
from payments_core.provider import Callback

__all__ = ["BODIES", "HTML", "STATUSES", "UNLISTED", "answered", "mistyped", "reworded"]

T = TypeVar("T")

UNLISTED = "GEHEIMRAT_7"
HTML = b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<h1>502 Bad Gateway</h1></body></html>"
BODIES = {
    "nothing": b"",
    "a page of HTML": HTML,
    "half a body": b'{"status": "SUCC',
    "a number": b"7",
    "a word": b'"SUCCESSFUL"',
    "null": b"null",
    "a list": b"[]",
    "an empty object": b"{}",
    "no UTF-8": b"\xff\xfe\x00{",
    "a huge body": b'{"padding": "' + b"x" * 2_000_000 + b'"}',
    "very deep": b"[" * 100_000,
}
STATUSES = (200, 201, 202, 204, 301, 400, 401, 403, 404, 409, 422, 500, 502, 503, 504)


def answered(flow: HttpFlow[T], answer: HttpResponse | Exception, asked: list[HttpRequest] | None = None) -> T:
    """Drive a provider's flow with the same answer to every request, and return its result.

    Args:
        flow: The provider's flow.
        answer: The answer to each of its requests.
        asked: A list that its requests are appended to.

    """
    asked = [] if asked is None else asked
    try:
        command = next(flow)
        while True:
            assert isinstance(command, HttpRequest), f"a provider's flow may only ask for HTTP, not {command!r}"
            asked.append(command)
            assert len(asked) < 20, "the flow does not end"
            command = flow.throw(answer) if isinstance(answer, Exception) else flow.send(answer)
    except StopIteration as end:
        result: T = end.value
        return result


def reworded(answer: HttpResponse) -> HttpResponse | None:
    """Return a JSON answer with every text and number replaced; None where it has none."""
    try:
        fields = json.loads(answer.body)
    except ValueError:
        return None
    body = json.dumps(_reworded(fields)).encode()
    return None if json.loads(body) == fields else HttpResponse(answer.status, answer.headers, body, answer.at)


def _reworded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _reworded(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_reworded(part) for part in value]
    return value if value is None or isinstance(value, bool) else UNLISTED


_WRONG: dict[str, object] = {"number": 7, "list": [1], "object": {"a": 1}, "null": None, "true": True}


def mistyped(answer: Any, wrong: str) -> Iterator[tuple[str, Any]]:
    """Yield copies of an answer with one field after another, at any depth, replaced."""
    try:
        whole = json.loads(answer.body)
    except ValueError:
        return
    for path in _paths(whole):
        body = json.dumps(_put(whole, path, _WRONG[wrong])).encode()
        if isinstance(answer, Callback):
            yield "/".join(map(str, path)), Callback(answer.method, answer.headers, body, answer.at)
        else:
            yield "/".join(map(str, path)), HttpResponse(answer.status, answer.headers, body, answer.at)


def _paths(value: object, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inside: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in inside:
        yield (*before, name)
        yield from _paths(part, (*before, name))


def _put(value: Any, path: tuple[Any, ...], new: object) -> Any:
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = _put(value[path[0]], path[1:], new)
    return copy
