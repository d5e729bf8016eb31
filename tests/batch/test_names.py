"""The name in a file beside the name of the wallet's holder."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments_core.batch import NameMatch
from payments_core.batch.names import match_names

MATCHED, PARTIAL, NO_MATCH, UNSUPPORTED = NameMatch

WORDS = st.lists(st.text("abcdefghij", min_size=3, max_size=8), min_size=2, max_size=4)


@pytest.mark.parametrize(
    ("written", "held", "wanted"),
    [
        ("Achieng Okello", "OKELLO ACHIENG", MATCHED),
        ("Achieng Okello", "Achieng Grace Okello", MATCHED),
        ("Mrs. Nakató N'Dour", "ndour nakato", MATCHED),
        ("Anne-Marie Diop", "Anne Marie DIOP", MATCHED),
        ("Mukasa", "MUKASA", MATCHED),
        ("محمد علي", "علي محمد", MATCHED),
        ("Mukasa", "Mukasa John", PARTIAL),
        ("Achieng Okello", "Achieng Mukasa", PARTIAL),
        ("Nakato Ssebo", "Nakatto Ruth", PARTIAL),
        ("A. Okello", "Achieng Okello", PARTIAL),
        ("A O", "Achieng Okello", PARTIAL),
        ("Achieng Okello", "A**** O****", PARTIAL),
        ("Achieng Okello", "John Mukasa", NO_MATCH),
        ("Ann Lee", "Anna Lea", NO_MATCH),
        ("Achieng A", "Achol B", NO_MATCH),
        ("Achieng Achol", "A Okello", NO_MATCH),
        ("Achieng Okello", "", UNSUPPORTED),
        ("Mr.", "Achieng Okello", UNSUPPORTED),
        ("Mohamed Ali", "محمد علي", UNSUPPORTED),
    ],
)
def test_names_are_compared_by_their_words(written: str, held: str, wanted: NameMatch) -> None:
    """Short words have to be the same, and one word alone is not a whole name."""
    assert match_names(written, held) is wanted
    assert match_names(held, written) is wanted


@given(WORDS, st.randoms(use_true_random=False))
def test_order_of_words_does_not_matter(words: list[str], random: object) -> None:
    turned = list(words)
    random.shuffle(turned)  # type: ignore[attr-defined]
    assert match_names(" ".join(words), " ".join(turned).upper()) is MATCHED
