"""Promises of a draft, and of what a provider says of itself. No network."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from dataclasses import fields

import pytest
from pydantic import SecretStr

from payments_core.errors import InvalidPayout
from payments_core.money import Money
from payments_core.payout import Payee
from payments_core.provider import Capability, Facts
from payments_core.testing.conformance.fixtures import Promises
from payments_core.testing.conformance.scene import Scene
from payments_core.wire import HttpRequest

__all__ = ["DraftPromises", "secrets_of"]


def secrets_of(scene: Scene) -> Mapping[str, str]:
    """Return every secret the account's settings hold, by the field's name."""
    settings = scene.provider().settings
    values = ((name, getattr(settings, name)) for name in type(settings).model_fields)
    return {name: value.get_secret_value() for name, value in values if isinstance(value, SecretStr)}


class DraftPromises(Promises):
    """A draft is pure, stable, whole and free of secrets; the spec says what is true."""

    def test_a_draft_is_pure_and_stable(self, desk: Scene) -> None:
        """The same payment makes the same draft, whenever and wherever it is made."""
        first, again = desk.draft("stable"), desk.draft("stable")
        other_process = desk.open(journal="other.db", called_back=False)
        provider = other_process.office.account(desk.account).provider

        assert first == again, "two drafts of one payment differ: a draft may use nothing but its arguments"
        assert first.request.hash == again.request.hash
        assert provider.binding(first.order.operation) == desk.provider().provider.binding(first.order.operation)

    def test_references_follow_from_the_key(self, desk: Scene) -> None:
        """One key and attempt, one set of references; another key or attempt, others."""
        drafts = [desk.draft("key"), desk.draft("key", number=2), desk.draft("another key")]

        assert drafts[0].references, "a draft has at least one reference: by it the payment is asked for"
        told = {tuple(sorted(draft.references.items())) for draft in drafts}
        assert len(told) == 3, "two attempts have the same references: derive them from attempt.seed"

    def test_a_stored_request_is_read_back_as_it_was(self, desk: Scene) -> None:
        """What is sent after a crash is what was written down before it."""
        draft = desk.draft("stored")

        assert HttpRequest.from_json(draft.request.to_json()) == draft.request

    def test_the_request_moves_money_and_is_never_repeated_by_itself(self, desk: Scene) -> None:
        """Only the engine sends a payment again, once it knows that it may."""
        request = desk.draft("money").request

        assert request.moves_money, "the drafted request pays: set moves_money"
        assert not request.repeatable, "only the engine sends a payment again: leave repeatable off"

    def test_no_secret_is_stored(self, desk: Scene) -> None:
        """Not in the request, not in a reference, not in the binding: secrets are filled into slots when it leaves."""
        draft = desk.draft("secret")
        stored = "\n".join(
            [
                draft.request.to_json(),
                *draft.references.values(),
                *desk.provider().provider.binding(draft.order.operation).values(),
            ]
        )

        found = [name for name, secret in secrets_of(desk).items() if secret in stored]
        assert not found, f"{', '.join(found)} would be written into the journal: use wire.slot()"

    def test_nothing_shows_a_secret_or_a_payee(self, desk: Scene) -> None:
        """No repr of what is handed around does."""
        draft, account = desk.draft("shown"), desk.provider()
        shown = "\n".join(map(repr, (draft, draft.request, account, account.settings, account.provider, self.spec)))

        assert not [name for name, secret in secrets_of(desk).items() if secret in shown]
        assert self.payee.value.lstrip("+") not in shown, "a repr shows the payee's whole address"

    def test_a_draft_can_be_pickled(self, desk: Scene) -> None:
        """Other processes and queues may carry it."""
        draft = desk.draft("pickled")

        assert pickle.loads(pickle.dumps(draft)) == draft  # noqa: S301 - our own

    def test_what_is_declared_is_what_is_there(self, desk: Scene) -> None:
        """Capabilities are data, and the data is true."""
        provider = desk.provider().provider
        there = {capability for capability in Capability if isinstance(provider, capability.protocol)}

        assert set(self.spec.capabilities) == there
        assert self.spec.operations, "a provider pays something"
        assert self.spec.settings.model_fields["provider"].default == self.spec.name

    def test_facts_have_sources(self) -> None:
        """Whatever the engine is told beyond the cautious value says where it was read."""
        told = {
            field.name
            for field in fields(Facts)
            if field.name not in {"sources", "status_by"}
            and getattr(self.spec.facts, field.name) != getattr(Facts(), field.name)
        }

        assert told <= set(self.spec.facts.sources), f"no source: {', '.join(told - set(self.spec.facts.sources))}"

    def test_a_wrong_payee_is_refused(self, desk: Scene) -> None:
        """Before anything is recorded or sent, with what to do."""
        assert self.wrong_payees, "name payees whose form this provider cannot pay"
        for payee in self.wrong_payees:
            refused(desk, payee=payee)

    def test_a_wrong_amount_is_refused_and_never_rounded(self, desk: Scene) -> None:
        """Too fine, too large, in another currency: before anything is recorded or sent."""
        assert self.wrong_amounts, "name amounts that the route does not take: too fine, in another currency, too large"
        for amount in self.wrong_amounts:
            refused(desk, amount=amount)

    def test_the_amount_is_sent_exactly(self, desk: Scene) -> None:
        """Another amount makes another request."""
        doubled = Money(str(self.amount.amount * 2), self.amount.currency)

        assert desk.draft("amount").request.hash != desk.draft("amount", amount=doubled).request.hash
        assert desk.draft("payee").request.hash != desk.draft("payee", payee=self.other_payee).request.hash


def refused(scene: Scene, *, payee: Payee | None = None, amount: Money | None = None) -> None:
    """Show that a payment is refused and leaves nothing behind."""
    key = scene.key(f"{payee}{amount}")
    with pytest.raises(InvalidPayout) as error:
        scene.payer.ask("send", **scene.asked(key, payee=payee, amount=amount))
    assert str(error.value), "say what is wrong with it"
    assert scene.payer.office.journal.by_key(key) is None
    assert not list(_mentioned(scene, key))


def _mentioned(scene: Scene, key: str) -> Iterator[object]:
    return (row for row in scene.emulator.ledger() if key in map(str, row.values()))
