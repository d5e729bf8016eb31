"""An account's settings are checked before anything is sent, and no message shows what was written in them."""

from __future__ import annotations

import logging
from decimal import Decimal
from typing import Any, get_args

import pytest
from pydantic import SecretStr, ValidationError

from payments_core.domain.errors import SettingsError
from payments_core.settings import read_account
from payments_mtn_momo import MtnMomoSettings
from payments_mtn_momo.emulator.tokens import Credentials
from payments_mtn_momo.targets import TARGETS, TargetName


def read(**changed: Any) -> MtnMomoSettings:
    held = Credentials.new()
    table = {
        "provider": "mtn_momo",
        "target_environment": "sandbox",
        "api_user": held.api_user,
        "api_key": held.api_key,
        "subscription_key": held.subscription_key,
    }
    table |= changed
    return read_account(MtnMomoSettings, "mtn", table, resolve_secret=SecretStr)


def test_target_literal_and_table_have_the_same_names() -> None:
    assert list(get_args(TargetName)) == list(TARGETS)
    assert all(row.name == name and row.source for name, row in TARGETS.items())


@pytest.mark.parametrize(
    ("target", "currency", "quantum", "host", "is_test_mode"),
    [
        ("sandbox", "EUR", "0.01", "sandbox.momodeveloper.mtn.com", True),
        ("mtnuganda", "UGX", "1", "proxy.momoapi.mtn.com", False),
    ],
)
def test_target_sets_currency_and_address(
    target: str, currency: str, quantum: str, host: str, is_test_mode: bool
) -> None:
    settings = read(target_environment=target)

    assert settings.currency == currency
    assert settings.target.quantum == Decimal(quantum)
    assert settings.base_url == f"https://{host}"
    assert settings.host == host
    assert settings.is_test_mode is is_test_mode


@pytest.mark.parametrize("url", ["http://127.0.0.1:9400", "http://localhost:9400/", "http://[::1]:9400"])
def test_live_target_may_be_played_by_this_machine(url: str) -> None:
    settings = read(target_environment="mtnuganda", base_url=url)

    assert settings.is_test_mode
    assert settings.base_url == url.rstrip("/")
    assert settings.currency == "UGX"


def test_new_platform_accepts_opaque_users() -> None:
    """An account that has moved pays through the other host, as a user that is no UUID."""
    settings = read(target_environment="mtnuganda", platform="momo_africa", api_user="bWFkZS11cA==")

    assert (settings.base_url, settings.currency) == ("https://momoapi.momo.africa", "UGX")
    assert settings.platform == "momo_africa"
    assert not settings.is_test_mode


