"""Lookups beside payments: balances, account holders, diagnosis of an account. No money moves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from payments_core.domain.errors import LookupFailed, NotSupported
from payments_core.domain.masking import scrub, scrub_code
from payments_core.domain.payout import Payee
from payments_core.domain.records import PayoutRecord
from payments_core.engine.drafts import draft_of
from payments_core.engine.flow import EngineFlow
from payments_core.engine.provider_calls import read_only
from payments_core.http.flow import HttpFlow
from payments_core.http.messages import NoAnswer, NotSent
from payments_core.provider import (
    Account,
    AccountHolders,
    Balance,
    Balances,
    CancelAnswer,
    Cancels,
    Capability,
    Consent,
    Diagnoses,
    Finding,
    HolderStatus,
    LookupRefused,
    NameLookup,
    Operator,
    OperatorLookup,
    PayoutProvider,
    Person,
    SupportsProviderConfig,
    UserInfo,
)

__all__ = [
    "account_holder",
    "ask_consent",
    "ask_own",
    "balances",
    "cancel_at_provider",
    "diagnose",
    "lookup_refused",
    "name",
    "offered",
    "operator",
    "query_account",
    "refresh_provider_config",
    "user_info",
]

T = TypeVar("T")


def balances(account: Account, currency: str | None, at: datetime) -> EngineFlow[tuple[Balance, ...]]:
    """Ask what an account holds.

    Raises:
        NotSupported: Its provider does not tell.
        LookupFailed: It did not answer.

    """
    provider: Balances = offered(account, Capability.BALANCES)
    return (yield from query_account(account, "its balance", tuple, lambda: provider.balances(currency), at))


def account_holder(account: Account, payee: Payee, at: datetime) -> EngineFlow[HolderStatus]:
    """Ask whether a payee has a wallet that is active; raises as ``balances``, or ``InvalidPayee``."""
    provider: AccountHolders = offered(account, Capability.ACCOUNT_HOLDERS)
    payee.check()
    asked = "whether the payee is active"
    return (yield from query_account(account, asked, HolderStatus, lambda: provider.account_holder(payee), at))


def name(account: Account, payee: Payee, at: datetime) -> EngineFlow[Person]:
    """Query the holder of a payee's wallet; raises as ``balances``."""
    provider: NameLookup = offered(account, Capability.NAME_LOOKUP)
    payee.check()
    return (yield from query_account(account, "the payee's name", Person, lambda: provider.name(payee), at))


def operator(account: Account, payee: Payee, at: datetime) -> EngineFlow[Operator]:
    """Ask which operator a payee's wallet is with; raises as ``balances``."""
    provider: OperatorLookup = offered(account, Capability.OPERATOR_LOOKUP)
    payee.check()
    return (yield from query_account(account, "the payee's operator", Operator, lambda: provider.operator(payee), at))


def cancel_at_provider(account: Account, row: PayoutRecord, at: datetime) -> EngineFlow[CancelAnswer]:
    """Ask a provider to drop a payment it has not begun; raises as ``balances``. The row stays as it is."""
    provider: Cancels = offered(account, Capability.CANCELLATION)
    return (
        yield from query_account(
            account, "to cancel a payment", CancelAnswer, lambda: provider.cancel(draft_of(row)), at
        )
    )


def ask_own(
    account: Account, question: Callable[[PayoutProvider], HttpFlow[T | LookupRefused]], at: datetime
) -> EngineFlow[T]:
    """Ask what only this provider can be asked; raises as ``balances``. A question that moves money is refused."""
    return (yield from query_account(account, "a question of its own", object, lambda: question(account.provider), at))


def refresh_provider_config(account: Account, at: datetime) -> EngineFlow[None]:
    """Let a provider ask for what it goes by, where that is out of date; however it ends, payments go on."""
    provider = account.provider
    if isinstance(provider, SupportsProviderConfig):
        yield from read_only(lambda: provider.refresh_provider_config(at), at=at)


