"""The accounts of a client: which there are, which are paused, and whether their credentials work."""

from __future__ import annotations

from payments_core.client.account_info import AccountInfo
from payments_core.client.asynchronous.flow_runner import AsyncFlowRunner
from payments_core.domain.events import EventName
from payments_core.domain.records import Pause
from payments_core.logs import log
from payments_core.provider import AccountRefused, Credential
from payments_core.waiting import tasks as waiting

__all__ = ["AsyncAccountsMixin"]


class AsyncAccountsMixin(AsyncFlowRunner):
    """Pauses accounts, and checks their credentials."""

    async def pause(self, *, account: str | None = None, reason: str = "") -> None:
        """Stop payments from one account, or from all, for every process; reads go on.

        Args:
            account: Its name; None for all.
            reason: For the operator who finds the pause.

        """
        if account is not None:
            self._runtime.account(account)
        pause = Pause.by_person(account, self._runtime.clock(), reason)
        self._runtime.journal.set_pause(pause)
        log(EventName.ACCOUNT_PAUSED, account=account, by="person", why=pause.why)

    async def unpause(self, *, account: str | None = None) -> bool:
        """End a pause, a provider's block included; return whether there was one."""
        lifted = self._runtime.journal.lift_pause(account)
        if lifted:
            log(EventName.ACCOUNT_UNPAUSED, account=account)
        return lifted

    async def pauses(self) -> tuple[Pause, ...]:
        """Return the pauses in force."""
        return await waiting.run_blocking(self._runtime.journal.pauses)

    def accounts(self) -> tuple[str, ...]:
        """Return the names of the configured accounts."""
        return tuple(sorted(self._runtime.accounts))

    def account(self, name: str) -> AccountInfo:
        """Return what a configured account can pay, and what it can be asked; no request is made.

        Raises:
            UnknownAccount: The account is not configured.

        """
        return AccountInfo.of(self._runtime.account(name))

    async def check_account(self, account: str) -> str:
        """Obtain an account's credential without moving money; empty when there is one, else what is wrong.

        A provider whose key never changes has nothing to obtain: its key is not checked.
        """
        fetched = await self._session(self._runtime.account(account)).credential()
        if isinstance(fetched, Credential):
            return ""
        if isinstance(fetched, AccountRefused):
            return f"{fetched.reason}: {fetched.reason.text}" if fetched.reason.text else str(fetched.reason)
        return fetched.why
