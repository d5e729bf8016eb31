"""MTN runs two live platforms, and what one has taken the other cannot show: a switch with open payouts, and back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from payments_core import Money, Payee, Payout, PayoutClient, PayoutStatus
from payments_core.client import assemble
from payments_core.domain.errors import SettingsError
from payments_core.domain.payout import ReasonCode
from payments_core.plugins.manager import Plugins
from payments_core.settings import Configuration
from payments_mtn_momo.emulator import MtnMomoEmulator

OPEN = 50
STUCK = "46733123453"  # "Ongoing": stays PENDING until the gateway's clock has moved `ongoing_s` on
ONGOING_S = 3600.0


class TransitionApplied:
    """A clock of ours that can be moved on."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        """Return the time."""
        return datetime.now(UTC) + self.ahead


@pytest.fixture
def clock() -> TransitionApplied:
    return TransitionApplied()


@pytest.fixture
def legacy() -> Iterator[MtnMomoEmulator]:
    with MtnMomoEmulator(target="mtnuganda", platform="legacy", ongoing_s=ONGOING_S) as emulator:
        yield emulator


@pytest.fixture
def newer() -> Iterator[MtnMomoEmulator]:
    with MtnMomoEmulator(target="mtnuganda", platform="momo_africa", ongoing_s=ONGOING_S) as emulator:
        yield emulator


def identity(emulator: MtnMomoEmulator) -> dict[str, Any]:
    """Return an account's own settings for what an emulator plays; secrets come by the plugin below."""
    return {
        "target_environment": "mtnuganda",
        "platform": emulator.platform,
        "base_url": emulator.url,
        "api_user": emulator.credentials.api_user,
        "api_key": f"file:{emulator.platform}-key",
        "subscription_key": f"file:{emulator.platform}-subscription",
    }


@pytest.fixture
def open_client(tmp_path: Path, clock: TransitionApplied) -> Callable[..., PayoutClient]:
    """Make a client whose account pays as one emulator, and has the others as retired identities."""

    def make(now: MtnMomoEmulator, *retired: MtnMomoEmulator, **more: Any) -> PayoutClient:
        for emulator in (now, *retired):
            for what, secret in (("key", "api_key"), ("subscription", "subscription_key")):
                file = tmp_path / f"{emulator.platform}-{what}"
                file.write_text(getattr(emulator.credentials, secret), "utf-8")
        account = {
            "provider": "mtn_momo",
            "poll_schedule_s": [5.0] * 20,
            "visible_after_s": 2.0,
            "retry_schedule_s": [5.0],
            "retired": [identity(one) for one in retired],
            **identity(now),
            **more,
        }
        read = Configuration(tmp_path / "payouts.toml", "0123456789abcdef", "sqlite:///payouts.db", {"mtn": account})
        return PayoutClient(assemble(read, plugins=Plugins(), clock=clock))

    return make


def send(client: PayoutClient, key: str, *, to: str = STUCK) -> Payout:
    return client.send(key=key, payee=Payee.msisdn(to), amount=Money("1000", "UGX"), operation=_operation(key))


def _operation(key: str) -> str:
    return "deposit" if key.endswith(("3", "7")) else "transfer"


def settled(client: PayoutClient, clock: TransitionApplied, rounds: int = 12) -> dict[str, Payout]:
    """Work on everything until nothing is open, our clock moving on from look to look."""
    for _ in range(rounds):
        if not client.resume(timeout_s=0).open:
            break
        clock.ahead += timedelta(seconds=6)
    return {payout.key: payout for payout in client.payouts()}


def posts(emulator: MtnMomoEmulator) -> dict[str, int]:
    """Return how often each payment of the ledger was posted, duplicates included."""
    return {row["external_id"]: row["posts"] for row in emulator.ledger()}


def test_platform_switch_and_return_pays_fifty_open_payouts_once(
    legacy: MtnMomoEmulator, newer: MtnMomoEmulator, open_client: Callable[..., PayoutClient], clock: TransitionApplied
) -> None:
    """Each payout is read where it was sent and posted nowhere else: forward, and back again."""
    with open_client(legacy) as client:
        for number in range(OPEN - 5):
            assert send(client, f"old/{number}").status is PayoutStatus.PENDING
        legacy.set_faults({"answer_lost_after_acceptance": {"next": 5}})
        for number in range(OPEN - 5, OPEN):
            assert send(client, f"old/{number}").status is PayoutStatus.UNKNOWN
        legacy.set_faults({})
        client.pause(reason="the night of the switch")
        for number in range(3):
            assert send(client, f"untried/{number}", to="46733123499").status is PayoutStatus.CREATED
    at_legacy = posts(legacy)
    assert len(at_legacy) == OPEN
    assert set(at_legacy.values()) == {1}

    with open_client(newer, legacy) as client:
        client.unpause()
        for number in range(7):
            assert send(client, f"new/{number}").status is PayoutStatus.PENDING
        clock.ahead += timedelta(seconds=6)
        client.resume(timeout_s=0)
        found = {payout.key: payout for payout in client.payouts()}
        # The lost answers were found where they were sent, and what had not been tried went out on the new platform.
        assert {found[f"old/{n}"].status for n in range(OPEN)} == {PayoutStatus.PENDING}
        assert {found[f"untried/{n}"].status for n in range(3)} == {PayoutStatus.PENDING}
        assert posts(legacy) == at_legacy
        assert len(posts(newer)) == 10
        legacy.advance(ONGOING_S)
        clock.ahead += timedelta(seconds=6)
        client.resume(timeout_s=0)
        found = {payout.key: payout for payout in client.payouts()}
        assert {found[f"old/{n}"].status for n in range(OPEN)} == {PayoutStatus.SUCCEEDED}
        assert {found[f"new/{n}"].status for n in range(7)} == {PayoutStatus.PENDING}
    at_newer = posts(newer)

    with open_client(legacy, newer) as client:  # and back
        assert send(client, "back/1", to="46733123499").status is PayoutStatus.PENDING
        newer.advance(ONGOING_S)
        found = settled(client, clock)

    assert {payout.status for payout in found.values()} == {PayoutStatus.SUCCEEDED}
    assert len(found) == OPEN + 3 + 7 + 1
    assert posts(newer) == at_newer
    assert posts(legacy) == at_legacy | {found["back/1"].id: 1}
    assert not set(posts(legacy)) & set(posts(newer))


