"""Decisions of a person: ``payouts review``, ``check``, ``reissue``, ``approve``, ``cancel``."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from payments_core.cli import exit_codes
from payments_core.cli.options import Actor, Reason, Which
from payments_core.cli.terminal import Terminal, command, group

if TYPE_CHECKING:
    from collections.abc import Callable

    from payments_core.client import InReview, PayoutClient
    from payments_core.domain.payout import Payout

__all__ = ["GROUP", "approve", "cancel", "cancel_at_provider", "check", "reissue"]

GROUP = group("review", "Payouts that wait for a person's decision.")


@GROUP.command("list")
@command
def list_(
    terminal: Terminal,
    limit: Annotated[int, typer.Option(min=1, max=100_000, metavar="N", help="The most payouts.")] = 1000,
) -> int:
    """List the payouts that wait for a decision, oldest first.

    These are payouts in REVIEW, and final ones that their provider contradicts: why, since when, and the amount. When
    --limit ends the list, standard error states it.
    """
    from payments_core.cli import messages, output
    from payments_core.client import in_review

    def cells(one: InReview) -> dict[str, str]:
        return {
            "key": one.payout.key,
            "payee": output.address(one.payout.payee, reveal=terminal.reveal),
            "amount": output.money_text(one.payout.amount),
            "account": one.payout.account,
            "status": str(one.payout.status),
            "why": messages.concern(one.payout),
            "since": messages.moment(one.since),
        }

    with terminal.journal() as journal:
        rows = list(islice(journal.undecided(), limit + 1))
        found = [in_review(row.view(journal.history(row.id))) for row in rows[:limit]]
    output.print_list(
        terminal, found, lambda one: _record(one, terminal), cells, empty="No payout waits for a decision."
    )
    if len(rows) > limit:
        terminal.note(f"There are more than {limit}: a larger --limit shows them.")
    return exit_codes.DONE


@GROUP.command("show")
@command
def show(terminal: Terminal, payout: Which) -> int:
    """Show one payout that waits for a decision, and the possible decisions.

    Every answer of the provider is in the history. Each decision first checks the provider again; beside it is the
    answer that it requires.
    """
    from payments_core.cli import messages, output
    from payments_core.client import in_review
    from payments_core.domain.errors import DecisionRefused
    from payments_core.domain.events import EventName, meaning

    found, pauses = terminal.recorded(payout)
    if found.status != "REVIEW" and not found.has_open_contradiction:
        raise DecisionRefused(
            f"Payout {found.key} is {found.status} and not in REVIEW.", hint=messages.advice(found, pauses)
        )
    one = in_review(found)
    if terminal.as_json:
        output.print_json(_record(one, terminal, history=True))
        return exit_codes.DONE
    output.print_payout(terminal, found, pauses)
    terminal.say()
    output.print_table(
        [
            {
                "at (UTC)": f"{entry.at:%Y-%m-%d %H:%M:%S}",
                "what happened": meaning(EventName(entry.event)),
                "status": str(entry.status),
                "evidence": output.evidence(entry),
            }
            for entry in found.history
        ]
    )
    terminal.say()
    if one.acts:
        terminal.say("The provider is checked first, and a clear answer counts. Otherwise the possible decisions are:")
    for act, says in one.acts.items():
        when = ", or ".join(messages.SAYS[answer] for answer in says)
        terminal.say(f"  {messages.ACTS[act].format(key=found.key)}")
        terminal.say(f"      when the provider {when}")
    if found.has_open_contradiction:
        terminal.say("The provider contradicts the result, which stands. Compare with its records, then acknowledge:")
        terminal.say(f"  {messages.ACKNOWLEDGE.format(key=found.key)}")
    return exit_codes.DONE


@GROUP.command("resolve")
@command
def resolve(
    terminal: Terminal,
    payout: Which,
    actor: Actor,
    reason: Reason,
    paid: Annotated[
        bool | None, typer.Option("--paid/--not-paid", help="Whether the payee got the money.", show_default=False)
    ] = None,
    evidence: Annotated[str, typer.Option(metavar="TEXT", help="The evidence, such as a line of the statement.")] = "",
) -> int:
    """Decide whether a payout in review was paid.

    The provider is checked first: a clear answer counts, and an unsafe decision is refused.
    """
    if paid is None:
        raise typer.BadParameter("Give --paid or --not-paid.")
    return _decide(
        terminal, lambda client: client.resolve(payout, paid=paid, actor=actor, reason=reason, evidence=evidence)
    )


@GROUP.command("reopen")
@command
def reopen(terminal: Terminal, payout: Which, actor: Actor, reason: Reason) -> int:
    """Return a payout in review to automatic processing.

    Its checks start again, and it is sent again only where that is proven safe.
    """
    return _decide(terminal, lambda client: client.reopen(payout, actor=actor, reason=reason))


@GROUP.command("acknowledge")
@command
def acknowledge(
    terminal: Terminal,
    payout: Which,
    actor: Actor,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="The finding; recorded in the history.")],
) -> int:
    """Acknowledge that a provider contradicts a payout's result.

    The result stands, the payout leaves this list, and it is never paid again.
    """
    return _decide(terminal, lambda client: client.acknowledge(payout, actor=actor, reason=reason))


@command
def check(terminal: Terminal, payout: Which) -> int:
    """Check a final payout at its provider again.

    The answer is recorded in the history; the result stands. `payouts serve` receives an answer by callback.
    """
    from payments_core.cli import messages, output

    with terminal.client() as client:
        found = client.check(payout)
    if not terminal.as_json:
        terminal.say(messages.checked(found))
    return output.print_payout(terminal, found)


@command
def reissue(
    terminal: Terminal,
    payout: Which,
    actor: Actor,
    reason: Reason,
    account: Annotated[str | None, typer.Option(metavar="NAME", help="Pay from this account instead.")] = None,
    evidence: Annotated[
        str, typer.Option(metavar="TEXT", help="What the provider's records show, where it no longer shows an attempt.")
    ] = "",
) -> int:
    """Pay a failed payout again under the same key.

    Payee and amount stay as they are: where one of them was wrong, `payouts show` says when to use another key.

    It is paid from its account or from another one. Every earlier attempt is checked first and must be proven failed;
    otherwise nothing is sent, and the message says when to try again, or which evidence is missing.
    """
    return _decide(
        terminal,
        lambda client: client.reissue(payout, actor=actor, reason=reason, account=account, evidence=evidence),
    )


@command
def approve(terminal: Terminal, payout: Which, actor: Actor, reason: Reason = "approved") -> int:
    """Approve a payout that waits for an approval.

    This command sends nothing: `payouts resume` or a worker does.
    """
    return _decide(terminal, lambda client: client.approve(payout, actor=actor, reason=reason))


@command
def cancel(terminal: Terminal, payout: Which, actor: Actor, reason: Reason) -> int:
    """Cancel a payout that was not sent: it is never sent afterwards.

    Ends with 0 when it is CANCELLED; commands with its key then end with 3. A payout that may have arrived is not
    cancelled: the refusal has the next action. It also declines a payout that waits for an approval.
    """
    _decide(terminal, lambda client: client.cancel(payout, actor=actor, reason=reason))
    return exit_codes.DONE


@command
def cancel_at_provider(terminal: Terminal, payout: Which) -> int:
    """Ask the provider to cancel a payment that it has accepted and not begun.

    The payout changes only by a later check. Ends with 0 when the provider cancels it, 3 when it is too late, 4 when
    the provider does not know it or did not answer.
    """
    from payments_core.cli import messages
    from payments_core.provider import CancelAnswer

    with terminal.client() as client:
        key, answer = client.get(payout).key, client.cancel_at_provider(payout)
    terminal.show(
        {"key": key, "answer": str(answer)},
        f"{key}: the provider {messages.CANCELS[answer]}. payouts wait {key} shows the result.",
    )
    codes = {CancelAnswer.TAKEN: exit_codes.DONE, CancelAnswer.TOO_LATE: exit_codes.FAILED}
    return codes.get(answer, exit_codes.NOT_KNOWN)


def _decide(terminal: Terminal, decision: Callable[[PayoutClient], Payout]) -> int:
    from payments_core.cli import output

    with terminal.client() as client:
        return output.print_payout(terminal, decision(client))


def _record(one: InReview, terminal: Terminal, *, history: bool = False) -> dict[str, Any]:
    from payments_core.cli import output

    acts = {str(act): [str(answer) for answer in says] for act, says in one.acts.items()}
    record = output.record(one.payout, reveal=terminal.reveal, history=history)
    return record | {"since": one.since.isoformat(), "acts": acts}
