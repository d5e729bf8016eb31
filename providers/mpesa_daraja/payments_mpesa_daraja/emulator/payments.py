"""A payment of the emulated M-Pesa, and its results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

__all__ = ["FAILURES", "QUEUED", "STALE", "Payment", "result"]

# Unassigned numbers whose payments fail: code and text of the result.
FAILURES: Mapping[str, tuple[str | int, str]] = {
    "254190000001": (2040, "Credit Party customer type (Unregistered) can't be supported by the service."),
    "254190000002": (1, "The balance is insufficient for the transaction."),
    "254190000003": (8, "The maximum balance would be exceeded."),
    "254190000004": ("SFC_IC0003", "The operator does not exist."),
}
QUEUED = "254190000009"  # the payment times out in a queue: the request comes back
STALE = (2001, "The initiator information is invalid.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """An accepted payment."""

    order: Mapping[str, Any]  #: The request's fields.
    conversation: str  #: M-Pesa's id of the request.
    receipt: str  #: M-Pesa's id of the transaction.
    accepted_at: datetime  #: When it was accepted.
    visible_at: datetime  #: Queries find it from then on.
    ends_at: datetime | None  #: When it ends; None for never.
    is_ours: bool  #: Whether the initiator's password was the right one.
    is_covered: bool  #: Whether the utility account held enough.

    @property
    def originator(self) -> str:
        """The caller's reference."""
        return str(self.order["OriginatorConversationID"])

    @property
    def failure(self) -> tuple[str | int, str] | None:
        """Code and text of its failure; None when it succeeds."""
        if not self.is_ours:
            return STALE
        return FAILURES.get(self.order["PartyB"]) or (None if self.is_covered else FAILURES["254190000002"])

    def has_ended(self, at: datetime) -> bool:
        """Whether the payment has ended."""
        return self.ends_at is not None and at >= self.ends_at

    def is_paid(self, at: datetime) -> bool:
        """Whether the payee has the money."""
        return self.has_ended(at) and self.failure is None

    def result_at(self, at: datetime, *, otherwise: bool = False) -> dict[str, Any]:
        """Return the result that is posted.

        Args:
            at: When it ended.
            otherwise: Report the opposite end.

        """
        failure = self.failure
        if otherwise:
            failure = None if failure else (1, "The balance is insufficient for the transaction.")
        if failure:
            return result(*failure, self.originator, self.conversation, self.receipt)
        rows = {
            "TransactionAmount": int(self.order["Amount"]),
            "TransactionReceipt": self.receipt,
            "ReceiverPartyPublicName": f"{self.order['PartyB']} - JOHN DOE",
            "TransactionCompletedDateTime": f"{at + timedelta(hours=3):%d.%m.%Y %H:%M:%S}",
            "B2CUtilityAccountAvailableFunds": 10116.0,
            "B2CWorkingAccountAvailableFunds": 900000.0,
            "B2CRecipientIsRegisteredCustomer": "Y",
            "B2CChargesPaidAccountAvailableFunds": 0.0,
        }
        return result(0, "Processed.", self.originator, self.conversation, self.receipt, *rows.items())

    def status_at(self, at: datetime, query: str, *, parties: str, otherwise: bool = False) -> dict[str, Any]:
        """Return the result of a status query.

        Args:
            at: When the query is answered.
            query: The query's id.
            parties: Where the payee is named; see the option.
            otherwise: Report the opposite end.

        """
        if not self.has_ended(at):
            status = "Authorized"
        else:
            status = "Completed" if self.is_paid(at) != otherwise else "Declined"
        moment = f"{at + timedelta(hours=3):%Y%m%d%H%M%S}"
        rows: list[tuple[str, Any]] = [
            ("DebitPartyName", f"{self.order['PartyA']} - EMULATED"),
            ("CreditPartyName" if parties == "credit" else "DebitPartyName", f"{self.order['PartyB']} - JOHN DOE"),
            ("OriginatorConversationID", self.originator),
            ("InitiatedTime", moment),
            ("DebitAccountType", "Utility Account"),
            ("DebitPartyCharges", "Fee For B2C Payment|KES|22.40"),
            ("TransactionReason", None),
            ("ReasonType", "Business Payment to Customer via API"),
            ("TransactionStatus", status),
            ("FinalisedTime", moment),
            ("Amount", f"{int(self.order['Amount'])}.00"),
            ("ConversationID", self.conversation),
            ("ReceiptNo", self.receipt),
        ]
        return result(0, "Processed.", query, f"AG_{query}", self.receipt, *rows)


def result(
    code: str | int, text: str, originator: str, conversation: str, receipt: str, *rows: tuple[str, Any]
) -> dict[str, Any]:
    """Return the body posted to a ResultURL; a failure has no parameters."""
    fields: dict[str, Any] = {
        "ResultType": 0,
        "ResultCode": code,
        "ResultDesc": text,
        "OriginatorConversationID": originator,
        "ConversationID": conversation,
        "TransactionID": receipt,
    }
    if rows:
        parameters = [{"Key": name} if value is None else {"Key": name, "Value": value} for name, value in rows]
        fields["ResultParameters"] = {"ResultParameter": parameters}
    fields["ReferenceData"] = {"ReferenceItem": {"Key": "Occasion"}}
    return {"Result": fields}
