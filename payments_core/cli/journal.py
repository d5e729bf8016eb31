"""``payouts journal``, and ``payouts erase``: create, check and maintain the journal."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from payments_core.cli import exit_codes
from payments_core.cli.options import Actor, number_option
from payments_core.cli.terminal import Terminal, command, group

if TYPE_CHECKING:
    from payments_core.journal.maintenance.verify import Audit

__all__ = ["GROUP", "erase"]

_MOST = 1000

GROUP = group("journal", "Create, check and maintain the journal.")


@GROUP.command("init")
@command
def init(terminal: Terminal) -> int:
    """Create the journal of a new installation: a file, or the tables in a database.

    It is needed once, before the first payment of real money; where every account is in test mode (sandbox or
    emulator), a file is created at its first use. Never run it because an existing journal is missing: a new one does
    not know the payments. Ends with 1 when there is a journal already.
    """
    from payments_core.journal import init_journal
    from payments_core.runtime import utc_now

    read = terminal.configuration()
    init_journal(read.journal, namespace=read.namespace, root=read.root, at=utc_now())
    terminal.show(
        {"journal": read.journal, "made": True},
        f"{read.journal}: created. Back it up together with {terminal.config}. Next: `payouts doctor`.",
    )
    return exit_codes.DONE


@GROUP.command("verify")
@command
def verify(
    terminal: Terminal,
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="A backup; the journal itself when left out.")
    ] = None,
) -> int:
    """Check the journal for inconsistencies.

    It checks every payout with its history, attempts and events, the sums of refunds, and the database itself. Nothing
    is written, and payments continue. Ends with 1 when it finds a flaw.
    """
    from contextlib import closing

    from payments_core.cli import messages, output
    from payments_core.cli.accounts import build_accounts
    from payments_core.engine import derived_references
    from payments_core.journal import open_audit

    read = terminal.configuration()
    url = read.journal if file is None else f"sqlite:///{file.resolve()}"
    accounts, missing = build_accounts(read)
    derive = derived_references(accounts, read.namespace)
    with closing(open_audit(url, namespace=read.namespace, root=read.root, derive=derive)) as audit:
        found = _flaws(terminal, audit)
        backup_at = audit.meta.get("backup_at")
        if terminal.as_json:
            rows = [{"rule": one.rule, "payout": one.payout or None, "text": one.text} for one in islice(found, _MOST)]
            output.print_json(
                {
                    "ok": not rows,
                    "payouts": audit.payouts,
                    "backup_at": backup_at,
                    "flaws": rows,
                    "more": sum(1 for _ in found),
                    "contradicted": audit.contradicted,
                    "references_not_derived": {name: error.message for name, error in missing.items()},
                }
            )
            return exit_codes.ERROR if rows else exit_codes.DONE
        count = 0
        for one in found:
            count += 1
            terminal.say(str(one))
    for name, error in missing.items():
        terminal.note(f"The references of account {name} could not be checked: {error.message}")
    what = f"the backup of {backup_at}" if backup_at else "the journal"
    looked = f"{messages.counted(audit.payouts, 'payout')} in {what}"
    if audit.contradicted:
        ends = messages.counted(audit.contradicted, "payout")
        terminal.note(f"The provider contradicts the result of {ends}; `payouts review list` shows them.")
    if count:
        terminal.say(f"{messages.counted(count, 'flaw')} found in {looked}. Stop paying, and keep a copy of it.")
        return exit_codes.ERROR
    terminal.say(f"No flaws found: {looked}.")
    return exit_codes.DONE


def _flaws(terminal: Terminal, audit: Audit) -> Iterator[Any]:
    from payments_core.cli.progress import bar

    with bar(terminal, "payouts", audit.payouts) as step:
        yield from audit.flaws(step)


@GROUP.command("backup")
@command
def backup(
    terminal: Terminal, path: Annotated[Path, typer.Argument(help="The new file; an existing one is not overwritten.")]
) -> int:
    """Write a backup of the journal, and check it.

    Payments continue. A shared journal is written into a file too. No payment is possible from a backup before
    `payouts journal restored` records its gap.
    """
    from contextlib import closing

    from payments_core.cli import messages
    from payments_core.cli.progress import spinner
    from payments_core.journal import backup_journal, open_audit
    from payments_core.runtime import utc_now

    read = terminal.configuration()
    where: dict[str, Any] = {"namespace": read.namespace, "root": read.root}
    with spinner(terminal, "writing") as show:

        def show_progress(done: int, of: int) -> None:
            show(f"writing: {100 * done // max(of, 1)} %")

        at = backup_journal(read.journal, path, clock=utc_now, on_progress=show_progress, **where)
    with closing(open_audit(f"sqlite:///{path.resolve()}", **where)) as audit:
        count = sum(1 for _ in _flaws(terminal, audit))
    text = f"{path}: {messages.counted(audit.payouts, 'payout')}, as of {at:%Y-%m-%d %H:%M:%S} UTC; checked."
    if count:
        text += f"\nIt has {messages.counted(count, 'flaw')}: `payouts journal verify {path}` shows them."
    terminal.show(
        {"backup": str(path), "backup_at": at.isoformat(), "payouts": audit.payouts, "flaws": count},
        text,
    )
    return exit_codes.ERROR if count else exit_codes.DONE


@GROUP.command("trim")
@command
def trim(
    terminal: Terminal,
    days: Annotated[
        int, typer.Option(min=1, max=36_500, metavar="DAYS", help="Keep callbacks handled in the last DAYS days.")
    ] = 90,
) -> int:
    """Remove old callbacks that were handled.

    Payouts, their histories and events are never removed.
    """
    from payments_core.cli import messages
    from payments_core.runtime import utc_now

    before, removed = utc_now() - timedelta(days=days), 0
    with terminal.journal() as journal:
        while count := journal.trim(before, limit=_MOST):  # in parts, so that no writer waits long
            removed += count
    terminal.show(
        {"removed": removed, "before": before.isoformat()},
        f"{messages.counted(removed, 'callback')} removed that were handled before {before:%Y-%m-%d}.",
    )
    return exit_codes.DONE


@command
def erase(
    terminal: Terminal,
    actor: Actor,
    reason: Annotated[
        str, typer.Option(metavar="TEXT", help="The reason; recorded in the history. Do not name the payee.")
    ],
    payout: Annotated[str | None, typer.Argument(metavar="[ID|KEY]", help="One payout, by its id or its key.")] = None,
    payee: Annotated[str | None, number_option("All payouts to this number.")] = None,
    before: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            metavar="DATE",
            help="All payouts that became final before this day (UTC), and rows of batches cancelled before it.",
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Erase; without it, only show what would be erased.")] = False,
) -> int:
    """Erase the payees of final payouts.

    The payee, the note and other personal data are removed. Keys, amounts, references and hashes stay, so that nothing
    is paid twice. It cannot be undone.
    """
    from payments_core.cli import messages
    from payments_core.client import erase as erase_in
    from payments_core.domain.payout import Payee
    from payments_core.runtime import utc_now

    if [payout, payee, before].count(None) != 2:
        raise typer.BadParameter("Give a payout, --payee or --before, and only one of them.")
    person = None if payee is None else Payee.msisdn(payee)
    day = before.replace(tzinfo=UTC) if before else None
    with terminal.journal() as journal:
        found = erase_in(
            journal, payout, payee=person, before=day, actor=actor, reason=reason, at=utc_now(), dry_run=not yes
        )
    lines = [f"{kept} is kept. {reason}" for kept, reason in found.kept.items()]
    count = messages.counted(len(found.erased), "payout")
    if found.rows:
        count += f" and {messages.counted(found.rows, 'row')} of batches that were never paid"
    if yes:
        lines.append(f"The payee of {count} is erased.")
        if not found.vacuumed:
            lines.append(
                "The erased data is still on the disk. A server removes it when it vacuums, a file when this command "
                "runs again while no other program reads it."
            )
        lines.append("Existing backups and logs of the database still contain it.")
    else:
        lines.append(f"{count} would be erased. Nothing was changed: add --yes to erase. It cannot be undone.")
    record = {
        "done": yes,
        "erased": list(found.erased),
        "kept": dict(found.kept),
        "rows": found.rows,
        "vacuumed": found.vacuumed,
    }
    terminal.show(record, "\n".join(lines))
    return exit_codes.DONE
