"""Compares the gateway's ledger with the journal, row by row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from payments_core.domain.masking import mask_number

__all__ = ["differences", "unaccounted"]

Records = Sequence[Mapping[str, Any]]

# Final states of the ledger, and the status that the journal must have.
_ENDS = {"SUCCESSFUL": "SUCCEEDED", "FAILED": "FAILED"}
_OPEN = frozenset({"CREATED", "SENDING", "PENDING", "UNKNOWN", "REVIEW"})


def differences(ledger: Records, payouts: Records) -> list[str]:
    """Compare a gateway's ledger with ``payouts list --json --reveal``, and return every difference as text.

    None means: each payment belongs to one payout and agrees with it, each successful payout was credited exactly once,
    no other was credited, and none is open.
    """
    return [*_of_payments(ledger, payouts), *_of_payouts(ledger, payouts), *_of_payees(ledger, payouts)]


def _of_payments(ledger: Records, payouts: Records) -> Iterator[str]:
    """Compare from the ledger: every payment must belong to a payout."""
    owners: dict[str, list[Mapping[str, Any]]] = {}
    for payout in payouts:
        owners.setdefault(payout["references"].get("reference", ""), []).append(payout)
    for entry in ledger:
        reference = entry["reference"]
        if entry["credits"] > 1:
            yield f"{reference} was credited {entry['credits']} times"
        owner = owners.get(reference, [])
        if len(owner) != 1:
            yield f"{reference} belongs to {len(owner)} payouts"
            continue
        payout = owner[0]
        ours = {name: payout[name] for name in ("payee", "amount", "currency", "operation")}
        ours["external_id"] = payout["references"].get("external_id")
        for name, wanted in ours.items():
            if entry[name] != wanted:
                there, here = (mask_number(str(one)) if name == "payee" else one for one in (entry[name], wanted))
                yield f"{payout['key']}: {name} is {there} there, {here} here"
        end = _ENDS.get(entry["state"])
        if end is not None and end != payout["status"]:
            yield f"{payout['key']} is {entry['state']} there, {payout['status']} here"
        if entry["posts"] > payout["submissions"]:
            yield (
                f"{payout['key']} arrived {entry['posts']} times there, "
                f"{payout['submissions']} submissions are known here"
            )


def _of_payouts(ledger: Records, payouts: Records) -> Iterator[str]:
    """Compare from the journal: every payout must agree with the ledger."""
    credits_of = {entry["reference"]: entry["credits"] for entry in ledger}
    for payout in payouts:
        credited = credits_of.get(payout["references"].get("reference"), 0)
        if payout["status"] in _OPEN:
            yield f"{payout['key']} is still {payout['status']}"
        elif payout["status"] == "SUCCEEDED" and credited != 1:
            yield f"{payout['key']} SUCCEEDED here and was credited {credited} times there"
        elif payout["status"] != "SUCCEEDED" and credited:
            yield f"{payout['key']} is {payout['status']} here and was credited there"


def _of_payees(ledger: Records, payouts: Records) -> Iterator[str]:
    """Compare by payee: no payee may be credited more often than its keys allow."""
    keys = Counter(payout["payee"] for payout in payouts)
    credited: Counter[str] = Counter()
    for entry in ledger:
        credited[entry["payee"]] += entry["credits"]
    for payee, times in credited.items():
        if times > keys[payee]:
            yield f"the payee {mask_number(payee)} was credited {times} times for {keys[payee]} keys"


def unaccounted(rows: Records, payouts: Records) -> list[str]:
    """Return the rows of a file that are neither a payout nor refused with a reason, and payouts without a row."""
    found = {payout["key"] for payout in payouts}
    accepted = {row["key"] for row in rows if row["error"] is None}
    problems = []
    for row in rows:
        if row["error"] is None and row["key"] not in found:
            problems.append(f"row {row['row']} is no payout and was not refused")
        if row["error"] is not None and row["key"] in found - accepted:
            problems.append(f"row {row['row']} was refused and is a payout all the same")
    return [*problems, *(f"{key} is in no row" for key in sorted(found - {row["key"] for row in rows}))]
