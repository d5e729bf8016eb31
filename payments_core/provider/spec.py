"""What a plugin hands over: a provider, what it can do, and the facts the engine decides by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from payments_core.domain.capabilities import Capability
from payments_core.domain.payout import Operation
from payments_core.http.retry_policy import RetryPolicy
from payments_core.provider.protocols import (
    AccountHolders,
    Authenticates,
    BalanceResultCallbacks,
    Balances,
    Callbacks,
    Cancels,
    Diagnoses,
    NameLookup,
    OperatorLookup,
    PayoutProvider,
    ResultCallbacks,
    SupportsProviderConfig,
    UserInfo,
    Validates,
)
from payments_core.settings import AccountSettings

_PROTOCOLS: Mapping[Capability, type] = {
    Capability.CREDENTIALS: Authenticates,
    Capability.VALIDATION: Validates,
    Capability.RESULT_CALLBACKS: ResultCallbacks,
    Capability.CALLBACKS: Callbacks,
    Capability.BALANCES: Balances,
    Capability.BALANCE_RESULT_CALLBACKS: BalanceResultCallbacks,
    Capability.ACCOUNT_HOLDERS: AccountHolders,
    Capability.NAME_LOOKUP: NameLookup,
    Capability.USER_INFO: UserInfo,
    Capability.DIAGNOSIS: Diagnoses,
    Capability.PROVIDER_CONFIG: SupportsProviderConfig,
    Capability.CANCELLATION: Cancels,
    Capability.OPERATOR_LOOKUP: OperatorLookup,
}


_LONGEST_S = 100 * 366 * 86_400  # a longer time cannot be taken from a date


@dataclass(frozen=True, slots=True)
class Facts:
    """What the engine decides by. A fact that is not declared has its most cautious value.

    Args:
        resend: ``"safe"`` when the provider refuses a second payment under one reference.
        dedupe_window_s: How long it remembers references; 0 for not known, a hundred years for ever.
        visible_after_s: How long an accepted payment may stay invisible.
        not_found_conclusive_after_s: After how long "not found" means it was never accepted; None for never.
        dedupe_settle_s: How long after the last moment at which a try can have left nothing of it can appear any more.
        status_by: How ``check`` is answered: at once, or later to a minted path.
        result_by: How the provider tells unasked what became of a payment: to the account's path, which is a hint; or
            to a path minted for each try, which counts as the answer to a question. The draft then names that path by
            ``slot("answer_token")``.
        token_scope: Whose a token is: each process has its own, or all share one, as a new one ends the one before.
        reads_per_s: How many status reads a second it takes, with a tenth to spare; None where it names no limit.
        posts_per_s: How many payments a second it takes; None where it names no limit.
        sources: Where each fact was read, by its name.

    Raises:
        ValueError: A figure is negative, or no number that can be reckoned with.

    """

    resend: Literal["safe", "unsafe"] = "unsafe"
    dedupe_window_s: float = 0.0
    visible_after_s: float = 0.0
    not_found_conclusive_after_s: float | None = None
    dedupe_settle_s: float = 7 * 86_400.0
    status_by: Literal["answer", "result_callback"] = "answer"
    result_by: Literal["account", "submission"] = "account"
    token_scope: Literal["process", "shared"] = "process"  # noqa: S105 a scope
    reads_per_s: float | None = None
    posts_per_s: float | None = None
    sources: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, figure in ((one.name, getattr(self, one.name)) for one in fields(self)):
            if isinstance(figure, float | int) and not 0 <= figure <= _LONGEST_S:
                raise ValueError(f"Facts.{name} is {figure:g}: it must be from 0 to {_LONGEST_S:g}, also for ever.")


@dataclass(frozen=True, slots=True)
class ProviderSpec:
    """The one thing a plugin hands over.

    Args:
        name: The word used in payouts.toml: small letters, digits and ``_``.
        title: For people.
        settings: The settings class of its accounts.
        build: The provider's class, called with one account's settings; reads nothing from the environment.
        operations: What it can pay.
        options: The names of the options it takes, by operation; one that ends in ``*`` stands for all that begin so.
            The core refuses any other.
        transaction_reference: What the provider calls the number that it gives a payment, such as
            ``financialTransactionId``: its answers teach it, as the reference ``provider_reference``. Empty where no
            answer tells one.
        facts: What the engine decides by.
        retry: The retry policy of each repeatable operation.
        emulator: Where its :class:`Emulator` is, as ``"package.module:Class"``; imported only when one is started.
        conformance: Where its sheet of the conformance suite is, written alike; imported only when it is played.
        docs: Address of the provider's documentation.

    Raises:
        TypeError: ``build`` is no class, so that nothing tells which optional protocols it implements, or it has some
            methods of one and lacks others.

    """

    name: str
    title: str
    settings: type[AccountSettings]
    build: Callable[[Any], PayoutProvider]
    operations: frozenset[Operation]
    options: Mapping[Operation, frozenset[str]] = field(default_factory=dict)
    transaction_reference: str = ""
    facts: Facts = field(default_factory=Facts)
    retry: Mapping[str, RetryPolicy] = field(default_factory=dict)
    emulator: str = ""
    conformance: str = ""
    docs: str = ""
    capabilities: frozenset[Capability] = field(init=False)

    def __post_init__(self) -> None:
        """Derive the capabilities: one for each optional protocol that the provider's class implements."""
        if not isinstance(self.build, type):
            raise TypeError(f"ProviderSpec {self.name}: build is {self.build!r}; give the provider's class itself.")
        offered = frozenset(one for one, protocol in _PROTOCOLS.items() if self._implements(protocol))
        object.__setattr__(self, "capabilities", offered)

    def _implements(self, protocol: type) -> bool:
        methods = [name for name in vars(protocol) if not name.startswith("_")]
        missing = [name for name in methods if getattr(self.build, name, None) is None]
        if 0 < len(missing) < len(methods):  # a misspelt method would take away the capability in silence
            lacks = f"has a part of {protocol.__name__} and lacks {', '.join(missing)}"
            raise TypeError(f"ProviderSpec {self.name}: {self.build.__name__} {lacks}.")
        return not missing
