"""The target environments this provider pays in: one row each, with its money and its platform."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Literal

__all__ = ["BASE_URLS", "TARGETS", "Platform", "Target", "TargetName"]

Platform = Literal["sandbox", "legacy", "momo_africa"]

# MIG: the two live ones run side by side for a while; a payment can only be read on the one that took it.
BASE_URLS: Mapping[str, str] = MappingProxyType(
    {
        "sandbox": "https://sandbox.momodeveloper.mtn.com",
        "legacy": "https://proxy.momoapi.mtn.com",
        "momo_africa": "https://momoapi.momo.africa",
    }
)

TargetName = Literal[
    "sandbox",
    "mtnuganda",
    "mtnghana",
    "mtnivorycoast",
    "mtnzambia",
    "mtncameroon",
    "mtnbenin",
    "mtncongo",
    "mtnswaziland",
    "mtnguineaconakry",
    "mtnsouthafrica",
    "mtnliberia",
    "mtnrwanda",
    "mtnsouthsudan",
    "mtnnigeria",
]


@dataclass(frozen=True, slots=True)
class Target:
    """One value of ``X-Target-Environment``."""

    name: TargetName  #: The header's value.
    currency: str  #: The only currency it pays in.
    quantum: Decimal  #: The smallest step of an amount.
    #: Which of MTN's platforms serves it unless it has moved; a payment can only be read on the platform that took it.
    platform: Platform
    source: str  #: Where the row was read.

    @property
    def is_live(self) -> bool:
        """True where real money moves."""
        return self.platform != "sandbox"


_LISTED = "developer portal, Common Error Codes (target environments)"
_LATER = "newer lists of target environments"


def _live(name: TargetName, currency: str, decimals: int, source: str) -> Target:
    return Target(
        name=name,
        currency=currency,
        quantum=Decimal(1).scaleb(-decimals),
        platform="legacy",
        source=f"{source}; ISO 4217: {decimals or 'no'} decimals. MTN publishes no rule about decimals of its own",
    )


_ROWS = (
    Target(
        name="sandbox",
        currency="EUR",
        quantum=Decimal("0.01"),
        platform="sandbox",
        source="developer portal: the sandbox takes EUR only; ISO 4217: two decimals",
    ),
    _live("mtnuganda", "UGX", 0, f"{_LISTED}; UGX in production bodies"),
    _live("mtnghana", "GHS", 2, f"{_LISTED}; the country's currency"),
    _live("mtnivorycoast", "XOF", 0, f"{_LISTED}; the country's currency"),
    _live("mtnzambia", "ZMW", 2, f"{_LISTED}; the country's currency"),
    _live("mtncameroon", "XAF", 0, f"{_LISTED}; XAF in production bodies"),
    _live("mtnbenin", "XOF", 0, f"{_LISTED}; the country's currency"),
    _live("mtncongo", "XAF", 0, f"{_LISTED}; XAF in production bodies"),
    _live("mtnswaziland", "SZL", 2, f"{_LISTED}; the country's currency"),
    _live("mtnguineaconakry", "GNF", 0, f"{_LISTED}; the country's currency"),
    _live("mtnsouthafrica", "ZAR", 2, f"{_LISTED}; ZAR measured by a client, with decimals in the balance"),
    _live("mtnliberia", "LRD", 2, f"{_LISTED}; LRD or USD: the country uses both and no source tells"),
    _live("mtnrwanda", "RWF", 0, f"{_LATER}; RWF in production bodies"),
    _live("mtnsouthsudan", "SSP", 2, f"{_LATER}; the country's currency"),
    _live("mtnnigeria", "NGN", 2, f"{_LATER}; the country's currency"),
)

TARGETS: Mapping[str, Target] = MappingProxyType({row.name: row for row in _ROWS})
