"""Decisions of a person: ``payouts review``, ``check``, ``reissue``, ``approve``, ``cancel``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from payments_core.cli import exit_codes
from payments_core.cli.terminal import Terminal, command

if TYPE_CHECKING:
    from payments_core.client import InReview
    from payments_core.domain.payout import Payout

__all__ = ["COMMANDS", "review"]

Which = Annotated[str, typer.Argument(metavar="ID|KEY", help="The payout's id or its key.")]
Actor = Annotated[str, typer.Option(metavar="NAME", help="The person who decides; recorded in the history.")]
Reason = Annotated[str, typer.Option(metavar="TEXT", help="The reason; recorded in the history.")]

review = typer.Typer(
    help="Payouts that wait for a person's decision.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


@command
def list_(terminal: Terminal) -> int:
    """List the payouts that wait for a decision, oldest first.

    These are payouts in REVIEW, and final ones that their provider contradicts: why, since when, and the amount.
    """
    from payments_core.cli import messages, output
    from payments_core.client import in_review

    with terminal.journal() as journal:
        found = [in_review(row.view(journal.history(row.id))) for row in journal.undecided()]
    if terminal.as_json:
        output.print_json([_record(one, terminal) for one in found])
        return exit_codes.DONE
    if not found:
        terminal.note("No payout waits for a decision.")
        return exit_codes.DONE
    cells = [
        (
            one.payout.key,
            output.payee_address(one.payout, reveal=terminal.reveal),
            str(one.payout.amount),
            one.payout.account,
            str(one.payout.status),
            messages.concern(one.payout),
            messages.moment(one.since),
        )
        for one in found
    ]
    output.print_table(("key", "payee", "amount", "account", "status", "why", "since"), cells)
    return exit_codes.DONE


@command
def show(terminal: Terminal, payout: Which) -> int:
    """Show one payout that waits for a decision, and the possible decisions.

    Every answer of the provider is in the history. Each decision first checks the provider again; beside it is the
    answer that it requires.
    """
    from payments_core.cli import messages, output
    from payments_core.client import in_review
    from payments_core.client.payout_views import find_payout
    from payments_core.domain.errors import DecisionRefused
    from payments_core.domain.events import EventName, meaning
    from payments_core.runtime import utc_now

    with terminal.journal() as journal:
        row = find_payout(journal, payout)
        found, pauses = row.view(journal.history(row.id)), journal.pauses()
    if found.status != "REVIEW" and not found.has_open_contradiction:
        raise DecisionRefused(
            f"Payout {found.key} is {found.status} and not in REVIEW.", hint=messages.advice(found, pauses)
        )
    one = in_review(found)
    if terminal.as_json:
        output.print_json(
            _record(one, terminal) | {"history": output.record(found, reveal=True, history=True)["history"]}
        )
        return exit_codes.DONE
    terminal.say(output.details(found, pauses, reveal=terminal.reveal, now=utc_now()))
    terminal.say()
    output.print_table(
        ("at (UTC)", "what happened", "status", "evidence"),
        [
            (
                f"{entry.at:%Y-%m-%d %H:%M:%S}",
                meaning(EventName(entry.event)),
                str(entry.status),
                ", ".join(f"{name}={value}" for name, value in entry.evidence.items()),
            )
            for entry in found.history
        ],
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
    with terminal.client() as client:
        return _print(terminal, client.resolve(payout, paid=paid, actor=actor, reason=reason, evidence=evidence))


@command
def reopen(terminal: Terminal, payout: Which, actor: Actor, reason: Reason) -> int:
    """Return a payout in review to automatic processing.

    Its checks start again, and it is sent again only where that is proven safe.
    """
    with terminal.client() as client:
        return _print(terminal, client.reopen(payout, actor=actor, reason=reason))


@command
def acknowledge(
    terminal: Terminal,
    payout: Which,
    actor: Annotated[
        str, typer.Option(metavar="NAME", help="The person who acknowledges it; recorded in the history.")
    ],
    reason: Annotated[str, typer.Option(metavar="TEXT", help="The finding; recorded in the history.")],
) -> int:
    """Acknowledge that a provider contradicts a payout's result.

    The result stands, the payout leaves this list, and it is never paid again.
    """
    with terminal.client() as client:
        return _print(terminal, client.acknowledge(payout, actor=actor, reason=reason))


@command
def check(terminal: Terminal, payout: Which) -> int:
    """Check a final payout at its provider again.

    The answer is recorded in the history; the result stands. `payouts serve` receives an answer by callback.
    """
    from payments_core.cli import messages

    with terminal.client() as client:
        found = client.check(payout)
    if not terminal.as_json:
        terminal.say(messages.checked(found))
    return _print(terminal, found)


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

    It is paid from its account or from another one. Every earlier attempt is checked first and must be proven failed;
    otherwise nothing is sent, and the message has the time of the next try or the missing evidence.
    """
    with terminal.client() as client:
        return _print(terminal, client.reissue(payout, actor=actor, reason=reason, account=account, evidence=evidence))


