"""What a person decides: ``payouts review``, ``check``, ``reissue``, ``approve``, ``cancel``."""

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
Actor = Annotated[str, typer.Option(metavar="NAME", help="Who decides; written into the history as given.")]
Reason = Annotated[str, typer.Option(metavar="TEXT", help="On what grounds.")]

review = typer.Typer(
    help="Payouts that wait for a person's decision.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


@command
def list_(terminal: Terminal) -> int:
    """List what waits for a person, oldest first.

    What stopped in REVIEW, and what has ended and its provider says otherwise: why, since when, and how much is at
    stake.
    """
    from payments_core.cli import messages, output
    from payments_core.client import in_review

    with terminal.journal() as journal:
        found = [in_review(row.view(journal.history(row.id))) for row in journal.undecided()]
    if terminal.as_json:
        output.print_json([_record(one, terminal) for one in found])
        return exit_codes.DONE
    if not found:
        terminal.note("Nothing waits for a decision.")
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
    """Show what is known of one payout that waits for a person, and what can be decided.

    Every answer of the provider is in the history. Each decision asks the provider once more first: beside it stands
    what the provider has to say then.
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
        terminal.say("The provider is asked first, and what it says for certain counts. What can be decided otherwise:")
    for act, says in one.acts.items():
        when = ", or ".join(messages.SAYS[answer] for answer in says)
        terminal.say(f"  {messages.ACTS[act].format(key=found.key)}")
        terminal.say(f"      when the provider {when}")
    if found.has_open_contradiction:
        terminal.say("Its provider contradicts an end, which stands. Compare with its records, and take note:")
        terminal.say(f"  {messages.ACKNOWLEDGE.format(key=found.key)}")
    return exit_codes.DONE


@command
def resolve(
    terminal: Terminal,
    payout: Which,
    actor: Actor,
    reason: Reason,
    paid: Annotated[
        bool | None, typer.Option("--paid/--not-paid", help="Whether the money is there.", show_default=False)
    ] = None,
    evidence: Annotated[
        str, typer.Option(metavar="TEXT", help="What it was compared with, such as a line of the statement.")
    ] = "",
) -> int:
    """Decide whether a payout in review was paid.

    The provider is asked first: what it says for certain counts, and a decision that is not safe is refused.
    """
    if paid is None:
        raise typer.BadParameter("Say --paid or --not-paid.")
    with terminal.client() as client:
        return _tell(terminal, client.resolve(payout, paid=paid, actor=actor, reason=reason, evidence=evidence))


@command
def reopen(terminal: Terminal, payout: Which, actor: Actor, reason: Reason) -> int:
    """Give a payout in review back to the machine.

    It is asked about by a schedule anew, and sent again only where that is proven safe.
    """
    with terminal.client() as client:
        return _tell(terminal, client.reopen(payout, actor=actor, reason=reason))


@command
def acknowledge(
    terminal: Terminal,
    payout: Which,
    actor: Annotated[str, typer.Option(metavar="NAME", help="Who takes note; written into the history as given.")],
    reason: Annotated[str, typer.Option(metavar="TEXT", help="What they found.")],
) -> int:
    """Take note of what its provider says against a payout's end.

    The end stands, the payout leaves this list, and it is never paid again.
    """
    with terminal.client() as client:
        return _tell(terminal, client.acknowledge(payout, actor=actor, reason=reason))


@command
def check(terminal: Terminal, payout: Which) -> int:
    """Read a payout that has ended once more.

    What the provider says is written into the history; the end stands. Where it answers only later, the answer is taken
    in by `payouts serve`.
    """
    from payments_core.cli import messages

    with terminal.client() as client:
        found = client.check(payout)
    if not terminal.as_json:
        terminal.say(messages.checked(found))
    return _tell(terminal, found)


@command
def reissue(
    terminal: Terminal,
    payout: Which,
    actor: Actor,
    reason: Reason,
    account: Annotated[str | None, typer.Option(metavar="NAME", help="Pay it from this account now.")] = None,
    evidence: Annotated[
        str, typer.Option(metavar="TEXT", help="What the provider's records show, where it does not show an attempt.")
    ] = "",
) -> int:
    """Pay a failed payout again, under the same key.

    It is paid from its account, or from another one. Every earlier attempt is read first and has to be proven failed;
    otherwise nothing is sent, and it says when it may be tried again, or that evidence is missing.
    """
    with terminal.client() as client:
        return _tell(terminal, client.reissue(payout, actor=actor, reason=reason, account=account, evidence=evidence))


@command
def approve(terminal: Terminal, payout: Which, actor: Actor, reason: Reason = "approved") -> int:
    """Let a payout be sent that waits for somebody's leave.

    Nothing is sent by this command: `payouts resume`, or whoever works on payouts, does it.
    """
    with terminal.client() as client:
        return _tell(terminal, client.approve(payout, actor=actor, reason=reason))


@command
def cancel(
    terminal: Terminal,
    payout: Which,
    actor: Annotated[str, typer.Option(metavar="NAME", help="Who cancels it; written into the history as given.")],
    reason: Annotated[str, typer.Option(metavar="TEXT", help="On what grounds.")],
) -> int:
    """Cancel a payout of which nothing was sent: it is never sent afterwards.

    Leaves with 0 when it is CANCELLED, and its key with 3 from then on. What may have arrived is not cancelled: the
    refusal says what to do instead. A payout that waits for an approval is declined so.
    """
    with terminal.client() as client:
        _tell(terminal, client.cancel(payout, actor=actor, reason=reason))
    return exit_codes.DONE


@command
def cancel_at_provider(terminal: Terminal, payout: Which) -> int:
    """Ask the provider to drop a payment it has taken and not begun.

    The payout stays as it is until a read tells what became of it. Leaves with 0 when the provider drops it, 3 when it
    is too late, 4 when the provider does not know it or did not tell.
    """
    from payments_core.cli import messages, output
    from payments_core.provider import CancelAnswer

    with terminal.client() as client:
        key, answer = client.get(payout).key, client.cancel_at_provider(payout)
    if terminal.as_json:
        output.print_json({"key": key, "answer": str(answer)})
    else:
        terminal.say(f"{key}: the provider {messages.CANCELS[answer]}. payouts wait {key} asks what became of it.")
    codes = {CancelAnswer.TAKEN: exit_codes.DONE, CancelAnswer.TOO_LATE: exit_codes.FAILED}
    return codes.get(answer, exit_codes.NOT_KNOWN)


def _tell(terminal: Terminal, payout: Payout) -> int:
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
