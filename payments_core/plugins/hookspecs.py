"""The hooks a plugin may implement. Arguments go by keyword; later versions only ever add some.

A plugin is a module named by an entry point of the group ``payments_core`` whose functions are marked with
``hookimpl``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from pydantic import SecretStr

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
    """Return the providers this plugin brings.

    Called once, when a client is made. May raise: the client then refuses to start and names the plugin.
    """
    raise NotImplementedError


@hookspec(firstresult=True)
def payments_choose_account(order: Order, accounts: Sequence[str]) -> str | None:
    """Return the account to pay an order from, or None to leave it to the next plugin.

    Called only when the caller named no account, before anything is recorded. When no plugin decides, the routes of the
    configuration do. May raise: nothing is recorded then.

    Args:
        order: What is to be paid.
        accounts: The names that are configured.

    """
    raise NotImplementedError


@hookspec(firstresult=True)
def payments_resolve_secret(reference: str) -> SecretStr | None:
    """Return the secret a reference of the configuration stands for, or None when it is not yours.

    Called at start, once a secret. May raise: the client refuses to start.

    Args:
        reference: What stands in the configuration, such as ``vault:payments/key``; ``env:`` and ``file:`` are ours.

    """
    raise NotImplementedError


@hookspec
def payments_before_submit(payout: Payout) -> str | None:
    """Return why this payout must not be sent, or None to let it pass.

    Called once for each attempt, before the first send and never before a repeated one; may block for at most
    ``guard_timeout_s``. A reason fails the payout (``refused_by_guard``). An exception or a time-out fails closed: the
    payout waits and the guard is asked again later.

    Args:
        payout: What is about to be sent.

    """
    raise NotImplementedError


@hookspec
def payments_needs_approval(payout: Payout) -> str | None:
    """Return why somebody has to approve this payout before it is sent, or None.

    Called before each attempt's guards, until they have let it pass; may block for at most ``guard_timeout_s``. With a
    reason the payout waits (``needs_approval``) until ``payouts approve``. An exception or a time-out fails closed: the
    payout waits and the hook is asked again later.

    Args:
        payout: What is about to be sent.

    """
    raise NotImplementedError


@hookspec
def payments_payout_changed(payout: Payout, event: Event) -> None:
    """Hear of a recorded change.

    Called after each commit, in order, in the paying process and in a thread of its own. May raise: it is logged as
    ``payments.hook_failed`` and stops neither the money nor the other observers. May block: no payment waits for it,
    only what it is told next; once 10,000 changes wait, further ones are dropped and logged, and closing the client
    waits for five seconds at most. For what must survive a crash there is ``client.events()``.

    Args:
        payout: As it stands after the change.
        event: What happened.

    """
    raise NotImplementedError


@hookspec
def payments_cli_commands() -> object | None:
    """Return a ``typer.Typer`` whose commands appear under the plugin's name: ``payouts <entry point> <command>``.

    Called only when that group is used. May raise: the command line names the plugin.
    """
    raise NotImplementedError
