"""What a plugin hands over, the facts the engine decides by, and an account made from both."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Literal

from payments_core.errors import SettingsError
from payments_core.payout import Operation
from payments_core.provider.protocols import PayoutProvider
from payments_core.settings import AccountSettings


class Capability(StrEnum):
    """What a provider can do beside paying and telling what became of it."""

    CREDENTIALS = "credentials"
    VALIDATION = "validation"
    DEFERRED_ANSWERS = "deferred_answers"


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How one repeatable operation is repeated. Money requests have none: only the engine sends those again.

    Args:
        attempts: Sends in all, the first included.
        first_wait_s: Before the second send.
        longest_wait_s: Cap of the exponential wait.
        jitter_s: Random part added to each wait.
        timeout_s: For one send.
        deadline_s: For all sends together.
        statuses: HTTP statuses worth another send; a Retry-After in the answer is honoured.

    """

    attempts: int = 3
    first_wait_s: float = 0.2
    longest_wait_s: float = 2.0
    jitter_s: float = 0.2
    timeout_s: float = 10.0
    deadline_s: float = 30.0
    statuses: frozenset[int] = frozenset({429, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Facts:
    """What the engine decides by. A fact that is not declared has its most cautious value.

    Args:
        resend: ``"safe"`` when the provider refuses a second payment under one reference.
        dedupe_window_s: How long it remembers references; 0 for not known.
        visible_after_s: How long an accepted payment may stay invisible.
        not_found_conclusive_after_s: After how long "not found" means it was never accepted; None for never.
        status_by: How ``check`` is answered: at once, or later to a minted path.
        sources: Where each fact was read, by its name.

    """

    resend: Literal["safe", "unsafe"] = "unsafe"
    dedupe_window_s: float = 0.0
    visible_after_s: float = 0.0
    not_found_conclusive_after_s: float | None = None
    status_by: Literal["answer", "deferred"] = "answer"
    sources: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ProviderSpec:
    """The one thing a plugin hands over.

    Args:
        name: The word used in payouts.toml, such as ``mtn_momo``.
        title: For people.
        settings: The settings class of its accounts.
        build: Makes the provider of one account; reads nothing from the environment.
        operations: What it can pay.
        capabilities: Exactly the optional protocols its provider implements.
        facts: What the engine decides by.
        retry: The retry policy of each repeatable operation.
        emulator: Where its :class:`Emulator` is, as ``"package.module:Class"``; imported only when one is started.
        docs: Address of the provider's documentation.

    """

    name: str
    title: str
    settings: type[AccountSettings]
    build: Callable[[Any], PayoutProvider]
    operations: frozenset[Operation]
    capabilities: frozenset[Capability] = frozenset()
    facts: Facts = field(default_factory=Facts)
    retry: Mapping[str, RetryPolicy] = field(default_factory=dict)
    emulator: str = ""
    docs: str = ""


@dataclass(frozen=True, slots=True)
class Account:
    """One configured account: an instance of a provider with its own credentials, environment and limits.

    Args:
        name: As in payouts.toml.
        spec: Of its provider.
        settings: Checked, secrets resolved.
        provider: Made of the settings.

    Raises:
        SettingsError: A figure of the settings is less cautious than the provider's fact.

    """

    name: str
    spec: ProviderSpec
    settings: AccountSettings
    provider: PayoutProvider
    facts: Facts = field(init=False)

    def __post_init__(self) -> None:
        """Narrow the provider's facts by the account's settings."""
        object.__setattr__(self, "facts", _narrowed(self.spec.facts, self.settings, self.name))


def _narrowed(facts: Facts, settings: AccountSettings, name: str) -> Facts:
    visible, window = settings.visible_after_s, settings.dedupe_window_s
    if visible is not None:
        if visible < facts.visible_after_s and not settings.is_rehearsal:
            raise SettingsError(
                f"[accounts.{name}] visible_after_s ({visible:g}) is below the provider's {facts.visible_after_s:g} s.",
                hint="Where real money moves it may only be longer.",
            )
        facts = replace(facts, visible_after_s=visible)
    if window is not None:
        if window > facts.dedupe_window_s:
            raise SettingsError(
                f"[accounts.{name}] dedupe_window_s ({window:g}) is above the provider's {facts.dedupe_window_s:g} s.",
                hint="It may only be shorter.",
            )
        facts = replace(facts, dedupe_window_s=window)
    return facts
