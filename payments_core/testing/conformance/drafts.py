"""Promises of a draft, and of what a provider says of itself. No network."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import BaseModel, SecretStr

from payments_core.provider import Authenticates, Capability, Credential, Facts
from payments_core.testing.conformance.elsewhere import made, made_elsewhere
from payments_core.testing.conformance.fixtures import needs
from payments_core.testing.conformance.orders import OrderPromises
from payments_core.testing.conformance.scene import Scene
from payments_core.testing.conformance.watching import asks_for_chance, calls_in
from payments_core.testing.leaks import SHORTEST_SECRET, Forbidden, Said
from payments_core.wire import HttpRequest, is_filled, slots_in

__all__ = ["DraftPromises", "leaked", "secrets_of"]

# Keys that only somebody careless takes for one: case, signs, zeros, accents, and what stands at a long one's end.
KEYS = (
    *(
        "pay-2026/0042",
        "PAY-2026/0042",
        "pay_2026/0042",
        "pay2026/0042",
        "pay-2026/42",
        "pay-2026/00420",
        "pay-2026/004",
    ),
    *("pa\u00fd-2026/0042", "pay\u0301-2026/0042", "pay-2026/\uff10\uff10\uff14\uff12"),
    *(f"{'k' * 190}/1", f"{'k' * 190}/2", f"1/{'k' * 190}"),
)


def secrets_of(scene: Scene) -> Mapping[str, str]:
    """Return every secret the account's settings hold, at any depth, by the field's name."""
    return dict(_secrets_in("", scene.provider().settings))


def _secrets_in(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, SecretStr):
        yield name, value.get_secret_value()
    elif isinstance(value, BaseModel):
        for field in type(value).model_fields:
            yield from _secrets_in(f"{name}.{field}".lstrip("."), getattr(value, field))
    elif isinstance(value, Mapping | list | tuple):
        parts: Any = value.items() if isinstance(value, Mapping) else enumerate(value)
        for part_name, part in parts:
            yield from _secrets_in(f"{name}.{part_name}", part)


def leaked(scene: Scene, *said: Said) -> list[str]:
    """Return which of the account's secrets are in what was given off; one of three characters is found nowhere."""
    secrets = {name: value for name, value in secrets_of(scene).items() if len(value) >= SHORTEST_SECRET}
    return Forbidden(secrets).leaks(said)


class DraftPromises(OrderPromises):
    """A draft is pure, stable, whole and free of secrets; the spec says what is true."""

    def test_a_draft_is_pure_and_stable(self, desk: Scene) -> None:
        """The same payment makes the same draft, whenever it is made: it reads no clock, and draws nothing."""
        first = desk.draft("stable")
        with calls_in(self.package, asks_for_chance) as calls:
            again = desk.draft("stable")
        other_process = desk.open(journal="other.db", called_back=False)
        provider = other_process.office.account(desk.account).provider

        assert first == again, "two drafts of one payment differ: a draft may use nothing but its arguments"
        assert not calls, f"a draft depends on {', '.join(calls)}: it may use nothing but its arguments"
        assert first.request.hash == again.request.hash
        assert provider.binding(first.order.operation) == desk.provider().provider.binding(first.order.operation)

    def test_a_draft_is_the_same_in_every_process(self, desk: Scene) -> None:
        """Also where text is hashed otherwise, in another time zone, folder and language."""
        self.builds_on(desk, self.test_a_draft_is_pure_and_stable)
        key = desk.key("everywhere")
        ours = made(desk.provider(), desk.order(key), desk.payer.office.namespace)

        theirs = made_elsewhere(desk, key)
        wrong = [name for name, value in ours.items() if theirs[name] != value]
        assert not wrong, f"another process makes another {' and '.join(wrong)} of the same payment"

    def test_references_follow_from_the_key(self, desk: Scene) -> None:
        """From key, attempt and installation, and nothing else: each reference is another for another one of these."""
        self.builds_on(desk, self.test_a_draft_is_pure_and_stable)
        first, again = desk.draft(KEYS[0]), desk.draft(KEYS[0], number=2)
        others = [desk.draft(key) for key in KEYS[1:]] + [desk.draft(KEYS[0], namespace="another-installation")]
        same = desk.draft(KEYS[0], amount=self.double, payee=self.other_payee, note="another note")

        assert first.references, "a draft has at least one reference: by it the payment is asked for"
        assert same.references == first.references, "a reference follows from the order: derive it from attempt.seed"
        for name, value in first.references.items():
            told = [value, *(other.references[name] for other in others)]
            assert len({*told}) == len(told), f"two payments have one {name}: derive it from attempt.seed"
        assert first.references != again.references, "two attempts have the same references: use all of attempt.seed"
        identity = desk.payout_id(KEYS[0])  # what finds the payment, whichever attempt it is
        shared = [name for name, value in first.references.items() if again.references[name] == value]
        wrong = [name for name in shared if identity not in first.references[name]]
        assert not wrong, f"two attempts have one {', '.join(wrong)}: derive it from attempt.seed"

    def test_another_server_is_another_binding(self, desk: Scene) -> None:
        """What was sent to one is never asked for at another: the binding tells them apart."""
        moved = {
            name: value.replace(desk.emulator.url, "http://127.0.0.1:1")
            for name, value in desk.table().items()
            if isinstance(value, str) and desk.emulator.url in value
        }
        assert moved, "no setting holds the emulator's address"
        there = desk.open(journal="moved.db", called_back=False, **moved).office.account(desk.account).provider

        for operation in self.spec.operations:
            ours = desk.provider().provider.binding(operation)
            assert there.binding(operation) != ours, f"{operation}: put the host into the binding"

    @needs(Capability.CREDENTIALS)
    def test_what_is_filled_in_changes_nothing_else(self, desk: Scene) -> None:
        """Each time it leaves, the request is the stored one: only its slots are filled, and header fields added."""
        draft, provider = desk.draft("filled"), desk.provider().provider
        assert isinstance(provider, Authenticates)
        credential = Credential({name: f"secret-{name}" for name in slots_in(draft.request)})
        for number in range(2):
            at, entropy = datetime.now(UTC) + timedelta(hours=number), bytes([number]) * 16
            filled = provider.apply(draft.request, credential, at=at, entropy=entropy)
            stored = {name: value for name, value in filled.headers.items() if name in draft.request.headers}
            whole = replace(filled, headers=stored, body=filled.body or "")
            is_stored = is_filled(whole, replace(draft.request, body=draft.request.body or ""))
            assert is_stored, "apply sends another request than the stored one: only fill its slots, and add headers"

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

        found = leaked(desk, Said("stored", "the draft", stored))
        assert not found, f"{', '.join(found)} would be written into the journal: use wire.slot()"

    def test_nothing_shows_a_secret_or_a_payee(self, desk: Scene) -> None:
        """No repr of what is handed around does."""
        draft, account = desk.draft("shown"), desk.provider()
        shown = "\n".join(map(repr, (draft, draft.request, account, account.settings, account.provider, self.spec)))

        assert not leaked(desk, Said("shown", "a repr", shown))
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
