"""Options of the emulator: one for each point where the sources differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from payments_core.testing.emulator import Options
from payments_core.testing.emulator.callback_plan import Answer

__all__ = ["Switches"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches(Options):
    """Options of the emulator.

    Args:
        ends_after_s: How long a payment and its result take; minutes are reported of the sandbox.
        answers_after_s: How long the result of a query takes.
        silent: No result is ever posted, as reported of the sandbox; queries are answered.
        results: What is posted to a payment's ResultURL, one after another, each when the one before was tried:
            ``true``, its end; ``other``, the end it does not have; ``another``, an end with the ids of another payment;
            ``empty``, no body; ``forged``, the other end at once, from a sender that knows the path. So
            ``empty,true``, ``other,true``, ``true,other``, ``true,true``, or ``forged`` alone, where the true one is
            lost (repeats: reported; the others: nothing is signed).
        answers: The same, for what is posted to the path of a query.
        tokens: A new token kills the one before (portal, FAQ), or all are good (other clients rely on it).
        token_life_s: Life of a token, in seconds.
        expires_in: As text (portal) or as a number (reported).
        duplicates: A reference used before is refused at once with 500 (portal, B2C v3), or taken and ended by a
            result with code 15 (portal, result codes).
        declined: A query about a failed payment is answered ``Declined`` (portal, Transaction Status), or with
            SFC_IC0003 as if there were none (reported).
        funds: What the utility account holds at first, in shillings.
        balances: A balance query is answered (portal), or waits in a queue until the request is sent back
            (reported).
        parties: The payee stands under CreditPartyName (reported), or as a second DebitPartyName (portal's sample).

    """

    ends_after_s: float = 0.0
    answers_after_s: float = 0.0
    silent: bool = False
    results: tuple[Answer, ...] = ("true",)
    answers: tuple[Answer, ...] = ("true",)
    tokens: Literal["one", "many"] = "one"
    token_life_s: int = 3599
    expires_in: Literal["text", "number"] = "text"
    duplicates: Literal["refused", "result"] = "refused"
    declined: Literal["declined", "unknown"] = "declined"
    funds: int = 5_000_000
    balances: Literal["answered", "queued"] = "answered"
    parties: Literal["credit", "debit"] = "credit"