def ask_consent(account: Account, payee: Payee, scopes: Sequence[str], at: datetime) -> EngineFlow[Consent]:
    """Ask an account holder for consent; raises as ``balances``."""
    provider: UserInfo = offered(account, Capability.USER_INFO)
    payee.check()
    return (
        yield from query_account(account, "for a consent", Consent, lambda: provider.ask_consent(payee, scopes), at)
    )


def user_info(account: Account, consent: Consent, at: datetime) -> EngineFlow[Person]:
    """Query what the account holder consented to; raises as ``balances``, with ``retry_after_s`` before the consent."""
    provider: UserInfo = offered(account, Capability.USER_INFO)
    return (yield from query_account(account, "what was consented to", Person, lambda: provider.user_info(consent), at))


def diagnose(account: Account, at: datetime) -> EngineFlow[tuple[Finding, ...]]:
    """Look at an account without moving money; a provider that cannot has nothing to say."""
    if Capability.DIAGNOSIS not in account.capabilities:
        return ()
    provider: Diagnoses = offered(account, Capability.DIAGNOSIS)
    found, _ = yield from read_only(provider.diagnose, at=at)
    given: object = found  # whatever the annotations say
    if isinstance(given, list | tuple) and all(isinstance(one, Finding) for one in given):
        return tuple(given)
    why = given.why if isinstance(given, NotSent | NoAnswer) else f"provider bug: {type(given).__name__} is no answer"
    return (Finding("wrong", "diagnosis", why, "Try again; tell the provider plugin's authors if it stays."),)


def query_account(
    account: Account,
    what: str,
    kind: type,
    start: Callable[[], HttpFlow[T | LookupRefused]],
    at: datetime,
    *,
    answer_token: str | None = None,
) -> EngineFlow[T]:
    """Run one question of a provider's; see ``balances`` for what it raises.

    Args:
        account: Who asks.
        what: In words, after "when asked".
        kind: Of its answer.
        start: Begins it.
        at: Now.
        answer_token: Of the path to which the answer comes later.

    """
    answer, at = yield from read_only(start, at=at, answer_token=answer_token)
    given: object = answer  # whatever the annotations say
    if not isinstance(given, kind | LookupRefused | NotSent | NoAnswer):
        answer = NoAnswer(f"provider bug: {type(given).__name__} is no answer", at=at)
    if isinstance(answer, NotSent | NoAnswer):
        raise LookupFailed(
            f"The provider of account {account.name} did not answer when asked {what}: {scrub(answer.why)}.",
            hint="No money was asked to move; asking again is safe. `payouts doctor` looks at the account.",
        )
    if isinstance(answer, LookupRefused):
        raise lookup_refused(account, what, answer)
    return answer


def lookup_refused(account: Account, what: str, answer: LookupRefused) -> LookupFailed:
    """Return the error of what a provider does not tell, with its reason."""
    parts = (scrub_code(answer.reason.provider_code) or str(answer.reason.code), scrub(answer.reason.text))
    again = "" if answer.retry_after_s is None else f" Ask again in {answer.retry_after_s:g} s."
    return LookupFailed(
        f"The provider of account {account.name} did not tell {what}: {': '.join(filter(None, parts)).rstrip('.')}.",
        hint=f"No money was asked to move.{again}",
        reason=str(answer.reason.code),
        retry_after_s=answer.retry_after_s,
    )


def offered(account: Account, capability: Capability) -> Any:
    """Return the account's provider, which implements the capability's protocol.

    Raises:
        NotSupported: The provider has no such capability, or the account's settings remove it.

    """
    if capability in account.capabilities:
        return account.provider
    where = " for this account" if capability in account.spec.capabilities else ""
    raise NotSupported(
        f"Account {account.name} cannot be asked for this: {account.spec.title} has no {capability}{where}.",
        hint="`payouts providers --load` shows what each provider can do.",
    )
