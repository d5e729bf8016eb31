"""Which account pays an order, and whether its key stands for a payout already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from payments_core.domain.errors import InvalidPayout, KeyReused
from payments_core.domain.events import EventName
from payments_core.domain.masking import mask_key, quote, scrub
from payments_core.domain.payout import Operation, Order
from payments_core.domain.records import PayoutRecord
from payments_core.engine import differences, same_order
from payments_core.logs import log_payout
from payments_core.provider import Account, Capability
from payments_core.routing import Choice, Choosing
from payments_core.routing import choose as choose_by_routes
from payments_core.runtime import Runtime

__all__ = [
    "account_without_routing",
    "apply_choice",
    "check_provider_config",
    "choose",
    "choose_at_once",
    "currency_of",
    "difference_note",
    "existing_payout",
    "log_differences",
    "parse_operation",
]


def existing_payout(
    runtime: Runtime, order: Order, account: str | None, *, by_default: bool = False
) -> PayoutRecord | None:
    """Return the payout of the order's key, if there is one; the key is looked up before any routing.

    Args:
        runtime: Whose journal is asked.
        order: What is wanted.
        account: The account the caller named.
        by_default: The caller named no operation: a recorded one stands, whatever the account's default is now.

    Raises:
        KeyReused: It stands for another order, or for a payout from another account.

    """
    row = runtime.journal.by_key(order.key)
    if row is None:
        return None
    if by_default and row.order.operation is not Operation.REFUND:
        order = replace(order, operation=row.order.operation)
    same_order(row, order)
    if account not in {None, row.attempt.account, _first_account(runtime, row)}:
        raise KeyReused(
            f"The key {mask_key(order.key)!r} is paid from account {row.attempt.account!r} ({row.id}), not "
            f"{quote(account)}. This time nothing was sent, and nothing was changed.",
            hint="A payout changes its account only when it is paid again. Use another key if this really is another "
            "payment.",
        )
    return row


def log_differences(row: PayoutRecord, order: Order) -> tuple[str, ...]:
    """Return which of note and metadata a repeated key has otherwise than recorded, and log their names."""
    if names := differences(row, order):
        log_payout(EventName.PAYOUT_KEPT_AS_RECORDED, row, {"fields": names})
    return names


def difference_note(names: Sequence[str]) -> str:
    """Return the sentence about what a repeated key has otherwise than recorded."""
    what = " and ".join(names)
    return (
        f"The {what} differs from the recorded one, and is kept as recorded."
        if len(names) == 1
        else f"The {what} differ from the recorded ones, and are kept as recorded."
    )


def _first_account(runtime: Runtime, row: PayoutRecord) -> str:
    """Return the account of the first attempt: the caller that accepted the payout goes on naming that one."""
    return runtime.journal.attempts(row.id)[0].account if row.attempt.number > 1 else row.attempt.account


def choose(
    runtime: Runtime, order: Order, account: str | None, *, by_default: bool = False, ask: bool = True
) -> Choosing:
    """Choose the account to pay from; ask by yielding whose provider is to be asked for the payee's operator.

    It is the account that is named, the plugins' choice, what the routes say, or, where there are no routes, the
    configuration's default or the only one there is.

    Args:
        runtime: Whose accounts there are.
        order: What is wanted.
        account: The account the caller named.
        by_default: The caller named no operation: the account's own is meant.
        ask: Whether providers may be asked.

    Raises:
        UnknownAccount: It is not configured.
        InvalidPayout: It may be no new payout; or no account was named, there are several, and no routes.

    """
    if account:
        return Choice(runtime.account(account).name, "caller", why="The caller names it.")
    order.check_new()  # before a plugin or a provider is asked about it
    names = _names(runtime)
    if (name := runtime.plugins.choose_account(order, names)) is not None:
        return Choice(runtime.account(name).name, "plugin", why="A plugin chose it (payments_choose_account).")
    if runtime.routes:
        return (yield from choose_by_routes(order, runtime.routes, by_default=by_default, ask=ask))
    if runtime.default_account:
        return Choice(runtime.default_account, "default", why="It is the default (default_account).")
    if len(names) == 1:
        return Choice(names[0], "only_account", why="It is the only account there is.")
    raise InvalidPayout(
        f"Name the account to pay from: {', '.join(names) or 'none is configured'}.",
        hint="Or let the configuration choose: [installation] default_account, or [[routes]]." if names else "",
        field="account",
    )


def apply_choice(runtime: Runtime, order: Order, choice: Choice, *, by_default: bool = False) -> tuple[Account, Order]:
    """Return the account that was chosen, and the order as that account pays it.

    Args:
        runtime: Whose accounts there are.
        order: What is wanted.
        choice: Of the account.
        by_default: The caller named no operation: the account's own is taken.

    Raises:
        NoRoute: None was chosen.

    """
    if not choice.account:
        raise choice.refusal()
    account = runtime.account(choice.account)
    return account, replace(order, operation=account.settings.default_operation) if by_default else order


def choose_at_once(choosing: Choosing) -> Choice | None:
    """Return a choice that needs no provider's answer; None when one has to be asked."""
    try:
        next(choosing)
    except StopIteration as end:
        choice: Choice = end.value
        return choice
    choosing.close()
    return None


