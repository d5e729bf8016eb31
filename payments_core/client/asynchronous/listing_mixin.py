"""Lists of payouts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from datetime import datetime
from functools import partial

from payments_core.client.listing import MOST, PAGE, PayoutPage, make_filter, read_cursor, to_page
from payments_core.domain.bounds import check_number
from payments_core.domain.payout import Payee, Payout, PayoutStatus, ReasonCode
from payments_core.runtime import Runtime
from payments_core.waiting import tasks as waiting

__all__ = ["AsyncListingMixin"]


class AsyncListingMixin:
    """Lists payouts, by any filter and at any size."""

    _runtime: Runtime

    async def payouts(
        self,
        *,
        key_prefix: str | None = None,
        batch: str | None = None,
        status: PayoutStatus | Collection[PayoutStatus] | None = None,
        reason: ReasonCode | None = None,
        account: str | None = None,
        payee: Payee | str | None = None,
        created_from: datetime | None = None,
        created_to: datetime | None = None,
        newest_first: bool = False,
    ) -> AsyncIterator[Payout]:
        """Yield the payouts that meet every condition, oldest first, without their history.

        They are read page by page: one page is in memory, and nothing is locked while the caller works.

        Args:
            key_prefix: How the key begins; case counts.
            batch: The id of the batch that made it.
            status: The status, or several of which it is one.
            reason: The code of its reason.
            account: The name of the account that pays it.
            payee: The payee, or its value: of a telephone number the digits, country code first.
            created_from: Not accepted earlier; aware.
            created_to: Accepted earlier than this; aware.
            newest_first: Yield the newest first.

        Raises:
            InvalidArgument: There is no such status or reason, or a time has no time zone.
            JournalError: The journal failed, or was closed.

        """
        self._runtime.check_process()
        wanted = make_filter(
            key_prefix=key_prefix,
            batch=batch,
            status=status,
            reason=reason,
            account=account,
            payee=payee,
            created_from=created_from,
            created_to=created_to,
            newest_first=newest_first,
        )
        read, after = partial(self._runtime.journal.page, wanted, limit=PAGE), None
        while True:
            page = await waiting.run_blocking(partial(read, after=after))
            for row in page.rows:
                yield row.view()
            if page.last is None:
                return
            after = page.last

    async def payouts_page(
        self,
        *,
        key_prefix: str | None = None,
        batch: str | None = None,
        status: PayoutStatus | Collection[PayoutStatus] | None = None,
        reason: ReasonCode | None = None,
        account: str | None = None,
        payee: Payee | str | None = None,
        created_from: datetime | None = None,
        created_to: datetime | None = None,
        newest_first: bool = False,
        cursor: str | None = None,
        limit: int = 100,
    ) -> PayoutPage:
        """Return one page of :meth:`payouts`, with the cursor of the next one.

        A page looks at a bounded number of payouts. It may have fewer than ``limit``, even none, although others
        follow: only ``next_cursor`` is None at the end of the list.

        A payout that exists when the first page is read is on exactly one page, whatever is added meanwhile, if it
        meets the conditions all the time.

        Args:
            key_prefix: How the key begins; case counts.
            batch: The id of the batch that made it.
            status: The status, or several of which it is one.
            reason: The code of its reason.
            account: The name of the account that pays it.
            payee: The payee, or its value: of a telephone number the digits, country code first.
            created_from: Not accepted earlier; aware.
            created_to: Accepted earlier than this; aware.
            newest_first: The newest first.
            cursor: ``next_cursor`` of the page before; None for the first page.
            limit: The most payouts of the page, up to 10,000.

        Raises:
            InvalidArgument: There is no such status or reason, a time has no time zone, the cursor is not as a page
                gave it, or the limit is no such number.
            JournalError: The journal failed, or was closed.

        """
        self._runtime.check_process()
        wanted = make_filter(
            key_prefix=key_prefix,
            batch=batch,
            status=status,
            reason=reason,
            account=account,
            payee=payee,
            created_from=created_from,
            created_to=created_to,
            newest_first=newest_first,
        )
        check_number("limit", limit, 1, MOST, whole=True)
        after = read_cursor(cursor, wanted)
        read = partial(self._runtime.journal.page, wanted, after=after, limit=limit)
        return to_page(await waiting.run_blocking(read), wanted)
