"""Native clients: MTN's Disbursements call by call, typed, for people who want no journal.

They stand outside the promises of ``payments_core``: nothing is written down, and nobody but the caller keeps one
payment from being made twice. Every payment needs a reference and every error of it carries that reference.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from payments_mtn_momo.native.asynchronous import AsyncDisbursementsClient as AsyncDisbursementsClient
    from payments_mtn_momo.native.bodies import new_reference as new_reference
    from payments_mtn_momo.native.errors import ActionError as ActionError
    from payments_mtn_momo.native.errors import AlreadyUsedError as AlreadyUsedError
    from payments_mtn_momo.native.errors import MomoError as MomoError
    from payments_mtn_momo.native.errors import NotSentError as NotSentError
    from payments_mtn_momo.native.errors import ReadError as ReadError
    from payments_mtn_momo.native.errors import ReadNotFound as ReadNotFound
    from payments_mtn_momo.native.errors import ReadRefused as ReadRefused
    from payments_mtn_momo.native.errors import ReadUnanswered as ReadUnanswered
    from payments_mtn_momo.native.errors import RefusedError as RefusedError
    from payments_mtn_momo.native.errors import UnknownOutcomeError as UnknownOutcomeError
    from payments_mtn_momo.native.models import Accepted as Accepted
    from payments_mtn_momo.native.models import AccessToken as AccessToken
    from payments_mtn_momo.native.models import ApiKey as ApiKey
    from payments_mtn_momo.native.models import ApiUser as ApiUser
    from payments_mtn_momo.native.models import Balance as Balance
    from payments_mtn_momo.native.models import ConsentRequest as ConsentRequest
    from payments_mtn_momo.native.models import Oauth2Token as Oauth2Token
    from payments_mtn_momo.native.models import Party as Party
    from payments_mtn_momo.native.models import PaymentStatus as PaymentStatus
    from payments_mtn_momo.native.models import StatusReason as StatusReason
    from payments_mtn_momo.native.people import Address as Address
    from payments_mtn_momo.native.people import BasicUserInfo as BasicUserInfo
    from payments_mtn_momo.native.people import UserInfo as UserInfo
    from payments_mtn_momo.native.provisioning import AsyncSandboxProvisioning as AsyncSandboxProvisioning
    from payments_mtn_momo.native.provisioning import SandboxProvisioning as SandboxProvisioning
    from payments_mtn_momo.native.sync import DisbursementsClient as DisbursementsClient

__all__ = [
    "Accepted",
    "AccessToken",
    "ActionError",
    "Address",
    "AlreadyUsedError",
    "ApiKey",
    "ApiUser",
    "AsyncDisbursementsClient",
    "AsyncSandboxProvisioning",
    "Balance",
    "BasicUserInfo",
    "ConsentRequest",
    "DisbursementsClient",
    "MomoError",
    "NotSentError",
    "Oauth2Token",
    "Party",
    "PaymentStatus",
    "ReadError",
    "ReadNotFound",
    "ReadRefused",
    "ReadUnanswered",
    "RefusedError",
    "SandboxProvisioning",
    "StatusReason",
    "UnknownOutcomeError",
    "UserInfo",
    "new_reference",
]

if not TYPE_CHECKING:  # under `not`, so that a type checker still catches a misspelt name
    _HOMES = {
        "Accepted": "models",
        "AccessToken": "models",
        "ActionError": "errors",
        "Address": "people",
        "AlreadyUsedError": "errors",
        "ApiKey": "models",
        "ApiUser": "models",
        "AsyncDisbursementsClient": "asynchronous",
        "AsyncSandboxProvisioning": "provisioning",
        "Balance": "models",
        "BasicUserInfo": "people",
        "ConsentRequest": "models",
        "DisbursementsClient": "sync",
        "MomoError": "errors",
        "NotSentError": "errors",
        "Oauth2Token": "models",
        "Party": "models",
        "PaymentStatus": "models",
        "ReadError": "errors",
        "ReadNotFound": "errors",
        "ReadRefused": "errors",
        "ReadUnanswered": "errors",
        "RefusedError": "errors",
        "SandboxProvisioning": "provisioning",
        "StatusReason": "models",
        "UnknownOutcomeError": "errors",
        "UserInfo": "people",
        "new_reference": "bodies",
    }

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)

    def __dir__() -> list[str]:
        return sorted([*globals(), *_HOMES])
