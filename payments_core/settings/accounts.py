"""Settings of accounts and workers: their fields, defaults and bounds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from payments_core.domain.bounds import DAY_S, HOUR_S
from payments_core.domain.capabilities import Capability
from payments_core.domain.payout import Operation
from payments_core.http.urls import is_on_this_machine
from payments_core.settings.amount_limits import AmountLimits
from payments_core.settings.time_zones import check_time_zone
from payments_core.settings.types import MOST_ENTRIES, Interval, Rate, Seconds, Timeout

__all__ = ["AccountSettings", "WorkerSettings"]

_POLL_SCHEDULE = (5.0, 15.0, 60.0, *[300.0] * 5, *[1800.0] * 2, *[HOUR_S] * 70)  # not quite 72 hours, then REVIEW


class AccountSettings(BaseModel):
    """What every account may set; a provider's settings class adds its own fields.

    Defaults are checked as what a person writes is. Two names mean something to the core where a provider has them:
    ``callback_url``, which `payouts doctor` compares with the address it would be called at, and ``base_url``, which
    an emulator's configuration sets.
    """

    # hide_input_in_errors: pydantic would print a too-short secret in the clear.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=True)

    provider: str = Field(
        description="Name of the provider that pays from this account, as `payouts providers` lists it."
    )
    currency: str = Field(pattern=r"^[A-Z]{3}$", description="ISO 4217 code of the account's money.")
    timeout_s: Timeout = Field(
        default=30.0,
        description="Longest wait for the answer to a payment, in seconds; at most half of `lease_s`.",
    )
    lease_s: Interval = Field(
        default=90.0,
        description="How long a send holds its payout before others may check it, in seconds.",
    )
    max_in_flight: int = Field(
        default=16,
        strict=True,
        ge=1,
        le=1000,
        description="Payments on the wire at once; also the number of connections.",
    )
    sync_transport: Literal["h11", "httpx"] = Field(
        default="h11",
        description="What `PayoutClient` sends with: `h11` (on sockets; a quarter of the CPU) or `httpx`.",
    )
    async_transport: Literal["h11", "aiohttp"] = Field(
        default="h11",
        description="What `AsyncPayoutClient` and workers send with: `h11` (on the event loop; a third of the CPU) or "
        "`aiohttp`.",
    )
    poll_schedule_s: tuple[Seconds, ...] = Field(
        default=_POLL_SCHEDULE,
        min_length=1,
        max_length=MOST_ENTRIES,
        description="Waits between checks of an open payout, in seconds, added up from its last submission; after the "
        "last one the payout goes to REVIEW. "
        "A failure reported by a result callback is checked again three times, at the first three waits.",
    )
    retry_schedule_s: tuple[Seconds, ...] = Field(
        default=(2.0, 8.0, 30.0, 120.0, 300.0),
        min_length=1,
        max_length=MOST_ENTRIES,
        description="Waits before a payment that was proven not sent is sent again, in seconds; the last one repeats.",
    )
    visible_after_s: Seconds | None = Field(
        default=None,
        description="How long the provider may take to show a payment it has accepted, in seconds. May only lengthen "
        "the provider's own figure, except in rehearsal (sandbox or loopback).",
    )
    dedupe_window_s: Seconds | None = Field(
        default=None,
        description="How long the provider remembers a reference, in seconds. May only shorten the provider's "
        "own figure.",
    )
    dedupe_settle_s: Seconds | None = Field(
        default=None,
        description="How long after the last moment at which a payment can have left it is paid again at the soonest, "
        "in seconds. May only lengthen the provider's own figure, except in rehearsal (sandbox or loopback).",
    )
    largest_amount: AmountLimits | None = Field(
        default=None,
        description='The most that one payout may be, by currency, such as `{ UGX = "5000000" }`; a currency that the '
        "table does not name is not paid in. More is refused when a payout is made, and waits if it was made before. "
        "Left out, nothing is refused: `payouts doctor` asks for it where real money moves.",
    )
    daily_limit: AmountLimits | None = Field(
        default=None,
        description="The most that all payouts of one day may come to, by currency, such as "
        '`{ UGX = "50000000" }`; a currency that the table does not name is not paid in. An amount counts from its '
        "submission on, unless it failed for certain or was proven not sent. More is refused when a payout is made, "
        "and waits for the next day if it was made before. Left out, nothing is counted.",
    )
    time_zone: Annotated[str, AfterValidator(check_time_zone)] = Field(
        default="UTC",
        description="Where the days of `daily_limit` begin: a name of the IANA time zone database, such as "
        "`Africa/Kampala`.",
    )
    approve_above: AmountLimits | None = Field(
        default=None,
        description="A payout of more than this waits until a person approves it, by currency, such as "
        '`{ UGX = "500000" }`; one in a currency that the table does not name always waits.',
    )
    guard_timeout_s: Timeout = Field(
        default=10.0,
        description="Longest wait for a guard (`payments_before_submit`) or `payments_needs_approval`, in seconds.",
    )
    probe_after_s: Interval = Field(
        default=300.0,
        description="How long an account blocked by its provider waits before one payment probes it, in seconds.",
    )
    reads_per_s: Rate | None = Field(
        default=None,
        description="Status checks a second at most, all processes together; 0 for no limit. Left out: the provider's "
        "own figure.",
    )
    posts_per_s: Rate | None = Field(
        default=None,
        description="Payments a second at most, all processes together; 0 for no limit. Left out: the provider's own "
        "figure.",
    )
    circuit_after: int = Field(
        default=20,
        strict=True,
        ge=0,
        le=10_000,
        description="After so many payments in a row without a clear answer payments stop and are probed one by one, "
        "while checks go on; 0 for never.",
    )

    default_operation: Operation = Field(
        default=Operation.TRANSFER,
        description="Which kind of payment it makes when the caller names none: `transfer` or `deposit`.",
    )
    retry: Mapping[str, Mapping[str, Any]] = Field(
        default={},
        description="What differs from the provider's retry table: `[accounts.NAME.retry.token]` with `attempts`, "
        "`first_wait_s`, `longest_wait_s`, `jitter_s`, `timeout_s`, `deadline_s` or `statuses`.",
    )
    retired: tuple[Mapping[str, Any], ...] = Field(
        default=(),
        repr=False,
        description="What it paid as before, each a table `[[accounts.NAME.retired]]` with the provider's own settings "
        "of that time: open payouts are checked as what sent them, and nothing is paid so any more.",
    )

    @model_validator(mode="after")
    def _times_fit(self) -> Self:
        if self.timeout_s > self.lease_s / 2:
            msg = f"timeout_s ({self.timeout_s:g}) is more than half of lease_s ({self.lease_s:g})"
            raise ValueError(msg)
        if self.default_operation is Operation.REFUND:
            msg = "default_operation cannot be refund: a refund names what it refunds"
            raise ValueError(msg)
        return self

    @property
    def is_test_mode(self) -> bool:
        """True when no real money can move: ``base_url`` is on this machine. A provider with a sandbox overrides it.

        Where it is False, ``visible_after_s`` and ``dedupe_settle_s`` may not be shorter than the provider's own, a
        missing journal is not made (``payouts journal init``), and ``payouts doctor`` says that real money moves. What
        a rehearsal paid is not paid again from a real account.
        """
        return is_on_this_machine(str(getattr(self, "base_url", "")))

    @property
    def unsupported_capabilities(self) -> frozenset[Capability]:
        """What its provider can do, and not for this account, as in a sandbox: nothing. A provider overrides it."""
        return frozenset()

    @property
    def currencies(self) -> frozenset[str] | None:
        """What it can pay in: its own currency. A provider overrides it; None where only the provider knows."""
        return frozenset({self.currency})

    @property
    def operators(self) -> frozenset[str] | None:
        """Whose customers it is set to pay, in the words of routes. A provider overrides it; None for not set."""
        return None


class WorkerSettings(BaseModel):
    """How a worker behaves: the table ``[worker]``, which may be left out."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    poll_s: Timeout = Field(
        default=2.0,
        description="Longest sleep before a worker looks for what others have accepted or made due, in seconds.",
    )
    claim_s: Interval = Field(
        default=30.0,
        description="How long a claim of a worker keeps other workers from a payout, in seconds; the worker renews "
        "its claims while it lives. Also the wait before a payout that could not be worked on is tried again.",
    )
    grace_s: float = Field(
        default=35.0,
        strict=True,
        ge=0,
        le=DAY_S,
        allow_inf_nan=False,
        description="Longest wait for what is in flight when a worker has to stop, in seconds; as long as the "
        "longest `timeout_s` and a little more.",
    )
