"""One configured account: a provider with its own credentials, environment and limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from payments_core.domain.capabilities import Capability
from payments_core.domain.errors import SettingsError
from payments_core.domain.payout import Operation
from payments_core.http.retry_policy import RetryPolicy, overridden
from payments_core.provider.protocols import PayoutProvider
from payments_core.provider.spec import Facts, ProviderSpec
from payments_core.settings import AccountSettings

__all__ = ["Account"]

# Without these the provider pays otherwise, or not at all.
_NEEDED_TO_PAY = frozenset(
    {Capability.CREDENTIALS, Capability.VALIDATION, Capability.RESULT_CALLBACKS, Capability.PROVIDER_CONFIG}
)


@dataclass(frozen=True, slots=True, eq=False)  # one account is itself, and a key of what belongs to it
class Account:
    """One configured account, with the identities it had before.

    Args:
        name: As in payouts.toml.
        spec: Of its provider.
        settings: Checked, secrets resolved.
        provider: Made of the settings.
        retired: What it paid as before: read with, never paid with.
        is_retired: This is such an identity.

    Raises:
        SettingsError: A figure of the settings is less cautious than the provider's fact, a retry figure makes no
            sense, its settings remove a capability that payments need, its default operation is none of the provider's,
            or two identities are one.

    """

    name: str
    spec: ProviderSpec
    settings: AccountSettings
    provider: PayoutProvider
    retired: tuple[Account, ...] = ()
    is_retired: bool = False
    facts: Facts = field(init=False)
    retry: Mapping[str, RetryPolicy] = field(init=False)
    capabilities: frozenset[Capability] = field(init=False)

    def __post_init__(self) -> None:
        """Narrow the provider's facts and capabilities and change its retry table by the account's settings."""
        object.__setattr__(self, "facts", _narrowed(self.spec.facts, self.settings, self.name))
        try:
            object.__setattr__(self, "retry", overridden(self.spec.retry, self.settings.retry))
        except ValueError as error:
            raise SettingsError(
                f"[accounts.{self.name}.retry] {error}.",
                hint="The operations are the provider's own; what each may have stands at retry in "
                "the page reference/settings of the documentation.",
            ) from None
        removed = self.settings.unsupported_capabilities
        if needed := removed & _NEEDED_TO_PAY:
            raise SettingsError(f"[accounts.{self.name}] cannot do without {', '.join(sorted(needed))}.")
        object.__setattr__(self, "capabilities", self.spec.capabilities - removed)
        is_chosen = "default_operation" in self.settings.model_fields_set
        if is_chosen and self.settings.default_operation not in self.spec.operations:
            raise SettingsError(
                f"[accounts.{self.name}] default_operation: its provider has no {self.settings.default_operation}.",
                hint=f"It has {', '.join(sorted(self.spec.operations))}.",
            )
        for operation in self.spec.operations:
            bindings = [dict(identity.provider.binding(operation)) for identity in (self, *self.retired)]
            if any(binding in bindings[:place] for place, binding in enumerate(bindings)):
                raise SettingsError(
                    f"[[accounts.{self.name}.retired]] has an identity twice, or the one it pays as now.",
                    hint="A rotated key needs no retired identity: it is the same API user.",
                )

    def identity(self, operation: Operation, binding: Mapping[str, str]) -> Account | None:
        """Return what the account pays as, or paid as, under this binding; None when it never did."""
        for identity in (self, *self.retired):
            if dict(identity.provider.binding(operation)) == dict(binding):
                return identity
        return None


def _narrowed(facts: Facts, settings: AccountSettings, name: str) -> Facts:
    visible, window, settle = settings.visible_after_s, settings.dedupe_window_s, settings.dedupe_settle_s
    if visible is not None:
        if visible < facts.visible_after_s and not settings.is_test_mode:
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
    if settings.reads_per_s is not None:
        facts = replace(facts, reads_per_s=settings.reads_per_s or None)
    if settings.posts_per_s is not None:
        facts = replace(facts, posts_per_s=settings.posts_per_s or None)
    if settle is not None:
        if settle < facts.dedupe_settle_s and not settings.is_test_mode:
            raise SettingsError(
                f"[accounts.{name}] dedupe_settle_s ({settle:g}) is below the provider's {facts.dedupe_settle_s:g} s.",
                hint="Where real money moves it may only be longer.",
            )
        facts = replace(facts, dedupe_settle_s=settle)
    return facts
