"""Batches: a file of people is validated, frozen, approved by a second person, and paid."""

from payments_core.batch.asynchronous.batches import AsyncBatches
from payments_core.batch.asynchronous.wallet_checks import AsyncWalletChecks
from payments_core.batch.names import NameMatch
from payments_core.batch.orders import BatchOrder, RefusedRow
from payments_core.batch.progress import BatchProgress, BatchRun, StopRules
from payments_core.batch.synchronous.batches import Batches
from payments_core.batch.synchronous.wallet_checks import WalletChecks
from payments_core.batch.wallets import CheckedWallet, WalletReport, WalletResult, WalletResults
from payments_core.domain.batches import Batch, BatchEntry, BatchRow, BatchState, RowResult
from payments_core.domain.errors import BatchRefused

__all__ = [
    "AsyncBatches",
    "AsyncWalletChecks",
    "Batch",
    "BatchEntry",
    "BatchOrder",
    "BatchProgress",
    "BatchRefused",
    "BatchRow",
    "BatchRun",
    "BatchState",
    "Batches",
    "CheckedWallet",
    "NameMatch",
    "RefusedRow",
    "RowResult",
    "StopRules",
    "WalletChecks",
    "WalletReport",
    "WalletResult",
    "WalletResults",
]
