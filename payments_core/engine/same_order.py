"""Whether a recorded payout is what is asked for now, and if not, what is different."""

from __future__ import annotations

from payments_core.domain.errors import KeyReused
from payments_core.domain.masking import mask_key
from payments_core.domain.payout import Order
from payments_core.domain.payout.metadata import encode_metadata
from payments_core.domain.records import PayoutRecord

__all__ = ["differences", "same_order"]


def same_order(row: PayoutRecord, order: Order) -> None:
    """Make sure that a recorded payout is what is asked for now.

    Raises:
        KeyReused: Another payee, amount, operation or option under the same key.

    """
    if row.fingerprint != order.fingerprint:
        raise KeyReused(
            f"The key {mask_key(order.key)!r} already stands for another payout ({row.id}, {row.status}): another "
            f"{' and another '.join(_differences(row, order))}. This time nothing was sent, and nothing was "
            "changed.",
            hint="Payee, amount, operation and options belong to a key. Use the recorded ones. Another key makes "
            "another payment: right if both are owed, or if the recorded one FAILED because of what was wrong in it.",
        )


def differences(row: PayoutRecord, order: Order) -> tuple[str, ...]:
    """Return which of note and metadata are given otherwise than recorded: what is recorded stands.

    None of an erased payout: both are gone.
    """
    if row.erased_at is not None:
        return ()
    recorded = row.order
    pairs = {
        "note": (recorded.note, order.note),
        "metadata": (encode_metadata(recorded.metadata), encode_metadata(order.metadata)),
    }
    return tuple(name for name, (mine, yours) in pairs.items() if mine != yours)


def _differences(row: PayoutRecord, order: Order) -> list[str]:
    """Name what differs; of a payee only what is masked, of options no word."""
    if row.erased_at is not None:  # only the fingerprint still tells
        return ["intent"]
    recorded = row.order
    parts = {
        "payee": (recorded.payee, order.payee, recorded.payee.masked, order.payee.masked),
        "amount": (recorded.amount, order.amount, recorded.amount, order.amount),
        "operation": (recorded.operation, order.operation, recorded.operation, order.operation),
        "set of options": (dict(recorded.options), dict(order.options), "", ""),
        "original amount": (
            recorded.original_amount,
            order.original_amount,
            recorded.original_amount or "none",
            order.original_amount or "none",
        ),
    }
    return [
        f"{name} (recorded {was}, now {now})" if was != now else name
        for name, (mine, yours, was, now) in parts.items()
        if mine != yours
    ] or ["intent"]
