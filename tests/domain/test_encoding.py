"""What a general encoder writes of our values: no complete number, no float."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from flat_records import new_record
from pydantic import TypeAdapter

from payments_core import Money, Payee, PayoutStatus
from payments_core.domain.deliveries import PayoutEvent
from payments_core.domain.payout import Order

AT = datetime(2026, 11, 2, 9, tzinfo=UTC)
NUMBER = "256772123456"
PAYEE, AMOUNT = Payee.msisdn(NUMBER), Money("12.50", "EUR")
ORDER = Order(f"k/{NUMBER}", PAYEE, AMOUNT, note=f"for {NUMBER}", options={"to": NUMBER}, metadata={"to": NUMBER})
PAYOUT = dataclasses.replace(new_record(), order=ORDER).view()
EVENT = PayoutEvent(
    id="e",
    payout_id="po_1",
    key=f"k/{NUMBER}",
    account="main",
    status=PayoutStatus.FAILED,
    reason=None,
    attempt=1,
    seq=2,
    at=AT,
)


def as_a_web_framework_does(value: Any) -> Any:
    """Encode as FastAPI's ``jsonable_encoder`` does where a route names no type of its answer."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = dataclasses.asdict(value)
    if isinstance(value, dict):
        return {str(name): as_a_web_framework_does(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [as_a_web_framework_does(one) for one in value]
    return value if isinstance(value, str | int | float | None) else vars(value)


def as_json_with_a_default(value: Any) -> str:
    return json.dumps(dataclasses.asdict(value), default=str)


def in_a_model(value: Any) -> str:
    return TypeAdapter(type(value)).dump_json(value).decode()


@pytest.mark.parametrize("encode", [as_a_web_framework_does, as_json_with_a_default, in_a_model])
def test_encoders_write_neither_a_complete_number_nor_a_float(encode: Callable[[Any], Any]) -> None:
    """It fails, or writes the payee masked and the amount as text."""
    payout = dataclasses.replace(
        PAYOUT, key="k/1", note="", metadata={}
    )  # the caller's own texts are written as they are
    try:
        written = str(encode(payout))
    except TypeError:
        assert encode is as_a_web_framework_does
        return
    assert NUMBER not in written
    assert "256******456" in written
    assert "12.5" in written.replace("12.50", "12.5")
    if encode is in_a_model:
        assert json.loads(written)["amount"] == {"amount": "12.5", "currency": "EUR"}


@pytest.mark.parametrize("value", [PAYEE, ORDER, PAYOUT, EVENT], ids=lambda value: type(value).__name__)
def test_repr_of_public_values_shows_no_number(value: object) -> None:
    """Keys, notes, options and metadata hold numbers in practice."""
    assert NUMBER not in f"{value!r}{value}"


@pytest.mark.parametrize("value", [PAYEE, AMOUNT, PAYOUT], ids=lambda value: type(value).__name__)
def test_public_values_can_be_copied_and_pickled(value: object) -> None:
    """Copies and pickles are equal, and as closed."""
    for twin in (copy.copy(value), copy.deepcopy(value), pickle.loads(pickle.dumps(value))):  # noqa: S301
        assert twin == value
        assert repr(twin) == repr(value)
