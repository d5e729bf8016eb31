"""Batches: a file of people is validated, frozen, approved by a second person, and paid."""

from payments_core.batch.asynchronous.batches import AsyncBatches
from payments_core.batch.orders import BatchOrder, RefusedRow
from payments_core.batch.progress import BatchProgress, BatchRun, StopRules
from payments_core.batch.synchronous.batches import Batches
from payments_core.domain.batches import Batch, BatchEntry, BatchRow, BatchState, RowResult
from payments_core.domain.errors import BatchRefused

__all__ = [
    "AsyncBatches",
    "Batch",
    "BatchEntry",
    "BatchOrder",
    "BatchProgress",
    "BatchRefused",
    "BatchRow",
    "BatchRun",
    "BatchState",
    "Batches",
    "RefusedRow",
    "RowResult",
    "StopRules",
]