def test_payout_is_checked_by_the_identity_that_sent_it(
    legacy: MtnMomoEmulator, newer: MtnMomoEmulator, open_client: Callable[..., PayoutClient], clock: TransitionApplied
) -> None:
    """No status request for a payment goes to a gateway that did not take it: a 404 there would mean nothing."""
    with open_client(legacy) as client:
        for number in range(4):
            send(client, f"old/{number}")
    # Were one of them asked for here, this answer would be written into its history.
    newer.set_faults({"status_503": {"on": "get"}})
    with open_client(newer, legacy) as client:
        legacy.advance(ONGOING_S)
        found = settled(client, clock)
        history = json.dumps([entry.evidence for key in found for entry in client.get(key).history], default=str)
    assert {payout.status for payout in found.values()} == {PayoutStatus.SUCCEEDED}
    assert "503" not in history
    assert newer.ledger() == []


def test_retired_identity_never_sends(
    legacy: MtnMomoEmulator, newer: MtnMomoEmulator, open_client: Callable[..., PayoutClient], clock: TransitionApplied
) -> None:
    """A payment that may have left and does not appear is not sent again by what is retired, nor by its successor."""
    legacy.set_faults({"answer_lost_before_acceptance": {"next": 1}})
    with open_client(legacy) as client:
        assert send(client, "lost/1").status is PayoutStatus.UNKNOWN
    with open_client(newer, legacy) as client:
        found = settled(client, clock)["lost/1"]
        again = send(client, "lost/1")
    assert found.status is again.status is PayoutStatus.REVIEW
    assert found.reason is not None
    assert found.reason.code is ReasonCode.BINDING_GONE
    assert legacy.ledger() == newer.ledger() == []

    with open_client(legacy, newer) as client:  # back: what sent it may send again, and a person may have it asked
        client.refresh("lost/1")
        assert client.get("lost/1").status is PayoutStatus.REVIEW


def test_refused_submission_stays_with_its_identity(
    legacy: MtnMomoEmulator, newer: MtnMomoEmulator, open_client: Callable[..., PayoutClient], clock: TransitionApplied
) -> None:
    """A payout that was tried and refused is not moved to another platform by itself."""
    legacy.set_faults({"status_429": {"next": 1}})
    with open_client(legacy) as client:
        assert send(client, "refused/1").status is PayoutStatus.CREATED
    clock.ahead += timedelta(seconds=10)
    with open_client(newer, legacy) as client:
        assert settled(client, clock)["refused/1"].status is PayoutStatus.REVIEW
    assert legacy.ledger() == newer.ledger() == []


def test_payout_without_its_retired_identity_goes_to_review(
    legacy: MtnMomoEmulator, newer: MtnMomoEmulator, open_client: Callable[..., PayoutClient], clock: TransitionApplied
) -> None:
    """Where nothing of the configuration can read it, it goes to review and says under what it was sent."""
    with open_client(legacy) as client:
        send(client, "old/1")
    with open_client(newer) as client:
        clock.ahead += timedelta(seconds=6)
        found = settled(client, clock)["old/1"]
    assert found.status is PayoutStatus.REVIEW
    assert found.reason is not None
    assert "platform legacy" in found.reason.text
    with open_client(newer, legacy) as client:  # put back, a look finds it
        assert client.refresh("old/1").status is PayoutStatus.PENDING
    assert newer.ledger() == []


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({}, "an identity twice"),
        ({"api_user": "not a uuid"}, r"retired\]\] is wrong: api_user"),
        ({"target_environment": "sandbox", "platform": "sandbox", "base_url": ""}, r"retired\]\] is wrong: base_url"),
        ({"api_key": "env:NOT_THERE_AT_ALL"}, r"retired\]\] api_key: The environment variable"),
        ({"retired": []}, None),
    ],
)
def test_retired_identity_with_a_mistake_stops_the_start(
    changed: dict[str, Any], says: str | None, legacy: MtnMomoEmulator, open_client: Callable[..., PayoutClient]
) -> None:
    """What is wrong with an identity that only reads is reported before the first payout, as for any other."""
    if says is None:
        open_client(legacy, retired=[]).close()
        return
    with pytest.raises(SettingsError, match=says):
        open_client(legacy, retired=[identity(legacy) | changed])


def test_account_cannot_mix_sandbox_and_live_identities(
    legacy: MtnMomoEmulator, open_client: Callable[..., PayoutClient]
) -> None:
    """An account that pays for real cannot have the sandbox as what it paid as before."""
    sandbox = {"target_environment": "sandbox", "api_user": identity(legacy)["api_user"], "api_key": "file:legacy-key"}
    old = sandbox | {"subscription_key": "file:legacy-subscription"}
    with pytest.raises(SettingsError, match="play money and real money"):
        open_client(legacy, base_url="https://proxy.momoapi.mtn.com", visible_after_s=None, retired=[old])
