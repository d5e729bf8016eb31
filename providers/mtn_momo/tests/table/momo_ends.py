"""Every end of a payment that is documented, and every other answer of the sandbox: one row each.

Sources: as in ``momo_rows``; TEST is the portal's page Sandbox Use Cases, JSCR and RS are other clients' live sessions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from payments_core.domain.payout import ReasonCode as R
from payments_mtn_momo.native import ReadNotFound, ReadRefused, ReadUnanswered, RefusedError

# --- what a status says -------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Why:
    """A reason of a payment that FAILED; ``money`` is perhaps where the reason contradicts FAILED."""

    code: str
    source: str
    neutral: R
    money: Literal["no", "perhaps"] = "no"

    def __str__(self) -> str:
        return f"reasons: {self.code or 'none'}"


REASONS: tuple[Why, ...] = tuple(
    Why(code=code, source=source, neutral=neutral)
    for source, rows in {
        "SPEC": (
            ("PAYEE_NOT_FOUND", R.PAYEE_NOT_FOUND),
            ("PAYER_NOT_FOUND", R.MISCONFIGURED),
            ("NOT_ALLOWED", R.NOT_PERMITTED),
            ("NOT_ALLOWED_TARGET_ENVIRONMENT", R.MISCONFIGURED),
            ("INVALID_CALLBACK_URL_HOST", R.MISCONFIGURED),
            ("INVALID_CURRENCY", R.MISCONFIGURED),
            ("SERVICE_UNAVAILABLE", R.PROVIDER_UNAVAILABLE),
            ("INTERNAL_PROCESSING_ERROR", R.PROVIDER_ERROR),
            ("NOT_ENOUGH_FUNDS", R.INSUFFICIENT_FUNDS),
            ("PAYER_LIMIT_REACHED", R.PAYER_LIMIT_REACHED),
            ("PAYEE_NOT_ALLOWED_TO_RECEIVE", R.PAYEE_NOT_ALLOWED),
            ("PAYMENT_NOT_APPROVED", R.REJECTED),
            ("RESOURCE_NOT_FOUND", R.INVALID_REQUEST),
            ("APPROVAL_REJECTED", R.REJECTED),
            ("EXPIRED", R.EXPIRED),
            ("TRANSACTION_CANCELED", R.CANCELLED),
            ("RESOURCE_ALREADY_EXIST", R.DUPLICATE_OF_ANOTHER),
        ),
        "COMM-192, COMM-338": (
            ("COULD_NOT_PERFORM_TRANSACTION", R.NOT_COMPLETED),
            ("SENDER_ACCOUNT_NOT_ACTIVE", R.NOT_PERMITTED),
            ("PAYEE_LIMIT_REACHED", R.PAYEE_LIMIT_REACHED),
            ("TRANSACTION_NOT_FOUND", R.INVALID_REQUEST),
            ("VALIDATION_ERROR", R.INVALID_REQUEST),
        ),
        "LEP": (("LOW_BALANCE_OR_PAYEE_LIMIT_REACHED_OR_NOT_ALLOWED", R.FUNDS_OR_LIMIT),),
        "a third party's digest": (("TRANSFER_TYPE_UNKNOWN", R.MISCONFIGURED),),
        "ASSUMED": tuple((code, R.UNRECOGNISED) for code in ("SOMETHING_NEW", "a sentence, not a code", "")),
    }.items()
    for code, neutral in rows
) + tuple(
    Why(code=code, source="RS", neutral=R.NOT_COMPLETED, money="perhaps")
    for code in ("ONGOING", "PAYER_DELAYED", "PAYEE_DELAYED")
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Status:
    """A word of a status, and how the payout stands after it."""

    word: Any
    source: str
    stands: Literal["PENDING", "SUCCEEDED", "FAILED"]

    def __str__(self) -> str:
        return f"status values: {'missing' if self.word is ... else self.word!r}"


# A payout that was taken stays PENDING until a status says that it ended.
STATUSES: tuple[Status, ...] = (
    Status(word="SUCCESSFUL", source="SPEC", stands="SUCCEEDED"),
    Status(word="FAILED", source="SPEC", stands="FAILED"),
    Status(word="PENDING", source="SPEC", stands="PENDING"),
    Status(word="CREATED", source="MK", stands="PENDING"),
    Status(word="REJECTED", source="old portal pages", stands="PENDING"),
    Status(word="TIMEOUT", source="old portal pages", stands="PENDING"),
    *(
        Status(word=word, source="ASSUMED", stands="PENDING")
        for word in ("REVERSED", "failed", "Successful", "", 0, None, ["FAILED"], {"status": "FAILED"}, ...)
    ),
)


# --- the sandbox --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A test number, or a refund's test value, and its end: a reason, or ``ongoing`` or ``delayed``."""

    section: str
    value: str
    end: str
    source: str = "TEST, RS"
    operation: str = field(default="transfer")

    def __str__(self) -> str:
        return f"{self.section}: {self.value}"


