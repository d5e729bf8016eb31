"""From an answer, or none, to the error: what happened, whether money can have moved, what to do."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from payments_core.domain.errors import PaymentsError
from payments_core.domain.masking import scrub
from payments_core.domain.payout import ReasonCode
from payments_core.http.messages import HttpResponse, NoAnswer, NotSent
from payments_core.provider import AccountRefused, Duplicate, Final, NotAccepted
from payments_mtn_momo import codec, meanings
from payments_mtn_momo.answers import Body, Shape, read_body, retry_after_s
from payments_mtn_momo.meanings import Meaning
from payments_mtn_momo.native.errors import (
    ActionError,
    AlreadyUsedError,
    MomoError,
    NotSentError,
    ReadError,
    ReadNotFound,
    ReadRefused,
    ReadUnanswered,
    RefusedError,
    UnknownOutcomeError,
)
from payments_mtn_momo.native.subjects import OWN, SUBJECTS
from payments_mtn_momo.operations import OPERATIONS

__all__ = [
    "Asked",
    "NoToken",
    "action_failed",
    "action_unanswered",
    "misused",
    "own_row",
    "read_failed",
    "read_unanswered",
]


@dataclass(frozen=True, slots=True)
class Asked:
    """What an error is about.

    Args:
        operation: The call.
        reference: The payment's, or what else the call names, scrubbed: what a caller gives for one may be anything,
            and a UUID stays as it is. May be empty.
        hidden: The account's secrets, which no answer may bring into an error.

    """

    operation: str
    reference: str = ""
    hidden: tuple[str, ...] = field(default=(), repr=False)  # error trackers print the variables of each frame

    def __post_init__(self) -> None:
        object.__setattr__(self, "reference", scrub(self.reference))

    @property
    def subject(self) -> str:
        """``The transfer 5c1f…``."""
        return f"{SUBJECTS[self.operation]} {self.reference}".rstrip()

    @property
    def pays(self) -> bool:
        """Whether it moves money."""
        return OPERATIONS[self.operation].moves_money


class NoToken(NotSent):
    """Proven not sent, because no token could be had.

    Args:
        problem: Why not.
        at: When.

    """

    def __init__(self, problem: ReadError, *, at: datetime) -> None:
        super().__init__("no token could be had", at=at)
        self.problem = problem


def misused(asked: Asked, problem: PaymentsError) -> ActionError:
    """Return the error of a call that was refused here, before anything left."""
    error = NotSentError(
        f"{asked.subject} was not sent: {problem.message}",
        hint=problem.hint,
        operation=asked.operation,
        reference=asked.reference,
    )
    error.__cause__ = problem
    return error


def unasked(asked: Asked, problem: PaymentsError) -> ReadError:
    """Return the error of a read that was refused here, before anything left."""
    return ReadRefused(
        f"{asked.subject} was not sent: {problem.message}",
        hint=problem.hint,
        operation=asked.operation,
        reference=asked.reference,
    )


def illegible(asked: Asked, response: HttpResponse) -> ActionError:
    """Return the error of an action that was taken, with an answer that cannot be read."""
    return UnknownOutcomeError(
        f"{asked.subject} was answered with {response.status} and nothing that can be read. {_perhaps(asked)}",
        hint=_find_out(asked),
        **_facts(asked, response, read_body(response)),
    )


def action_unanswered(asked: Asked, ended: NotSent | NoAnswer) -> ActionError:
    """Return the error of an action that had no complete answer."""
    about: dict[str, Any] = {"operation": asked.operation, "reference": asked.reference}
    if isinstance(ended, NoToken):
        problem = ended.problem
        kind = RefusedError if isinstance(problem, ReadRefused) else NotSentError
        return kind(
            f"{asked.subject} was not sent, because no token could be had. {problem.message} {_nothing(asked)}",
            hint=problem.hint,
            http_status=problem.http_status,
            provider_code=problem.provider_code,
            text=problem.text,
            reason=problem.reason,
            retry_after_s=problem.retry_after_s,
            **about,
        )
    why = scrub(ended.why)
    if isinstance(ended, NotSent):
        return NotSentError(
            f"{asked.subject} was not sent ({why}). {_nothing(asked)}",
            hint="Send the same call again" + (", under the same reference." if asked.pays else "."),
            **about,
        )
    return UnknownOutcomeError(
        f"{asked.subject} had no answer ({why}). {_perhaps(asked)}", hint=_find_out(asked), **about
    )


def action_failed(asked: Asked, response: HttpResponse) -> ActionError:
    """Return the error of an action whose answer is not a success."""
    body = read_body(response)
    kind, meaning = _action_kind(asked, response, body)
    if kind is UnknownOutcomeError:
        money, hint = _perhaps(asked), _find_out(asked)
    elif kind is AlreadyUsedError and asked.pays:
        money = "This request moved no money; the earlier one may have."
        hint = f"Read {_status_call(asked)} to see what became of it; do not pay again under a new one before."
    else:
        money, hint = _nothing(asked), meaning.do
    return kind(
        f"{asked.subject}: {meaning.what} {_said(asked, response, body)} {money}",
        hint=hint,
        **_facts(asked, response, body),
    )


def _action_kind(asked: Asked, response: HttpResponse, body: Body) -> tuple[type[ActionError], Meaning]:
    own = own_row(asked.operation, response, body)
    if own is not None and issubclass(own[0], ActionError):
        return own[0], own[1]
    meaning = meanings.of_answer(response.status, body)
    match codec.read_submitted(response):  # one table decides for the neutral provider and for us
        case Final() | AccountRefused() | NotAccepted():
            return RefusedError, meaning
        case Duplicate():
            return AlreadyUsedError, meaning
        # The token endpoint's form proves something about calls for tokens, and nothing about a payment.
        case _ if body.shape is Shape.TOKEN and meaning.money == "no" and not asked.pays:
            return RefusedError, meaning
        case _:
            return UnknownOutcomeError, meaning if meaning.money == "perhaps" else meanings.UNLISTED


def read_unanswered(asked: Asked, ended: NotSent | NoAnswer) -> ReadError:
    """Return the error of a read that had no complete answer."""
    if isinstance(ended, NoToken):
        problem = ended.problem
        return type(problem)(
            f"{asked.subject} was not sent, because no token could be had. {problem.message}",
            hint=problem.hint,
            operation=asked.operation,
            reference=asked.reference,
            http_status=problem.http_status,
            provider_code=problem.provider_code,
            text=problem.text,
            reason=problem.reason,
            retry_after_s=problem.retry_after_s,
        )
    return ReadUnanswered(
        f"{asked.subject} had no answer ({scrub(ended.why)}). It says nothing about any payment.",
        hint="Ask again.",
        operation=asked.operation,
        reference=asked.reference,
    )


def read_failed(
    asked: Asked, response: HttpResponse, *, kind: type[ReadError] | None = None, reason: ReasonCode | None = None
) -> ReadError:
    """Return the error of a read whose answer is no success, or is one that cannot be understood.

    Args:
        asked: What was asked.
        response: The answer.
        kind: Which error it is, where the caller knows better than the tables.
        reason: With ``kind``: what is wrong, if it is something of ours.

    """
    body = read_body(response)
    facts = _facts(asked, response, body)
    if kind is not None:
        facts["reason"] = reason
    if response.status in OPERATIONS[asked.operation].success:
        return ReadUnanswered(
            f"{asked.subject} was answered with {response.status} and nothing that can be read.",
            hint="Ask again; if it stays so, the API has changed.",
            **facts,
        )
    own = own_row(asked.operation, response, body)
    if own is not None and issubclass(own[0], ReadError):
        kind, meaning = kind or own[0], own[1]
    else:
        meaning = meanings.of_answer(response.status, body)
        kind = kind or _read_kind(response, body, meaning)
    told = f"{asked.subject}: {meaning.what} {_said(asked, response, body)}"
    if kind is ReadUnanswered:
        return kind(f"{told} It says nothing about any payment.", hint="Ask again, later.", **facts)
    return kind(told, hint=meaning.do_after_read or meaning.do, **facts)


def _read_kind(response: HttpResponse, body: Body, meaning: Meaning) -> type[ReadError]:
    if response.status == 404 and body.shape is Shape.MOMO and body.code == "RESOURCE_NOT_FOUND":
        return ReadNotFound
    # Worth asking again: too many calls, and whatever does not prove that something of ours is wrong.
    return ReadUnanswered if response.status == 429 or meaning.money == "perhaps" else ReadRefused


def own_row(operation: str, response: HttpResponse, body: Body) -> tuple[type[MomoError], Meaning] | None:
    """Return what an answer means to this call alone; None when a closer row means the same everywhere."""
    code = body.code if body.shape is Shape.MOMO else ""
    for key in (code, f"@{body.shape}", "*"):
        if row := OWN.get((operation, response.status, key)):
            return row
        if (response.status, key) in meanings.ANSWERS:
            return None
    return None


def _nothing(asked: Asked) -> str:
    return "No money moved." if asked.pays else "Nothing was done."


def _perhaps(asked: Asked) -> str:
    return "Money may have moved." if asked.pays else "It may have been done; no money moved."


def _find_out(asked: Asked) -> str:
    if not asked.pays:
        return "Find out whether it was done before you do it again."
    return (
        f"Read {_status_call(asked)} before anything else; if it stays unknown there for five minutes, send the same "
        "request under the same reference, never under a new one."
    )


def _status_call(asked: Asked) -> str:
    return f"get_{asked.operation.partition('_')[0]}_status({asked.reference!r})"


_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_ -]{1,59}")


def _said(asked: Asked, response: HttpResponse, body: Body) -> str:
    """Return the answer in brackets: its status, its code, and its words only where no row knows it."""
    code = _code(asked, body)
    words = _clean(asked, body.text) if meanings.of_answer(response.status, body) is meanings.UNLISTED else ""
    return f"(HTTP {' '.join(part for part in (str(response.status), code, words) if part)}.)"


def _code(asked: Asked, body: Body) -> str:
    return _clean(asked, body.code) if _CODE.fullmatch(body.code) else ""


def _clean(asked: Asked, text: str) -> str:
    for secret in asked.hidden:
        text = text.replace(secret, "***")
    return scrub(text)


def _facts(asked: Asked, response: HttpResponse, body: Body) -> dict[str, Any]:
    return {
        "operation": asked.operation,
        "reference": asked.reference,
        "http_status": response.status,
        "provider_code": _code(asked, body),
        "text": _clean(asked, body.text),
        "reason": _reason(response),
        "retry_after_s": retry_after_s(response, body) if response.status in {429, 503} else None,
    }


def _reason(response: HttpResponse) -> ReasonCode | None:
    match codec.read_submitted(response):
        case AccountRefused(reason=reason):
            return reason.code
        case Final(reason=reason) | NotAccepted(blocks_if_repeated=reason):
            return reason.code if reason else None
        case _:
            return None
