"""Which account would pay: the rules decide, and a provider is asked only where they depend on its answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from payments_core import engine
from payments_core.client.account_choice import apply_choice, check_provider_config, choose, parse_operation
from payments_core.client.asynchronous.lookup_mixin import AsyncLookupsMixin
from payments_core.domain.errors import LookupFailed
from payments_core.domain.money import Money
from payments_core.domain.payout import Operation, Order, Payee
from payments_core.provider import Account, Operator
from payments_core.routing import Choice

__all__ = ["AsyncRoutingMixin"]
T = TypeVar("T")


class AsyncRoutingMixin(AsyncLookupsMixin):
    """From which account a payout would be paid, and why. No money moves."""

    async def route(
        self,
        *,
        payee: Payee,
        amount: Money,
        account: str | None = None,
        operation: Operation | str | None = None,
        key: str = "route",
        note: str = "",
        options: Mapping[str, str] | None = None,
        ask: bool = True,
    ) -> Choice:
        """Choose the account that :meth:`send` would pay from, and why; nothing is recorded or sent.

        What was recorded under a key before stays where it is, whatever is chosen here.

        Args:
            payee: The receiver.
            amount: How much.
            account: The account's name, which ends all choosing.
            operation: Which kind of payment; each account's ``default_operation`` when left out.
            key: The caller's business key; only plugins may go by it.
            note: Text for the payee; only plugins may go by it.
            options: The provider's options; only plugins may go by them.
            ask: Whether a provider may be asked for the payee's operator, where the choice hangs on it.

        Raises:
            InvalidPayout: It cannot be paid as asked, or no account is named, there are several, and no routes.
            UnknownAccount: The account is not configured.

        """
        self._runtime.check_process()
        order = Order(
            key=key,
            payee=payee,
            amount=amount,
            operation=parse_operation(operation),
            note=note,
            options=dict(options or {}),
        )
        return await self._choose(order, account, by_default=operation is None, ask=ask)

    async def _choose_account(
        self, order: Order, account: str | None, *, by_default: bool, ask: bool = True
    ) -> tuple[Account, Order]:
        choice = await self._choose(order, account, by_default=by_default, ask=ask)
        chosen, order = apply_choice(self._runtime, order, choice, by_default=by_default)
        if ask:
            await self.refresh_provider_config(chosen.name)
        else:
            check_provider_config(self._runtime, chosen)
        return chosen, order

    async def _choose(self, order: Order, account: str | None, *, by_default: bool, ask: bool) -> Choice:
        choosing = choose(self._runtime, order, account, by_default=by_default, ask=ask)
        answer: Operator | None = None
        while True:
            try:
                asked = choosing.send(answer)
            except StopIteration as end:
                choice: Choice = end.value
                return choice
            answer = await self._operator_of(asked, order.payee)

    async def _operator_of(self, account: Account, payee: Payee) -> Operator | None:
        try:
            return await self._run(account, engine.operator(account, payee, self._runtime.clock()))
        except LookupFailed:  # no verdict: the next one is asked, or the prefix, or the payout is refused
            return None