def account_without_routing(
    runtime: Runtime, order: Order, account: str | None, *, by_default: bool
) -> tuple[Account, Order] | None:
    """Return the account that pays, and the order as it pays it, where nobody has to be asked; None elsewhere.

    It is the one that the caller names, or the default or only one. A refund, an account that is not configured, or
    one whose provider may have to be asked for its limits goes the whole way.
    """
    chosen = runtime.accounts.get(account or _default_account(runtime))
    if chosen is None or order.original_amount is not None or Capability.PROVIDER_CONFIG in chosen.capabilities:
        return None
    operation = chosen.settings.default_operation
    return chosen, replace(order, operation=operation) if by_default and order.operation is not operation else order


def _default_account(runtime: Runtime) -> str:
    """Return the default or only account, where neither routes nor plugins choose; empty where there is none."""
    if runtime.routes or runtime.plugins.has_routing:
        return ""
    return runtime.default_account or (next(iter(runtime.accounts)) if len(runtime.accounts) == 1 else "")


def parse_operation(operation: Operation | str | None) -> Operation:
    """Return what a caller named as the operation; a transfer when nothing was named.

    Raises:
        InvalidPayout: There is no such operation.

    """
    try:
        return Operation.TRANSFER if operation is None else Operation(operation)
    except ValueError:
        raise InvalidPayout(
            f"There is no operation {scrub(str(operation), limit=40)!r}; there are {', '.join(Operation)}.",
            hint="Leave it out for the account's own.",
            field="operation",
        ) from None


def check_provider_config(runtime: Runtime, account: Account) -> None:
    """Refuse to accept from an account whose provider was never asked for its limits in this process.

    Raises:
        InvalidPayout: The order could be one that ``send`` refuses.

    """
    if Capability.PROVIDER_CONFIG in account.capabilities and account.name not in runtime.learned:
        raise InvalidPayout(
            f"What account {account.name} may pay is not known in this process yet, and a transaction waits for no "
            "network.",
            hint=f'Call client.refresh_provider_config("{account.name}") once when the process starts.',
        )


def currency_of(runtime: Runtime, account: str | None) -> str:
    """Return the currency of an account, or the one all accounts share.

    Args:
        runtime: Whose accounts there are.
        account: Its name; None where a row names none.

    Raises:
        UnknownAccount: The account is not configured.
        InvalidPayout: No account is named, and the accounts pay in several currencies.

    """
    if account is not None:
        return runtime.account(account).settings.currency
    currencies = sorted({one.settings.currency for one in runtime.accounts.values()})
    if len(currencies) != 1:
        raise InvalidPayout(
            f"No currency is given, and the accounts pay in {', '.join(currencies) or 'none'}.",
            hint="Give --currency, or the account to pay from.",
        )
    return currencies[0]


def _names(runtime: Runtime) -> Sequence[str]:
    return sorted(runtime.accounts)
