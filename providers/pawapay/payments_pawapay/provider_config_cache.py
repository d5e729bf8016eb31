"""What one process has learned of an account: its configuration, and the keys callbacks are signed with.

It is obtained by flows and only read by what is pure. No draft is made of it: it refuses an order, or it does not, and
pawaPay itself would refuse the same. So a draft is the same whatever is known, and an order that nothing was known of
goes to pawaPay, which decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from payments_pawapay.limits import Configuration

__all__ = ["ProviderConfigCache"]

_AGAIN = timedelta(seconds=60)  # after a question without an answer, and after a key that nobody knew


class ProviderConfigCache:
    """Known until it is replaced; what could not be asked for stays as it was.

    Args:
        every_s: How long it is gone by, in seconds.
        keys: Public keys in PEM that are known from the start.

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
        """Say whether something is to be asked for now; whoever is told so asks, and nobody else for a minute.

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

    def learned(self, what: str, at: datetime) -> None:
        """Note that it was told: it is gone by for as long as the settings say."""
        self._until[what] = at + self._every

    def learn_keys(self, keys: Mapping[str, str], at: datetime) -> None:
        """Take the keys that are in force, in place of those fetched before."""
        self.keys, self._missed = {**self._pinned, **keys}, False
        self.learned("keys", at)

    def miss_key(self) -> None:
        """Note that a callback names a key nobody knows: keys may have changed."""
        self._missed = True
