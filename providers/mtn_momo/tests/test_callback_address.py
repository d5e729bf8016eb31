"""Where MTN may call back is checked before anything leaves: an address it refuses would stop every payment."""

from __future__ import annotations

import pytest

from payments_mtn_momo.callback_address import check_callback_host, check_callback_url


@pytest.mark.parametrize("host", ["pay.example.org", "localhost", "a", "xn--bcher-kva.example", "a-1.b-2.example.org"])
def test_callback_host_may_be_a_bare_name(host: str) -> None:
    check_callback_host(host)


@pytest.mark.parametrize(
    ("host", "says"),
    [
        ("https://pay.example.org", "no bare host name"),
        ("pay.example.org/momo", "no bare host name"),
        ("pay.example.org:8443", "no bare host name"),
        ("pay.example.org.", "no bare host name"),
        ("Pay.example.org", "no bare host name"),  # it is compared letter by letter
        ("-pay.example.org", "no bare host name"),
        ("pay..example.org", "no bare host name"),
        ("pay example.org", "no bare host name"),
        ("pay.example.org\n", "no bare host name"),
        (f"{'a' * 64}.org", "no bare host name"),
        ("bücher.example", "no bare host name"),
        ("", "no bare host name"),
        ("192.0.2.7", "MTN wants a name"),
        ("[2001:db8::7]", "no bare host name"),
    ],
)
def test_callback_host_that_matches_no_callback_is_refused(host: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        check_callback_host(host)


@pytest.mark.parametrize(
    "url",
    [
        "https://pay.example.org",
        "https://pay.example.org/momo/a1b2?x=1",
        "https://pay.example.org:8443/momo",
        "https://PAY.example.org/momo",
    ],
)
@pytest.mark.parametrize("is_live", [True, False])
@pytest.mark.parametrize("registered", ["", "pay.example.org"])
def test_callback_address_on_the_registered_host_is_accepted(url: str, is_live: bool, registered: str) -> None:
    check_callback_url(url, is_live=is_live, registered_host=registered)


def test_callback_address_with_plain_http_needs_test_mode() -> None:
    check_callback_url("http://pay.example.org/momo", is_live=False)
    with pytest.raises(ValueError, match="must start with https://"):
        check_callback_url("http://pay.example.org/momo", is_live=True)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "no plain address"),
        ("pay.example.org/momo", "no plain address"),
        ("ftp://pay.example.org", "no plain address"),
        ("https://", "no plain address"),
        ("https:///momo", "no plain address"),
        ("https://user@pay.example.org/momo", "no plain address"),
        ("https://user:secret@pay.example.org/momo", "no plain address"),
        ("https://pay.example.org/momo#part", "no plain address"),
        ("https://pay.example.org/mo mo", "no plain address"),
        ("https://pay.example.org/momo\r\nX-Other: 1", "no plain address"),
        ("https://bücher.example/momo", "no plain address"),
        ("https://192.0.2.7/momo", "has an address as its host"),
        ("https://[2001:db8::7]/momo", "no plain address"),
    ],
)
@pytest.mark.parametrize("is_live", [True, False])
def test_callback_address_that_mtn_would_refuse_is_refused(url: str, says: str, is_live: bool) -> None:
    with pytest.raises(ValueError, match=says) as caught:
        check_callback_url(url, is_live=is_live)

    assert "secret" not in str(caught.value)


def test_callback_address_on_another_host_is_refused() -> None:
    """MTN would answer 500 INVALID_CALLBACK_URL_HOST and create nothing."""
    for url in ("https://other.example.org/momo", "https://pay.example.org.evil.example/momo", "https://example.org"):
        with pytest.raises(ValueError, match=r"registered is pay\.example\.org"):
            check_callback_url(url, is_live=True, registered_host="pay.example.org")
