"""Error messages of the command line: what happened and what to do; never a secret."""

from __future__ import annotations

import contextlib
import sys
import traceback

import typer

from payments_core.cli import exit_codes
from payments_core.cli.terminal import Terminal, is_output_lost, to_json
from payments_core.domain.characters import clean_lines
from payments_core.domain.errors import InvalidPayout, LookupFailed, PaymentsError, PayoutInterrupted, SettingsError
from payments_core.domain.masking import scrub

__all__ = ["print_error", "print_interrupted", "print_problem", "problem"]

_SAFE = "What was accepted is in the journal: sending the same key again is safe, and `payouts resume` goes on."


def problem(error: Exception, *, pays: bool = False) -> dict[str, str]:
    """Return an error as code, message and hint; of a foreign error only its type and scrubbed text."""
    if isinstance(error, PaymentsError):
        is_unsent = isinstance(error, InvalidPayout) or (pays and isinstance(error, SettingsError))
        unsent = " Nothing was recorded and nothing was sent." if is_unsent else ""
        return {"code": error.code, "message": error.message, "hint": (error.hint + unsent).strip()}
    return {
        "code": "unexpected_error",
        "message": f"{type(error).__name__}: {scrub(str(error)) or 'no message'}",
        "hint": "This is a defect. Run again with --log-level DEBUG to see where it is; `payouts journal verify` "
        "checks the journal.",
    }


def print_error(error: Exception, terminal: Terminal) -> int:
    """Print an error and return the exit code."""
    if isinstance(error, OSError) and is_output_lost():
        details = {
            "code": "output_not_written",
            "message": f"The output could not be written: {error.strerror or type(error).__name__}.",
            "hint": "Everything done is recorded: `payouts list`, or the same command again, shows the result.",
        }
        with contextlib.suppress(OSError):  # standard error may be on the same disk
            print_problem(details, as_json=terminal.as_json)
        return exit_codes.ERROR
    print_problem(problem(error, pays=terminal.pays), as_json=terminal.as_json)
    if terminal.log_level == "DEBUG" and not isinstance(error, PaymentsError):
        for place in traceback.extract_tb(error.__traceback__):  # places only: no values, no text
            print(f"  {place.filename}:{place.lineno} in {place.name}", file=sys.stderr)
    return exit_codes.NOT_KNOWN if isinstance(error, LookupFailed | PayoutInterrupted) else exit_codes.ERROR


def print_interrupted(terminal: Terminal, hint: str = "") -> None:
    """Print what to do after Ctrl-C or SIGTERM."""
    details = {"code": "interrupted", "message": "Stopped before it was finished.", "hint": hint or _SAFE}
    print_problem(details, as_json=terminal.as_json)


def print_problem(details: dict[str, str], *, as_json: bool) -> None:
    """Print a problem on standard error."""
    if as_json:
        print(to_json({"error": details}), file=sys.stderr, flush=True)
        return
    typer.secho("Error: ", fg="red", bold=True, nl=False, err=True)
    typer.echo(clean_lines(details["message"]), err=True)
    if details["hint"]:
        typer.echo(clean_lines(f"  {details['hint']}"), err=True)
