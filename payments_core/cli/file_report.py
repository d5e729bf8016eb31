"""What the commands about files of payees print of a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from payments_core.cli.terminal import Terminal

if TYPE_CHECKING:
    from payments_core.batch.checks import FileReport
    from payments_core.batch.reading import FileForm, Level, RowFinding

    Counts = Mapping[tuple[Level, str], int]
    Examples = Mapping[tuple[Level, str], Sequence[RowFinding]]

__all__ = ["findings_record", "print_clean", "print_findings", "print_form", "print_report", "record"]


def print_form(terminal: Terminal, form: FileForm) -> None:
    """Print what a file was found to be, where it is not as its names say."""
    from payments_core.domain.masking import scrub

    if form.is_assumed:
        terminal.note(f"The file is not UTF-8: it is read as {form.encoding}. Look at its names and notes.")
    renamed = [f"{name}: {written}" for name, written in form.columns.items() if name != written]
    if renamed:
        terminal.note(f"Columns by other names: {scrub(', '.join(renamed))}.")
    if form.ignored:
        terminal.note(f"Unknown columns are ignored: {scrub(', '.join(form.ignored))}.")


def print_report(terminal: Terminal, file: Path, report: FileReport) -> None:
    """Print what was found in a file."""
    from payments_core.cli import messages, output
    from payments_core.domain.amounts import amount_text

    parts = [messages.counted(report.rows, "row"), messages.counted(report.new, "new payout")]
    parts += [f"{count} recorded already ({status})" for status, count in sorted(report.recorded.items())]
    terminal.say(f"{file} ({report.form}): {', '.join([*parts, f'{report.refused} refused'])}.")
    if report.totals:
        output.print_table(
            [
                {
                    "account": one.account,
                    "payouts": str(one.count),
                    "amount": amount_text(one.amount, one.currency, grouped=True),
                    "holds": output.balances_text(one.balances) or one.balance_note or "nothing",
                    "": "too little" if one.is_covered is False else "",
                }
                for one in report.totals
            ]
        )
    for note in report.notes:
        terminal.say(note)
    print_findings(terminal, report.counts, report.examples)
    if any(one.is_covered is False for one in report.totals):
        terminal.say("The account holds less than the rows come to: top it up before they are paid.")


def print_clean(terminal: Terminal, report: FileReport) -> None:
    """Print that no row is refused or has a warning."""
    terminal.say(f"No row has a fault or a warning{'; read the notes above' if report.notes else ''}.")


def print_findings(terminal: Terminal, counts: Counts, examples: Examples) -> None:
    """Print findings by kind, the first of each."""
    from payments_core.batch.reading import Level
    from payments_core.cli import messages, output

    levels = list(Level)
    for kind, found in sorted(examples.items(), key=lambda one: (levels.index(one[0][0]), one[0][1])):
        level, code = kind
        more = f", the first {len(found)}" if counts[kind] > len(found) else ""
        terminal.say(f"\n{level}: {code}, {messages.counted(counts[kind], 'row')}{more}")
        output.print_table([_cells(one) for one in found])


def _cells(one: RowFinding) -> dict[str, str]:
    return {
        "row": str(one.line),
        "column": one.column,
        "value": one.value,
        "why": one.reason,
        "what to do": one.hint,
    }


def record(report: FileReport) -> dict[str, Any]:
    """Return what was found in a file as JSON."""
    from payments_core.domain.masking import scrub

    form = report.form
    return {
        "file": {
            "format": form.format,
            "encoding": form.encoding or None,
            "encoding_assumed": form.is_assumed,
            "delimiter": form.delimiter or None,
            "sheet": form.sheet or None,
            "columns": {name: scrub(written) for name, written in form.columns.items()},
            "ignored": [scrub(written) for written in form.ignored],
        },
        "rows": report.rows,
        "new": report.new,
        "recorded": dict(report.recorded),
        "refused": report.refused,
        "totals": [
            {
                "account": one.account,
                "currency": str(one.currency),
                "payouts": one.count,
                "amount": f"{one.amount:f}",
                "balances": [f"{held.amount:f}" for held in one.balances],
                "balance_note": one.balance_note,
                "is_covered": one.is_covered,
            }
            for one in report.totals
        ],
        "notes": list(report.notes),
        "findings": findings_record(report.counts, report.examples),
    }


def findings_record(counts: Counts, examples: Examples) -> list[dict[str, Any]]:
    """Return findings by kind as JSON, the first of each."""
    return [
        {
            "level": str(level),
            "code": code,
            "rows": counts[level, code],
            "first": [
                {"row": one.line, "column": one.column, "value": one.value, "reason": one.reason, "hint": one.hint}
                for one in found
            ],
        }
        for (level, code), found in examples.items()
    ]
