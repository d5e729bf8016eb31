"""One call of the command line: its common options, its exit code and its error output."""

from __future__ import annotations

import contextlib
import functools
import inspect
import json
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, NamedTuple, ParamSpec, get_type_hints

import typer

from payments_core.cli import exit_codes
from payments_core.domain.characters import clean_lines

if TYPE_CHECKING:
    from types import FrameType

    from payments_core.client import PayoutClient
    from payments_core.domain.payout import Payout
    from payments_core.domain.records import Pause
    from payments_core.engine.journal_protocol import Journal
    from payments_core.runtime import Runtime
    from payments_core.settings import Configuration

__all__ = ["COMMON", "PAYING", "Terminal", "command", "group", "is_output_lost", "open_closed_streams", "to_json"]

P = ParamSpec("P")

PAYING = frozenset({"send", "deposit", "refund"})
_CONFIG = "payouts.toml"
_LEVEL = "WARNING"
_OBEYED = re.compile("[\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


class Terminal(NamedTuple):
    """The common options of one call.

    Args:
        config: The path of payouts.toml.
        as_json: Whether to print JSON.
        reveal: Whether to print complete numbers.
        log_level: The lowest level of events on standard error; empty for the command's own.
        log_json: Whether to print events as JSON.
        pays: Whether the command makes payouts; then errors state that nothing was sent, where that is true.

    """

    config: Path = Path(_CONFIG)
    as_json: bool = False
    reveal: bool = False
    log_level: str = ""
    log_json: bool = False
    pays: bool = False

    @property
    def is_live(self) -> bool:
        """Whether standard error is a terminal: only then is progress shown."""
        return sys.stderr.isatty() and not self.as_json

    def show(self, record: Any, text: str) -> None:
        """Print a result: the record with --json, else the text."""
        if self.as_json:
            print(to_json(record, indent=2))
        else:
            self.say(text)

    def say(self, text: str = "") -> None:
        """Print a result for a person."""
        print(clean_lines(text), flush=True)

    def note(self, text: str) -> None:
        """Print on standard error, beside the result."""
        print(clean_lines(text), file=sys.stderr, flush=True)

    def print_events(self, level: str) -> None:
        """Print events from a level up, unless another level was given."""
        if not self.log_level:
            _configure_logs(self._replace(log_level=level))

    def configuration(self) -> Configuration:
        """Read the configuration."""
        from payments_core import settings

        return settings.load(self.config)

    def runtime(self) -> Runtime:
        """Build the runtime of a client."""
        from payments_core.client import assemble

        return assemble(self.config)

    @contextlib.contextmanager
    def client(self) -> Iterator[PayoutClient]:
        """Open a client for a block."""
        from payments_core.client import PayoutClient

        with PayoutClient(self.runtime()) as client:
            yield client

    @contextlib.contextmanager
    def journal(self, read: Configuration | None = None) -> Iterator[Journal]:
        """Open the journal alone: reading and pausing must work without a secret or a plugin."""
        from payments_core.cli.accounts import build_accounts
        from payments_core.domain.errors import JournalMissing
        from payments_core.journal import open_journal
        from payments_core.runtime import utc_now

        found = read or self.configuration()
        where: Any = {"namespace": found.namespace, "root": found.root}
        open_it = functools.partial(open_journal, found.journal, clock=utc_now, **where)
        try:
            journal = open_it()
        except JournalMissing:
            accounts, broken = build_accounts(found)
            if broken or not all(account.settings.is_test_mode for account in accounts.values()):
                raise  # one that cannot be built might pay real money
            journal = open_it(make=True)
        with contextlib.closing(journal):
            yield journal

    def recorded(self, payout: str) -> tuple[Payout, tuple[Pause, ...]]:
        """Read a payout by its id or key, and the pauses, from the journal alone."""
        from payments_core.client.payout_views import find_payout

        with self.journal() as journal:
            row = find_payout(journal, payout)
            return row.view(journal.history(row.id)), journal.pauses()


def to_json(value: Any, *, indent: int | None = None) -> str:
    """Return JSON with every control character escaped: some values come from outside, and it may reach a terminal."""
    written = json.dumps(value, indent=indent, ensure_ascii=False)
    return _OBEYED.sub(lambda mark: f"\\u{ord(mark[0]):04x}", written)


def group(name: str, text: str) -> typer.Typer:
    """Make a group of commands with its help text."""
    return typer.Typer(name=name, help=text, no_args_is_help=True, add_completion=False, rich_markup_mode=None)


def _upper(level: str | None) -> str | None:
    return level and level.upper()


Config = Annotated[
    Path | None, typer.Option("--config", help=f"The configuration (default {_CONFIG}).", show_default=False)
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON; errors as JSON on standard error.")]
Reveal = Annotated[bool, typer.Option("--reveal", help="Print complete numbers and names instead of masked ones.")]
LogLevel = Annotated[
    str | None,
    typer.Option(
        "--log-level", help=f"DEBUG, INFO, WARNING or ERROR (default {_LEVEL}).", show_default=False, callback=_upper
    ),
]
LogJson = Annotated[bool, typer.Option("--log-json", help="Events on standard error as JSON, one a line.")]

COMMON: Mapping[str, tuple[Any, Any]] = {
    "config": (Config, None),
    "as_json": (AsJson, False),
    "reveal": (Reveal, False),
    "log_level": (LogLevel, None),
    "log_json": (LogJson, False),
}


def command(body: Callable[Concatenate[Terminal, P], int]) -> Callable[..., None]:
    """Make a command of a function that takes a terminal first and returns the exit code.

    The common options are added to its own, so that they are valid after the command as well as before it.
    """
    hints = get_type_hints(body, include_extras=True)
    own = [
        parameter.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY)
        for name, parameter in list(inspect.signature(body).parameters.items())[1:]
    ]
    common = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, (annotation, default) in COMMON.items()
    ]
    context = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)

    @functools.wraps(body)
    def call(*, context: typer.Context, **given: Any) -> None:
        asked = {name: given.pop(name) or context.obj[name] for name in COMMON}  # also valid before the command
        common = {name: value for name, value in asked.items() if value}
        terminal = Terminal(**common, pays=context.info_name in PAYING)
        raise typer.Exit(_carry_out(terminal, functools.partial(body, terminal, **given)))

    del call.__wrapped__  # typer must see the signature below, not the body's
    call.__signature__ = inspect.Signature([*own, context, *common])  # type: ignore[attr-defined]
    call.__annotations__ = {parameter.name: parameter.annotation for parameter in (*own, context, *common)}
    return call


