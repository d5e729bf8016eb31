"""Requests as they are stored, filled and shown; answers as they are read."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from payments_core.http.messages import HttpRequest, HttpResponse, NoAnswer, NotSent, fill, slot, slots_in

AT = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
SECRET = "sekrit-9f8e7d"


@pytest.fixture
def payment() -> HttpRequest:
    return HttpRequest(
        "POST",
        "https://example.org/transfer",
        "transfer",
        {"Authorization": f"Bearer {slot('token')}", "X-Reference-Id": "r-1"},
        json.dumps({"amount": "5", "pin": slot("pin")}),
        moves_money=True,
    )


@given(
    st.builds(
        HttpRequest,
        method=st.sampled_from(["GET", "POST", "PUT"]),
        url=TEXT,
        operation=TEXT,
        headers=st.dictionaries(TEXT, TEXT, max_size=4),
        body=st.none() | TEXT,
        repeatable=st.booleans(),
        moves_money=st.booleans(),
        credential=st.booleans(),
    )
)
def test_stored_request_is_read_back_unchanged(request: HttpRequest) -> None:
    """A request read from the journal is the one that was written: the same bytes would leave."""
    back = HttpRequest.from_json(request.to_json())

    assert back == request
    assert back.hash == request.hash
    assert back.to_json() == request.to_json()


def test_stored_form_of_a_request_never_changes(payment: HttpRequest) -> None:
    """Journals hold it: rows written by an older version must be sent as they were written."""
    stored = (
        '{"body":"{\\"amount\\": \\"5\\", \\"pin\\": \\"{{slot:pin}}\\"}","credential":true,'
        '"headers":{"Authorization":"Bearer {{slot:token}}","X-Reference-Id":"r-1"},"method":"POST",'
        '"moves_money":true,"operation":"transfer","repeatable":false,"url":"https://example.org/transfer"}'
    )

    assert payment.to_json() == stored
    assert payment.hash == "41d2848ae8aa40c185010be159923fbdb24a2e2aa937aa47787e9d2192f981a6"
    assert HttpRequest.from_json(stored) == payment


def test_request_hash_ignores_the_order_of_headers(payment: HttpRequest) -> None:
    assert replace(payment, headers=dict(sorted(payment.headers.items(), reverse=True))).hash == payment.hash


def test_request_hash_ignores_times(payment: HttpRequest) -> None:
    """Every submission of an attempt is the same request, however long it may take."""
    assert replace(payment, timeout_s=1.0, send_before=AT).hash == payment.hash
    assert replace(payment, timeout_s=1.0, send_before=AT).to_json() == payment.to_json()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("method", "PUT"),
        ("url", "https://example.org/other"),
        ("operation", "deposit"),
        ("headers", {}),
        ("body", None),
        ("repeatable", True),
        ("moves_money", False),
        ("credential", False),
    ],
)
def test_request_hash_covers_everything_else(name: str, value: Any, payment: HttpRequest) -> None:
    changed: dict[str, Any] = {name: value}

    assert replace(payment, **changed).hash != payment.hash


def test_request_fields_are_stored_or_excluded_on_purpose(payment: HttpRequest) -> None:
    """A new field is stored, or it is a time or a secret that belongs to one send."""
    assert {field.name for field in fields(HttpRequest)} - set(json.loads(payment.to_json())) == {
        "timeout_s",
        "send_before",
        "secrets",
    }


def test_request_hash_is_of_the_unfilled_request(payment: HttpRequest) -> None:
    """What is stored and compared holds no secret, and a new token makes no other payment."""
    stored = payment.hash

    assert fill(payment, {"token": SECRET, "pin": SECRET}).hash != stored
    assert payment.hash == stored
    assert SECRET not in payment.to_json()


def test_slots_are_filled_everywhere() -> None:
    request = HttpRequest(
        "GET", f"https://example.org/{slot('a')}", "x", {"H": f"{slot('b')}-{slot('a')}"}, slot("c_1")
    )

    assert slots_in(request) == {"a", "b", "c_1"}

    filled = fill(request, {"a": "1", "b": "2", "c_1": "3"})

    assert (filled.url, filled.headers, filled.body) == ("https://example.org/1", {"H": "2-1"}, "3")
    assert slots_in(filled) == frozenset()
    assert slots_in(request) == {"a", "b", "c_1"}


def test_slot_without_a_secret_stays(payment: HttpRequest) -> None:
    """So that the transport can refuse to send it, instead of sending a hole."""
    assert slots_in(fill(payment, {"token": "t", "other": "x"})) == {"pin"}


def test_absent_body_stays_absent() -> None:
    assert fill(HttpRequest("GET", "https://example.org", "x"), {"a": "1"}).body is None


@given(TEXT, TEXT)
@example(slot("t"), "")
def test_secret_is_filled_in_as_it_is(secret: str, around: str) -> None:
    r"""Backslashes and group marks mean nothing, and a secret is not searched for slots."""
    body = around.replace("{{", "") + "|" + slot("s") + "|"
    request = HttpRequest("POST", "https://example.org", "x", {}, body)

    assert fill(request, {"s": secret, "t": "never"}).body == body.replace(slot("s"), secret)


@pytest.mark.parametrize(
    "make",
    [
        lambda: HttpRequest("GET", f"https://example.org/{SECRET}?k={SECRET}", "x", {SECRET: SECRET}, SECRET),
        lambda: HttpResponse(200, {"set-cookie": SECRET}, SECRET.encode(), AT),
    ],
    ids=["request", "response"],
)
def test_request_and_response_repr_show_nothing_of_the_wire(make: Callable[[], object]) -> None:
    """A filled request holds the token, its address may hold a number, and an answer may hold either."""
    assert SECRET not in repr(make())
    assert SECRET not in f"{make()}"


def test_request_repr_still_identifies_it(payment: HttpRequest) -> None:
    assert "transfer" in repr(payment)
    assert "moves_money=True" in repr(payment)


def test_not_sent_and_no_answer_are_unrelated_types() -> None:
    """``except NotSent`` never catches an answer that was lost, nor the other way round."""
    assert not issubclass(NotSent, NoAnswer)
    assert not issubclass(NoAnswer, NotSent)
    assert not issubclass(NotSent, OSError)
    assert not issubclass(NoAnswer, OSError)


@pytest.mark.parametrize(
    ("body", "parsed"),
    [
        (b'{"a": 1}', {"a": 1}),
        (b"null", None),
        (b"", None),
        (b"<html>", None),
        (b'{"a": ', None),
        (b"\xff\xfe\xfd", None),
        (b"[" * 200_000, None),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_response_without_json_reads_as_none(body: bytes, parsed: object) -> None:
    """An answer is never an exception, whatever a gateway says."""
    assert HttpResponse(200, {}, body, AT).json() == parsed


def test_response_text_is_always_text() -> None:
    assert HttpResponse(200, {}, "L\u00f6hne".encode() + b"\xff", AT).text == "L\u00f6hne\ufffd"


def test_filled_header_is_hidden_from_the_repr_of_headers(payment: HttpRequest) -> None:
    """Printed headers show no token; what is sent is the token."""
    filled = fill(payment, {"token": SECRET})
    (name,) = (name for name, value in payment.headers.items() if slot("token") in value)

    assert SECRET in filled.headers[name]
    assert SECRET not in repr(dict(filled.headers))


def test_filled_secrets_are_known_and_not_shown(payment: HttpRequest) -> None:
    """So that a transport can take it out of the answer: neither stored, nor compared, nor in a repr."""
    filled = fill(payment, {"token": SECRET, "unused": "another-secret"})
    again = fill(filled, {"pin": "another-pin"})

    assert (payment.secrets, filled.secrets, again.secrets) == (set(), {SECRET}, {SECRET, "another-pin"})
    assert SECRET not in repr(filled)
    assert "secrets" not in filled.to_json()
