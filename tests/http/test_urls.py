"""Addresses of gateways: nothing leaves in the clear, and nothing is read out of a mistyped one."""

from __future__ import annotations

import pytest

from payments_core.http.urls import check_base_url, is_loopback, is_on_this_machine


@pytest.mark.parametrize(
    ("host", "is_ours"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("127.0.0.1.example.org", False),
        ("localhost.example.org", False),
        ("192.0.2.7", False),
        ("", False),
    ],
)
def test_address_of_this_machine_is_recognised(host: str, is_ours: bool) -> None:
    assert is_loopback(host) is is_ours
    assert is_on_this_machine(f"http://[{host}]:9400" if ":" in host else f"http://{host}:9400") is is_ours


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("https://api.example.com", "https://api.example.com"),
        ("https://API.example.com:8443/", "https://api.example.com:8443"),
        ("http://127.0.0.1:9400", "http://127.0.0.1:9400"),
        ("http://[::1]:9400/", "http://[::1]:9400"),
    ],
)
def test_address_is_normalised_however_it_is_written(written: str, read: str) -> None:
    """It becomes part of what a payout is bound to: a slash more is not another gateway."""
    assert check_base_url(written) == read


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("", "is no address"),
        ("api.example.com", "is no address"),
        ("https://", "is no address"),
        ("https://exa mple.com", "is no address"),
        ("https://example.com\\@evil.example", "is no address"),
        ("https://example.com:port", "is no address"),
        ("https://b\u00fccher.example", "is no address"),
        ("https://user:secret@example.com", "must not hold a user or password"),
        ("https://@example.com", "must not hold a user or password"),
        ("https://example.com/v1", "must end after the host"),
        ("https://example.com?", "must end after the host"),
        ("https://example.com#x", "must end after the host"),
        ("http://example.com", "must start with https://"),
        ("http://127.0.0.1.example.com", "must start with https://"),
        ("ftp://localhost", "must start with https://"),
    ],
)
def test_invalid_address_is_refused_and_not_repeated(written: str, says: str) -> None:
    with pytest.raises(ValueError, match=says) as refused:
        check_base_url(written)

    assert "secret@" not in str(refused.value)
