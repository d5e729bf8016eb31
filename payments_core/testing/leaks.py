"""For redaction tests: captures the output of a paying process and searches it for secrets and personal data.

A provider's test makes its calls in between. This module knows no provider and no test framework.
"""

from __future__ import annotations

import base64
import logging
import re
import traceback
import warnings
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import NamedTuple, Self
from urllib.parse import quote, unquote

__all__ = ["SHORTEST_SECRET", "CapturedText", "Forbidden", "LogCapture"]

_PIECE, _STEP = 16, 8  # characters: 23 consecutive characters of a secret are always found
_SHORTEST_IN_PARTS, SHORTEST_SECRET = 8, 4
_GAP = r"[\s.()-]{0,2}"
_LEAST_DIGITS = 7  # of a number without its country code
_ENCODED = re.compile(r"[A-Za-z0-9+/_-]{8,}")
_PLAIN_ALPHABET = str.maketrans("-_", "+/")
_LONGEST_TEXT = 1_000_000


class CapturedText(NamedTuple):
    """One captured text."""

    channel: str  #: ``log``, ``warning``, ``error``, ``locals``, ``shown``, ``output``, ``stored`` …
    where: str  #: A logger's name, a step, a file.
    text: str  #: The whole text.


@dataclass(frozen=True, slots=True)
class Forbidden:
    """Secrets and personal data that no text may contain.

    Raises:
        ValueError: A secret is shorter than 4 characters.

    """

    #: Secrets by name, each of 4 characters or more. One of fewer than 8 characters, such as a PIN, counts only as a
    #: word of its own, not inside a longer word or number.
    secrets: Mapping[str, str] = field(repr=False)
    numbers: Collection[str] = field(default=(), repr=False)  #: Complete numbers of payees, digits only.
    names: Collection[str] = field(default=(), repr=False)  #: Names and other personal data of account holders.

    def leaks(self, texts: Iterable[CapturedText]) -> list[str]:
        """Return each leak once, with its place; values of variables are searched for secrets only.

        A secret is also found in part, URL-encoded and in Base64; a number with a plus sign, gaps, URL-encoded, and
        without its country code.
        """
        pieces = {piece: name for name, value in self.secrets.items() for piece in _pieces(value)}
        short = {piece: name for piece, name in pieces.items() if len(piece) < _PIECE}
        alone = {name: _alone(value) for name, value in self.secrets.items() if len(value) < _SHORTEST_IN_PARTS}
        numbers = [_number(number) for number in self.numbers]
        names = [name.lower() for name in self.names]
        seen: dict[tuple[bool, str], set[str]] = {}  # many texts repeat
        found: dict[str, None] = {}
        for channel, where, text in texts:
            whole = channel != "locals"  # a caller's variables hold payees
            leaked = seen.get((whole, text))
            if leaked is None:
                decoded = f"{text}\n{unquote(text)}" if "%" in text else text
                decoded = "\n".join([decoded, *_decoded(text)])
                windows = {decoded[at : at + _PIECE] for at in range(len(decoded) - _PIECE + 1)}
                leaked = {pieces[piece] for piece in windows & pieces.keys()}
                leaked |= {name for piece, name in short.items() if piece in decoded}
                leaked |= {name for name, found_alone in alone.items() if found_alone.search(decoded)}
                if whole and any(number.search(decoded) for number in numbers):
                    leaked.add("a number")
                if whole and any(name in decoded.lower() for name in names):
                    leaked.add("a name")
                seen[whole, text] = leaked
            found |= dict.fromkeys(f"{name} in {channel}: {where}" for name in sorted(leaked))
        return list(found)


def _pieces(secret: str) -> Iterator[str]:
    if len(secret) < SHORTEST_SECRET:
        raise ValueError(f"A secret shorter than {SHORTEST_SECRET} characters cannot be distinguished from other text.")
    if len(secret) < _SHORTEST_IN_PARTS:
        return
    for form in {secret, quote(secret, safe="")}:
        yield form[-_PIECE:]
        yield from (form[at : at + _PIECE] for at in range(0, len(form) - _PIECE, _STEP))


def _alone(secret: str) -> re.Pattern[str]:
    """Match a short secret as a word of its own; digits in a time, an address or a line number do not count."""
    before, after = r"(?<![^\W_])", r"(?![^\W_])"
    if secret.isdigit():
        before, after = rf"{before}(?<![0-9][.,:/-])(?<!line )", rf"{after}(?![.,:/-][0-9])"
    return re.compile(before + re.escape(secret) + after)


