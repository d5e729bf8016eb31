"""What a provider's author tells the suite: how to pay with it, and what its words look like."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

from payments_core.domain.money import Money
from payments_core.domain.payout import Payee
from payments_core.http.messages import HttpResponse
from payments_core.provider import Acknowledgement, Callback, Draft, ProviderSpec
from payments_core.testing.emulator.server import Emulator

__all__ = ["End", "ExpectedOutcome", "Profile", "reply"]

End: TypeAlias = Literal["pending", "succeeded", "failed", "unknown"]


def reply(status: int, content: object = None, **headers: str) -> HttpResponse:
    """Return an answer as a transport hands it over.

    Args:
        status: HTTP status code.
        content: Written as JSON; bytes and text as they are; None for no body.
        headers: Field names, with ``_`` for ``-``.

    """
    named = {name.replace("_", "-").lower(): value for name, value in headers.items()}
    if content is None:
        body = b""
    elif isinstance(content, bytes | str):
        body = content.encode() if isinstance(content, str) else content
    else:
        body = json.dumps(content).encode()
        named.setdefault("content-type", "application/json")
    return HttpResponse(status, named, body, datetime.now(UTC))


@dataclass(frozen=True, slots=True)
class ExpectedOutcome:
    """An answer to a payment, and what it means.

    Args:
        means: One of the kinds of ``SubmitOutcome``.
        answer: Writes it, given the payment.

    """

    means: type
    answer: Callable[[Draft], HttpResponse]


class Profile:
    """The part of :class:`ProviderConformance` that an author writes."""

    spec: ProviderSpec

    #: Somebody who is paid at once, and somebody else who is.
    payee: Payee
    other_payee: Payee
    #: What is paid.
    amount: Money
    #: Somebody whose payment fails for good; None where the emulator has nobody like that.
    unpayable: Payee | None = None
    #: Payees whose form this provider cannot pay; they are refused before anything is recorded.
    wrong_payees: Sequence[Payee] = ()
    #: Amounts finer or otherwise not as the route takes them; refused, never rounded.
    wrong_amounts: Sequence[Money] = ()
    #: What a request writes for one unit of the currency, such as 100 where the provider counts cents.
    written_for_one: int = 1
    #: More of the account's table of payouts.toml.
    settings: Mapping[str, Any] = {}
    #: The provider's options of a payment.
    options: Mapping[str, str] = {}

    #: Every word the provider has for where a payment stands.
    statuses: Mapping[str, End]
    #: Answers to a payment, by a name that says what happened.
    answers: Mapping[str, ExpectedOutcome]

    #: Answers that refuse the question after a payment, beside those to a payment, which are tried as well.
    refused_questions: Mapping[str, Callable[[Draft], HttpResponse | Callback]] = {}

    #: HTTP statuses that refuse a payment for good whatever stands in the body.
    final_statuses: frozenset[int] = frozenset()

    #: How the provider wants its callbacks acknowledged; None where it says no more than "200".
    acknowledgement: Acknowledgement | None = None

    #: Promises that cannot be shown for this provider, by the test's name, and why in a sentence.
    skipped: Mapping[str, str] = {}

    @classmethod
    def emulator(cls) -> Emulator[Any]:
        """Return a new emulator, not started."""
        raise NotImplementedError

    def status(self, draft: Draft, word: str, reason: object = None) -> HttpResponse | Callback:
        """Write how the provider tells where a payment stands: its answer to ``check``, or what comes later to a path.

        Args:
            draft: Of the payment.
            word: One of ``statuses``, or one nobody ever heard of.
            reason: For a failure: the provider's code, or None for a failure without one.

        """
        raise NotImplementedError

    def not_found(self, draft: Draft) -> HttpResponse | Callback:
        """Write how the provider tells that it knows no such payment."""
        raise NotImplementedError

    def wrong_settings(self) -> Mapping[str, Any]:
        """Return settings the provider refuses; ``env:PAYMENTS_CONFORMANCE_WRONG_SECRET`` is a secret."""
        raise NotImplementedError

    def callback_settings(self, address: str, path: str) -> Mapping[str, Any]:
        """Return the settings by which the provider calls back.

        Args:
            address: Of a server on this machine, without a path.
            path: Of the account: ``/callbacks/TOKEN``.

        """
        return {}
