"""Promises of redaction: no secret and no payee leaks, whatever fails."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from pydantic import SecretStr

from payments_core.domain.errors import PaymentsError
from payments_core.http.messages import HttpRequest
from payments_core.provider import Authenticates, Credential
from payments_core.testing.conformance.drafts import DraftPromises, leaked, secrets_of
from payments_core.testing.conformance.harness import METADATA, Harness
from payments_core.testing.conformance.payments import TROUBLES
from payments_core.testing.leaks import SHORTEST_SECRET, CapturedText, Forbidden, LogCapture

__all__ = ["SecrecyPromises"]


class SecrecyPromises(DraftPromises):
    """Logs, warnings, errors and their causes, reprs, and the stored journal."""

    def test_no_secret_leaks(
        self, harness: Harness, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """No credential, PIN, number or metadata, in any form, is in logs, errors, reprs or output.

        Tested with a successful payment, one with each fault, and refused ones.
        """
        fetched = _noting(type(harness.provider().provider), monkeypatch)
        capfd.readouterr()
        with LogCapture(self.package, "payments_core") as capture:
            for name, faults in {"well": {}, **TROUBLES}.items():
                key = harness.key(f"secret/{name}")
                with harness.faults(**faults):
                    try:
                        payout = harness.pay(key)
                        capture.shown(name, payout, harness.get(key).history, harness.payer.client)
                    except PaymentsError as error:
                        capture.error(name, error)
            for name, call in self._wrong_calls(harness):
                try:
                    harness.payer.ask("send", **call)
                except PaymentsError as error:
                    capture.error(name, error)
        captured = [
            *capture.captured,
            *(CapturedText("output", "stdout or stderr", text) for text in capfd.readouterr()),
        ]
        secrets = secrets_of(harness)  # only now: an error's frames hold our variables
        assert secrets, "settings without a SecretStr: where are the credentials?"
        known = {*secrets.values()}
        found = {f"{name}, fetched": value.get_secret_value() for name, value in fetched.items()}
        secrets = {**secrets, **{name: value for name, value in found.items() if value not in known}}
        long_enough = {name: value for name, value in secrets.items() if len(value) >= SHORTEST_SECRET}
        payees = [self.payee, self.other_payee, *self.wrong_payees, *filter(None, [self.unpayable])]
        addresses = {payee.value.lstrip("+") for payee in payees}
        numbers = {address for address in addresses if address.isdigit()}
        leaks = Forbidden(long_enough, numbers, {*addresses - numbers, METADATA}).leaks(captured)

        assert not leaks, "; ".join(leaks)

    def _wrong_calls(self, harness: Harness) -> Iterator[tuple[str, Mapping[str, Any]]]:
        yield "key reused", harness.asked(harness.key("secret/well"), payee=self.other_payee)
        for number, payee in enumerate(self.wrong_payees):
            yield "wrong payee", harness.asked(harness.key(f"secret/payee/{number}"), payee=payee)
        for number, amount in enumerate(self.wrong_amounts):
            yield "wrong amount", harness.asked(harness.key(f"secret/amount/{number}"), amount=amount)

    def test_the_journal_holds_no_secret(self, harness: Harness) -> None:
        """No secret is in the journal's file or in the files beside it."""
        self.builds_on(harness, self.test_no_secret_is_stored)
        harness.pay(harness.key("stored"))
        harness.settle(harness.key("stored"))
        stored = b"".join(path.read_bytes() for path in harness.folder.glob("payouts.db*"))

        assert not leaked(harness, CapturedText("stored", "the journal", stored.decode("latin-1")))


def _noting(kind: type, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, SecretStr]:
    """Return a mapping that collects each secret that the provider fills into a request, by slot."""
    noted: dict[str, SecretStr] = {}
    if not issubclass(kind, Authenticates):
        return noted
    apply = kind.apply

    def noting(provider: Any, request: HttpRequest, credential: Credential, **more: Any) -> HttpRequest:
        noted.update({name: SecretStr(value) for name, value in credential.secrets.items()})
        return apply(provider, request, credential, **more)

    monkeypatch.setattr(kind, "apply", noting)
    return noted
