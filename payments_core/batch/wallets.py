"""What providers say of the wallets in a file: kept in a file of results, so that no wallet is asked about twice."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

from payments_core.batch.names import NameMatch
from payments_core.batch.reading import FindingCode, Level, Row, RowFinding
from payments_core.batch.reading.row_keys import digest_of
from payments_core.domain.errors import InvalidArgument
from payments_core.domain.masking import mask_number
from payments_core.provider import HolderStatus

__all__ = ["CheckedWallet", "WalletReport", "WalletResult", "WalletResults"]

_HEADER: Final = {"payments_core": "wallet checks", "version": 1}
_KEPT: Final = timedelta(days=7)  # a wallet may be closed, or given to another person, meanwhile
_EXAMPLES: Final = 20  # findings of one kind that are kept


class WalletResult(NamedTuple):
    """What a provider says of a wallet.

    Args:
        holder: Whether it can be paid; None where the provider does not tell.
        name: How its holder's name and the row's name agree.

    """

    holder: HolderStatus | None
    name: NameMatch


@dataclass(frozen=True, slots=True)
class CheckedWallet:
    """A row whose wallet was checked.

    Args:
        row: Of the file.
        account: The account that asked, and would pay.
        result: None where the provider did not answer: a later run asks again.
        problem: Why it did not answer.

    """

    row: Row = field(repr=False)
    account: str
    result: WalletResult | None
    problem: str = ""

    @property
    def findings(self) -> tuple[RowFinding, ...]:
        """What a person should look at before the row is paid."""
        found = list[RowFinding]()
        if self.result is None:
            return ()
        line, shown = self.row.line, mask_number(self.row.to)
        ask = "Ask the payee for the number."
        if self.result.holder is HolderStatus.NOT_FOUND:
            why = f"The provider of account {self.account} has no wallet with this number."
            found.append(RowFinding(line, "to", shown, FindingCode.WALLET_NOT_FOUND, why, ask, Level.WARNING))
        if self.result.holder is HolderStatus.NOT_ACTIVE:
            why = f"The provider of account {self.account} says that no active wallet has this number."
            found.append(RowFinding(line, "to", shown, FindingCode.WALLET_NOT_ACTIVE, why, ask, Level.WARNING))
        compare = "Compare it with the payee's papers: `payouts name --to NUMBER --reveal` shows the wallet's name."
        if self.result.name is NameMatch.NO_MATCH:
            why = "The wallet of this number is in another name than the row's."
            found.append(RowFinding(line, "name", shown, FindingCode.NAME_NO_MATCH, why, compare, Level.WARNING))
        if self.result.name is NameMatch.PARTIAL:
            why = "The name of this number's wallet and the row's name agree in part."
            found.append(RowFinding(line, "name", shown, FindingCode.NAME_PARTIAL, why, compare, Level.NOTE))
        return tuple(found)


class WalletResults:
    """Results of wallet checks in a file: each is written as it comes, and is used for seven days.

    It holds no number and no name, but a hash of both, from which a number can be guessed: only the owner can read it.

    Args:
        path: Of the file; made where there is none.
        clock: Tells the time.

    Raises:
        InvalidArgument: The file is another one, or cannot be read or written.

    """

    def __init__(self, path: Path, clock: Callable[[], datetime]) -> None:
        self.path, self._clock = path, clock
        self._known: dict[bytes, WalletResult] = {}
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            # A file of another kind, such as a workbook, is refused by its first line.
            self._file = os.fdopen(handle, "r+", encoding="utf-8", errors="replace", newline="\n")
        except OSError as error:
            hint = "Name a file for the results, in a folder where you may write."
            raise InvalidArgument(f"{path} cannot be written: {error.strerror}.", hint=hint) from None
        try:
            self._read(path)
        except BaseException:
            self._file.close()
            raise

    def get(self, account: str, row: Row) -> WalletResult | None:
        """Return what is known of the wallet and the name in a row.

        Args:
            account: Who would pay it.
            row: Of a file.

        """
        return self._known.get(_digest(account, row))

    def add(self, account: str, row: Row, result: WalletResult) -> None:
        """Write a result.

        Args:
            account: Who asked.
            row: About whose wallet and name.
            result: Of the check.

        """
        digest = _digest(account, row)
        self._known[digest] = result
        self._write(
            {
                "wallet": digest.hex(),
                "row": row.line,
                "account": account,
                "holder": result.holder,
                "name": result.name,
                "at": self._clock().isoformat(),
            }
        )

    def _read(self, path: Path) -> None:
        """Take in what is in the file; of a line that a crash has cut, nothing."""
        first = self._file.readline()
        if not first:
            self._write(_HEADER)
            return
        if _json(first) != _HEADER:
            raise InvalidArgument(f"{path} is no file of wallet checks.", hint="Name another file for the results.")
        since, line = self._clock() - _KEPT, first
        for line in self._file:
            entry = _json(line)
            try:
                if datetime.fromisoformat(entry["at"]) >= since:
                    holder = HolderStatus(entry["holder"]) if entry["holder"] else None
                    self._known[bytes.fromhex(entry["wallet"])] = WalletResult(holder, NameMatch(entry["name"]))
            except (KeyError, TypeError, ValueError):
                continue
        if not line.endswith("\n"):
            self._file.write("\n")

    def _write(self, entry: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(entry) + "\n")
        self._file.flush()

    def __enter__(self) -> Self:
        """Use it for a block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self._file.close()


@dataclass
class WalletReport:
    """What the checks of many wallets come to.

    Args:
        rows: How many rows were checked.
        unanswered: How many of them got no answer.
        holders: How many wallets are active, not active, not found; ``unsupported`` where the provider does not tell.
        unsupported: For how many rows the provider does not tell whether the wallet is active, by account.
        names: How many names match.
        counts: How often each finding was made, by level and code.
        examples: The first 20 findings of each.
        problems: Why there was no answer, and how often.
        stopped: Why not every row was asked about; empty where each was.

    """

    rows: int = 0
    unanswered: int = 0
    holders: Counter[str] = field(default_factory=Counter)
    unsupported: Counter[str] = field(default_factory=Counter)
    names: Counter[NameMatch] = field(default_factory=Counter)
    counts: Counter[tuple[Level, str]] = field(default_factory=Counter)
    examples: dict[tuple[Level, str], list[RowFinding]] = field(default_factory=dict)
    problems: Counter[str] = field(default_factory=Counter)
    stopped: str = ""

    def add(self, wallet: CheckedWallet) -> None:
        """Take a row in."""
        self.rows += 1
        if wallet.result is None:
            self.unanswered += 1
            self.problems[wallet.problem] += 1
            return
        if wallet.result.holder is None:
            self.unsupported[wallet.account] += 1
        self.holders[wallet.result.holder or "unsupported"] += 1
        self.names[wallet.result.name] += 1
        for finding in wallet.findings:
            kind = finding.level, finding.code
            self.counts[kind] += 1
            if len(examples := self.examples.setdefault(kind, [])) < _EXAMPLES:
                examples.append(finding)

    @property
    def has_warnings(self) -> bool:
        """Whether a person should look at a row before it is paid."""
        return any(level is not Level.NOTE for level, _ in self.counts)


def _digest(account: str, row: Row) -> bytes:
    return digest_of(account, row.to, row.name)


def _json(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None
