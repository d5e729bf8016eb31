"""What most providers write alike: inherit it, or pass it on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from payments_core.domain.errors import InvalidPayout
from payments_core.http.flow import HttpFlow
from payments_core.http.messages import HttpRequest, HttpResponse, fill
from payments_core.provider.lookup_results import Acknowledgement
from payments_core.provider.outcomes import AccountRefused
from payments_core.provider.protocols import Callback, Credential, Entropy

__all__ = ["ApiKeyProvider", "UnsignedCallbacks", "findings_of"]


class ApiKeyProvider(ABC):
    """``Authenticates`` for a provider whose secrets never change: nothing is fetched, the slots are filled."""

    @abstractmethod
    def secrets(self) -> Mapping[str, str]:
        """Return the values of the slots, by their names."""

    def authenticate(self) -> HttpFlow[Credential | AccountRefused]:
        """Return the secrets, without a request."""
        yield from ()  # makes this a flow
        return Credential(self.secrets())

    def apply(self, request: HttpRequest, credential: Credential, *, at: datetime, entropy: Entropy) -> HttpRequest:
        """Return the request with the secrets in its slots."""
        return fill(request, credential.secrets)

    def is_auth_refusal(self, response: HttpResponse) -> bool:
        """Return False: the secrets never change, so fetching them again cannot help."""
        return False


class UnsignedCallbacks:
    """``Callbacks`` for a provider that signs none, once ``parse`` is written: hints, answered by an empty 200."""

    def verify(self, callback: Callback) -> bool | None:
        """Return None: nothing proves where it comes from."""
        return None

    def acknowledge(self, callback: Callback) -> Acknowledgement:
        """Answer 200, whatever the content."""
        return Acknowledgement()


def findings_of(*checks: Callable[[], object]) -> Sequence[InvalidPayout]:
    """Return what checks raise, in their order: for a ``validate`` made of functions that refuse.

    Args:
        checks: Each raises ``InvalidPayout`` for what is wrong, and returns otherwise.

    """
    found: list[InvalidPayout] = []
    for check in checks:
        try:
            check()
        except InvalidPayout as finding:
            found.append(finding.with_traceback(None))  # its frames hold the order
    return found
