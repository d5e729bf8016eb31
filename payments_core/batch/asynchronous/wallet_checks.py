"""Asks providers about the wallets in a file, before anything is paid."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from itertools import islice

from payments_core.batch.names import NameMatch, match_names
from payments_core.batch.reading import Row
from payments_core.batch.wallets import CheckedWallet, WalletResult, WalletResults
from payments_core.client import AsyncPayoutClient
from payments_core.domain.errors import LookupFailed
from payments_core.domain.payout import Payee, ReasonCode
from payments_core.provider import Capability, HolderStatus
from payments_core.waiting import tasks as waiting

__all__ = ["AsyncWalletChecks"]

_PAGE = 500
_AT_ONCE = 8  # questions side by side: at one a second the last one is asked before its permit is refused
_MOST_FAILED = 16  # in a row
_NO_NAME = {ReasonCode.PAYEE_NOT_FOUND, ReasonCode.INVALID_REQUEST}  # an answer: it is not asked again
# About the account or the provider, and no single wallet; the first one is that of an answer that was lost.
_OUTAGE = {
    "",
    ReasonCode.CREDENTIALS,
    ReasonCode.MISCONFIGURED,
    ReasonCode.NOT_PERMITTED,
    ReasonCode.PROVIDER_UNAVAILABLE,
}


class AsyncWalletChecks:
    """Asks whether the wallets of rows are active, and whether their names match; no money moves.

    Args:
        client: It stays open.
        results: What is known already, and where answers are written.

    """

    def __init__(self, client: AsyncPayoutClient, results: WalletResults) -> None:
        self._client, self._results = client, results
        self._failed_in_a_row = 0
        self.stopped = ""

    async def check(self, rows: Iterable[Row]) -> AsyncIterator[CheckedWallet]:
        """Yield each row that would be a new payout with what its provider says of its wallet.

        It may be interrupted at any moment: what was answered is not asked again. After sixteen rows in a row for which
        the provider did not answer, or refused the account, no other is asked, and ``stopped`` says why.

        Args:
            rows: As they are read, compared with each other.

        Raises:
            JournalError: The journal cannot be read.

        """
        rest = iter(rows)
        while not self.stopped and (page := list(islice(rest, _PAGE))):
            unknown = list[tuple[str, Row]]()
            for account, row in await self._new(page):
                if (known := self._results.get(account, row)) is None:
                    unknown.append((account, row))
                else:
                    yield CheckedWallet(row, account, known)
            for start in range(0, len(unknown), _AT_ONCE):
                checked = await waiting.all_of(self._ask, unknown[start : start + _AT_ONCE])
                for one in checked:
                    yield one
                if self._failed_in_a_row >= _MOST_FAILED:
                    self.stopped = checked[-1].problem
                    return

    async def _new(self, page: list[Row]) -> list[tuple[str, Row]]:
        """Return the rows that would be new payouts, each with the account that would pay it."""
        orders = [(row, row.order) for row in page if row.order is not None]
        validation = await self._client.validate(order for _, order in orders)
        return [
            (checked.account, row)
            for (row, _), checked in zip(orders, validation.orders, strict=True)
            if checked.is_new
        ]

    async def _ask(self, asked: tuple[str, Row]) -> CheckedWallet:
        account, row = asked
        try:
            result = await self._answer(account, row)
        except LookupFailed as error:
            self._failed_in_a_row += error.reason in _OUTAGE
            return CheckedWallet(row, account, None, error.message)
        self._failed_in_a_row = 0
        self._results.add(account, row, result)
        return CheckedWallet(row, account, result)

    async def _answer(self, account: str, row: Row) -> WalletResult:
        capabilities, payee = self._client.account(account).capabilities, Payee.msisdn(row.to)
        holder: HolderStatus | None = None
        if Capability.ACCOUNT_HOLDERS in capabilities:
            holder = await self._client.account_holder(account, payee)
        if not row.name or Capability.NAME_LOOKUP not in capabilities or holder is HolderStatus.NOT_FOUND:
            return WalletResult(holder, NameMatch.UNSUPPORTED)
        try:
            person = await self._client.name(account, payee)
        except LookupFailed as error:
            if error.reason not in _NO_NAME:
                raise
            return WalletResult(holder, NameMatch.UNSUPPORTED)
        return WalletResult(holder, match_names(row.name, person.full_name))
