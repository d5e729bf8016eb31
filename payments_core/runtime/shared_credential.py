"""A credential that all processes share through the journal."""

from __future__ import annotations

from datetime import timedelta

from payments_core.domain.shared_tokens import AskToken, KeepToken, SharedToken
from payments_core.http.messages import NoAnswer
from payments_core.provider import Account, Credential
from payments_core.runtime.runtime import Runtime
from payments_core.runtime.session_rules import Fetched
from payments_core.runtime.token_encryption import CredentialCipher

__all__ = ["LOOK_AGAIN_S", "MOST_LOOKS", "Sharing", "sharing_of"]

LOOK_AGAIN_S = 0.1
MOST_LOOKS = 300
_LEASE = timedelta(seconds=120)  # longer than a fetch with all its repetitions


def sharing_of(account: Account, runtime: Runtime) -> Sharing | None:
    """Return how an account's token is shared; None where each process has its own."""
    return Sharing(account, runtime) if account.facts.token_scope == "shared" else None  # noqa: S105 a scope


class Sharing:
    """One account's shared credential.

    Args:
        account: Its account.
        runtime: Whose journal keeps it.

    """

    def __init__(self, account: Account, runtime: Runtime) -> None:
        self._cipher = CredentialCipher(account)
        self._runtime = runtime
        self._spent = ""

    def spend(self, credential: Credential | None) -> None:
        """Remember that a credential was refused: it is not taken from the journal again."""
        if credential is not None:
            self._spent = self._cipher.mark(credential)

    def ask(self) -> AskToken:
        """Return what the journal is asked for."""
        at = self._runtime.clock()
        return AskToken(name=self._cipher.name, owner=self._runtime.owner, at=at, until=at + _LEASE, spent=self._spent)

    def opened(self, shared: SharedToken) -> Credential | None:
        """Return the credential that the journal has; None when it has none."""
        return self._cipher.decrypt(shared.encrypted) if shared.encrypted else None

    def keep(self, fetched: Fetched | None) -> KeepToken:
        """Return what is kept of a fetch, however it ended."""
        name, owner = self._cipher.name, self._runtime.owner
        if not isinstance(fetched, Credential):
            return KeepToken(name=name, owner=owner)
        return KeepToken(
            name=name,
            owner=owner,
            encrypted=self._cipher.encrypt(fetched),
            mark=self._cipher.mark(fetched),
            good_until=fetched.expires_at,
        )

    def timed_out(self) -> NoAnswer:
        """Return that another process has been fetching it for too long."""
        return NoAnswer("another process is fetching the shared token", at=self._runtime.clock())
