"""``payouts journal restored | reconciled``: a person's statements about a restored journal."""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from payments_core.cli import exit_codes
from payments_core.cli.journal import GROUP
from payments_core.cli.terminal import Terminal, command
from payments_core.domain.masking import quote

if TYPE_CHECKING:
    from payments_core.journal.maintenance.stores import Store
    from payments_core.journal.sql.restore_gap import OperatorAction

__all__ = ["GROUP"]

_MOST_BYTES = 16 * 1024 * 1024
_LINE_END = re.compile("\r\n|\r|\n")

Actor = Annotated[str, typer.Option(metavar="NAME", help="The person who states it.")]
Reason = Annotated[str, typer.Option(metavar="TEXT", help="The reason, for the history.")]


@GROUP.command("restored")
@command
def restored(
    terminal: Terminal,
    gap_from: Annotated[
        str, typer.Option(metavar="TIME", help="When the backup was made: ISO 8601, in UTC without an offset.")
    ] = "",
    no_gap: Annotated[
        bool, typer.Option("--no-gap", help="The server changed as planned, and nothing is lost.")
    ] = False,
    over: Annotated[bool, typer.Option("--over", help="The gap is closed.")] = False,
    actor: Actor = "",
    reason: Reason = "",
) -> int:
    """Record that the journal was restored from a backup, and the gap that it may have.

    From then on every payout is checked at its provider before its first submission, and no further attempt begins.
    `--over` ends that, once the statement of every account is compared and no payout is open.
    """
    from payments_core.journal.maintenance import restore

    if (bool(gap_from), no_gap, over).count(True) != 1:
        raise typer.BadParameter("Give one of --gap-from, --no-gap and --over.")
    store = _store(terminal)
    if no_gap:
        restore.no_gap(store)
        state, says = "complete", f"{store.name}: complete; payments continue."
    elif over:
        gap = restore.end_gap(store, _act(store, actor, reason), terminal.configuration().accounts.keys())
        state = "over"
        says = f"{store.name}: complete again; the gap began at {gap.began_at:%Y-%m-%d %H:%M:%S} UTC."
    else:
        gap = restore.begin_gap(store, _moment(gap_from), _act(store, actor, reason))
        state = "restored"
        says = (
            f"{store.name}: may lack everything after {gap.began_at:%Y-%m-%d %H:%M:%S} UTC. Every payout is checked "
            "before it is sent. If anything may have been paid again since then, run `payouts pause` now. "
            "Next, for each account: `payouts journal reconciled --account NAME`."
        )
    terminal.show({"journal": store.name, "state": state}, says)
    return exit_codes.DONE


@GROUP.command("reconciled")
@command
def reconciled(
    terminal: Terminal,
    account: Annotated[str, typer.Option(metavar="NAME", help="The account whose own statement was compared.")],
    statement_checked_by: Annotated[str, typer.Option(metavar="NAME", help="The person who compared the statement.")],
    reason: Annotated[str, typer.Option(metavar="TEXT", help="The statement and the finding, for the history.")],
    references: Annotated[
        str,
        typer.Option(metavar="FILE", help="The references of its payments, one on each line; - is standard input."),
    ] = "",
) -> int:
    """Record that an account's own statement was compared with a restored journal.

    The statement covers the time since the beginning of the gap, for all identities of the account (`retired` too).
    Give the references of its payments: nothing is ever sent under a reference of FILE. Such a payout is only checked,
    and stops in REVIEW when the check is not final.
    """
    from payments_core.journal.maintenance import restore

    found = _read_references(references) if references else ()
    store = _store(terminal)
    act = _act(store, statement_checked_by, reason)
    configured = terminal.configuration().accounts.keys()
    done = restore.compare_statement(store, act, account=account, configured=configured, references=found)
    kept = f", {done.kept} references kept, of which the journal has {done.known}" if references else ""
    following = f"payouts journal reconciled --account {min(done.missing)}" if done.missing else "payouts resume"
    record = {
        "journal": store.name,
        "state": "reconciled",
        "account": account,
        "references": done.kept,
        "known": done.known,
        "not_compared": sorted(done.missing),
    }
    terminal.show(
        record,
        f"{store.name}: the statement of {account} was compared by {statement_checked_by}{kept}.\nNext: `{following}`.",
    )
    return exit_codes.DONE


def _store(terminal: Terminal) -> Store:
    from payments_core.journal import store_of
    from payments_core.runtime import utc_now

    read = terminal.configuration()
    return store_of(read.journal, namespace=read.namespace, root=read.root, at=utc_now())


def _act(store: Store, actor: str, reason: str) -> OperatorAction:
    from payments_core.engine import OperatorDecision
    from payments_core.journal.sql.restore_gap import OperatorAction

    person = OperatorDecision(actor, reason)
    return OperatorAction(store.at, person.as_evidence["actor"], person.as_evidence["reason"])


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise typer.BadParameter(f"{quote(text)} is no time; write 2026-11-02T08:00:00.") from None


def _read_references(source: str) -> tuple[str, ...]:
    """Return the references of a regular file or of standard input (``-``), each once; no message repeats a line."""
    from payments_core.domain.references import fault_of
    from payments_core.settings.files import read_file

    name = "Standard input" if source == "-" else source
    try:
        text = _standard_input() if source == "-" else read_file(Path(source), source, most_bytes=_MOST_BYTES).text
    except OSError as error:
        raise typer.BadParameter(f"{name} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise typer.BadParameter(f"{name} is not UTF-8.") from None
    found: dict[str, None] = {}
    for number, line in enumerate(_LINE_END.split(text.removeprefix("\ufeff")), 1):
        reference = line.strip(" \t")
        if not reference:
            continue
        if fault := fault_of(reference):
            raise typer.BadParameter(
                f"{name}, line {number}: {fault}. Write one reference on each line, of letters, digits, - and _."
            )
        found[reference] = None
    return tuple(found)


def _standard_input() -> str:
    data = sys.stdin.buffer.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise typer.BadParameter(f"Standard input is larger than {_MOST_BYTES} bytes.")
    return data.decode("utf-8")
