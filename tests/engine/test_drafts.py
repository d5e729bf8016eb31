"""Drafts, made again: a journal is verified by the references that its accounts derive."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from kit import NAMESPACE, Fake, account_of

from payments_core.domain.errors import InvalidPayout
from payments_core.domain.payout import Order
from payments_core.engine.drafts import derived_references
from payments_core.provider import Attempt, Draft

MakeStage = Callable[..., Any]


class NamesOurs(Fake):
    def draft(self, order: Order, attempt: Attempt) -> Draft:
        draft = super().draft(order, attempt)
        return replace(draft, references={**draft.references, "ours": attempt.payout_id})


def test_references_are_derived_again_as_they_were_drafted(stage: MakeStage) -> None:
    one = stage(NamesOurs())
    row = one.accept()
    derive = derived_references({"till": one.account}, NAMESPACE)
    assert derive(row, "till", row.binding, 1) == dict(row.references)
    assert derive(row, "till", row.binding, 2)["reference"] != row.references["reference"]


def test_nothing_is_derived_where_no_identity_has_the_binding(stage: MakeStage) -> None:
    one = stage()
    row = one.accept()
    derive = derived_references({"till": one.account}, NAMESPACE)
    assert derive(row, "other", row.binding, 1) == {}
    assert derive(row, "till", {"host": "elsewhere.invalid"}, 1) == {}


def test_nothing_is_derived_of_an_order_that_the_account_refuses_now(stage: MakeStage) -> None:
    def refuse(_: Any) -> None:
        raise InvalidPayout("no")

    row = stage().accept()
    derive = derived_references({"till": account_of(Fake(drafts=refuse))}, NAMESPACE)
    assert derive(row, "till", row.binding, 1) == {}
