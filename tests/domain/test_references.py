"""References are derived, not drawn.

The vectors below are a wire format. They never change: with another value, a payout whose journal was lost would be
paid a second time under a reference that its provider has never seen. A test that fails here is right, whatever the
change was.
"""

from __future__ import annotations

import hashlib
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments_core.domain.references import derive, payout_id, uuid4_shaped

NAMESPACE = "0123456789abcdef0123456789abcdef"

# namespace, key, attempt, purpose -> SHA-256
GOLDEN = [
    (
        NAMESPACE,
        "salary-2026-11/0042",
        1,
        "reference",
        "d4ffabe0d0b346e208bba634733813d32dbdfc7b88c143c0c3c6f7ee2d6042f8",
    ),
    (
        NAMESPACE,
        "salary-2026-11/0042",
        2,
        "reference",
        "6f3f8ea3623c600d250f9b07185c698d4ad6f182f209b8e58871a2195205003d",
    ),
    (NAMESPACE, "salary-2026-11/0042", 0, "payout", "1d473c35a73227957868d61b5f250ed7918c5918b9f2ada6b1d31cb4d53982f1"),
    (
        "another-installation",
        "salary-2026-11/0042",
        1,
        "reference",
        "67a5be33528a973b8cbc6eaef6c34552939e6e9e67fc4f7cfd9cc7a0ed50bf20",
    ),
    (
        NAMESPACE,
        "l\u00f6hne/M\u00e4rz",
        1,
        "reference",
        "62301b63697dd7d3df9c8839bd1d22335f738df2f48f9a3ff88759756a65380e",
    ),
    ("a", "bc", 1, "reference", "71d8ec4249f764d042e55d6549c1e8e6c0377bc26d0d9fc91117b6d1a1620fba"),
    ("ab", "c", 1, "reference", "4e424a5afe8d099823d83e0043eb57ab004c1336a8725f28483617c30780551f"),
    (NAMESPACE, "k" * 200, 12, "reference", "d89b347607c03a52c7b43700c03a2dc4fec40fdbb1b7bb3dc9ff328a986eefb3"),
]

# namespace, key, attempt -> UUID
GOLDEN_UUIDS = [
    (NAMESPACE, "salary-2026-11/0042", 1, "d4ffabe0-d0b3-46e2-88bb-a634733813d3"),
    (NAMESPACE, "salary-2026-11/0042", 2, "6f3f8ea3-623c-400d-a50f-9b07185c698d"),
    ("another-installation", "salary-2026-11/0042", 1, "67a5be33-528a-473b-8cbc-6eaef6c34552"),
    (NAMESPACE, "l\u00f6hne/M\u00e4rz", 1, "62301b63-697d-47d3-9f9c-8839bd1d2233"),
    ("a", "bc", 1, "71d8ec42-49f7-44d0-82e5-5d6549c1e8e6"),
    ("ab", "c", 1, "4e424a5a-fe8d-4998-a3d8-3e0043eb57ab"),
    (NAMESPACE, "k" * 200, 12, "d89b3476-07c0-4a52-87b4-3700c03a2dc4"),
]

GOLDEN_IDS = [
    (NAMESPACE, "salary-2026-11/0042", "po_dvdtynnhgitzk6di2ynv6jio"),
    ("another-installation", "salary-2026-11/0042", "po_xd6nin7dz2bprnna2dtya5c3"),
    (NAMESPACE, "l\u00f6hne/M\u00e4rz", "po_own3rdnk3pw7axlxn7susclb"),
    ("a", "bc", "po_rqsjshacngsvki4tplu7tuu7"),
    ("ab", "c", "po_eogyhvtcajay4zsdkx53h2fg"),
]


@pytest.mark.parametrize(("namespace", "key", "attempt", "purpose", "digest"), GOLDEN)
def test_reference_bytes_match_the_golden_vectors(
    namespace: str, key: str, attempt: int, purpose: str, digest: str
) -> None:
    assert derive(namespace, key, attempt, purpose=purpose).hex() == digest


@pytest.mark.parametrize(("namespace", "key", "attempt", "reference"), GOLDEN_UUIDS)
def test_uuid_references_match_the_golden_vectors(namespace: str, key: str, attempt: int, reference: str) -> None:
    assert uuid4_shaped(derive(namespace, key, attempt)) == reference


@pytest.mark.parametrize(("namespace", "key", "name"), GOLDEN_IDS)
def test_payout_ids_match_the_golden_vectors(namespace: str, key: str, name: str) -> None:
    assert payout_id(namespace, key) == name


def test_reference_is_the_hash_of_its_length_prefixed_parts() -> None:
    """SHA-256 of ``payments_core/1``, then purpose, namespace, key and attempt, each after its length in four bytes."""
    written = b"payments_core/1"
    for part in (b"reference", NAMESPACE.encode(), b"salary-2026-11/0042", b"1"):
        written += len(part).to_bytes(4, "big") + part

    assert derive(NAMESPACE, "salary-2026-11/0042", 1) == hashlib.sha256(written).digest()


PART = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)


@given(st.tuples(PART, PART, PART), st.tuples(PART, PART, PART), st.integers(1, 99), st.integers(1, 99))
def test_reference_differs_when_any_part_differs(
    one: tuple[str, str, str], other: tuple[str, str, str], attempt: int, another: int
) -> None:
    """However the parts are cut, only the same four give the same bytes."""
    first = derive(one[0], one[1], attempt, purpose=one[2])
    second = derive(other[0], other[1], another, purpose=other[2])

    assert (first == second) is ((*one, attempt) == (*other, another))


@given(st.binary(min_size=32, max_size=32))
def test_uuid_reference_is_valid_version_4_and_keeps_122_bits(seed: bytes) -> None:
    """A provider that validates references as version 4 accepts ours, and 122 bits of the seed are in it."""
    shaped = uuid4_shaped(seed)
    read = uuid.UUID(shaped)

    assert shaped == str(read)
    assert read.version == 4
    assert read.variant == uuid.RFC_4122
    variable = ~(0xF << 76 | 0x3 << 62)
    assert read.int & variable == int.from_bytes(seed[:16], "big") & variable


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40))
def test_payout_id_reveals_neither_key_nor_reference(key: str) -> None:
    """Letters, digits and one underscore; nothing of the key, and not the reference."""
    name = payout_id(NAMESPACE, key)

    assert name.startswith("po_")
    assert name[3:].isalnum()
    assert name.isascii()
    assert name == name.lower()
    assert len(name) == 27
