"""Promises of what is not given off: no secret, no payee, in whatever goes wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from payments_core.errors import PaymentsError
from payments_core.testing.conformance.drafts import DraftPromises, secrets_of
from payments_core.testing.conformance.payments import TROUBLES
from payments_core.testing.conformance.scene import Scene
from payments_core.testing.leaks import Ears, Forbidden

__all__ = ["SecrecyPromises"]


class SecrecyPromises(DraftPromises):
    """Logs, warnings, errors and their causes, reprs, and what the journal stores."""

    def test_nothing_secret_is_given_off(self, scene: Scene) -> None:
        """Through a payment that is well, one of each kind of trouble, and those that are refused."""
        package = self.spec.build.__module__.partition(".")[0]
        numbers = {payee.value.lstrip("+") for payee in (self.payee, self.other_payee, self.unpayable) if payee}
        with Ears(package, "payments_core") as ears:
            for name, faults in {"well": {}, **TROUBLES}.items():
                key = scene.key(f"secret/{name}")
                with scene.faults(**faults):
                    try:
                        payout = scene.pay(key)
                        ears.shown(name, payout, payout.history, scene.payer.client)
                    except PaymentsError as error:
                        ears.error(name, error)
            for name, call in self._wrong_calls(scene):
                try:
                    scene.payer.ask("send", **call)
                except PaymentsError as error:
                    ears.error(name, error)
        secrets = secrets_of(scene)  # only now: an error's frames hold every variable of ours
        assert secrets, "settings without a SecretStr: where are the credentials?"
        long_enough = {name: value for name, value in secrets.items() if len(value) >= 8}
        digits = [number for number in numbers if number.isdigit()]
        leaks = Forbidden(long_enough, digits).leaks(ears.said)

        assert not leaks, "; ".join(leaks)

    def _wrong_calls(self, scene: Scene) -> Iterator[tuple[str, Mapping[str, Any]]]:
        yield "key reused", scene.asked(scene.key("secret/well"), payee=self.other_payee)
        for number, payee in enumerate(self.wrong_payees):
            yield "wrong payee", scene.asked(scene.key(f"secret/payee/{number}"), payee=payee)
        for number, amount in enumerate(self.wrong_amounts):
            yield "wrong amount", scene.asked(scene.key(f"secret/amount/{number}"), amount=amount)

    def test_the_journal_holds_no_secret(self, scene: Scene) -> None:
        """Not a byte of one, in the file or beside it."""
        self.builds_on(scene, self.test_no_secret_is_stored)
        scene.pay(scene.key("stored"))
        scene.settle(scene.key("stored"))
        stored = b"".join(path.read_bytes() for path in scene.folder.glob("payouts.db*"))

        assert not [name for name, value in secrets_of(scene).items() if value.encode() in stored]
