"""Which addresses leave: a quick look decides about ordinary ones alone, and as the close look does."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from payments_core.http.transport import exchange

ORDINARY = st.from_regex(exchange._ORDINARY, fullmatch=True)
PIECES = st.sampled_from(
    ("http://", "https://", "HTTP://", "ftp:", "/", ".", "..", "/.", "a", "Host", "gateway.example", "[::1]", "[", "]")
) | st.sampled_from(
    (":", ":80", ":0", ":08", ":59999", ":65536", "@", "?", "#", "%2e", ";", "=", " ", "\n", "\u0660", "\u00e9", "_")
)


@settings(max_examples=300)
@given(ORDINARY | st.lists(PIECES, max_size=9).map(lambda pieces: f"http://{''.join(pieces)}"))
def test_quick_address_check_agrees_with_the_full_parser(url: str) -> None:
    """An address that is sent without being taken apart is one that would have been sent, to the same host."""
    assert exchange._plain_host(url) == exchange._host_of(url)
