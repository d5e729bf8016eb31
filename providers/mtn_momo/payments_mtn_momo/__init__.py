"""The MTN MoMo provider for ``payments_core``, and native clients of MTN's Disbursements beside it.

The names below are loaded when they are first used; the emulator is ``payments_mtn_momo.emulator.MtnMomoEmulator``.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from payments_mtn_momo.native import AsyncDisbursementsClient as AsyncDisbursementsClient
    from payments_mtn_momo.native import AsyncSandboxProvisioning as AsyncSandboxProvisioning
    from payments_mtn_momo.native import DisbursementsClient as DisbursementsClient
    from payments_mtn_momo.native import SandboxProvisioning as SandboxProvisioning
    from payments_mtn_momo.native import new_reference as new_reference
    from payments_mtn_momo.provider import MtnMomoProvider as MtnMomoProvider
    from payments_mtn_momo.settings import MtnMomoSettings as MtnMomoSettings

__all__ = [
    "AsyncDisbursementsClient",
    "AsyncSandboxProvisioning",
    "DisbursementsClient",
    "MtnMomoProvider",
    "MtnMomoSettings",
    "SandboxProvisioning",
    "new_reference",
]

if not TYPE_CHECKING:  # under `not`, so that a type checker still catches a misspelt name
    _HOMES = {"MtnMomoProvider": "provider", "MtnMomoSettings": "settings"}

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'native')}"), name)

    def __dir__() -> list[str]:
        return sorted([*globals(), *__all__])
