"""Deposits and refunds travel the transfer's road: drafted purely, written as documented, taken once and read."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from payments_core.domain.errors import InvalidPayee
from payments_core.domain.money import Money
from payments_core.domain.payout import Operation, Order, Payee
from payments_core.http.messages import HttpRequest
from payments_core.provider import Attempt, Draft
from payments_mtn_momo import MtnMomoProvider, MtnMomoSettings
from payments_mtn_momo.emulator import MtnMomoEmulator

if TYPE_CHECKING:
    from providers.mtn_momo.tests.conftest import Asking

MakeOrder = Callable[..., Order]
MakeAttempt = Callable[..., Attempt]
MakeSettings = Callable[..., MtnMomoSettings]

COLLECTION = "6f3f8ea3-623c-400d-a50f-9b07185c698d"
REFUND: dict[str, Any] = {
    "payee": Payee.payer_of(COLLECTION),
    "operation": Operation.REFUND,
    "original_amount": Money("100", "EUR"),
}
PAID: dict[Operation, dict[str, Any]] = {
    Operation.TRANSFER: {"operation": Operation.TRANSFER},
    Operation.DEPOSIT: {"operation": Operation.DEPOSIT},
    Operation.REFUND: REFUND,
}


@pytest.fixture
def provider(make_settings: MakeSettings) -> MtnMomoProvider:
    return MtnMomoProvider(make_settings())


def body(draft: Draft) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(draft.request.body or "")
    return read


def test_operation_has_an_address_of_its_own(
    provider: MtnMomoProvider, make_order: MakeOrder, make_attempt: MakeAttempt
) -> None:
    """Deposits and refunds by their second version, whose status is read by the first."""
    drafts = {operation: provider.draft(make_order(**more), make_attempt()) for operation, more in PAID.items()}

    assert {
        operation: (draft.request.operation, draft.request.url.partition("/disbursement")[2])
        for operation, draft in drafts.items()
    } == {
        Operation.TRANSFER: ("transfer", "/v1_0/transfer"),
        Operation.DEPOSIT: ("deposit_v2", "/v2_0/deposit"),
        Operation.REFUND: ("refund_v2", "/v2_0/refund"),
    }
    reads = {}
    for operation, draft in drafts.items():
        request = next(provider.check(draft))
        assert isinstance(request, HttpRequest)
        reads[operation] = request.url.partition("/disbursement")[2]
        assert draft.request.moves_money
        assert not request.moves_money
        assert provider.binding(operation)["version"] == draft.request.url.split("/")[4]
        assert provider.binding(operation)["operation"] == str(operation)
    reference = drafts[Operation.TRANSFER].references["reference"]
    assert reads == {operation: f"/v1_0/{operation}/{reference}" for operation in PAID}


def test_deposit_and_refund_have_their_documented_bodies(
    provider: MtnMomoProvider, make_order: MakeOrder, make_attempt: MakeAttempt
) -> None:
    transfer, deposit, refund = (body(provider.draft(make_order(**more), make_attempt())) for more in PAID.values())

    assert deposit == transfer
    assert list(refund) == ["amount", "currency", "externalId", "referenceIdToRefund", "payerMessage", "payeeNote"]
    assert refund["referenceIdToRefund"] == COLLECTION
    assert {name: refund[name] for name in ("amount", "currency", "externalId")} == {
        "amount": "12.5",
        "currency": "EUR",
        "externalId": f"{make_attempt().payout_id}-{hashlib.sha256(COLLECTION.lower().encode()).hexdigest()[:12]}",
    }


@pytest.mark.parametrize("operation", PAID)
def test_draft_of_each_operation_is_pure(
    provider: MtnMomoProvider, make_order: MakeOrder, make_attempt: MakeAttempt, operation: Operation
) -> None:
    first, second = (provider.draft(make_order(**PAID[operation]), make_attempt()) for _ in range(2))

    assert first == second
    assert first.request.hash == second.request.hash
    assert HttpRequest.from_json(first.request.to_json()) == first.request


@pytest.mark.parametrize("operation", PAID)
def test_callback_header_is_sent_only_where_an_address_is_set(
    make_settings: MakeSettings, make_order: MakeOrder, make_attempt: MakeAttempt, operation: Operation
) -> None:
    """An empty header would be refused; one with an address is part of what is stored and sent each time."""
    order, url = make_order(**PAID[operation]), "https://pay.example.org/momo/a1b2"
    without = MtnMomoProvider(make_settings()).draft(order, make_attempt())
    calling = MtnMomoProvider(make_settings(callback_url=url)).draft(order, make_attempt())

    assert "X-Callback-Url" not in without.request.headers
    assert calling.request.headers["X-Callback-Url"] == url
    assert calling.request.hash != without.request.hash
    assert calling.references == without.references
    assert calling.request.body == without.request.body


@pytest.mark.parametrize("operation", PAID)
def test_notes_are_reduced_to_what_mtn_accepts(
    provider: MtnMomoProvider, make_order: MakeOrder, make_attempt: MakeAttempt, operation: Operation
) -> None:
    def note(text: str) -> set[str]:
        sent = body(provider.draft(make_order(note=text, **PAID[operation]), make_attempt()))
        return {sent["payerMessage"], sent["payeeNote"]}

    assert note("Prime d'été, novembre / N° 7") == {"Prime dete novembre N 7"}
    assert note("x" * 200) == {"x" * 60}
    assert note("给您的工资") == note("") == {"Payout"}


@pytest.mark.parametrize("operation", [Operation.TRANSFER, Operation.DEPOSIT])
@pytest.mark.parametrize(
    ("payee", "expected"),
    [
        (Payee("email", "someone@example.org"), {"partyIdType": "EMAIL", "partyId": "someone@example.org"}),
        (Payee("party_code", COLLECTION), {"partyIdType": "PARTY_CODE", "partyId": COLLECTION}),
        (Payee("msisdn", "46733123499"), {"partyIdType": "MSISDN", "partyId": "46733123499"}),
    ],
)
def test_payee_kinds_are_written_in_mtn_s_words(
    provider: MtnMomoProvider,
    make_order: MakeOrder,
    make_attempt: MakeAttempt,
    operation: Operation,
    payee: Payee,
    expected: dict[str, str],
) -> None:
    assert body(provider.draft(make_order(payee, operation=operation), make_attempt()))["payee"] == expected


def test_transfer_type_of_an_aggregator_is_sent_as_given(
    provider: MtnMomoProvider, make_order: MakeOrder, make_attempt: MakeAttempt
) -> None:
    draft = provider.draft(make_order(options={"transfer_type": "CUSTOM_PAYMENT"}), make_attempt())

    assert body(draft)["transferType"] == "CUSTOM_PAYMENT"


def test_refund_of_a_collection_without_a_uuid_is_refused(provider: MtnMomoProvider, make_order: MakeOrder) -> None:
    [finding] = provider.validate(make_order(**(REFUND | {"payee": Payee.payer_of("invoice-7")})))

    assert isinstance(finding, InvalidPayee)
    assert "no UUID" in finding.message


# --- through the core, against the gateway -------------------------------------------------------------------------

Ask = Callable[..., "Asking"]


def send(client: Asking, **given: Any) -> Any:
    """Pay, and wait for the end."""
    method = client.client.refund if "collection" in given else client.client.send
    paid = method(account=client.account, **given)
    paid = paid if client.runner is None else client.runner.run(paid)
    ended = client.client.wait(paid.id, timeout_s=20)
    return ended if client.runner is None else client.runner.run(ended)


@pytest.mark.parametrize("kind", ["msisdn", "email", "party_code"])
def test_deposit_arrives_once(ask: Ask, kind: str) -> None:
    value = {"msisdn": "46733123499", "email": "someone@example.org", "party_code": str(uuid.UUID(int=7))}[kind]
    with MtnMomoEmulator(callback_host="pay.example.org") as emulator:
        client = ask(emulator, 'callback_url = "http://pay.example.org/momo"', 'default_operation = "deposit"')
        given = {"key": "cash-7", "payee": Payee(kind, value), "amount": Money("12.50", "EUR")}
        first, again = send(client, **given), send(client, **given)

        [row] = emulator.ledger()
        [payment] = emulator.ledger()

    assert (first.id, str(first.status)) == (again.id, "SUCCEEDED")
    assert (row["operation"], row["payee"], row["posts"], row["credits"]) == ("deposit", value, 1, 1)
    assert (payment["version"], payment["callback_method"]) == ("v2_0", "PUT")
    assert payment["callback_url"] == "http://pay.example.org/momo"
    assert "provider_reference" not in first.references  # MTN gives a deposit none


def test_refund_goes_back_to_the_payer(ask: Ask) -> None:
    with MtnMomoEmulator() as emulator:
        collection = emulator.add_collection(amount="20", currency="EUR", payer="46733123499")
        money = {"amount": Money("12.50", "EUR"), "original_amount": Money("20", "EUR")}
        paid = send(ask(emulator), key="back-7", collection=collection, **money)

        [row] = emulator.ledger()

    assert str(paid.status) == "SUCCEEDED"
    assert (row["operation"], row["payee"], Decimal(row["amount"])) == ("refund", "46733123499", Decimal("12.5"))
    assert (row["posts"], row["credits"]) == (1, 1)


@pytest.mark.parametrize(("kind", "status"), [("CUSTOM_PAYMENT", "SUCCEEDED"), ("SOMETHING_ELSE", "FAILED")])
def test_aggregator_pays_with_its_transfer_type(ask: Ask, kind: str, status: str) -> None:
    with MtnMomoEmulator(aggregator=True) as emulator:
        paid = send(
            ask(emulator),
            key="as-aggregator",
            payee=Payee.msisdn("+46733123499"),
            amount=Money("5", "EUR"),
            options={"transfer_type": kind},
        )

    assert str(paid.status) == status


def test_callback_that_mtn_refuses_pauses_the_account_and_fails_nothing(ask: Ask) -> None:
    """500 INVALID_CALLBACK_URL_HOST is about us: nothing was created, and the payout waits."""
    with MtnMomoEmulator(callback_host="pay.example.org") as emulator:
        client = ask(emulator, 'callback_url = "http://other.example.org/momo"')
        payee, amount = Payee.msisdn("+46733123499"), Money("5", "EUR")
        paid = client.client.send(account=client.account, key="stopped", payee=payee, amount=amount)
        paid = paid if client.runner is None else client.runner.run(paid)
        pauses = client.client.pauses()
        pauses = pauses if client.runner is None else client.runner.run(pauses)

        assert emulator.ledger() == []

    assert str(paid.status) == "CREATED"
    assert [pause.account for pause in pauses] == [client.account]
