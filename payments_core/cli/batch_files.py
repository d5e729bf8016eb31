"""``payouts batch validate``, ``create`` and ``template``: a file of payees, before anything is sent."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import typer

from payments_core.cli import exit_codes
from payments_core.cli.batches import GROUP
from payments_core.cli.options import Actor, Reason
from payments_core.cli.terminal import Terminal, command

if TYPE_CHECKING:
    from payments_core.batch.checks import FileReport
    from payments_core.batch.reading import DecimalMark, FileForm, Row, RowDefaults
    from payments_core.runtime import Runtime

__all__ = [
    "GROUP",
    "Account",
    "ColumnNames",
    "Currency",
    "DecimalMarkOption",
    "RoundName",
    "Sheet",
    "read_columns",
]

_SUFFIXES = (".csv", ".jsonl", ".xlsx")
_EVERY = 500  # rows between two lines of progress

RoundName = Annotated[
    str, typer.Option("--round", metavar="NAME", help="Begins the keys of a file without keys, such as salary-2026-11.")
]
Sheet = Annotated[str, typer.Option(metavar="NAME", help="The sheet of a workbook with several.")]
ColumnNames = Annotated[
    list[str] | None,
    typer.Option(
        "--column", metavar='amount="Net pay"', help="Which column of the file is which of ours; may be repeated."
    ),
]
DecimalMarkOption = Annotated[
    Literal["point", "comma"] | None,
    typer.Option("--decimal", help="What comes before decimals in amounts that are text, such as 1.234 or 1,234."),
]
Currency = Annotated[
    str | None, typer.Option(metavar="CODE", help="Of rows that name none; the account's if left out.")
]
Account = Annotated[str | None, typer.Option(metavar="NAME", help="The account of rows that name none.")]


def read_columns(written: list[str] | None) -> Mapping[str, str]:
    """Return what ``--column`` says: canonical name to the name in the file."""
    found: dict[str, str] = {}
    for one in written or ():
        name, given, value = one.partition("=")
        if not given or not name or not value or name in found:
            raise typer.BadParameter('Write each --column once, as amount="Net pay".')
        found[name] = value
    return found


@GROUP.command("validate")
@command
def validate(
    terminal: Terminal,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV, JSONL or XLSX.")],
    rejects: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV", help="Write the refused rows here, never over another file: to correct and read again."
        ),
    ] = None,
    wallets: Annotated[
        Path | None,
        typer.Option(
            metavar="RESULTS",
            help="Ask the provider about each wallet, and whether its name matches; answers are kept in this file.",
        ),
    ] = None,
    round_name: RoundName = "",
    sheet: Sheet = "",
    column: ColumnNames = None,
    decimal: DecimalMarkOption = None,
    currency: Currency = None,
    account: Account = None,
) -> int:
    """Check every row of a file as `payouts send` would, and its rows against each other; record and send nothing.

    Prints what the file was found to be, what would be paid from which account, and the findings by kind: 20 of each;
    --rejects writes all refused rows. Ends with 0 when nothing was found, and with 1 when a row is refused or has a
    warning; with 4 when --wallets got no answer about a row: run it again, and only such rows are asked about.
    """
    from payments_core.batch import WalletReport
    from payments_core.batch.checks import validate_file
    from payments_core.cli import file_report
    from payments_core.cli.batch_wallets import check_wallets, open_results, print_wallets, wallets_record

    options, asked = (
        _FileOptions(round_name, account, currency, read_columns(column), sheet, decimal or ""),
        WalletReport(),
    )
    with nullcontext() if wallets is None else open_results(wallets) as results:
        with _rejects(rejects, file) as (begin, reject):
            with terminal.client() as client, _progress(terminal) as step:

                def on_form(form: FileForm) -> None:
                    file_report.print_form(terminal, form)
                    begin(form)

                def on_row(row: Row) -> None:
                    reject(row)
                    step()

                defaults = options.defaults(client.runtime)
                report = validate_file(client, file, **options._asdict(), on_form=on_form, on_row=on_row)
            if not terminal.as_json:
                file_report.print_report(terminal, file, report)
        if results is not None:
            asked = check_wallets(terminal, file, results, defaults, columns=options.columns, sheet=sheet)
    is_clean = report.is_clean and not asked.has_warnings
    if terminal.as_json:
        terminal.show(file_report.record(report) | ({"wallets": wallets_record(asked)} if wallets else {}), "")
    else:
        if wallets is not None:
            print_wallets(terminal, asked, wallets)
        if is_clean:
            file_report.print_clean(terminal, report)
        terminal.say("Nothing was recorded and nothing was sent.")
        if rejects and report.refused:
            terminal.note(f"The refused rows are in {rejects}: correct them there, and read that file.")
    if not is_clean:
        return exit_codes.ERROR
    return exit_codes.NOT_KNOWN if asked.unanswered else exit_codes.DONE


class _FileOptions(NamedTuple):
    """How a file is read, as the options say."""

    round_name: str
    account: str | None
    currency: str | None
    columns: Mapping[str, str]
    sheet: str
    decimal: DecimalMark

    def defaults(self, runtime: Runtime) -> RowDefaults:
        """Return what holds for every row."""
        from payments_core.batch.reading import RowDefaults
        from payments_core.client import currency_of

        return RowDefaults(
            lambda named: self.currency or currency_of(runtime, named),
            self.account,
            decimal=self.decimal,
            round_name=self.round_name,
        )


@contextlib.contextmanager
def _rejects(path: Path | None, source: Path) -> Iterator[tuple[Any, Any]]:
    if path is None:
        yield (lambda _form: None), (lambda _row: None)
        return
    from payments_core.batch.rejects import RejectsFile

    with RejectsFile(path, source) as found:
        yield (lambda form: found.begin(form.columns)), found.add


@contextlib.contextmanager
def _progress(terminal: Terminal, verb: str = "Checked") -> Iterator[Any]:
    from payments_core.cli.progress import spinner

    count = 0
    with spinner(terminal, "Reading the file") as change:

        def step() -> None:
            nonlocal count
            count += 1
            if count % _EVERY == 0:
                change(f"{verb} {count:,} rows")

        yield step


def _each(rows: Iterable[Row], step: Callable[[], None]) -> Iterator[Row]:
    for row in rows:
        step()
        yield row


@GROUP.command("create")
@command
def create(
    terminal: Terminal,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV, JSONL or XLSX.")],
    round_name: Annotated[
        str, typer.Option("--round", metavar="NAME", help="The name of the batch, such as salary-2026-11.")
    ],
    actor: Actor,
    reason: Reason = "created",
    skip_refused: Annotated[
        bool, typer.Option("--skip-refused", help="Leave out refused rows; without it, one refuses the file.")
    ] = False,
    sheet: Sheet = "",
    column: ColumnNames = None,
    decimal: DecimalMarkOption = None,
    currency: Currency = None,
    account: Account = None,
) -> int:
    """Freeze the rows of a file as a batch that another person approves; send nothing.

    The file is validated first, as `payouts batch validate` does, and read again to be frozen. The same rows under the
    same round are the batch that is there. A corrected file pays only who was not paid; where all are paid already, no
    batch is created. Ends with 1 when a row is refused, and with 3 when --skip-refused has left one out.
    """
    from payments_core.batch import Batches
    from payments_core.batch.checks import check_repeats, validate_file
    from payments_core.batch.orders import orders_of
    from payments_core.batch.reading import open_rows
    from payments_core.cli import file_report, messages
    from payments_core.cli.batches import print_batch
    from payments_core.domain.errors import BatchRefused

    options = _FileOptions(round_name, account, currency, read_columns(column), sheet, decimal or "")
    with terminal.client() as client:
        with _progress(terminal) as step:
            report = validate_file(
                client,
                file,
                **options._asdict(),
                on_form=lambda form: file_report.print_form(terminal, form),
                on_row=lambda _row: step(),
            )
        if not terminal.as_json:
            file_report.print_report(terminal, file, report)
            if report.is_clean:
                file_report.print_clean(terminal, report)
        if report.refused and not skip_refused:
            raise BatchRefused(
                f"{report.refused} of {report.rows} rows of {file} are refused: no batch is created.",
                hint="`payouts batch validate --rejects CSV` writes them to a file; correct them, or --skip-refused.",
            )
        if _is_all_paid(report) and not _is_batch(client.runtime, round_name, report):
            paid = sum(report.recorded.values())
            what = f"{messages.counted(paid, 'row')} of {file} {'is' if paid == 1 else 'are'} paid already"
            text = f"There is nothing to pay: {what}. No batch was created."
            terminal.show({"id": None, "is_new": False, "rows": report.rows, "recorded": dict(report.recorded)}, text)
            return exit_codes.FAILED if report.refused else exit_codes.DONE
        with (
            open_rows(file, options.defaults(client.runtime), columns=options.columns, sheet=sheet) as rows,
            _progress(terminal, "Froze") as step,
        ):
            orders = orders_of(_each(check_repeats(rows), step))
            batch, is_new = Batches(client).create(
                orders, name=round_name, actor=actor, reason=reason, skip_refused=skip_refused
            )
    print_batch(terminal, batch, is_new=is_new)
    if not terminal.as_json and (recorded := sum(report.recorded.values())):
        terminal.say(f"{messages.counted(recorded, 'row')} of it are recorded already, and are not paid again.")
    if report.refused:
        terminal.note(f"{messages.counted(report.refused, 'refused row')} of {file} are not in it.")
        return exit_codes.FAILED
    return exit_codes.DONE


def _is_all_paid(report: FileReport) -> bool:
    """Whether each row that is not refused is paid already."""
    return set(report.recorded) == {"SUCCEEDED"} and sum(report.recorded.values()) + report.refused == report.rows


def _is_batch(runtime: Runtime, name: str, report: FileReport) -> bool:
    """Whether these rows may be a batch that is there, which `create` returns as it is."""
    rows = report.rows - report.refused
    return any(one.row_count == rows and one.state != "CANCELLED" for one in runtime.journal.batches(name=name))


@GROUP.command("template")
@command
def template(
    terminal: Terminal,
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="Ends with .csv, .jsonl or .xlsx; printed as CSV if left out.")
    ] = None,
) -> int:
    """Write an example of a file of payees; never over another file.

    It is in the currency of the default account, or of the first one, where there is a configuration.
    """
    from payments_core.batch.template import template as example
    from payments_core.domain.errors import InvalidArgument

    if file is None:
        sys.stdout.write(example(".csv", _currency(terminal)).decode())
        return exit_codes.DONE
    if file.suffix not in _SUFFIXES:
        raise typer.BadParameter(f"The name ends with none of {', '.join(_SUFFIXES)}.")
    content = example(file.suffix, _currency(terminal))
    try:
        with os.fdopen(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as written:
            written.write(content)
    except OSError as error:
        raise InvalidArgument(f"{file} cannot be written: {error.strerror}.", hint="Name a new file.") from None
    terminal.note(f"{file} is written. Replace its rows, then `payouts batch validate {file} --round NAME`.")
    return exit_codes.DONE


def _currency(terminal: Terminal) -> str:
    """Return the currency of the default account, or of the first one; empty where no account can be built."""
    from payments_core.cli.accounts import build_accounts
    from payments_core.domain.errors import SettingsError

    try:
        found = terminal.configuration()
    except SettingsError:
        return ""  # an example needs no configuration
    accounts, _ = build_accounts(found)
    first = accounts.get(found.default_account) or next(iter(accounts.values()), None)
    return first.settings.currency if first else ""
