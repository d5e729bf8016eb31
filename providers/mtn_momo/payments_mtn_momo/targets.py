"""The target environments this provider pays in: one row each, with its money and its platform."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Literal

__all__ = ["TARGETS", "Target", "TargetName"]

TargetName = Literal["sandbox", "mtnuganda"]


@dataclass(frozen=True, slots=True)
class Target:
    """One value of ``X-Target-Environment``.

    Args:
        name: The header's value.
        currency: The only currency it pays in.
        quantum: The smallest step of an amount.
        base_url: Where it is served.
        platform: Which of MTN's platforms serves it; a payment can only be read on the platform that took it.
        source: Where the row was read.

    """

    name: TargetName
    currency: str
    quantum: Decimal
    base_url: str
    platform: Literal["sandbox", "legacy"]
    source: str

    @property
    def is_live(self) -> bool:
        """True where real money moves."""
        return self.platform != "sandbox"


_ROWS = (
    Target(
        name="sandbox",
        currency="EUR",
        quantum=Decimal("0.01"),
        base_url="https://sandbox.momodeveloper.mtn.com",
        platform="sandbox",
        source="developer portal: the sandbox takes EUR only; ISO 4217: two decimals",
    ),
    Target(
        name="mtnuganda",
        currency="UGX",
        quantum=Decimal(1),
        base_url="https://proxy.momoapi.mtn.com",
        platform="legacy",
        source="developer portal, Common Error Codes (target environments); ISO 4217: no decimals. MTN publishes no "
        "rule about decimals of its own",
    ),
)

TARGETS: Mapping[str, Target] = MappingProxyType({row.name: row for row in _ROWS})
