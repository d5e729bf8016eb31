"""Promises of drafts and of a provider's specification. No network."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import BaseModel, SecretStr

from payments_core.http.messages import HttpRequest, is_filled, slots_in
from payments_core.provider import Authenticates, Capability, Credential, Facts
from payments_core.testing.conformance.fixtures import needs
from payments_core.testing.conformance.harness import Harness
from payments_core.testing.conformance.orders import OrderPromises
from payments_core.testing.leaks import SHORTEST_SECRET, CapturedText, Forbidden

__all__ = ["DraftPromises", "leaked", "secrets_of"]


def secrets_of(harness: Harness) -> Mapping[str, str]:
    """Return every secret of the account's settings, at any depth, by the field's name."""
    return dict(_secrets_in("", harness.provider().settings))


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


def leaked(harness: Harness, *texts: CapturedText) -> list[str]:
    """Return which of the account's secrets are in the texts; a secret below four characters is not searched."""
    secrets = {name: value for name, value in secrets_of(harness).items() if len(value) >= SHORTEST_SECRET}
    return Forbidden(secrets).leaks(texts)


class DraftPromises(OrderPromises):
    """A draft is complete, bound to its host and identity, and free of secrets; the specification is true."""

    def test_another_server_is_another_binding(self, shared_harness: Harness) -> None:
        """A payment sent to one host is never checked at another: the binding distinguishes them."""
        moved = {
            name: value.replace(shared_harness.emulator.url, "http://127.0.0.1:1")
            for name, value in shared_harness.table().items()
            if isinstance(value, str) and shared_harness.emulator.url in value
        }
        assert moved, "no setting holds the emulator's address"
        there = (
            shared_harness.open(journal="moved.db", called_back=False, **moved)
            .runtime.account(shared_harness.account)
            .provider
        )

        for operation in self.spec.operations:
            ours = shared_harness.provider().provider.binding(operation)
            assert there.binding(operation) != ours, f"{operation}: put the host into the binding"

    @needs(Capability.CREDENTIALS)
    def test_filling_slots_changes_nothing_else(self, shared_harness: Harness) -> None:
        """Every submission sends the stored request: only slots are filled and header fields added."""
        draft, provider = shared_harness.draft("filled"), shared_harness.provider().provider
        assert isinstance(provider, Authenticates)
        credential = Credential({name: f"secret-{name}" for name in slots_in(draft.request)})
        for number in range(2):
            at = datetime.now(UTC) + timedelta(hours=number)
            filled = provider.apply(draft.request, credential, at=at, entropy=os.urandom)
            stored = {name: value for name, value in filled.headers.items() if name in draft.request.headers}
            whole = replace(filled, headers=stored, body=filled.body or "")
            is_stored = is_filled(whole, replace(draft.request, body=draft.request.body or ""))
            assert is_stored, "apply sends another request than the stored one: only fill its slots, and add headers"

    def test_a_stored_request_is_read_back_as_it_was(self, shared_harness: Harness) -> None:
        """After a crash the same request is sent that was stored before it."""
        draft = shared_harness.draft("stored")

        assert HttpRequest.from_json(draft.request.to_json()) == draft.request

    def test_the_drafted_request_moves_money_and_is_not_repeatable(self, shared_harness: Harness) -> None:
        """moves_money is set and repeatable is not: only the engine sends a payment again."""
        request = shared_harness.draft("money").request

        assert request.moves_money, "the drafted request pays: set moves_money"
        assert not request.repeatable, "only the engine sends a payment again: leave repeatable off"

    def test_no_secret_is_stored(self, shared_harness: Harness) -> None:
        """No secret is in the request, a reference or the binding: slots are filled when the request is sent."""
        draft = shared_harness.draft("secret")
        stored = "\n".join(
            [
                draft.request.to_json(),
                *draft.references.values(),
                *shared_harness.provider().provider.binding(draft.order.operation).values(),
            ]
        )

        found = leaked(shared_harness, CapturedText("stored", "the draft", stored))
        assert not found, f"{', '.join(found)} would be stored in the journal: use slot()"

    def test_no_repr_shows_a_secret_or_a_payee(self, shared_harness: Harness) -> None:
        """No repr of a draft, request, account, settings, provider or specification does."""
        draft, account = shared_harness.draft("shown"), shared_harness.provider()
        shown = "\n".join(map(repr, (draft, draft.request, account, account.settings, account.provider, self.spec)))

        assert not leaked(shared_harness, CapturedText("shown", "a repr", shown))
        assert self.payee.value.lstrip("+") not in shown, "a repr shows the payee's whole address"

    def test_a_draft_can_be_pickled(self, shared_harness: Harness) -> None:
        """Other processes and queues can carry a draft."""
        draft = shared_harness.draft("pickled")

        assert pickle.loads(pickle.dumps(draft)) == draft  # noqa: S301 - our own

    def test_the_specification_has_operations_and_its_settings(self) -> None:
        """It names what the provider pays, and the settings of its accounts name the provider."""
        assert self.spec.operations, "declare at least one operation"
        assert self.spec.settings.model_fields["provider"].default == self.spec.name

    def test_facts_have_sources(self) -> None:
        """Every fact beyond the cautious default names its source."""
        declared = {
            field.name
            for field in fields(Facts)
            if field.name not in {"sources", "status_by"}
            and getattr(self.spec.facts, field.name) != getattr(Facts(), field.name)
        }

        missing = declared - {name for name, source in self.spec.facts.sources.items() if source.strip()}

        assert not missing, f"no source: {', '.join(sorted(missing))}"
