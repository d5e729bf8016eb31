"""Balances by result callback: the query, its result as it is stored, and what it says."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, NamedTuple

from payments_core.domain.errors import LookupFailed
from payments_core.domain.masking import scrub, scrub_code
from payments_core.domain.payout import Reason, ReasonCode
from payments_core.engine.commands import RecordAccountQuery
from payments_core.engine.context import StepContext, query_of
from payments_core.engine.flow import EngineFlow, append_history
from payments_core.engine.lookups import lookup_refused, offered, query_account
from payments_core.provider import (
    Account,
    Balance,
    BalanceResultCallbacks,
    Callback,
    Capability,
    Deferred,
    LookupRefused,
)

__all__ = ["Kept", "kept_balances", "no_balances", "query_balances", "read_balance_result"]

_WHAT = "its balance"


class Kept(NamedTuple):
    """What is kept of a callback to the path of such a question.

    Args:
        answer: JSON, amounts as decimal text; None when it is no answer, and the question stays open.
        why: Why it is none.

    """

    answer: str | None
    why: str = ""


def query_balances(account: Account, moment: StepContext) -> EngineFlow[str]:
    """Ask what an account holds; the question is written down before it leaves. Returns what its answer is kept under.

    Raises:
        NotSupported: Its provider does not tell so.
        LookupFailed: It did not take the question.

    """
    provider: BalanceResultCallbacks = offered(account, Capability.BALANCE_RESULT_CALLBACKS)
    token = moment.new_token()
    query = query_of(token, moment.at)
    yield from append_history(RecordAccountQuery(account.name, query))
    yield from query_account(account, _WHAT, Deferred, provider.query_balances, moment.at, answer_token=token)
    return query.token_hash


def read_balance_result(account: Account, callback: Callback) -> Kept:
    """Have what came to a question's path read by the account's provider; whatever it does, this is an answer."""
    provider = account.provider
    if not isinstance(provider, BalanceResultCallbacks):
        return Kept(None, "the provider takes none")
    try:
        given: Any = provider.read_balances(callback)  # whatever the annotations say
        if given is None:
            return Kept(None, "makes no sense")
        return Kept(json.dumps(_written(given), separators=(",", ":")))
    except Exception as bug:  # noqa: BLE001 an unreadable callback has no result
        return Kept(None, f"provider bug: {type(bug).__name__}")


def kept_balances(account: Account, answer: str, currency: str | None) -> tuple[Balance, ...]:
    """Return what a kept answer says.

    Raises:
        LookupFailed: The provider refused the query, with its reason.

    """
    read = json.loads(answer)
    if (why := read.get("lookup_refused")) is not None:
        reason = Reason(ReasonCode(why["code"]), why["provider_code"], why["text"])
        raise lookup_refused(account, _WHAT, LookupRefused(reason=reason, retry_after_s=why["retry_after_s"]))
    held = (Balance(Decimal(one["amount"]), one["currency"], one["label"]) for one in read["balances"])
    return tuple(one for one in held if currency is None or one.currency == currency)


def no_balances(account: Account, wait_s: float) -> LookupFailed:
    """Return the error of an answer that has not come."""
    return LookupFailed(
        f"The provider of account {account.name} took the question, and in {wait_s:g} s no answer came.",
        hint="It answers only by callback: let `payouts serve` run where the account's callback_url leads, and see "
        "with `payouts callbacks` what has come. No money was asked to move; asking again is safe.",
    )


def _written(given: Any) -> dict[str, object]:
    if isinstance(given, LookupRefused):
        reason = given.reason
        codes = {"code": str(reason.code), "provider_code": scrub_code(reason.provider_code)}
        return {"lookup_refused": {**codes, "text": scrub(reason.text), "retry_after_s": given.retry_after_s}}
    if not isinstance(given, list | tuple):
        raise TypeError
    return {"balances": [_balance(one) for one in given]}


def _balance(one: Any) -> dict[str, str]:
    if not isinstance(one, Balance) or not Decimal(one.amount).is_finite():
        raise TypeError
    return {"amount": str(one.amount), "currency": one.currency, "label": one.label}
