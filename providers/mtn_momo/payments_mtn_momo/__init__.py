"""The MTN MoMo provider: disbursement transfers to MTN wallets.

The names below are loaded when they are first used; the emulator is ``payments_mtn_momo.emulator.MtnMomoEmulator``.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from payments_mtn_momo.provider import MtnMomoProvider as MtnMomoProvider
    from payments_mtn_momo.settings import MtnMomoSettings as MtnMomoSettings

__all__ = ["MtnMomoProvider", "MtnMomoSettings"]

if not TYPE_CHECKING:  # under `not`, so that a type checker still catches a misspelt name
    _HOMES = {"MtnMomoProvider": "provider", "MtnMomoSettings": "settings"}

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)

    def __dir__() -> list[str]:
        return sorted([*globals(), *_HOMES])