def _scenarios(section: str, operation: str, first: int, ends: str) -> Iterator[Scenario]:
    for number, end in enumerate(ends.split(), first):
        yield Scenario(section=section, operation=operation, value=str(number), end=end)


_ALIKE = "INTERNAL_PROCESSING_ERROR APPROVAL_REJECTED EXPIRED ongoing delayed"
_LAST = (
    "NOT_ALLOWED NOT_ALLOWED_TARGET_ENVIRONMENT INVALID_CALLBACK_URL_HOST INVALID_CURRENCY INTERNAL_PROCESSING_ERROR "
    "SERVICE_UNAVAILABLE"
)
SCENARIOS: tuple[Scenario, ...] = (
    *_scenarios(
        "sandbox payees: transfer", "transfer", 46733123450,
        f"{_ALIKE} NOT_ENOUGH_FUNDS PAYER_LIMIT_REACHED PAYEE_NOT_FOUND {_LAST}",
    ),
    *_scenarios(
        "sandbox payees: deposit", "deposit", 46733123450,
        f"{_ALIKE} PAYER_NOT_FOUND PAYEE_NOT_ALLOWED_TO_RECEIVE {_LAST} COULD_NOT_PERFORM_TRANSACTION",
    ),
    *_scenarios(
        "sandbox: refund values", "refund", 1,
        f"TRANSACTION_NOT_FOUND {_ALIKE} {_LAST} COULD_NOT_PERFORM_TRANSACTION",
    ),
    Scenario(section="sandbox payees: transfer", value="46733123499", end="", source="TEST"),
    Scenario(section="sandbox payees: deposit", operation="deposit", value="46733123499", end="", source="TEST"),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Ask:
    """A question beside payments, and its end: a value, or the native error (neutral: not answered)."""

    section: str
    about: tuple[str, str]
    native: Any
    neutral: str
    source: str = "TEST, JSCR"

    def __str__(self) -> str:
        return f"{self.section}: {'/'.join(self.about)}"


_HOLDERS = {
    "msisdn": [str(46733123450 + n) for n in range(6)],
    "email": [
        f"{name}@email.com"
        for name in (
            *("notfound", "notactive", "notallowed", "notallowedtargetenvironment"),
            *("internalprocessingerror", "serviceunavailable"),
        )
    ],
    "party_code": [
        "5cecb5a7-8bd0-4f49-87b1-8eb9ecc7b7bc",
        "b0040b3c-b426-4a90-af6e-673e65861cd7",
        "4d5f500f-c385-4901-9be5-25b6d36ad220",
        "d2265f9b-0c22-496d-908f-79a65ad66266",
        "8f548a78-ceb8-4d12-a243-5640b91e91a4",
        "585c07a4-2c80-42f7-9e73-e586b36dee68",
    ],
}
_ACTIVE: tuple[tuple[Any, str], ...] = (
    (ReadNotFound, "not_found"), (False, "not_active"), (ReadRefused, ""), (ReadRefused, ""),
    (ReadUnanswered, ""), (ReadUnanswered, ""),
)  # fmt: skip
ACTIVE: tuple[Ask, ...] = (
    *(
        Ask(section="sandbox: active", about=(kind, holder), native=native, neutral=neutral)
        for kind, holders in _HOLDERS.items()
        for holder, (native, neutral) in zip(holders, _ACTIVE, strict=True)
    ),
    Ask(section="sandbox: active", about=("msisdn", "46733123499"), native=True, neutral="active"),
)

# In the order in which the emulated sandbox goes through them.
BALANCES: tuple[Ask, ...] = tuple(
    Ask(section="sandbox: balance", about=("outcome", outcome), native=native, neutral=neutral)
    for outcome, native, neutral in (
        ("not_allowed", ReadRefused, ""),
        ("zero", "0", "0"),
        ("internal_processing_error", ReadUnanswered, ""),
        ("service_unavailable", ReadUnanswered, ""),
        ("negative", "-25", "-25"),
        ("not_allowed_target_environment", ReadRefused, ""),
        ("success", "1000", "1000"),
        ("account_not_found", ReadNotFound, ""),
    )
)


# Where a consent's test number runs into its scenario; no source has the answers themselves.
CONSENTS: tuple[Ask, ...] = tuple(
    Ask(section="sandbox: consent", about=(where, number), native=native, neutral="", source="TEST")
    for where, number, native in (
        ("authorize", "46733123450", RefusedError),
        ("token", "46733123451", RefusedError),
        ("token", "46733123452", RefusedError),
        ("token", "46733123453", RefusedError),
        ("refresh", "46733123454", RefusedError),
        ("user_info", "46733123455", ReadRefused),
        ("user_info", "46733123456", ReadRefused),
        *(("token", str(number), RefusedError) for number in range(46733123457, 46733123463)),
        ("", "46733123499", None),
    )
)
