"""The run of the demonstration: pay, get killed, resume, compare."""

from __future__ import annotations

import contextlib
import secrets
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from payments_core.cli import exit_codes, messages, output
from payments_core.cli.demo.cast import Cast, Person
from payments_core.cli.demo.compare import differences, unaccounted
from payments_core.cli.demo.stage import PROVIDER, Stage
from payments_core.cli.progress import spinner
from payments_core.domain.errors import SettingsError
from payments_core.domain.masking import mask_number
from payments_core.domain.payout import ReasonCode

if TYPE_CHECKING:
    from payments_core.cli.terminal import Terminal

__all__ = ["tell"]


class Ending(NamedTuple):
    """The result of the run: payouts by status at the kill, rows, payouts, the gateway's ledger, and differences."""

    at_kill: Mapping[str, int]
    rows: Sequence[Mapping[str, Any]]
    payouts: Sequence[Mapping[str, Any]]
    ledger: Sequence[Mapping[str, Any]]
    found: Sequence[str]


def tell(terminal: Terminal, *, seed: int | None, keep: Path | None) -> int:
    """Run the demonstration, print it, and return 0 only when nothing differs and nothing is open."""
    started = time.monotonic()
    drawn = secrets.randbelow(10**6) if seed is None else seed
    cast = Cast.draw(drawn)
    with _folder(keep) as folder:
        ending = _play(terminal, cast, folder)
        _report(terminal, cast, ending, seed=drawn, seconds=time.monotonic() - started)
    return exit_codes.ERROR if ending.found else exit_codes.DONE


@contextlib.contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="payouts-demo-", ignore_cleanup_errors=True) as folder:
            yield Path(folder)
        return
    if (keep / "payouts.toml").exists():
        raise SettingsError(f"{keep} holds a payouts.toml already.", hint="Name a new folder with --keep.")
    keep.mkdir(parents=True, exist_ok=True)
    yield keep


def _play(terminal: Terminal, cast: Cast, folder: Path) -> Ending:
    def say(text: str) -> None:
        if not terminal.as_json:
            print(text, flush=True)

    with Stage(folder) as stage:
        cast.write(folder / "people.csv")
        stage.gateway.set_faults(cast.faults)
        say(f"An emulator of {PROVIDER} serves at {stage.gateway.url}. It will lose answers, refuse, and be slow.")
        say(f"people.csv: {len(cast.people)} people, one of them in two rows, one in a currency that is not paid here.")
        say("\n$ payouts send --file people.csv --yes --skip-refused")
        killed = _pay_until_killed(terminal, stage, cast)
        at_kill = Counter(payout["status"] for payout in stage.listed())
        outcome = f"killed with SIGKILL when the gateway had taken {len(stage.gateway.ledger())}"
        say(f"  {outcome if killed else 'ended unkilled'}; the journal says: {_in_words(at_kill)}")
        say("\n$ payouts resume")
        stage.gateway.advance(30)  # for the payment that takes half a minute
        with spinner(terminal, "resuming"):
            stage.settle(on_line=lambda line: say(f"  {line}"))
        say("\n$ payouts send --file people.csv --yes --skip-refused     # the same file again, the same keys")
        rows = stage.ask("send", "--file", "people.csv", "--yes", "--skip-refused", "--reveal", "--wait", "5")
        paid = Counter(row["status"] for row in rows if row["error"] is None and row["same_as_row"] is None)
        say(f"  {_in_words(paid)}")
        stage.settle(on_line=lambda line: say(f"  {line}"))
        payouts, ledger = stage.listed(), stage.gateway.ledger()
    found = [] if killed else ["the paying process ended before it could be killed"]
    return Ending(at_kill, rows, payouts, ledger, [*found, *differences(ledger, payouts), *unaccounted(rows, payouts)])


def _in_words(statuses: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {status}" for status, count in statuses.items()) or "no payout"


def _pay_until_killed(terminal: Terminal, stage: Stage, cast: Cast) -> bool:
    with spinner(terminal, "paying") as show:

        def is_time() -> bool:
            taken = len(stage.gateway.ledger())
            show(f"paying: the gateway has taken {taken} of {len(cast.people)}")
            return taken >= cast.kill_at

        return stage.kill_when(stage.start("send", "--file", "people.csv", "--yes", "--skip-refused"), is_time)


def _report(terminal: Terminal, cast: Cast, ending: Ending, *, seed: int, seconds: float) -> None:
    counted = Counter(payout["status"] for payout in ending.payouts)
    paid, failed = counted["SUCCEEDED"], counted["FAILED"]
    refused = sum(1 for row in ending.rows if row["error"] is not None)
    still = len(ending.payouts) - paid - failed
    if terminal.as_json:
        output.print_json(
            {
                "seed": seed,
                "people": len(cast.people),
                "paid": paid,
                "failed": failed,
                "refused": refused,
                "open": still,
                "repeated_rows": sum(1 for row in ending.rows if row["same_as_row"] is not None),
                "at_kill": dict(ending.at_kill),
                "seconds": round(seconds, 1),
                "differences": list(ending.found),
                "payouts": [{**one, "payee": _number(terminal, one["payee"])} for one in ending.payouts],
            }
        )
        return
    print()
    output.print_table([_cells(terminal, person, ending) for person in cast.people])
    print(f"\n{len(cast.people)} people: {paid} paid exactly once, {failed} failed at the gateway, ", end="")
    print(f"{refused} refused before sending, {still} open.")
    print(f"{len(ending.found)} differences between the journal and the gateway's books. Seed {seed}, {seconds:.0f} s.")
    for difference in ending.found:
        print(f"DIFFERENCE: {difference}")


def _number(terminal: Terminal, number: str) -> str:
    return number if terminal.reveal else mask_number(number)


def _cells(terminal: Terminal, person: Person, ending: Ending) -> dict[str, str]:
    cells = {
        "who": person.name,
        "number": _number(terminal, person.number),
        "amount": f"{person.amount} {person.currency}",
        "trouble": person.trouble,
    }
    payout = next((one for one in ending.payouts if one["key"] == person.key), None)
    if payout is None:
        row = next((one for one in ending.rows if one["key"] == person.key), None)
        why = row["error"]["message"] if row and row["error"] else "not in the journal"
        return cells | {"status": "REFUSED", "why": why, "submissions": "0", "arrived": "0", "credited": "0"}
    reference = payout["references"]["reference"]
    entry = next((one for one in ending.ledger if one["reference"] == reference), {"posts": 0, "credits": 0})
    return cells | {
        "status": payout["status"],
        "why": messages.REASONS[ReasonCode(payout["reason"])] if payout["reason"] else "",
        "submissions": str(payout["submissions"]),
        "arrived": str(entry["posts"]),
        "credited": str(entry["credits"]),
    }
