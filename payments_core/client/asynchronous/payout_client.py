"""The client: payments, and what keeps them going."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from payments_core.client import resuming
from payments_core.client.account_choice import (
    account_without_routing,
    existing_payout,
    log_differences,
    parse_operation,
)
from payments_core.client.assembly import assemble
from payments_core.client.asynchronous.erasure_mixin import AsyncErasureMixin
from payments_core.client.asynchronous.events_mixin import AsyncEventsMixin
from payments_core.client.asynchronous.listing_mixin import AsyncListingMixin
from payments_core.client.asynchronous.resuming_mixin import AsyncResumingMixin
from payments_core.client.asynchronous.review_mixin import AsyncReviewMixin
from payments_core.client.asynchronous.validation_mixin import AsyncValidationMixin
from payments_core.client.payout_views import view
from payments_core.client.result_paths import TRIES, asked_about
from payments_core.domain.errors import InvalidPayout, KeyReused
from payments_core.domain.money import Money
from payments_core.domain.payout import MetadataValue, Operation, Order, Payee, Payout, PayoutStatus
from payments_core.domain.records import PayoutRecord
from payments_core.engine import accept, answer, token_hash
from payments_core.engine.commands import CreateResult
from payments_core.http.flow import arun_flow
from payments_core.provider import Callback
from payments_core.runtime import Runtime
from payments_core.settings import Configuration
from payments_core.waiting import tasks as waiting

__all__ = ["AsyncPayoutClient"]


class AsyncPayoutClient(
    AsyncListingMixin,
    AsyncResumingMixin,
    AsyncReviewMixin,
    AsyncValidationMixin,
    AsyncEventsMixin,
    AsyncErasureMixin,
):
    """Pays money out, once for each key, and reports what became of it.

    One client serves one event loop and many tasks. A cancelled call leaves its payout as a crash would: the same key,
    or ``resume``, goes on. Close it when done, or use it as an asynchronous context manager.

    Args:
        runtime: From :func:`payments_core.client.assemble`; most callers use :meth:`from_config`.

    """

    @classmethod
    def from_config(cls, configuration: str | Path | Configuration = "payouts.toml") -> Self:
        """Make a client from a payouts.toml.

        Raises:
            SettingsError: A setting, secret or plugin is wrong.
            JournalError: The journal cannot be opened.

        """
        return cls(assemble(configuration))

    async def send(
        self,
        *,
        key: str,
        payee: Payee,
        amount: Money,
        account: str | None = None,
        operation: Operation | str | None = None,
        note: str = "",
        options: Mapping[str, str] | None = None,
        not_before: datetime | None = None,
        expires_at: datetime | None = None,
        metadata: Mapping[str, MetadataValue] | None = None,
    ) -> Payout:
        """Pay a payee once; the same key again returns the same payout and never a second payment.

        Returns when the provider has answered or the answer is known to be lost; see ``status``, and :meth:`wait`. What
        another process is sending comes back at once, as ``SENDING``.

        Args:
            key: The caller's business key: one key, at most one payment.
            payee: The receiver.
            amount: How much.
            account: The account's name; may be left out when plugins, routes or a default choose, or there is only one.
            operation: Which kind of payment; the account's ``default_operation`` when left out.
            note: Text for the payee; of a repeated key the recorded one stands, as of ``metadata``.
            options: The provider's options.
            not_before: Not sent earlier; aware.
            expires_at: Not sent later; aware.
            metadata: Names and values of your own, stored with the payout and never sent: at most 50 names of 100
                characters, and 4 KiB as JSON.

        Raises:
            InvalidPayout: It cannot be paid as asked; nothing is recorded or sent.
            KeyReused: The key stands for another order.
            UnknownAccount: The account is not configured.
            PayoutInterrupted: Something failed after the payout was recorded.

        """
        self._runtime.check_process()
        order = Order(
            key=key,
            payee=payee,
            amount=amount,
            operation=parse_operation(operation),
            note=note,
            options=dict(options or {}),
            not_before=not_before,
            expires_at=expires_at,
            metadata=dict(metadata or {}),
        )
        return await self._pay(order, account, by_default=operation is None)

    async def send_order(self, order: Order, account: str | None = None) -> Payout:
        """Pay an order that is made already, as :meth:`send` does; raises as it does.

        Args:
            order: What is to be paid.
            account: The account's name; chosen as for :meth:`send` when left out.

        """
        self._runtime.check_process()
        return await self._pay(order, account)

    async def accept(
        self,
        *,
        key: str,
        payee: Payee,
        amount: Money,
        account: str | None = None,
        operation: Operation | str | None = None,
        note: str = "",
        options: Mapping[str, str] | None = None,
        not_before: datetime | None = None,
        expires_at: datetime | None = None,
        metadata: Mapping[str, MetadataValue] | None = None,
        connection: object = None,
    ) -> Payout:
        """Write a payout down and send nothing; ``send`` with the same key, or ``resume``, sends it.

        Args:
            key: The caller's business key: one key, at most one payment.
            payee: The receiver.
            amount: How much.
            account: The account's name; may be left out when plugins, routes or a default choose, or there is only one.
            operation: Which kind of payment; the account's ``default_operation`` when left out.
            note: Text for the payee; of a repeated key the recorded one stands, as of ``metadata``.
            options: The provider's options.
            not_before: Not sent earlier; aware.
            expires_at: Not sent later; aware.
            metadata: Names and values of your own, stored with the payout and never sent: at most 50 names of 100
                characters, and 4 KiB as JSON.
            connection: Of psycopg (``Connection`` here, ``AsyncConnection`` for the asynchronous client), to the
                journal's database, in a transaction of yours: the payout is there exactly if you commit. No observer
                is called.

        Raises:
            InvalidPayout: It cannot be paid as asked; nothing is recorded.
            KeyReused: The key stands for another order.
            UnknownAccount: The account is not configured.
            SettingsError: A connection was given, and the journal is a file.
            JournalError: It cannot be written; roll back, if the transaction is yours.

        """
        self._runtime.check_process()
        order = Order(
            key=key,
            payee=payee,
            amount=amount,
            operation=parse_operation(operation),
            note=note,
            options=dict(options or {}),
            not_before=not_before,
            expires_at=expires_at,
            metadata=dict(metadata or {}),
        )
        opened = await self._accept(order, account, by_default=operation is None, connection=connection)
        differences = () if opened.created else log_differences(opened.row, order)
        return opened.row.view(is_new=opened.created, differences=differences)

    async def refund(
        self,
        *,
        key: str,
        collection: str,
        amount: Money,
        original_amount: Money,
        account: str | None = None,
        note: str = "",
        options: Mapping[str, str] | None = None,
        not_before: datetime | None = None,
        expires_at: datetime | None = None,
        metadata: Mapping[str, MetadataValue] | None = None,
    ) -> Payout:
        """Pay a collection back, whole or in part; otherwise as :meth:`send`.

        All refunds of one collection together never come to more than was collected: one that is not known yet counts.

        Args:
            key: The caller's business key: one key, at most one refund.
            collection: The reference under which the money was collected, as its provider knows it.
            amount: How much goes back.
            original_amount: How much was collected; the same each time.
            account: The account's name; may be left out when plugins, routes or a default choose, or there is only one.
            note: Text for the payer; of a repeated key the recorded one stands, as of ``metadata``.
            options: The provider's options.
            not_before: Not sent earlier; aware.
            expires_at: Not sent later; aware.
            metadata: Names and values of your own, stored with the payout and never sent: at most 50 names of 100
                characters, and 4 KiB as JSON.

        Raises:
            OverRefund: There is not that much left to refund; nothing is recorded or sent.
            InvalidPayout: It cannot be paid as asked; nothing is recorded or sent.
            KeyReused: The key stands for another order.
            UnknownAccount: The account is not configured.
            PayoutInterrupted: Something failed after the payout was recorded.

        """
        self._runtime.check_process()
        order = Order(
            key=key,
            payee=Payee.payer_of(collection),
            amount=amount,
            operation=Operation.REFUND,
            note=note,
            options=dict(options or {}),
            not_before=not_before,
            expires_at=expires_at,
            metadata=dict(metadata or {}),
            original_amount=original_amount,
        )
        return await self._pay(order, account)

    async def get(self, payout: str) -> Payout:
        """Return a payout by id or key, with its history, which :meth:`send` and :meth:`wait` leave out.

        Raises:
            UnknownPayout: There is none.

        """
        self._runtime.check_process()
        row = await self._find_payout(payout)
        return await waiting.read(self._runtime.journal, view, self._runtime, row)

    @property
    def runtime(self) -> Runtime:
        """The journal, plugins, accounts and clock of this client."""
        return self._runtime

    async def deliver(self, token: str, callback: Callback) -> Payout | None:
        """Take in what came to a path minted for a submission or a query; None when the path was never minted.

        The first clear answer counts. A later one changes no end: if it differs, it is recorded as a contradiction.

        Args:
            token: The path's token.
            callback: What arrived.

        """
        self._runtime.check_process()
        query, row = token_hash(token), None
        for _ in range(TRIES):
            asked = await waiting.read(self._runtime.journal, asked_about, self._runtime, query)
            if asked is None:
                return None
            flow = answer(asked.account, asked.row, callback, query=query, ended=asked.ended)
            answered = await arun_flow(flow, self._write)
            row = answered.row
            if answered.effect is not None or row.status is PayoutStatus.SENDING:
                break
        return None if row is None else row.view()

    async def __aenter__(self) -> Self:
        """Use the client for a block."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        await self.close()

    async def _pay(self, order: Order, account: str | None, *, by_default: bool = False) -> Payout:
        created = await self._pay_new(order, account, by_default=by_default)
        row, differences = created.row, () if created.created else log_differences(created.row, order)
        if not created.created or resuming.is_due(row, self._runtime.clock()):
            row = await self._settle(row)
        return row.view(is_new=created.created, differences=differences)

    async def _pay_new(self, order: Order, account: str | None, *, by_default: bool) -> CreateResult:
        """Record and send a payout whose key is new, or find the one that stands under its key."""
        if (simple := account_without_routing(self._runtime, order, account, by_default=by_default)) is not None:
            # The key is not looked up: the commit finds out. Whatever is not as usual goes the whole way below.
            with suppress(InvalidPayout, KeyReused):
                created = await self._send(*simple)
                if created.created:
                    return created
        if (row := await self._existing(order, account, by_default=by_default)) is not None:
            return CreateResult(row, created=False)
        chosen, order = await self._choose_account(order, account, by_default=by_default)
        return await self._send(chosen, order)

    async def _existing(self, order: Order, account: str | None, *, by_default: bool) -> PayoutRecord | None:
        find = partial(existing_payout, self._runtime, order, account, by_default=by_default)
        return await waiting.read(self._runtime.journal, find)

    async def _accept(self, order: Order, account: str | None, *, by_default: bool, connection: object) -> CreateResult:
        if (row := await self._existing(order, account, by_default=by_default)) is not None:
            return CreateResult(row, created=False)
        # A transaction of the caller's does not wait for the network.
        chosen, order = await self._choose_account(order, account, by_default=by_default, ask=connection is None)
        write = self._write if connection is None else partial(self._write_within, connection)
        return await arun_flow(accept(chosen, order, self._runtime.moment()), write)
