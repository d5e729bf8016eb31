"""Every call of MTN's Disbursements product and of sandbox provisioning: one row each, and nothing anywhere else.

Addresses, authentication, what counts as success, and whether and how a call may be repeated stand here only; code,
settings and the reference page read the same rows.

Sources: SPEC is the portal's OpenAPI export of Disbursements (captured 2026-05), SPEC-SBX that of Sandbox User
Provisioning, SPEC-COL that of Collection, DOC-TEST the portal's page Sandbox Use Cases, MIG the public notes of a
client that moved to the newer platform (2026-10).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias

from payments_core.provider import RetryPolicy

__all__ = ["OPERATIONS", "Auth", "Call", "retry_policies"]

Auth: TypeAlias = Literal["basic", "bearer", "oauth2", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of the API."""

    name: str  #: Our word for it; ``HttpRequest.operation``, and the row of the retry table.
    operation_id: str  #: MTN's word for it.
    method: Literal["GET", "POST"] = "POST"  #: HTTP method.
    path: str  #: After the gateway's address; names in braces are filled in.
    auth: Auth  #: Who speaks: the API user's pair, its token, a consent's token, or only the subscription key.
    content_type: str = ""  #: Of the body; empty when there is none.
    success: frozenset[int] = frozenset({200})  #: The statuses that mean it was taken or answered.
    moves_money: bool = False  #: Whether it pays.
    why: str  #: Why it may be repeated, or why not.
    retry: RetryPolicy | None = None  #: How a transport repeats it by itself; None when it must not.
    source: str  #: Where the row was read.

    @property
    def subject(self) -> str:
        """What a sentence calls it: ``The transfer``, ``The call GetTransferStatus``."""
        return f"The {self.name.partition('_')[0]}" if self.moves_money else f"The call {self.operation_id}"

    @property
    def repeatable(self) -> bool:
        """Whether a transport may send it again by itself: reads and the token call."""
        return self.retry is not None


_JSON = "application/json"
_FORM = "application/x-www-form-urlencoded"
# The newer platform takes 10 to 20 s for a token (MIG). A 500 here is login_failed: repeating it changes nothing.
_TOKEN = RetryPolicy(timeout_s=30.0, deadline_s=75.0)
# A 500 on a read says only that the read failed (SPEC).
_READ = RetryPolicy(statuses=frozenset({429, 500, 502, 503, 504}))


def _payment(name: str, operation_id: str, path: str, source: str) -> Call:
    return Call(
        name=name,
        operation_id=operation_id,
        path=path,
        auth="bearer",
        content_type=_JSON,
        success=frozenset({202}),
        moves_money=True,
        why="pays: sent again only under the same reference, by a caller that knows what became of it",
        source=source,
    )


def _read(name: str, operation_id: str, path: str, source: str = "SPEC", *, auth: Auth = "bearer") -> Call:
    return Call(
        name=name,
        operation_id=operation_id,
        method="GET",
        path=path,
        auth=auth,
        why="a read: changes nothing",
        retry=_READ,
        source=source,
    )


_ROWS = (
    Call(
        name="token",
        operation_id="CreateAccessToken",
        path="/disbursement/token/",  # the slash at the end belongs to it
        auth="basic",
        why="a second token leaves the first one good until its own end",
        retry=_TOKEN,
        source="SPEC; MIG: the newer platform wants the target environment here too",
    ),
    Call(
        name="oauth2_token",
        operation_id="CreateOauth2Token",
        path="/disbursement/oauth2/token/",
        auth="basic",
        content_type=_FORM,
        why="may use up the consent or the refresh token it names (DOC-TEST: ConsentAlreadyUsed)",
        source="SPEC",
    ),
    Call(
        name="bc_authorize",
        operation_id="bc-authorize",
        path="/disbursement/v1_0/bc-authorize",
        auth="bearer",
        content_type=_FORM,
        why="each one asks the account holder again",
        source="SPEC says Basic; MTN's own client libraries and notebook send Bearer",
    ),
    _read("user_info", "GetUserInfoWithConsent", "/disbursement/oauth2/v1_0/userinfo", auth="oauth2"),
    _payment("transfer", "Transfer", "/disbursement/v1_0/transfer", "SPEC; measured: there is no v2_0 of it"),
    _read("transfer_status", "GetTransferStatus", "/disbursement/v1_0/transfer/{reference}"),
    _payment("deposit_v1", "Deposit-V1", "/disbursement/v1_0/deposit", "SPEC; its callback comes by POST"),
    _payment("deposit_v2", "Deposit-V2", "/disbursement/v2_0/deposit", "SPEC; its callback comes by PUT"),
    _read("deposit_status", "GetDepositStatus", "/disbursement/v1_0/deposit/{reference}", "SPEC; of both versions"),
    _payment("refund_v1", "Refund-V1", "/disbursement/v1_0/refund", "SPEC; its callback comes by POST"),
    _payment("refund_v2", "Refund-V2", "/disbursement/v2_0/refund", "SPEC; its callback comes by PUT"),
    _read("refund_status", "GetRefundStatus", "/disbursement/v1_0/refund/{reference}", "SPEC; of both versions"),
    _read("balance", "GetAccountBalance", "/disbursement/v1_0/account/balance"),
    _read("balance_in", "GetAccountBalanceInSpecificCurrency", "/disbursement/v1_0/account/balance/{currency}"),
    _read(
        "account_active",
        "ValidateAccountHolderStatus",
        "/disbursement/v1_0/accountholder/{account_type}/{account}/active",
    ),
    _read(
        "basic_user_info",
        "GetBasicUserinfo",
        "/disbursement/v1_0/accountholder/{account_type}/{account}/basicuserinfo",
        "SPEC names the kinds `MSISDN` (its default), `email`, `alias` and `id`; sent are `msisdn`, as MTN's own "
        "libraries send and the sandbox takes, `email` and `party_code`; `alias` and `id` are not offered",
    ),
    Call(
        name="delivery_notification",
        operation_id="RequestToPayDeliveryNotification",
        path="/disbursement/v1_0/requesttopay/{reference}/deliverynotification",
        auth="bearer",
        content_type=_JSON,
        success=frozenset({200, 202}),
        why="each one sends the payer a message; a repetition after success is answered 429",
        source="MTN's client libraries (2023) and SPEC-COL; gone from later exports of Disbursements. 200 in SPEC-COL, "
        "202 recorded",
    ),
    Call(
        name="create_api_user",
        operation_id="post-v1_0-apiuser",
        path="/v1_0/apiuser",
        auth="none",
        content_type=_JSON,
        success=frozenset({201}),
        why="a second one under the same id is answered 409, which would hide that the first was taken",
        source="SPEC-SBX",
    ),
    Call(
        name="create_api_key",
        operation_id="post-v1_0-apiuser-apikey",
        path="/v1_0/apiuser/{api_user}/apikey",
        auth="none",
        success=frozenset({201}),
        why="each one makes another key, and a key is shown once",
        source="SPEC-SBX",
    ),
    _read("get_api_user", "get-v1_0-apiuser", "/v1_0/apiuser/{api_user}", "SPEC-SBX", auth="none"),
)

OPERATIONS: Mapping[str, Call] = MappingProxyType({row.name: row for row in _ROWS})


def retry_policies() -> dict[str, RetryPolicy]:
    """Return the retry policy of every repeatable call; a call that is missing here is never repeated."""
    return {name: row.retry for name, row in OPERATIONS.items() if row.retry is not None}