@command
def approve(terminal: Terminal, payout: Which, actor: Actor, reason: Reason = "approved") -> int:
    """Approve a payout that waits for an approval.

    This command sends nothing: `payouts resume` or a worker does.
    """
    with terminal.client() as client:
        return _print(terminal, client.approve(payout, actor=actor, reason=reason))


@command
def cancel(
    terminal: Terminal,
    payout: Which,
    actor: Annotated[str, typer.Option(metavar="NAME", help="The person who cancels it; recorded in the history.")],
    reason: Annotated[str, typer.Option(metavar="TEXT", help="The reason; recorded in the history.")],
) -> int:
    """Cancel a payout that was not sent: it is never sent afterwards.

    Ends with 0 when it is CANCELLED; commands with its key then end with 3. A payout that may have arrived is not
    cancelled: the refusal has the next action. It also declines a payout that waits for an approval.
    """
    with terminal.client() as client:
        _print(terminal, client.cancel(payout, actor=actor, reason=reason))
    return exit_codes.DONE


@command
def cancel_at_provider(terminal: Terminal, payout: Which) -> int:
    """Ask the provider to cancel a payment that it has accepted and not begun.

    The payout changes only by a later check. Ends with 0 when the provider cancels it, 3 when it is too late, 4 when
    the provider does not know it or did not answer.
    """
    from payments_core.cli import messages, output
    from payments_core.provider import CancelAnswer

    with terminal.client() as client:
        key, answer = client.get(payout).key, client.cancel_at_provider(payout)
    if terminal.as_json:
        output.print_json({"key": key, "answer": str(answer)})
    else:
        terminal.say(f"{key}: the provider {messages.CANCELS[answer]}. payouts wait {key} shows the result.")
    codes = {CancelAnswer.TAKEN: exit_codes.DONE, CancelAnswer.TOO_LATE: exit_codes.FAILED}
    return codes.get(answer, exit_codes.NOT_KNOWN)


def _print(terminal: Terminal, payout: Payout) -> int:
    from payments_core.cli import output
    from payments_core.runtime import utc_now

    if terminal.as_json:
        output.print_json(output.record(payout, reveal=terminal.reveal, history=True))
    else:
        terminal.say(output.details(payout, (), reveal=terminal.reveal, now=utc_now()))
    return exit_codes.of(payout)


def _record(one: InReview, terminal: Terminal) -> dict[str, Any]:
    from payments_core.cli import output

    acts = {str(act): [str(answer) for answer in says] for act, says in one.acts.items()}
    return output.record(one.payout, reveal=terminal.reveal) | {"since": one.since.isoformat(), "acts": acts}


for _name, _body in {
    "list": list_,
    "show": show,
    "resolve": resolve,
    "reopen": reopen,
    "acknowledge": acknowledge,
}.items():
    review.command(_name)(_body)

COMMANDS = {
    "check": check,
    "reissue": reissue,
    "approve": approve,
    "cancel": cancel,
    "cancel-at-provider": cancel_at_provider,
}
