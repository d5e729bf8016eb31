"""From a response, or none, to the error: what happened, whether money can have moved, what to do."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from payments_core.domain.errors import PaymentsError
from payments_core.domain.masking import scrub
from payments_core.http.messages import HttpResponse, NoAnswer, NotSent
from payments_mtn_momo.api.access_token import read_refusal
from payments_mtn_momo.api.call_answers import Ending, meaning_for_call
from payments_mtn_momo.api.error_catalog import UNLISTED, Effect, Meaning, meaning_of_response
from payments_mtn_momo.api.operations import OPERATIONS
from payments_mtn_momo.api.parsing import Body, Shape, read_body, retry_after_s
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

__all__ = ["CallContext", "NoToken", "failed", "misused", "unanswered"]

_READ_ENDINGS: Mapping[Ending, type[ReadError]] = {
    "refused": ReadRefused,
    "not_found": ReadNotFound,
    "unanswered": ReadUnanswered,
}
_ACTION_ENDINGS: Mapping[Ending, type[ActionError]] = {"refused": RefusedError, "already_used": AlreadyUsedError}
_REFUSALS = {Effect.REFUSED, Effect.ACCOUNT_REFUSED, Effect.TOKEN_REFUSED, Effect.RATE_LIMITED}
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_ -]{1,59}")


@dataclass(frozen=True, slots=True)
class CallContext:
    """The call that an error is about."""

    operation: str  #: The call.
    #: The payment's, or what else the call names, scrubbed: what a caller gives for one may be anything, and a UUID
    #: stays as it is. May be empty.
    reference: str = ""
    #: The account's secrets, which no response may bring into an error.
    hidden: tuple[str, ...] = field(default=(), repr=False)  # error trackers print the variables of each frame

    def __post_init__(self) -> None:
        object.__setattr__(self, "reference", scrub(self.reference))

    @property
    def subject(self) -> str:
        """``The transfer 5c1f…``."""
        return f"{OPERATIONS[self.operation].subject} {self.reference}".rstrip()

    @property
    def pays(self) -> bool:
        """Whether the call moves money."""
        return OPERATIONS[self.operation].moves_money

    @property
    def is_read(self) -> bool:
        """Whether the call changes nothing."""
        return OPERATIONS[self.operation].repeatable

    @property
    def about(self) -> dict[str, Any]:
        """Operation and reference, for an error."""
        return {"operation": self.operation, "reference": self.reference}


class NoToken(NotSent):
    """Proven not sent, because no token could be had; ``problem`` says why not."""

    def __init__(self, problem: ReadError, *, at: datetime) -> None:
        super().__init__("no token could be had", at=at)
        self.problem = problem


def misused(context: CallContext, problem: PaymentsError) -> MomoError:
    """Return the error of a call that was refused here, before anything left."""
    kind = ReadRefused if context.is_read else NotSentError
    error = kind(f"{context.subject} was not sent: {problem.message}", hint=problem.hint, **context.about)
    error.__cause__ = problem.with_traceback(None)  # its frames hold what the caller gave
    return error


def unanswered(context: CallContext, ended: NotSent | NoAnswer) -> MomoError:
    """Return the error of a call that had no complete response."""
    if isinstance(ended, NoToken):
        return _without_token(context, ended.problem)
    cause = scrub(ended.why)
    if context.is_read:
        message = f"{context.subject} had no answer ({cause}). It says nothing about any payment."
        return ReadUnanswered(message, hint="Ask again.", **context.about)
    if isinstance(ended, NotSent):
        return NotSentError(
            f"{context.subject} was not sent ({cause}). {_nothing(context)}",
            hint="Send the same call again" + (", under the same reference." if context.pays else "."),
            **context.about,
        )
    return UnknownOutcomeError(
        f"{context.subject} had no answer ({cause}). {_perhaps(context)}", hint=_find_out(context), **context.about
    )


def _without_token(context: CallContext, problem: ReadError) -> MomoError:
    message = f"{context.subject} was not sent, because no token could be had. {problem.message}"
    kind: type[MomoError] = type(problem)
    if not context.is_read:
        message = f"{message} {_nothing(context)}"
        kind = RefusedError if isinstance(problem, ReadRefused) else NotSentError
    same = ("http_status", "provider_code", "text", "reason", "retry_after_s")
    return kind(message, hint=problem.hint, **{name: getattr(problem, name) for name in same}, **context.about)


def failed(context: CallContext, response: HttpResponse) -> MomoError:
    """Return the error of a call whose response is no success, or is one that cannot be read."""
    body = read_body(response)
    facts = _facts(context, response, body)
    if response.status in OPERATIONS[context.operation].success:
        message = f"{context.subject} was answered with {response.status} and nothing that can be read."
        if context.is_read:
            return ReadUnanswered(message, hint="Ask again; if it stays so, the API has changed.", **facts)
        return UnknownOutcomeError(f"{message} {_perhaps(context)}", hint=_find_out(context), **facts)
    fail = _read_failed if context.is_read else _action_failed
    return fail(context, response, body, facts)


def _read_failed(context: CallContext, response: HttpResponse, body: Body, facts: dict[str, Any]) -> ReadError:
    row = meaning_for_call(context.operation, response.status, body)
    meaning = row[1] if row else meaning_of_response(response.status, body)
    kind = _READ_ENDINGS[row[0]] if row else _read_kind(response, body, meaning)
    if context.operation == "token":  # the same judge as for the neutral provider
        refusal = read_refusal(response)
        kind = ReadRefused if refusal else ReadUnanswered
        facts["reason"] = refusal.reason.code if refusal else None
    message = f"{context.subject}: {meaning.what} {_shown(context, response, body)}"
    if kind is ReadUnanswered:
        return kind(f"{message} It says nothing about any payment.", hint="Ask again, later.", **facts)
    return kind(message, hint=meaning.do_after_read or meaning.do, **facts)


def _read_kind(response: HttpResponse, body: Body, meaning: Meaning) -> type[ReadError]:
    if body.says_not_found(response.status):
        return ReadNotFound
    # Worth asking again: too many calls, and whatever does not prove that something of ours is wrong.
    passing = meaning.effect is Effect.RATE_LIMITED or meaning.money == "perhaps"
    return ReadUnanswered if passing else ReadRefused


def _action_failed(context: CallContext, response: HttpResponse, body: Body, facts: dict[str, Any]) -> ActionError:
    kind, meaning = _action_kind(context, response, body)
    if kind is UnknownOutcomeError:
        money, hint = _perhaps(context), _find_out(context)
    elif kind is AlreadyUsedError and context.pays:
        money = "This request moved no money; the earlier one may have."
        hint = f"Read {_status_call(context)} to see what became of it; do not pay again under a new one before."
    else:
        money, hint = _nothing(context), meaning.do
    return kind(f"{context.subject}: {meaning.what} {_shown(context, response, body)} {money}", hint=hint, **facts)


def _action_kind(context: CallContext, response: HttpResponse, body: Body) -> tuple[type[ActionError], Meaning]:
    if row := meaning_for_call(context.operation, response.status, body):
        return _ACTION_ENDINGS[row[0]], row[1]
    meaning = meaning_of_response(response.status, body)
    # The token endpoint's form proves something about calls for tokens, and nothing about a payment.
    proven = body.shape is Shape.TOKEN and meaning.money == "no" and not context.pays
    if meaning.effect in _REFUSALS or proven:
        return RefusedError, meaning
    if meaning.effect is Effect.DUPLICATE:
        return AlreadyUsedError, meaning
    return UnknownOutcomeError, meaning if meaning.money == "perhaps" else UNLISTED


def _nothing(context: CallContext) -> str:
    return "No money moved." if context.pays else "Nothing was done."


def _perhaps(context: CallContext) -> str:
    return "Money may have moved." if context.pays else "It may have been done; no money moved."


def _find_out(context: CallContext) -> str:
    if not context.pays:
        return "Find out whether it was done before you do it again."
    return (
        f"Read {_status_call(context)} before anything else; if it stays unknown there for five minutes, send the same "
        "request under the same reference, never under a new one."
    )


def _status_call(context: CallContext) -> str:
    return f"get_{context.operation.partition('_')[0]}_status({context.reference!r})"


def _shown(context: CallContext, response: HttpResponse, body: Body) -> str:
    """Return the response in brackets: its status, its code, and its text only where no row knows it."""
    text = _clean(context, body.text) if meaning_of_response(response.status, body) is UNLISTED else ""
    return f"(HTTP {' '.join(part for part in (str(response.status), _code(context, body), text) if part)}.)"


def _code(context: CallContext, body: Body) -> str:
    return _clean(context, body.code) if _CODE.fullmatch(body.code) else ""


def _clean(context: CallContext, text: str) -> str:
    for secret in context.hidden:
        text = text.replace(secret, "***")
    return scrub(text)


def _facts(context: CallContext, response: HttpResponse, body: Body) -> dict[str, Any]:
    return {
        **context.about,
        "http_status": response.status,
        "provider_code": _code(context, body),
        "text": _clean(context, body.text),
        "reason": meaning_of_response(response.status, body).reason,
        "retry_after_s": retry_after_s(response, body) if response.status in {429, 503} else None,
    }