def test_callback_url_is_accepted_where_mtn_may_call() -> None:
    """Plain http only where no money is real: in the sandbox, and for a target played by this machine."""
    live = read(
        target_environment="mtnghana", callback_url="https://pay.example.org/x", callback_host="pay.example.org"
    )
    played = read(target_environment="mtnghana", base_url="http://127.0.0.1:9400", callback_url="http://localhost:1/x")

    assert (live.callback_url, live.callback_host) == ("https://pay.example.org/x", "pay.example.org")
    assert played.callback_url == "http://localhost:1/x"
    assert read(callback_url="http://pay.example.org/x").callback_host == ""
    assert (read().callback_url, read().callback_host) == ("", "")


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"target_environment": "mtnatlantis"}, "target_environment: must be 'sandbox', 'mtnuganda'"),
        ({"currency": "UGX"}, "currency must be EUR for sandbox"),
        ({"currency": "eur"}, "currency must be EUR for sandbox"),
        ({"api_user": "momo-user"}, "api_user: is no UUID"),
        ({"api_key": ""}, "api_key: is empty"),
        ({"api_key": "  "}, "api_key: is empty"),
        ({"subscription_key": "\n"}, "subscription_key: is empty"),
        ({"subscription_key": "two\nlines"}, "subscription_key: holds blanks at its ends, line breaks"),
        ({"api_key": "clé"}, "characters other than ASCII"),
        ({"base_url": "http://sandbox.momodeveloper.mtn.com"}, "must start with https://"),
        ({"base_url": "http://127.0.0.1.example.org"}, "must start with https://"),
        ({"base_url": "http://192.168.1.1:9400"}, "must start with https://"),
        ({"base_url": "ftp://127.0.0.1"}, "must start with https://"),
        ({"base_url": "https://user:pw@example.org"}, "must not hold a user or password"),
        ({"base_url": "https://example.org/disbursement"}, "must end after the host"),
        ({"base_url": "https://example.org?x=1"}, "must end after the host"),
        ({"base_url": "https://example.org#x"}, "must end after the host"),
        ({"base_url": "example.org"}, "is no address"),
        ({"base_url": "https://example.org:port"}, "is no address"),
        ({"base_url": "https://exa mple.org"}, "is no address"),
        ({"base_url": ""}, "is no address"),
        ({"base_url": "https://proxy.momoapi.mtn.com"}, "base_url does not serve sandbox"),
        ({"platform": "legacy"}, "platform legacy does not serve sandbox"),
        ({"platform": ["legacy"]}, "platform: must be 'sandbox', 'legacy' or 'momo_africa'"),
        ({"target_environment": "mtnuganda", "platform": "sandbox"}, "platform sandbox does not serve mtnuganda"),
        (
            {"target_environment": "mtnuganda", "platform": "momo_africa", "api_user": "a:b"},
            "api_user: is empty or holds",
        ),
        ({"target_environment": "mtnuganda", "base_url": "https://momoapi.momo.africa"}, "base_url does not serve"),
        ({"provider": "other"}, "provider: must be 'mtn_momo'"),
        ({"callbackurl": "https://example.org"}, "callbackurl: no such setting (did you mean callback_url?)."),
        ({"callback_host": "https://pay.example.org"}, "callback_host: is no bare host name"),
        ({"callback_host": "192.0.2.7"}, "callback_host: is an address"),
        ({"callback_url": "pay.example.org/momo"}, "callback_url is no plain address"),
        ({"callback_url": "https://192.0.2.7/momo"}, "callback_url has an address as its host"),
        ({"callback_url": "http://pay.example.org", "target_environment": "mtnuganda"}, "must start with https://"),
        (
            {"callback_url": "https://pay.example.org/momo", "callback_host": "other.example.org"},
            "has the host pay.example.org, registered is other.example.org",
        ),
    ],
)
def test_wrong_setting_is_named(changed: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read(**changed)

    assert says in str(caught.value)


@pytest.mark.parametrize(
    "changed",
    [
        {"target_environment": "mtnatlantis"},
        {"platform": "momoafrica", "target_environment": "mtnuganda", "api_user": "bWFkZS11cA=="},
    ],
)
def test_correct_setting_is_not_blamed_for_another(changed: dict[str, Any]) -> None:
    """What follows from a wrong target or platform, or is judged by it, is not wrong itself."""
    with pytest.raises(SettingsError) as caught:
        read(**changed)

    assert caught.value.message.count(": ") == 2
    assert [name for name in ("api_user", "base_url", "currency") if name in caught.value.message] == []


SECRET = "do-not-show-me-é"


@pytest.mark.parametrize("field", ["api_key", "subscription_key", "api_user", "base_url", "currency"])
def test_settings_refusal_never_shows_the_value(field: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), pytest.raises(SettingsError) as caught:
        read(**{field: SECRET})
    held = Credentials.new()
    with pytest.raises(ValidationError) as raw:
        MtnMomoSettings.model_validate({"target_environment": "sandbox", "api_user": held.api_user, field: SECRET})

    assert SECRET not in f"{caught.value!r} {caught.value} {raw.value!r} {raw.value} {caplog.text}"


def test_settings_repr_hides_secrets() -> None:
    settings = read(api_key="do-not-show-me", subscription_key="nor-me-either")

    assert "show-me" not in f"{settings!r} {settings}"
    assert "nor-me" not in settings.model_dump_json()
