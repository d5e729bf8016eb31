"""Settings: what payouts.toml may hold, checked before anything starts."""

from payments_core.settings.accounts import AccountSettings, WorkerSettings
from payments_core.settings.loading import Configuration, load
from payments_core.settings.secrets import read_secret
from payments_core.settings.tables import read_account

__all__ = [
    "AccountSettings",
    "Configuration",
    "WorkerSettings",
    "load",
    "read_account",
    "read_secret",
]
