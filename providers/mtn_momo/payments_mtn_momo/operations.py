"""Every call of MTN's Disbursements product and of sandbox provisioning: one row each, and nothing anywhere else.

Addresses, authentication, what counts as success, and whether and how a call may be repeated stand here only; code,
settings and the reference page read the same rows.

Sources: SPEC is the portal's OpenAPI export of Disbursements (captured 2026-05), SPEC-SBX that of Sandbox User
Provisioning, SPEC-COL that of Collection, DOC-TEST the portal's page Sandbox Use Cases, MIG the public notes of a
client that moved to the newer platform (2026-10).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias, get_args

from payments_core.provider import RetryPolicy

__all__ = ["OPERATIONS", "Auth", "Call", "CallName", "markdown", "retry_policies"]

Auth: TypeAlias = Literal["basic", "bearer", "oauth2", "none"]
CallName: TypeAlias = Literal[
    "token",
    "oauth2_token",
    "bc_authorize",
    "user_info",
    "transfer",
    "transfer_status",
    "deposit_v1",
    "deposit_v2",
    "deposit_status",
    "refund_v1",
    "refund_v2",
    "refund_status",
    "balance",
    "balance_in",
    "account_active",
    "basic_user_info",
    "delivery_notification",
    "create_api_user",
    "create_api_key",
    "get_api_user",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of the API.

    Args:
        name: Our word for it; ``HttpRequest.operation``, and the row of the retry table.
        operation_id: MTN's word for it.
        method: HTTP method.
        path: After the gateway's address; names in braces are filled in.
        auth: Who speaks: the API user's pair, its token, a consent's token, or only the subscription key.
        content_type: Of the body; empty when there is none.
        success: The statuses that mean it was taken or answered.
        moves_money: Whether it pays.
        repeatable: Whether a transport may send it again by itself.
        why: Why, or why not.
        retry: How it is repeated; None when it is not.
        source: Where the row was read.

    """

    name: CallName
    operation_id: str
    method: Literal["GET", "POST"]
    path: str
    auth: Auth
    content_type: str = ""
    success: frozenset[int] = frozenset({200})
    moves_money: bool = False
    repeatable: bool = False
    why: str
    retry: RetryPolicy | None = None
    source: str

    @property
    def has_target(self) -> bool:
        """Whether it names the target environment: every call but provisioning, which exists in the sandbox only."""
        return self.auth != "none"


_JSON = "application/json"
_FORM = "application/x-www-form-urlencoded"
# The newer platform takes 10 to 20 s for a token (MIG). A 500 here is login_failed: repeating it changes nothing.
_TOKEN = RetryPolicy(timeout_s=30.0, deadline_s=75.0)
# A 500 on a read says only that the read failed (SPEC).
_READ = RetryPolicy(statuses=frozenset({429, 500, 502, 503, 504}))
_PAYS = "pays: sent again only under the same reference, by whoever knows what became of it"
_READS = "a read: changes nothing"


def _payment(name: CallName, operation_id: str, path: str, source: str) -> Call:
    return Call(
        name=name,
        operation_id=operation_id,
        method="POST",
        path=path,
        auth="bearer",
        content_type=_JSON,
        success=frozenset({202}),
        moves_money=True,
        why=_PAYS,
        source=source,
    )


def _read(name: CallName, operation_id: str, path: str, source: str = "SPEC", auth: Auth = "bearer") -> Call:
    return Call(
        name=name,
        operation_id=operation_id,
        method="GET",
        path=path,
        auth=auth,
        repeatable=True,
        why=_READS,
        retry=_READ,
        source=source,
    )


_ROWS = (
    Call(
        name="token",
        operation_id="CreateAccessToken",
        method="POST",
        path="/disbursement/token/",  # the slash at the end belongs to it
        auth="basic",
        repeatable=True,
        why="a second token leaves the first one good until its own end",
        retry=_TOKEN,
        source="SPEC; MIG: the newer platform wants the target environment here too",
    ),
    Call(
        name="oauth2_token",
        operation_id="CreateOauth2Token",
        method="POST",
        path="/disbursement/oauth2/token/",
        auth="basic",
        content_type=_FORM,
        why="may use up the consent or the refresh token it names (DOC-TEST: ConsentAlreadyUsed)",
        source="SPEC",
    ),
    Call(
        name="bc_authorize",
        operation_id="bc-authorize",
        method="POST",
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
        method="POST",
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
        method="POST",
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
        method="POST",
        path="/v1_0/apiuser/{api_user}/apikey",
        auth="none",
        success=frozenset({201}),
        why="each one makes another key, and a key is shown once",
        source="SPEC-SBX",
    ),
    _read("get_api_user", "get-v1_0-apiuser", "/v1_0/apiuser/{api_user}", "SPEC-SBX", auth="none"),
)

OPERATIONS: Mapping[str, Call] = MappingProxyType({row.name: row for row in _ROWS})
assert tuple(OPERATIONS) == get_args(CallName)  # noqa: S101 - the names and the rows are one list, written twice


# --- how calls are repeated ---------------------------------------------------------------------------------------


def retry_policies() -> dict[str, RetryPolicy]:
    """Return the retry policy of every repeatable call; a call that is missing here is never repeated."""
    return {name: row.retry for name, row in OPERATIONS.items() if row.retry is not None}


# --- the reference page -------------------------------------------------------------------------------------------


def markdown() -> str:
    """Return the reference page's two tables: the calls, and how each of them is repeated."""
    calls = [
        (
            f"`{row.name}`",
            row.operation_id,
            f"`{row.method} {row.path}`",
            _AUTH[row.auth],
            " or ".join(map(str, sorted(row.success))),
            "**yes**" if row.moves_money else "no",
            row.source,
        )
        for row in OPERATIONS.values()
    ]
    repeated = [(f"`{row.name}`", *_told(row.retry), row.why) for row in OPERATIONS.values()]
    return "\n".join(
        (
            *_table(("Operation", "MTN's name", "Request", "Speaks as", "Success", "Moves money", "Source"), calls),
            "",
            *_table(
                (
                    "Operation",
                    "Sends at most",
                    "First wait",
                    "Longest wait",
                    "Jitter",
                    "One send",
                    "All sends",
                    "Answers that qualify",
                    "`Retry-After`",
                    "Why",
                ),
                repeated,
            ),
            "",
        )
    )


_AUTH: Mapping[str, str] = {
    "basic": "API user and key",
    "bearer": "token",
    "oauth2": "consent token",
    "none": "subscription key only",
}


def _told(policy: RetryPolicy | None) -> tuple[str, ...]:
    if policy is None:
        return ("1", "–", "–", "–", "–", "–", "none", "–")  # noqa: RUF001 - a dash for people
    answers = ", ".join(map(str, sorted(policy.statuses)))
    seconds = (policy.first_wait_s, policy.longest_wait_s, policy.jitter_s, policy.timeout_s, policy.deadline_s)
    return (str(policy.attempts), *(f"{value:g} s" for value in seconds), f"none at all, {answers}", "honoured")


def _table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    lines = [heads, tuple("---" for _ in heads), *rows]
    return [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines]
