"""What a provider implements: four methods, and one small protocol for each thing it may do beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeAlias, runtime_checkable

from payments_core.domain.errors import InvalidPayout
from payments_core.domain.payout import Operation, Order, Payee
from payments_core.http.flow import HttpFlow
from payments_core.http.messages import HttpRequest, HttpResponse
from payments_core.provider.lookup_results import (
    Acknowledgement,
    Balance,
    CancelAnswer,
    Consent,
    Finding,
    HolderStatus,
    LookupRefused,
    Operator,
    ParsedCallback,
    Person,
)
from payments_core.provider.outcomes import AccountRefused, CheckOutcome, Deferred, SubmitOutcome


@dataclass(frozen=True, slots=True)
class Attempt:
    """What a draft's references are derived from.

    Args:
        number: 1 for the first reference of a key.
        seed: 32 bytes derived from namespace, key and number; shape them as the provider wants.
        payout_id: Our id, safe to show a provider (letters, digits, one underscore).

    """

    number: int
    seed: bytes
    payout_id: str


@dataclass(frozen=True, slots=True)
class Draft:
    """A payment made ready: pure data, stored before any network call, no secret in it.

    Args:
        references: By name; ours now, the provider's as they are learned.
        request: The money request, secrets as slots.
        order: What it pays.
        answer_token: For a ``check`` whose answer comes later, and for a ``submit`` whose result does: the token of the
            path that was minted for this question or this try, and for no other.

    """

    references: Mapping[str, str]
    request: HttpRequest
    order: Order
    answer_token: str | None = field(default=None, repr=False)


class PayoutProvider(Protocol):
    """What every provider implements."""

    def draft(self, order: Order, attempt: Attempt) -> Draft:
        """Make the payment ready: pure, equal for equal arguments. ``validate`` found nothing wrong with the order."""
        ...

    def submit(self, draft: Draft) -> HttpFlow[SubmitOutcome]:
        """Send the draft's request, once, and say what the answer means.

        ``Final`` speaks of this try alone: where an earlier one may have arrived, a refusal is a reason to ask.

        An id that the provider issues first is asked for here, before, and put into a slot of the draft's request; the
        draft's references have it where an earlier try did. Return it among the references, also with ``Unknown``
        where the answer is lost. A slot takes letters, digits and signs, no blanks, quotes or backslashes.
        """
        ...

    def check(self, draft: Draft) -> HttpFlow[CheckOutcome]:
        """Ask what became of the payment; moves no money."""
        ...

    def binding(self, operation: Operation) -> Mapping[str, str]:
        """Return where and as whom it pays: host, environment, API user, version. No secret; frozen in each payout.

        What identifies the provider's books belongs there, and nothing else. Where only an API key does, a setting
        names the account: a hash of the key would change when the key is rotated.
        """
        ...


@dataclass(frozen=True, slots=True)
class Credential:
    """What ``authenticate`` obtained; opaque to the core.

    Args:
        secrets: Values for the slots of requests.
        expires_at: When it ends; None for never.

    """

    secrets: Mapping[str, str] = field(repr=False)
    expires_at: datetime | None = None


#: Returns so many fresh random bytes. A provider that signs calls it; nothing is drawn for any other.
Entropy: TypeAlias = Callable[[int], bytes]


@runtime_checkable
class Authenticates(Protocol):
    """For providers whose requests carry a credential; the core caches it and lets one flow at a time fetch it."""

    def authenticate(self) -> HttpFlow[Credential | AccountRefused]:
        """Obtain a credential; ``AccountRefused`` when the provider refuses ours."""
        ...

    def apply(self, request: HttpRequest, credential: Credential, *, at: datetime, entropy: Entropy) -> HttpRequest:
        """Return the request with its slots filled and, where the provider wants it, signed.

        Args:
            request: As stored, or as the provider's own read has made it.
            credential: From ``authenticate``.
            at: Now; aware, UTC.
            entropy: For a nonce or a session key: ``entropy(16)``.

        """
        ...

    def is_auth_refusal(self, response: HttpResponse) -> bool:
        """Whether this response means that the credential is no longer valid."""
        ...


@runtime_checkable
class Validates(Protocol):
    """For providers with rules of their own about amounts, payees and the values of options.

    The core asks before it drafts, once a payment, and refuses the order with the first finding; a check of a file
    shows all of them. The names of options are declared in the spec (``ProviderSpec.options``). A finding about them is
    ``InvalidPayout(…, field="options")``; the classes of other findings say what they are about.

    What a provider goes by that it was told (``SupportsProviderConfig``) it keeps itself: it is no argument here, since
    verifying a callback needs it too, and the core could only carry it unread.
    """

    def validate(self, order: Order) -> Iterable[InvalidPayout]:
        """Return, or yield, all that is wrong with the order on this account, in a stable order; nothing if payable."""
        ...


@dataclass(frozen=True, slots=True)
class Callback:
    """Something that arrived from outside.

    Args:
        method: HTTP method.
        headers: Lower-case names.
        body: Raw bytes.
        at: When.

    """

    method: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    at: datetime


@runtime_checkable
class ResultCallbacks(Protocol):
    """For providers whose answer to ``check`` comes to a path minted for the question (``Deferred``)."""

    def read_answer(self, draft: Draft, callback: Callback) -> CheckOutcome:
        """Say what came to a minted path means: pure, and asked of everything that comes there, also after the end.

        ``Unknown`` is for what is empty, malformed or about another payment: the path stays open, and the true answer
        that comes after it counts.
        """
        ...


@runtime_checkable
class Callbacks(Protocol):
    """For providers that report what became of a payment without being asked."""

    def verify(self, callback: Callback) -> bool | None:
        """Say whether it is proven to come from the provider.

        True is for a signature that was checked, over the bytes as they came. False is for one that is wrong, or
        missing where there should be one: the callback is dropped, and ``parse`` is not asked. None is for what nothing
        can prove: the provider signs nothing, or with a key not known yet. What stays is a hint, proven or not.
        """
        ...

    def parse(self, callback: Callback) -> ParsedCallback | None:
        """Say which payment it is about: pure, and None for what makes no sense.

        A payment is found by our own id (``po_…``, :class:`Attempt`) at the head of one of the references; where no
        reference of the payment holds it, by any of its references, also one that was learned. So return the reference
        that holds our id, where the draft has one: without it the callback leads to nothing.
        """
        ...

    def acknowledge(self, callback: Callback) -> Acknowledgement:
        """Return the answer the provider wants, whatever the callback says: pure."""
        ...


@runtime_checkable
class Redacts(Protocol):
    """For providers whose callbacks can hold a secret of ours."""

    def redact(self, callback: Callback) -> Callback:
        """Return it without the secret, before it is kept: pure, and whatever it says."""
        ...


@runtime_checkable
class SupportsProviderConfig(Protocol):
    """For providers that go by what the provider tells of an account: limits, decimals, keys.

    What was learned may refuse an order (``validate``) or verify a callback. No draft is made of it, so a draft stays
    pure: the same arguments give the same draft.
    """

    def refresh_provider_config(self, at: datetime) -> HttpFlow[None]:
        """Ask for what is missing or out of date, and for nothing while all is fresh; failing changes nothing."""
        ...


@runtime_checkable
class Cancels(Protocol):
    """For providers that can be asked to drop a payment they have taken and not begun."""

    def cancel(self, draft: Draft) -> HttpFlow[CancelAnswer | LookupRefused]:
        """Ask for the cancellation; it moves no money, and only ``check`` shows what became of the payment."""
        ...


@runtime_checkable
class OperatorLookup(Protocol):
    """For providers that tell whose customer a payee is."""

    def operator(self, payee: Payee) -> HttpFlow[Operator | LookupRefused]:
        """Ask which operator the payee's wallet is with; return ``LookupRefused`` where that cannot be asked."""
        ...


