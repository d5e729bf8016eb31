"""Workers: processes that work on due payouts until they are stopped."""

from payments_core.settings import WorkerSettings
from payments_core.worker.loop import Worked, run_worker
from payments_core.worker.process import stop_on_signals, work

__all__ = ["Worked", "WorkerSettings", "run_worker", "stop_on_signals", "work"]
