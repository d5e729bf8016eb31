"""Drafts, made again: a journal is verified by the references that its accounts derive."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from kit import NAMESPACE, Fake, MakeStage, account_of, order_of

from payments_core.domain.errors import InvalidAmount, InvalidCurrency, InvalidPayee, InvalidPayout, ProviderBug
from payments_core.domain.payout import Operation, Order
from payments_core.engine.drafts import derived_references, draft_new, findings, made_ready, make_draft, refusals
from payments_core.provider import Account, Attempt, Draft


class NamesOurs(Fake):
    def draft(self, order: Order, attempt: Attempt) -> Draft:
        draft = super().draft(order, attempt)
        return replace(draft, references={**draft.references, "ours": attempt.payout_id})


def test_references_are_derived_again_as_they_were_drafted(stage: MakeStage) -> None:
    one = stage(NamesOurs())
    row = one.accept()
    derive = derived_references({"till": one.account}, NAMESPACE)
    assert derive(row, "till", row.attempt.binding, 1) == dict(row.attempt.references)
    assert derive(row, "till", row.attempt.binding, 2)["reference"] != row.attempt.references["reference"]


def test_references_without_a_matching_identity_are_empty(stage: MakeStage) -> None:
    one = stage()
    row = one.accept()
    derive = derived_references({"till": one.account}, NAMESPACE)
    assert derive(row, "other", row.attempt.binding, 1) == {}
    assert derive(row, "till", {"host": "elsewhere.invalid"}, 1) == {}


def test_references_of_an_order_that_is_refused_now_are_empty(stage: MakeStage) -> None:
    def refuse(_: Any) -> None:
        raise InvalidPayout("no")

    row = stage().accept()
    derive = derived_references({"till": account_of(Fake(drafts=refuse))}, NAMESPACE)
    assert derive(row, "till", row.attempt.binding, 1) == {}


class Elsewhere(Fake):
    """The account of other settings: its payments have references and requests of their own."""

    def draft(self, order: Order, attempt: Attempt) -> Draft:
        draft = super().draft(order, attempt)
        return replace(draft, references={"order": f"elsewhere-{draft.references['reference']}"})


def test_redrafted_attempt_has_everything_of_the_new_draft(stage: MakeStage) -> None:
    """A request or hash left of the old draft would be refused, or sent to where the account no longer pays."""
    row = stage().accept()
    account = account_of(Elsewhere(host="new.invalid"))

    ready = made_ready(account, row, namespace=NAMESPACE, number=1).attempt

    draft = make_draft(account, row.order, namespace=NAMESPACE, payout_id=row.id)
    assert (ready.references, ready.binding) == (draft.references, {"host": "new.invalid"})
    assert (ready.request, ready.request_hash) == (draft.request.to_json(), draft.request.hash)


class Strict(Fake):
    """A provider that finds something wrong, or returns what is no finding."""

    def __init__(self, *found: object) -> None:
        super().__init__()
        self.found: Any = found

    def validate(self, order: Order) -> Any:
        assert type(order) is Order
        return self.found


def with_options(provider: Fake, *options: str) -> Account:
    account = account_of(provider)
    return replace(account, spec=replace(account.spec, options={Operation.TRANSFER: frozenset(options)}))


def test_order_is_refused_with_its_first_finding() -> None:
    """Its options by the core, then what the provider finds; nothing is drafted."""
    wrong = [InvalidPayee("to nobody"), InvalidAmount("too odd")]
    account = with_options(Strict(*wrong), "a", "pii.*")
    order = order_of(options={"b": "1", "a": "1", "pii.name": "1", "meta.x": "1"})

    found = findings(account, order)

    assert found[0].message == "Fake has no option b, meta.x."
    assert found[0].hint == "A transfer takes a, pii.*."
    assert (found[0].field, found[1:]) == ("options", wrong)
    with pytest.raises(InvalidPayout, match="no option b"):
        make_draft(account, order, namespace=NAMESPACE, payout_id="po_x")


def test_new_payout_is_refused_with_the_first_of_all_its_refusals() -> None:
    """The key, the provider's findings and the largest amount, in this order; of a wrong currency there is no limit."""
    account, order = account_of(Strict(InvalidPayee("nobody")), settings={"largest_amount": {"EUR": "1"}}), order_of()
    found = list(refusals(account, replace(order, key="k\u200b")))

    assert [one.field for one in found] == ["key", "payee", "amount"]
    for refused, problem in ((replace(order, key="k\u200b"), "The key"), (order, "nobody")):
        with pytest.raises(InvalidPayout, match=problem):
            draft_new(account, refused, namespace=NAMESPACE, payout_id="po_x")
    foreign = replace(account, provider=Strict(InvalidCurrency("not ours"), InvalidPayee("nobody")))
    assert [one.field for one in refusals(foreign, order)] == ["currency", "payee"]
    payable = replace(account, provider=Strict())
    with pytest.raises(InvalidAmount, match="largest_amount"):
        draft_new(payable, order, namespace=NAMESPACE, payout_id="po_x")


@pytest.mark.parametrize("operation", [Operation.TRANSFER, Operation.DEPOSIT])
def test_option_undeclared_for_the_operation_is_refused(operation: Operation) -> None:
    """Dropped in silence, it would be missed in the payment; also by a provider without any check of its own."""
    account = with_options(Fake(), "transfer_type")
    found = findings(account, order_of(operation=operation, options={"transfer_type": "X"}))

    assert [one.hint for one in found] == ([] if operation is Operation.TRANSFER else ["A deposit takes no options."])


@pytest.mark.parametrize("given", [None, True, ["to nobody"], [None]])
def test_validate_that_returns_no_findings_is_a_provider_bug(given: object) -> None:
    """As one that returns nothing, which could mean either: such an order is not paid."""
    provider = Strict()
    provider.found = given

    with pytest.raises(
        ProviderBug, match=r"^A provider's validate must return findings: a sequence of InvalidPayout\.$"
    ):
        make_draft(account_of(provider), order_of(), namespace=NAMESPACE, payout_id="po_x")