@runtime_checkable
class Balances(Protocol):
    """For providers that tell what an account holds."""

    def balances(self, currency: str | None = None) -> HttpFlow[tuple[Balance, ...] | LookupRefused]:
        """Ask for the account's balances, or for the one in a currency.

        Return ``LookupRefused`` for a currency that cannot be asked for. Raise nothing: the caller would see any
        exception as a mistake of the provider's.
        """
        ...


@runtime_checkable
class BalanceResultCallbacks(Protocol):
    """For providers that tell what an account holds to a path minted for the question, and never at once."""

    def query_balances(self) -> HttpFlow[Deferred | LookupRefused]:
        """Ask for the account's balances; the request names the path by ``slot("answer_token")``."""
        ...

    def read_balances(self, callback: Callback) -> tuple[Balance, ...] | LookupRefused | None:
        """Say what came to that path: pure, and None for what makes no sense, after which the answer may still come."""
        ...


@runtime_checkable
class AccountHolders(Protocol):
    """For providers that tell whether a payee can be paid."""

    def account_holder(self, payee: Payee) -> HttpFlow[HolderStatus | LookupRefused]:
        """Ask whether the payee has a wallet that is active.

        Return ``LookupRefused`` for a payee that cannot be asked about, such as an email where only numbers can be.
        Raise nothing: the caller would see any exception, ``InvalidPayee`` too, as a mistake of the provider's.
        ``NOT_FOUND`` is for the provider to say.
        """
        ...


