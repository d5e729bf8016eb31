"""The hooks that a plugin may implement. Arguments are passed by keyword; later versions only add some.

A plugin is a module named by an entry point of the group ``payments_core`` whose functions are marked with
``hookimpl``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from pydantic import SecretStr

    from payments_core.domain.batches import Batch
    from payments_core.domain.payout import Order, Payout
    from payments_core.domain.records import Event
    from payments_core.provider import ProviderSpec

__all__ = ["GROUP", "PREFIX", "hookimpl", "hookspec"]

GROUP = "payments_core"
PREFIX = "payments_"

hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


@hookspec
def payments_providers() -> Sequence[ProviderSpec]:
    """Return the plugin's providers.

    Called once, when a client is created. May raise: the client then refuses to start and names the plugin.
    """
    raise NotImplementedError


@hookspec(firstresult=True)
def payments_choose_account(order: Order, accounts: Sequence[str]) -> str | None:
    """Return the account to pay an order from; None leaves the choice to the next plugin.

    Called only when the caller names no account, before anything is recorded. When no plugin chooses, the routes of the
    configuration do. May raise: nothing is recorded then.

    Args:
        order: The order to pay.
        accounts: The names of the configured accounts.

    """
    raise NotImplementedError


@hookspec(firstresult=True)
def payments_resolve_secret(reference: str) -> SecretStr | None:
    """Return the secret for a reference in the configuration; None for a reference of another plugin.

    Called at the start, once for each secret. May raise: the client refuses to start.

    Args:
        reference: The reference, such as ``vault:payments/key``; the core resolves ``env:`` and ``file:`` itself.

    """
    raise NotImplementedError


@hookspec
def payments_before_submit(payout: Payout) -> str | None:
    """Return the reason why a payout must not be sent; None lets it pass.

    Called once for each attempt, before the first submission and never before a later one; may block for at most
    ``guard_timeout_s``. A reason fails the payout (``refused_by_guard``). An exception or a time-out fails closed: the
    payout waits and the guard is asked again later.

    Args:
        payout: The payout that is about to be sent.

    """
    raise NotImplementedError


@hookspec
def payments_needs_approval(payout: Payout) -> str | None:
    """Return the reason why a payout needs an approval before it is sent; None when it needs none.

    Called before each attempt's guards, until the guards let it pass; may block for at most ``guard_timeout_s``. With a
    reason the payout waits (``needs_approval``) until ``payouts approve``. An exception or a time-out fails closed: the
    payout waits and the hook is asked again later.

    Args:
        payout: The payout that is about to be sent.

    """
    raise NotImplementedError


@hookspec
def payments_approve_batch(batch: Batch, actor: str) -> str | None:
    """Return the reason why a person may not approve a batch; None lets the approval pass.

    Called before an approval is recorded, once the total was compared and the actor is not who created the batch. A
    reason refuses the approval. May raise: the approval is refused then, and the exception is the caller's.

    Args:
        batch: The batch, with its totals and who created it.
        actor: The person, as the application names them.

    """
    raise NotImplementedError


@hookspec
def payments_payout_changed(payout: Payout, event: Event) -> None:
    """Observe a recorded change.

    Called after each commit, in order, in the paying process and in a thread of its own. May raise: it is logged as
    ``payments.hook_failed`` and stops neither the money nor the other observers. May block: no payment waits for it,
    only the next changes do; once 10,000 changes wait, further ones are dropped and logged, and closing the client
    waits for five seconds at most. Use ``client.events()`` for events that must survive a crash.

    Args:
        payout: The payout after the change.
        event: The event.

    """
    raise NotImplementedError


@hookspec
def payments_cli_commands() -> object | None:
    """Return a ``typer.Typer`` whose commands appear under the plugin's name: ``payouts <entry point> <command>``.

    Called only when that group is used. May raise: the command line names the plugin.
    """
    raise NotImplementedError
