"""One process's cache of an account's configuration and of the keys that callbacks are signed with.

Flows fill it; pure code reads it. It can refuse an order that pawaPay would refuse, and no value of it enters a draft.
So a draft is the same whatever is cached, and without a cached configuration pawaPay decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from payments_pawapay.limits import Configuration

__all__ = ["ProviderConfigCache"]

_AGAIN = timedelta(seconds=60)  # after a failed request, and after an unknown key


class ProviderConfigCache:
    """Values stay until they are replaced; a failed request changes none.

    Args:
        every_s: How long a value is used before it is fetched again, in seconds.
        keys: Public keys in PEM from the settings.

    """

    def __init__(self, every_s: float, keys: Mapping[str, str]) -> None:
        self.configuration: Configuration | None = None
        self.keys: Mapping[str, str] = dict(keys)
        self._pinned = dict(keys)
        self._every = timedelta(seconds=every_s)
        self._asked: dict[str, datetime] = {}
        self._until: dict[str, datetime] = {}
        self._missed = False

    def begin(self, what: str, at: datetime) -> bool:
        """Whether to fetch a value now; when true, the caller fetches it, and other callers wait a minute.

        Args:
            what: ``configuration`` or ``keys``.
            at: Now.

        """
        asked, until = self._asked.get(what), self._until.get(what)
        if asked is not None and at < asked + _AGAIN:
            return False
        if until is not None and at < until and not (what == "keys" and self._missed):
            return False
        self._asked[what] = at
        return True

    def fetched(self, what: str, at: datetime) -> None:
        """Record that a value was fetched."""
        self._until[what] = at + self._every

    def replace_keys(self, keys: Mapping[str, str], at: datetime) -> None:
        """Replace the keys that were fetched before."""
        self.keys, self._missed = {**self._pinned, **keys}, False
        self.fetched("keys", at)

    def miss_key(self) -> None:
        """Record that a callback names an unknown key: the keys may have changed."""
        self._missed = True