@runtime_checkable
class NameLookup(Protocol):
    """For providers that tell a wallet holder's name without being given a consent."""

    def name(self, payee: Payee) -> HttpFlow[Person | LookupRefused]:
        """Query the holder of the payee's wallet; return ``LookupRefused`` for a payee that cannot be asked about."""
        ...


@runtime_checkable
class UserInfo(Protocol):
    """For providers that share more about a wallet's holder after consent."""

    def ask_consent(self, payee: Payee, scopes: Sequence[str]) -> HttpFlow[Consent | LookupRefused]:
        """Ask the account holder; each call asks again. Return ``LookupRefused`` for a payee who cannot be asked."""
        ...

    def user_info(self, consent: Consent) -> HttpFlow[Person | LookupRefused]:
        """Ask for what was consented to.

        Return ``LookupRefused`` with ``retry_after_s`` while the account holder has not answered.

        A consent can be used up by it.
        """
        ...


@runtime_checkable
class Diagnoses(Protocol):
    """For providers that can tell what is wrong with an account before money does."""

    def diagnose(self) -> HttpFlow[Sequence[Finding]]:
        """Look at everything that can be looked at without moving money."""
        ...


class Emulator(Protocol):
    """A stateful stand-in for a provider's server, on a loopback socket; also a context manager.

    Made with ``port`` (0 for any free one) and, by keyword, whatever else the provider's own class knows: the fields of
    its switches, and ``target`` where it can play several target environments.
    """

    url: str
    example: ClassVar[str]

    @classmethod
    def options(cls, written: Mapping[str, str]) -> Mapping[str, Any]:
        """Read keyword arguments that were written as text; raises ``ValueError`` that says what there is."""
        ...

    def start(self) -> None:
        """Serve from a background thread; returns when the socket listens."""
        ...

    def stop(self) -> None:
        """Stop serving."""
        ...

    def write_config(self, path: Path, *, target: str = "") -> Sequence[str]:
        """Write a payouts.toml that pays through this server, secrets in files of mode 0600; return its accounts."""
        ...

    def ledger(self) -> Sequence[Mapping[str, Any]]:
        """Return what the server has done, a row a payment."""
        ...

    def set_faults(self, faults: Mapping[str, Any]) -> None:
        """Replace the faults in force."""
        ...

    def advance(self, seconds: float) -> None:
        """Move the server's clock."""
        ...
