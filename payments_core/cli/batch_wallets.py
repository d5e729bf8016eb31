"""What ``payouts batch validate --wallets`` asks and prints."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from payments_core.cli.terminal import Terminal

if TYPE_CHECKING:
    from payments_core.batch import WalletReport, WalletResults
    from payments_core.batch.reading import RowDefaults

__all__ = ["check_wallets", "open_results", "print_wallets", "wallets_record"]


def open_results(path: Path) -> WalletResults:
    """Open the file where answers are kept; raises ``InvalidArgument`` where it is another file."""
    from payments_core.batch import WalletResults
    from payments_core.runtime import utc_now

    return WalletResults(path, utc_now)


def check_wallets(
    terminal: Terminal,
    file: Path,
    results: WalletResults,
    defaults: RowDefaults,
    *,
    columns: Mapping[str, str],
    sheet: str,
) -> WalletReport:
    """Ask the providers about the wallets of a file's rows.

    Args:
        terminal: Of the command.
        file: Of payees.
        results: Where answers are kept.
        defaults: What holds for every row.
        columns: Canonical name to the name in the file.
        sheet: Of XLSX.

    """
    import asyncio

    from payments_core.batch import AsyncWalletChecks, WalletReport
    from payments_core.batch.checks import check_repeats
    from payments_core.batch.reading import open_rows
    from payments_core.cli.progress import spinner
    from payments_core.client import AsyncPayoutClient

    report = WalletReport()

    async def ask(update: Callable[[str], None]) -> None:
        async with AsyncPayoutClient(terminal.runtime()) as client:
            with open_rows(file, defaults, columns=columns, sheet=sheet) as rows:
                checks = AsyncWalletChecks(client, results)
                async for wallet in checks.check(check_repeats(rows)):
                    report.add(wallet)
                    update(f"Asked about {report.rows:,} wallets")
                report.stopped = checks.stopped

    with spinner(terminal, "Asking about the wallets") as update:
        try:
            asyncio.run(ask(update))
        except KeyboardInterrupt:
            hint = f"Nothing was sent. The answers so far are in {results.path}: the same command goes on from there."
            raise KeyboardInterrupt(hint) from None
    return report


def print_wallets(terminal: Terminal, report: WalletReport, results: Path) -> None:
    """Print what the wallets' providers said."""
    from payments_core.cli import messages
    from payments_core.cli.file_report import print_findings

    unsupported = report.unsupported.total()
    answered = report.rows - report.unanswered - unsupported
    parts = [f"{messages.counted(answered, 'row')} answered", f"{report.unanswered} not"]
    terminal.say(f"\nWallets: {', '.join(parts + ([f'{unsupported} not supported'] if unsupported else []))}.")
    for account, count in sorted(report.unsupported.items()):
        rows = messages.counted(count, "row")
        terminal.say(f"The provider of account {account} cannot tell whether a wallet is active: {rows}.")
    for what, counts in (("wallet", report.holders), ("name", report.names)):
        if counts:
            found = ", ".join(f"{count} {answer}" for answer, count in sorted(counts.items()))
            terminal.say(f"{what}: {found}")
    print_findings(terminal, report.counts, report.examples)
    for why, count in report.problems.most_common(3):
        terminal.say(f"No answer for {messages.counted(count, 'row')}: {why}")
    if report.stopped:
        terminal.say("No further wallet was asked about.")
    if report.unanswered:
        terminal.say(f"Run the command again: what is in {results} is not asked again for seven days.")


def wallets_record(report: WalletReport) -> dict[str, Any]:
    """Return what the wallets' providers said as JSON."""
    from payments_core.cli.file_report import findings_record

    return {
        "rows": report.rows,
        "unanswered": report.unanswered,
        "stopped": report.stopped or None,
        "holders": dict(report.holders),
        "unsupported": dict(report.unsupported),
        "names": {str(name): count for name, count in report.names.items()},
        "problems": dict(report.problems.most_common(20)),
        "findings": findings_record(report.counts, report.examples),
    }
