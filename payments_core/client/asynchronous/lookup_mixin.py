"""Queries beside payments: balances, account holders, consents."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from payments_core import engine
from payments_core.client.asynchronous.flow_runner import AsyncFlowRunner
from payments_core.client.inbox import InboxMixin
from payments_core.client.payout_views import find_payout
from payments_core.domain.bounds import LONGEST_S, check_number
from payments_core.domain.payout import Payee
from payments_core.domain.rates import Priority
from payments_core.http.flow import HttpFlow
from payments_core.provider import (
    Account,
    Balance,
    CancelAnswer,
    Capability,
    Consent,
    Finding,
    HolderStatus,
    LookupRefused,
    Operator,
    PayoutProvider,
    Person,
)
from payments_core.waiting import tasks as waiting

__all__ = ["AsyncLookupsMixin"]
T = TypeVar("T")
_LOOK_EVERY_S = 0.1  # for an answer that another process may have taken


class AsyncLookupsMixin(InboxMixin, AsyncFlowRunner):
    """Queries about accounts and payees. No money moves."""

    async def balances(self, account: str, *, currency: str | None = None, wait_s: float = 30.0) -> tuple[Balance, ...]:
        """Ask what an account holds.

        Args:
            account: The account's name.
            currency: Only the balance in this one; ISO 4217.
            wait_s: Longest wait for the callback of a provider that reports it in no other way, in seconds; others
                answer at once. This process or another may receive that callback.

        Raises:
            InvalidArgument: ``wait_s`` is no number from 0 to a year.
            UnknownAccount: The account is not configured.
            NotSupported: Its provider does not offer this query.
            LookupFailed: The provider did not answer, or not within that time.

        """
        check_number("wait_s", wait_s, 0, LONGEST_S)
        chosen = self._account(account)
        if Capability.BALANCE_RESULT_CALLBACKS in chosen.capabilities:
            flow, until = engine.query_balances(chosen, self._runtime.moment()), time.monotonic() + wait_s
            query = await self._run(chosen, flow)
            while (answer := await waiting.run_blocking(self.inbox.answer_to, query)) is None:
                if (left_s := until - time.monotonic()) <= 0:
                    raise engine.no_balances(chosen, wait_s)
                await waiting.sleep(min(_LOOK_EVERY_S, left_s))
            return engine.kept_balances(chosen, answer, currency)
        return await self._run(chosen, engine.balances(chosen, currency, self._runtime.clock()))

    async def account_holder(self, account: str, payee: Payee) -> HolderStatus:
        """Ask whether a payee has a wallet that is active; raises as :meth:`balances`.

        It counts as a status check for ``reads_per_s``, as does :meth:`name`: providers limit all calls together.

        Args:
            account: The account that asks.
            payee: About whom.

        """
        chosen = self._account(account)
        return await self._run(chosen, engine.account_holder(chosen, payee, self._runtime.clock()), Priority.READ)

    async def name(self, account: str, payee: Payee) -> Person:
        """Ask for the name of a wallet's holder; raises as :meth:`balances`.

        Args:
            account: The account that asks.
            payee: About whom.

        """
        chosen = self._account(account)
        return await self._run(chosen, engine.name(chosen, payee, self._runtime.clock()), Priority.READ)

    async def operator(self, account: str, payee: Payee) -> Operator:
        """Ask which operator a payee's wallet is with; nothing is chosen by it. Raises as :meth:`balances`.

        Args:
            account: The account that asks.
            payee: About whom.

        """
        chosen = self._account(account)
        return await self._run(chosen, engine.operator(chosen, payee, self._runtime.clock()))

    async def cancel_at_provider(self, payout: str) -> CancelAnswer:
        """Ask the provider to drop a payment it has taken and not begun; raises as :meth:`balances`.

        The payout stays as it is: a read finds out what became of it, and a cancelled one ends FAILED
        (``cancelled``). A payout that was not sent yet is cancelled by :meth:`cancel`.

        Args:
            payout: Id or key.

        Raises:
            UnknownPayout: There is none.

        """
        self._runtime.check_process()
        row = find_payout(self._runtime.journal, payout)
        serving = self._runtime.serving(row)
        return await self._run(serving, engine.cancel_at_provider(serving, row, self._runtime.clock()))

    async def ask(self, account: str, question: Callable[[PayoutProvider], HttpFlow[T | LookupRefused]]) -> T:
        """Ask an account's provider what only it can be asked; raises as :meth:`balances`. No money moves.

        Args:
            account: The account that asks.
            question: Given the provider, returns one of its own questions.

        """
        chosen = self._account(account)
        return await self._run(chosen, engine.ask_own(chosen, question, self._runtime.clock()))

    async def refresh_provider_config(self, account: str) -> None:
        """Let an account's provider ask for what it goes by (limits, keys), where that is out of date.

        It is done before each payment is accepted; do it once at the start to find the first one fast. ``accept``
        within a transaction of the caller needs it before: that waits for no network.

        Args:
            account: The account's name.

        """
        chosen = self._account(account)
        if Capability.PROVIDER_CONFIG in chosen.capabilities:
            await self._run(chosen, engine.refresh_provider_config(chosen, self._runtime.clock()))
            self._runtime.learned.add(account)

    async def ask_consent(self, account: str, payee: Payee, *, scopes: Sequence[str]) -> Consent:
        """Ask an account holder to let us read more about them; each call asks again. Raises as :meth:`balances`.

        Args:
            account: The account that asks.
            payee: The account holder.
            scopes: What for, in the provider's words.

        """
        chosen = self._account(account)
        return await self._run(chosen, engine.ask_consent(chosen, payee, scopes, self._runtime.clock()))

    async def user_info(self, account: str, consent: Consent) -> Person:
        """Ask for what was consented to; raises as :meth:`balances`.

        While the account holder has not answered, ``LookupFailed`` carries ``retry_after_s``.

        Args:
            account: The account that asks.
            consent: From :meth:`ask_consent`.

        """
        chosen = self._account(account)
        return await self._run(chosen, engine.user_info(chosen, consent, self._runtime.clock()))

    async def diagnose(self, account: str) -> tuple[Finding, ...]:
        """Look at an account as far as its provider can without moving money; empty where it cannot.

        Args:
            account: The account's name.

        """
        chosen = self._account(account)
        return await self._run(chosen, engine.diagnose(chosen, self._runtime.clock()))

    def _account(self, name: str) -> Account:
        self._runtime.check_process()
        return self._runtime.account(name)
