"""A provider's profile: how to pay with it, and what its answers look like."""

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
    """Return an answer as a transport delivers it.

    Args:
        status: HTTP status code.
        content: Encoded as JSON; bytes and text unchanged; None for no body.
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
    """An answer to a payment and its expected outcome.

    Args:
        means: The type of ``SubmitOutcome``.
        answer: Returns the answer for a draft.

    """

    means: type
    answer: Callable[[Draft], HttpResponse]


class Profile:
    """The part of :class:`ProviderConformance` that the author of a provider writes."""

    spec: ProviderSpec

    #: Two different payees who are paid at once.
    payee: Payee
    other_payee: Payee
    #: The amount of a payment.
    amount: Money
    #: A payee whose payment fails for good; None where the emulator has none.
    unpayable: Payee | None = None
    #: Payees in a form that this provider cannot pay; refused before anything is recorded.
    wrong_payees: Sequence[Payee] = ()
    #: Amounts that the route does not accept, such as too many digits; refused, never rounded.
    wrong_amounts: Sequence[Money] = ()
    #: The number in a request for one unit of the currency: 100 where the provider counts cents.
    written_for_one: int = 1
    #: Further settings of the account.
    settings: Mapping[str, Any] = {}
    #: Options of a payment.
    options: Mapping[str, str] = {}

    #: Every status of the provider and its meaning.
    statuses: Mapping[str, End]
    #: Answers to a payment, by a descriptive name; ``reply(409)`` is one without a body.
    answers: Mapping[str, ExpectedOutcome]

    #: Answers that refuse a check, in addition to those to a payment, which are tested as well.
    refused_questions: Mapping[str, Callable[[Draft], HttpResponse | Callback]] = {}

    #: HTTP statuses that refuse a payment for good with any body, also with none, as the API documents it; any other
    #: refusal needs the provider's own code.
    final_statuses: frozenset[int] = frozenset()

    #: The acknowledgement that the provider requires; None where any 200 does.
    acknowledgement: Acknowledgement | None = None

    #: Promises that cannot be tested for this provider: the test's name and the reason in a sentence. A name with
    #: brackets, such as ``test_the_answers_cover_every_outcome[NotAccepted]``, skips only that part.
    skipped: Mapping[str, str] = {}

    @classmethod
    def emulator(cls) -> Emulator[Any]:
        """Return a new emulator, not started."""
        raise NotImplementedError

    def status(self, draft: Draft, word: str, reason: object = None) -> HttpResponse | Callback:
        """Return the provider's answer for a status: to ``check``, or a result callback.

        Args:
            draft: The payment.
            word: One of ``statuses``, or an unlisted one.
            reason: Of a failure: the provider's code; None for a failure without one.

        """
        raise NotImplementedError

    def not_found(self, draft: Draft) -> HttpResponse | Callback:
        """Return the provider's answer for an unknown payment; ``reply(404)`` where it has no body."""
        raise NotImplementedError

    def wrong_settings(self) -> Mapping[str, Any]:
        """Return settings that the provider refuses; ``env:PAYMENTS_CONFORMANCE_WRONG_SECRET`` is a wrong secret."""
        raise NotImplementedError

    def callback_settings(self, address: str, path: str) -> Mapping[str, Any]:
        """Return the settings that make the provider send callbacks.

        Args:
            address: The URL of a server on this machine, without a path.
            path: The account's path: ``/callbacks/TOKEN``.

        """
        return {}
