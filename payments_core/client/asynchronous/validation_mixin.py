"""What ``send`` would say of orders, before anything is recorded or sent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import islice

from payments_core.client.asynchronous.account_mixin import AsyncAccountsMixin
from payments_core.client.asynchronous.routing_mixin import AsyncRoutingMixin
from payments_core.client.order_checks import PlacedOrder, ValidationBuilder, place_all
from payments_core.client.payout_order import PayoutOrder
from payments_core.client.validation import AccountTotal, Validation
from payments_core.domain.errors import JournalError, LookupFailed, PaymentsError
from payments_core.provider import Capability
from payments_core.waiting import tasks as waiting

__all__ = ["AsyncValidationMixin"]
_PAGE = 64  # orders that are looked at together; as many providers' answers are waited for at once


class AsyncValidationMixin(AsyncRoutingMixin, AsyncAccountsMixin):
    """Checks orders as ``send`` does."""

    async def validate(self, orders: Iterable[PayoutOrder], *, balances: bool = False) -> Validation:
        """Return all that ``send`` would refuse in orders, with the same checks; nothing is recorded or sent.

        Any number of orders is taken from the iterable, 64 at a time. What is kept grows with their number: for each
        one what was found, its key and its payee, about a kilobyte together. A provider is asked only what ``send``
        asks: its limits, once for each account, and a payee's operator where the routes depend on it.

        What only the moment of sending decides is told in notes: a pause, an approval, a guard, a balance.

        Args:
            orders: What is to be paid.
            balances: Whether to ask each account that pays for its balance, where its provider answers at once.

        Raises:
            InvalidArgument: One of the orders is no ``PayoutOrder``.
            JournalError: The journal cannot be read.

        """
        self._runtime.check_process()
        builder, items, configured = ValidationBuilder(self._runtime), iter(orders), set[str]()
        while page := list(islice(items, _PAGE)):
            placed = await waiting.read(self._runtime.journal, place_all, self._runtime, page)
            first_of_key = {one.given.key: one for one in reversed(placed) if one.waits and not builder.knows(one)}
            await waiting.all_of(self._choose_by_asking, first_of_key.values())
            for one in placed:
                if one.waits and not builder.knows(one):  # the first order of its key is refused
                    await self._choose_by_asking(one)
                await self._check_new(one, configured)
                if names := builder.missing_budgets(one):
                    journal = self._runtime.journal
                    builder.learn_budgets(names, await waiting.read(journal, journal.budgets, names))
                builder.add(one)
        totals = builder.totals()
        if balances:
            totals = await self.with_balances(totals)
        return builder.result(totals, await self.pauses())

    async def with_balances(self, totals: Iterable[AccountTotal]) -> list[AccountTotal]:
        """Return totals with what their accounts hold, as far as providers answer at once; no money moves.

        Args:
            totals: Of ``validate``, or sums of them.

        """
        return [await self._with_balance(total) for total in totals]

    async def _choose_by_asking(self, one: PlacedOrder) -> None:
        """Choose an account that depends on the provider's answer about the payee."""
        assert one.order is not None  # noqa: S101 - only what was read waits
        try:
            one.choice = await self._choose(one.order, one.given.account, by_default=one.by_default, ask=True)
        except JournalError:
            raise
        except PaymentsError as problem:
            one.problems.append(problem)

    async def _check_new(self, one: PlacedOrder, configured: set[str]) -> None:
        try:
            account = one.apply_choice(self._runtime)
            if account is not None and account.name not in configured:
                configured.add(account.name)
                await self.refresh_provider_config(account.name)
            one.check_new(self._runtime)
        except JournalError:
            raise
        except PaymentsError as problem:
            one.problems.append(problem)

    async def _with_balance(self, total: AccountTotal) -> AccountTotal:
        capabilities = self._runtime.account(total.account).capabilities
        if Capability.BALANCES not in capabilities:
            later = Capability.BALANCE_RESULT_CALLBACKS in capabilities
            return replace(total, balance_note="only by callback" if later else "not available")
        try:
            return replace(total, balances=await self.balances(total.account, currency=total.currency))
        except LookupFailed as error:
            return replace(total, balance_note=error.message)
