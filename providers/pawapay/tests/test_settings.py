"""What an account's settings may be, and which mistakes are found before anything starts."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

WRONG: list[dict[str, Any]] = [
    {"country": "Zambia"},
    {"operator": "mtn zambia"},
    {"base_url": "http://api.pawapay.io"},
    {"signing_key": SecretStr("pem")},
    {"signing_key_id": "KEY"},
    {"signed_callbacks": True},
    {"signed_callbacks": True, "callback_url": "pay.example.org"},
    {"signing_algorithm": "none"},
    {"learn_every_s": 0},
]


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_settings_mistakes_are_found_at_start(settle: Any, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        settle(**wrong)


@pytest.mark.parametrize(
    ("address", "is_test_mode"),
    [
        ("https://api.pawapay.io", False),
        ("https://api.sandbox.pawapay.io", True),
        ("http://localhost:9000", True),
        ("https://api.sandbox.pawapay.io.example.org", False),
    ],
)
def test_sandbox_and_this_machine_alone_are_test_mode(settle: Any, address: str, is_test_mode: bool) -> None:
    assert settle(base_url=address).is_test_mode is is_test_mode


def test_settings_repr_shows_no_secret(settle: Any) -> None:
    settings = settle(
        signing_key=SecretStr("-----BEGIN SECRET"), signing_key_id="KEY", callback_url="https://x.example.org/token"
    )
    for secret in ("token-of-somebody", "BEGIN SECRET", "x.example.org/token"):
        assert secret not in repr(settings)
