"""Whatever is sent to the paths: no state without a read, no 5xx, no more than one read in five seconds.

Requests are made from callbacks as MTN's schema has them, changed in every field, and sent over real connections to the
application as it is served. ``PAYMENTS_FUZZ`` says how many, half of them on each store; three hundred by default.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from payments_core.domain.payout import PayoutStatus as S

REQUESTS = -(-int(os.environ.get("PAYMENTS_FUZZ", "300")) // 2)
GOOD, STUCK, FAILING = "+46733123499", "+46733123453", "+46733123457"
AT_ONCE = 10  # so many requests, then what is due is done
STEP = timedelta(seconds=min(0.5, 500 * AT_ONCE / REQUESTS))  # and so much time passes: no schedule comes to its turn
Harness = Any

METHODS = st.sampled_from(["PUT", "POST"] * 4 + ["GET", "HEAD", "DELETE", "PATCH", "OPTIONS", "TRACE", "put", "X"])
NAMES = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=20).filter(
    lambda name: name not in {"content-length", "transfer-encoding", "expect", "host", "connection", "upgrade"}
)
VALUES = st.text(st.characters(min_codepoint=0x21, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=60)
HEADERS = st.lists(st.tuples(NAMES, VALUES), max_size=6)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=40), st.just("\ud800"), st.just("\x00")
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def changed(draw: Any, real: list[dict[str, Any]]) -> bytes:
    """Change a real callback: fields replaced, left out, nested, repeated, the text cut or broken."""
    result = dict(draw(st.sampled_from(real)))
    for name in draw(st.lists(st.sampled_from([*result, "status", "externalId"]), max_size=3)):
        match draw(st.integers(0, 5)):
            case 0:
                result.pop(name, None)
            case 1:
                result[name] = draw(JSON)
            case 2:
                result[name] = {name: result.get(name)}
            case 3:
                result[name] = draw(st.sampled_from(["SUCCESSFUL", "FAILED", "PENDING", "CREATED", "REVERSED", ""]))
            case 4:
                result[name] = draw(st.sampled_from([one["externalId"] for one in real]))
            case _:
                result[name] = f"{result.get(name)}{draw(st.text(max_size=5))}"
    body = json.dumps(result).encode()
    match draw(st.integers(0, 6)):
        case 0:
            return body[: draw(st.integers(0, len(body)))]
        case 1:
            at = draw(st.integers(0, len(body) - 1))
            return body[:at] + draw(st.binary(min_size=1, max_size=3)) + body[at + 1 :]
        case 2:
            return b"[" * draw(st.integers(1, 2000)) + body
        case _:
            return body


class Eye:
    """Looks at the payouts while requests come: who changes without a read, and when each is read."""

    def __init__(self, harness: Harness, payouts: Sequence[Any]) -> None:
        self._harness = harness
        self._payouts = payouts
        self._stood = {payout.id: self._of(payout) for payout in payouts}
        self.reads: dict[str, list[datetime]] = {payout.id: [] for payout in payouts}
        self.unread_changes: list[Any] = []

    def _of(self, payout: Any) -> Any:
        row = self._harness.row(payout)
        return row.status, row.reason, row.decided_by, row.attempt.submissions

    def _look(self, *, is_read: Callable[[str], bool]) -> None:
        for payout in self._payouts:
            if (now := self._of(payout)) != self._stood[payout.id]:
                if not is_read(payout.id):
                    self.unread_changes.append((self._stood[payout.id], now))
                self._stood[payout.id] = now

    def do_what_is_due(self) -> None:
        """Read what is due, and see that nothing else changes anything."""
        self._look(is_read=lambda _: False)
        before = {payout.id: self._harness.reads(payout) for payout in self._payouts}
        self._harness.go_on()
        new = {payout.id: self._harness.reads(payout) - before[payout.id] for payout in self._payouts}
        for payout, count in new.items():
            self.reads[payout] += [self._harness.frozen + self._harness.ahead] * count
        self._look(is_read=lambda payout: new[payout] > 0)

    def most_reads(self, within: timedelta) -> int:
        """Return the most reads of one payout in any window of that length."""
        return max(sum(at <= other < at + within for other in ats) for ats in self.reads.values() for at in ats)


def test_requests_of_any_form_change_no_status(harness: Harness, store: str, measured: Callable[..., None]) -> None:
    """Payouts in every kind of state, read as soon as callbacks ask for it, stay what the provider says they are."""
    payouts = {
        "ended": harness.pay("ended"),
        "failed": harness.pay("failed", FAILING),
        "stuck": harness.pay("stuck", STUCK),
    }
    harness.until_handled(2)
    harness.go_on()
    harness.client.pause()
    payouts["unsent"] = harness.pay("unsent")
    harness.freeze()
    expected = {"ended": S.SUCCEEDED, "failed": S.FAILED, "stuck": S.PENDING, "unsent": S.CREATED}
    assert {name: harness.status(payout) for name, payout in payouts.items()} == expected
    eye = Eye(harness, list(payouts.values()))
    real = [harness.callback_of(payout) for payout in payouts.values()]
    paths = st.sampled_from(
        [harness.path] * 12
        + [f"{harness.path}?a=b", harness.path[:-1], "/callbacks/" + "A" * 32, "/", "/x/../y", f"/p{harness.path}"]
    )
    bodies = st.one_of(
        changed(real), changed(real), JSON.map(lambda payload: json.dumps(payload).encode()), st.binary(max_size=300)
    )
    answers: Counter[tuple[int, bytes]] = Counter()
    broken: list[Any] = []

    @settings(max_examples=REQUESTS, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(METHODS, paths, HEADERS, bodies)
    def send(method: str, path: str, headers: list[tuple[str, str]], body: bytes) -> None:
        answer = harness.server.ask(method, path, body, **dict(headers))
        answers[answer] += 1
        if answer[0] >= 500:
            broken.append((method, path, headers, body))
        turn, place = divmod(answers.total(), AT_ONCE)
        if not place:  # one that makes sense, so that there is always something to read
            harness.server.ask("PUT", harness.path, json.dumps(real[turn % len(real)]).encode())
            harness.ahead += STEP
            eye.do_what_is_due()

    send()
    harness.until(lambda: "" not in harness.outcomes())
    harness.ahead += harness.spacing
    for _ in range(3):
        eye.do_what_is_due()

    reads = {name: len(eye.reads[payout.id]) for name, payout in payouts.items()}
    measured(11, "hostile requests", answers.total(), store=store, read_due=harness.outcomes()["read due"], reads=reads)
    measured(11, "state changes without a read", len(eye.unread_changes), store=store)
    measured(11, "5xx", len(broken), store=store)
    measured(11, "most reads of a payout in 5 s", eye.most_reads(harness.spacing), store=store)
    assert answers.total() >= REQUESTS
    assert (broken, eye.unread_changes) == ([], [])
    assert eye.most_reads(harness.spacing) == 1
    assert sorted(status for status, _ in answers) == [200, 404]  # and each of them is one answer, byte for byte
    assert {name: harness.status(payout) for name, payout in payouts.items()} == expected
    assert reads["unsent"] == 0
    assert {
        name: count for name, count in harness.outcomes().items() if name.startswith(("failed", "provider bug"))
    } == {}
