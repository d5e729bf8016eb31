"""Reads an answer from the bytes that come over a connection: an ordinary one by itself, and all others with h11."""

from __future__ import annotations

import re
from typing import NamedTuple

import h11

from payments_core.http.messages import HttpResponse
from payments_core.http.transport.exchange import Exchange

__all__ = ["AnswerReader", "ordinary_head"]

_LONGEST_HEAD = 100 * 1024
_ORDINARY = re.compile(
    rb"HTTP/1\.1 (?!204|304)([2-5][0-9][0-9]) [ -~]*\r\n((?:[A-Za-z0-9-]+: ?[!-~](?:[ -~]*[!-~])?\r\n)+)\r\n"
)
_FIELD = re.compile(r"([A-Za-z0-9-]+): ?(.+)\r\n")
_SIZE = re.compile(r"[0-9]{1,6}", re.ASCII)
_NOT_ORDINARY = frozenset({"transfer-encoding", "upgrade"})


class AnswerReader:
    """Reads the answer of one exchange, piece by piece.

    Args:
        exchange: Whose answer it is.

    """

    __slots__ = ("_data", "_exchange", "_head", "_http", "_response")

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._data = b""
        self._head: Head | None = None
        self._http: h11.Connection | None = None
        self._response: h11.Response | None = None

    def receive(self, data: bytes) -> tuple[HttpResponse, bool] | None:
        """Take what has come next, and return the answer when it is complete.

        Args:
            data: The next bytes; empty when the server has ended its side.

        Returns:
            The answer, and whether the connection can be used again: both sides are done, and no more has come. What
            has come after the answer would be taken for the answer to the next request. None while more is to come.

        Raises:
            h11.RemoteProtocolError: What has come is no answer.

        """
        if self._http is None:
            if not self._data:
                self._head = ordinary_head(self._exchange.request.method, data)
            self._data += data
            if self._head is not None and data:
                if len(self._data) < self._head.end:
                    return None
                if len(self._data) == self._head.end:
                    self._exchange.take(self._data[self._head.length :])
                    return self._exchange.complete(self._head.status, self._head.fields), True
            self._http = _expecting_answer(self._exchange)
            if self._data:
                self._http.receive_data(self._data)
            if data:
                return self._read_events(self._http)
        self._http.receive_data(data)
        return self._read_events(self._http)

    def _read_events(self, http: h11.Connection) -> tuple[HttpResponse, bool] | None:
        while True:
            event = http.next_event()
            if event is h11.NEED_DATA:
                return None
            if isinstance(event, h11.Response):
                self._response = event
            elif isinstance(event, h11.Data):
                self._exchange.take(event.data)
            elif isinstance(event, h11.EndOfMessage) and (found := self._response) is not None:
                is_done = http.our_state is http.their_state is h11.DONE and not http.trailing_data[0]
                fields = ((name.decode("ascii"), value.decode("utf-8", "replace")) for name, value in found.headers)
                return self._exchange.complete(found.status_code, fields), is_done


def _expecting_answer(exchange: Exchange) -> h11.Connection:
    http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_LONGEST_HEAD)
    # It goes by nothing else of a request: a provider may not set a field that decides about the connection.
    http.send(h11.Request(method=exchange.request.method, target="/", headers=[("Host", "a")]))
    http.send(h11.EndOfMessage())
    return http


class Head(NamedTuple):
    """The head of an ordinary answer."""

    status: int
    fields: list[tuple[str, str]]
    length: int  # of itself
    end: int  # of the answer


def ordinary_head(method: str, data: bytes) -> Head | None:
    """Return the head of an ordinary answer, as h11 would read it; None for any other, about which h11 decides.

    Most answers are ordinary: a body as long as it says, over a connection that stays. To have h11 read them is a
    third of what a request costs.

    Args:
        method: Of the request.
        data: What has come; the head has to be whole.

    """
    found = _ORDINARY.match(data)
    if found is None or method == "HEAD":
        return None
    fields = _FIELD.findall(found[2].decode("ascii"))
    named = {name.lower(): value for name, value in fields}
    size = named.get("content-length", "")
    is_plain = len(named) == len(fields) and named.keys().isdisjoint(_NOT_ORDINARY) and _SIZE.fullmatch(size)
    if not is_plain or named.get("connection", "keep-alive").lower() != "keep-alive":
        return None
    return Head(int(found[1]), fields, found.end(), found.end() + int(size))