def _number(number: str) -> re.Pattern[str]:
    """Match a number anywhere; without its country code (1 to 3 digits) only as a word of its own."""
    home = [_GAP.join(number[code:]) for code in (1, 2, 3) if len(number) - code >= _LEAST_DIGITS]
    alone = [rf"(?<![0-9])0?(?:{'|'.join(home)})(?![0-9])"] if home else []
    return re.compile("|".join([_GAP.join(number), *alone]))


def _decoded(text: str) -> Iterator[str]:
    """Yield the decoded Base64 in a text, at every offset of a word."""
    for word in set(_ENCODED.findall(text)):
        for at in range(4):
            part = word[at:].translate(_PLAIN_ALPHABET)
            part = part[:-1] if len(part) % 4 == 1 else part
            yield base64.b64decode(part + "=" * (-len(part) % 4)).decode("latin-1")


_PLAIN_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


class LogCapture(logging.Handler):
    """Captures a block's log records (every logger at DEBUG) and warnings; errors and values are added by calls.

    Args:
        ours: Packages whose frames' variables are captured too, as an error tracker would.

    """

    def __init__(self, *ours: str) -> None:
        super().__init__(logging.DEBUG)
        self.captured: list[CapturedText] = []
        self._ours = ours
        self._warnings = warnings.catch_warnings(record=True)
        self._warned: list[warnings.WarningMessage] | None = None
        self._before: list[tuple[logging.Logger, int]] = []

    def __enter__(self) -> Self:
        """Start to capture."""
        root = logging.getLogger()
        there = [logger for logger in root.manager.loggerDict.values() if isinstance(logger, logging.Logger)]
        self._before = [(logger, logger.level) for logger in (root, *there)]
        for logger in (root, *there):
            logger.setLevel(logging.DEBUG)
        root.addHandler(self)
        self._warned = self._warnings.__enter__()
        warnings.simplefilter("always")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Restore the logging and warnings."""
        self._warnings.__exit__(kind, error, trace)
        self.captured += [
            CapturedText("warning", str(one.category.__name__), str(one.message)) for one in self._warned or ()
        ]
        logging.getLogger().removeHandler(self)
        for logger, level in self._before:
            logger.setLevel(level)

    def emit(self, record: logging.LogRecord) -> None:
        """Capture one log record: its text, arguments, further fields, exception and stack."""
        parts = [logging.Formatter("%(name)s %(levelname)s %(message)s").format(record)]
        arguments = record.args if isinstance(record.args, tuple) else (record.args,)
        further = [value for name, value in vars(record).items() if name not in _PLAIN_FIELDS]
        parts += [f"{value} {value!r}" for value in (record.msg, *arguments, *further)]
        self._capture("log", record.name, "\n".join(parts))
        if record.exc_info and record.exc_info[1]:
            self.error(record.name, record.exc_info[1])

    def shown(self, where: str, *values: object) -> None:
        """Capture values as they are printed: str and repr."""
        for value in values:
            self._capture("shown", f"{where}, {type(value).__name__}", f"{value}\n{value!r}\n{value!a}")

    def error(self, where: str, error: BaseException) -> None:
        """Capture an error: text, arguments, attributes and traceback, with its causes."""
        chain = list(_chain(error))
        for one in chain:
            self._capture("error", f"{where}, {type(one).__name__}", f"{one}\n{one!r}\n{one.args!r}\n{vars(one)!r}")
            for frame, line in traceback.walk_tb(one.__traceback__):
                if str(frame.f_globals.get("__name__")).partition(".")[0] in self._ours:
                    place = f"{where}, {frame.f_globals['__name__']}.{frame.f_code.co_name}:{line}"
                    for name, value in frame.f_locals.items():
                        self._capture("locals", f"{place}, {name}", repr(value))
        self._capture("error", f"{where}, traceback", "".join(traceback.format_exception(error)))

    def _capture(self, channel: str, where: str, text: str) -> None:
        self.captured.append(CapturedText(channel, where, text[:_LONGEST_TEXT]))


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, its causes and contexts, and members of groups; each once."""
    todo: list[BaseException | None] = [error]
    seen: set[int] = set()
    while todo:
        one = todo.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            yield one
            todo += [one.__cause__, one.__context__]
            if isinstance(one, BaseExceptionGroup):
                todo += one.exceptions