def _carry_out(terminal: Terminal, body: Callable[[], int]) -> int:
    from payments_core.cli import error_output

    stopped_by: list[int] = []
    try:
        with _terminated_like_interrupted(stopped_by):
            _configure_logs(terminal)
            code = body()
            sys.stdout.flush()
            return code
    except (typer.Exit, typer.BadParameter):
        raise
    except KeyboardInterrupt as stopped:  # a command may say what is left of its work
        error_output.print_interrupted(terminal, str(stopped))
        return exit_codes.TERMINATED if stopped_by else exit_codes.INTERRUPTED
    except BrokenPipeError:  # the reader of our output has closed it
        _drop_output()
        return exit_codes.ERROR
    except Exception as error:  # noqa: BLE001 - the last place to print it for a person
        return error_output.print_error(error, terminal)


def is_output_lost() -> bool:
    """Whether standard output cannot be written, as on a full disk; then the rest of it is dropped."""
    try:
        print(flush=True)  # unwritten output is lost: only a write shows the error
    except OSError:
        _drop_output()
        return True
    return False


def _drop_output() -> None:
    """Send the rest of the output to the null device."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def open_closed_streams() -> None:
    """Replace closed standard streams by the null device, so that no other file takes their number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):  # each open takes the lowest free number
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115, PTH123 - open until the process ends


@contextlib.contextmanager
def _terminated_like_interrupted(stopped_by: list[int]) -> Iterator[None]:
    """Make SIGTERM end the work like Ctrl-C: flows and the journal are closed."""

    def interrupt(number: int, _frame: FrameType | None) -> None:
        stopped_by.append(number)
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell's background job ignores only Ctrl-C
            signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.raise_signal(signal.SIGINT)

    try:
        before = signal.signal(signal.SIGTERM, interrupt)
    except ValueError:  # not in the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _configure_logs(terminal: Terminal) -> None:
    level = terminal.log_level or _LEVEL
    if level not in {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}:
        raise typer.BadParameter(f"--log-level {level} is unknown. Write DEBUG, INFO, WARNING or ERROR.")
    from payments_core import logs

    logs.configure(style="json" if terminal.log_json else "console", level=level)
