"""Keys through both clients and on both stores: one spelling, one payment; one reference, one payout."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import Any

import pytest

from payments_core import Money, Order, Payee, PayoutClient
from payments_core.domain.errors import InvalidPayout, UnknownPayout
from payments_mtn_momo.emulator import MtnMomoEmulator

KEY = unicodedata.normalize("NFC", "l\u00f6hne/1")
Run = Callable[[Callable[[Any], Any]], Any]
pytestmark = pytest.mark.parametrize("store", ["sqlite", "postgres"])


def order(key: str) -> dict[str, Any]:
    return {"key": key, "payee": Payee.msisdn("46733123499"), "amount": Money("25", "EUR")}


def test_key_in_another_spelling_is_refused(gateway: MtnMomoEmulator, using: Run) -> None:
    """As it comes from a file of another system, with something in it that nobody sees, or as an id of ours."""
    first = using(lambda client: client.send(**order(KEY)))
    for other in (unicodedata.normalize("NFD", KEY), f"{KEY}\ufe0f", f"{KEY}\u3164", "l\u00f6\u034fhne/1", first.id):
        for act in ("send", "accept"):
            with pytest.raises(InvalidPayout, match="The key h"):
                using(lambda client, act=act, other=other: getattr(client, act)(**order(other)))
        with pytest.raises(InvalidPayout, match="The key h"):
            using(lambda client, other=other: client.route(**order(other)))

    assert using(lambda client: client.send(**order(KEY))).id == first.id
    assert [entry["posts"] for entry in gateway.ledger()] == [1]


@pytest.fixture
def before_the_rule(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """Write down a payout under a key that is refused by now."""

    def accept(key: str) -> Any:
        with monkeypatch.context() as patch, PayoutClient.from_config() as client:
            patch.setattr(Order, "check_new", lambda _: None)
            return client.accept(**order(key))

    return accept


@pytest.mark.usefixtures("gateway")
def test_key_from_before_the_rule_still_finds_its_payout(using: Run, before_the_rule: Callable[[str], Any]) -> None:
    """Its key finds it, and the same order under it is that payout and no error."""
    key = unicodedata.normalize("NFD", KEY)
    old = before_the_rule(key)

    assert using(lambda client: client.send(**order(key))).id == old.id
    assert using(lambda client: client.wait(key, timeout_s=10)).status == "SUCCEEDED"


DECIDING = {"actor": "Ann", "reason": "because"}
ACTS: dict[str, dict[str, Any]] = {
    "get": {},
    "refresh": {},
    "wait": {},
    "cancel": {"actor": "Ann", "reason": "because"},
    "cancel_at_provider": {},
    "approve": DECIDING,
    "reopen": DECIDING,
    "resolve": {"paid": True, **DECIDING},
    "reissue": DECIDING,
    "erase": DECIDING,
}


@pytest.mark.usefixtures("gateway")
def test_name_of_two_payouts_is_refused_by_every_call(using: Run, before_the_rule: Callable[[str], Any]) -> None:
    """An older journal may hold a key that is another payout's id: nothing is done to either until one is named."""
    first = before_the_rule("wages-1")
    second = before_the_rule(first.id)

    for name, given in ACTS.items():
        with pytest.raises(UnknownPayout, match="two payouts") as refused:
            using(lambda client, name=name, given=given: getattr(client, name)(first.id, **given))
        assert second.id in refused.value.hint
    assert using(lambda client: client.get("wages-1")).id == first.id
    assert using(lambda client: client.get(second.id)).id == second.id


@pytest.mark.usefixtures("gateway")
@pytest.mark.parametrize("spelling", ["NFD", "NUL", "half"])
def test_name_that_finds_nothing_is_described(using: Run, spelling: str) -> None:
    """Copied from elsewhere, a key may look right and be another one; no store fails over what it cannot hold."""
    named = {"NFD": unicodedata.normalize("NFD", KEY), "NUL": "wages\x001", "half": "wages\ud8001"}[spelling]
    using(lambda client: client.accept(**order(KEY)))

    with pytest.raises(UnknownPayout, match=r"It holds U\+[0-9A-F]{4}.* at position [36]"):
        using(lambda client: client.get(named))
