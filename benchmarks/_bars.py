"""Who takes part in which set of `payouts.py`, and the bars: what we want to hold.

There is no contestant of bar 3, a faster transport as an extra: docs/decisions/0033.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

SQLITE, POSTGRES = "sqlite", "postgres"
YARDSTICK = "raw-httpx"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """One row of the table.

    Args:
        name: As `_contestants.py` knows it.
        in_flight: Payouts at once, and connections of an account.
        share: Of `--payouts`: slow ones pay fewer.
        latency_ms: What the gateway waits before each answer, in milliseconds.
        store: Where the journal is.
        stored: Payouts that it holds already.
        accounts: How many accounts take turns.
        workers: Worker processes.
        settings: Further settings of each account.

    """

    name: str
    in_flight: int = 1
    share: float = 1.0
    latency_ms: int = 0
    store: str = SQLITE
    stored: int = 0
    accounts: int = 1
    workers: int = 0
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """``ours-async, 16 in flight, postgres``."""
        return ", ".join([
            self.name,
            *([f"{self.workers} at work"] if self.workers else []),
            *([f"{self.in_flight} in flight"] if self.in_flight > 1 else []),
            *([f"{self.latency_ms} ms"] if self.latency_ms else []),
            *([self.store] if self.store != SQLITE else []),
            *([f"{self.stored:,} stored"] if self.stored else []),
            *([f"{self.accounts} accounts"] if self.accounts > 1 else []),
            *self.settings.values(),
        ])  # fmt: skip


@dataclass(frozen=True, slots=True)
class Bar:
    """A figure that we want to hold: a median, or the ratio of two.

    Args:
        number: Of the bar.
        words: What it says.
        how: ``<=`` or ``>=``.
        limit: The value wanted.
        figure: Which figure of the runs.
        label: Of the contestant.
        over: Of the one it is compared with; none when the figure itself counts.
        unit: What the figure is divided by when it is compared with nobody.

    """

    number: int
    words: str
    how: str
    limit: float
    figure: str
    label: str
    over: str = ""
    unit: float = 1.0


@dataclass(frozen=True, slots=True)
class Set:
    """Contestants that are measured together, and how they are drawn.

    Args:
        contestants: Who.
        title: Of the drawing.
        figure: Which figure is drawn.
        along: What grows, as `Contestant` names it; none for one bar a contestant.

    """

    contestants: tuple[Contestant, ...]
    title: str
    figure: str = "cpu_us"
    along: str = ""


_SLOW = Contestant(name="ours-async", in_flight=64, latency_ms=50, share=2.5)
_A_DAY = {"daily_limit": '{ EUR = "9000000" }'}
_SIZES = (10**3, 10**4, 10**5, 10**6)

SETS = {
    "bars": Set((
        Contestant(name=YARDSTICK),
        Contestant(name="mtnmomo-py"),
        Contestant(name="mtn-momo", in_flight=16),
        Contestant(name="raw-aiohttp", in_flight=16),
        Contestant(name="raw-httpx-async", in_flight=16, share=0.3),
        Contestant(name="our-transport"),
        Contestant(name="our-transport", settings={"sync_transport": "httpx"}),
        Contestant(name="our-transport-async", in_flight=16),
        Contestant(name="ours", share=0.5),
        Contestant(name="ours", share=0.5, settings={"sync_transport": "httpx"}),
        Contestant(name="ours-async", in_flight=16),
        Contestant(name="ours-async", in_flight=64),
        Contestant(name="ours-async", in_flight=256),
        _SLOW,
        Contestant(name="ours-async", in_flight=64, store=POSTGRES),
        Contestant(name="journal", in_flight=64, share=2.5),
        Contestant(name="workers", workers=1, in_flight=64, share=2),
        Contestant(name="workers", workers=1, in_flight=64, share=2, store=POSTGRES),
        Contestant(name="workers", workers=1, in_flight=8, latency_ms=50, store=POSTGRES),
        Contestant(name="workers", workers=2, in_flight=8, latency_ms=50, store=POSTGRES),
        Contestant(name="start"),
    ), "CPU time of a payout, in microseconds (median; the line is the spread)"),
    "in-flight": Set(tuple(
        Contestant(name=name, in_flight=number, share=max(1.0, number / 64))
        for name in ("raw-aiohttp", "ours-async") for number in (1, 4, 16, 64, 256)
    ), "CPU time of a payout by payouts in flight, in microseconds", along="in_flight"),
    "accounts": Set(tuple(
        Contestant(name="ours-async", in_flight=16, accounts=number) for number in (1, 10, 100)
    ), "CPU time of a payout by accounts, in microseconds", along="accounts"),
    "latency": Set(tuple(
        Contestant(name=name, in_flight=64, latency_ms=latency_ms)
        for name in ("raw-aiohttp", "ours-async") for latency_ms in (0, 50, 200)
    ), "Payouts a second by the gateway's latency in milliseconds, 64 in flight", "payouts_per_s", along="latency_ms"),
    "journal": Set(tuple(
        Contestant(name=name, workers=int(name == "workers"), in_flight=16, store=store, stored=stored)
        for name in ("ours-async", "workers") for store in (SQLITE, POSTGRES) for stored in _SIZES
    ), "Time of a payout by payouts in the journal, in microseconds", "wall_us", along="stored"),
    "limits": Set((
        Contestant(name=YARDSTICK),
        Contestant(name="ours-async", in_flight=16, share=2.5),
        Contestant(name="ours-async", in_flight=16, share=2.5, settings=_A_DAY),
        Contestant(name="batch", in_flight=16, share=2.5),
        Contestant(name="batch", in_flight=16, share=2.5, settings=_A_DAY),
    ), "CPU time of a payout with a daily limit and in a batch, in microseconds"),
    "memory": Set((Contestant(name="memory", in_flight=16),), "Resident memory by payouts, in MiB", along="payouts"),
}  # fmt: skip

_OURS, _BASE = "ours-async, 16 in flight", "workers, 1 at work, 64 in flight"
_TWO = "8 in flight, 50 ms, postgres"
BARS = (
    Bar(1, "full path, 16 in flight / raw httpx.Client", "<=", 1.2, "cpu_us", _OURS, YARDSTICK),
    *(
        Bar(1, f"the same {words}", "<=", 1.2, "cpu_us", f"{label}, {_A_DAY['daily_limit']}", YARDSTICK)
        for words, label in (("with a daily limit", _OURS), ("with a daily limit, in a batch", "batch, 16 in flight"))
    ),
    Bar(2, "full path, 16 in flight / best Python peer (mtnmomo-py)", "<=", 1.2, "cpu_us", _OURS, "mtnmomo-py"),
    Bar(4, "full path, 16 in flight / aiohttp bare", "<=", 2.8, "cpu_us", _OURS, "raw-aiohttp, 16 in flight"),
    Bar(5, "synchronous, one at a time / raw httpx.Client", "<=", 1.9, "cpu_us", "ours", YARDSTICK),
    Bar(5, "the same with httpx selected", "<=", 2.7, "cpu_us", "ours, httpx", YARDSTICK),
    Bar(6, "64 in flight, 50 ms: share of in flight / (2 x latency)", ">=", 0.85, "payouts_per_s",
        _SLOW.label, unit=640),
    Bar(6, "there: connections a payout", "<=", 0.1, "connections_per_payout", _SLOW.label),
    Bar(6, "there: token calls", "<=", 1, "token_calls", _SLOW.label),
    *(
        Bar(7, f"{who}, 10^6 payouts in the journal / 10^3, {store}", "<=", 1.3, "wall_us",
            f"{label}, 16 in flight, {where}1,000,000 stored", f"{label}, 16 in flight, {where}1,000 stored")
        for who, label in (("client", "ours-async"), ("worker", "workers, 1 at work"))
        for store, where in (("file", ""), ("PostgreSQL", "postgres, "))
    ),
    Bar(8, "journal alone, 64 callers, 2 ms a flush: payouts/s", ">=", 1500, "payouts_per_s", "journal, 64 in flight"),
    Bar(9, "one worker, 64 in flight: PostgreSQL / file, payouts/s", ">=", 0.7, "payouts_per_s",
        f"{_BASE}, postgres", _BASE),
    Bar(9, "one worker, 64 in flight, PostgreSQL: payouts/s", ">=", 500, "payouts_per_s", f"{_BASE}, postgres"),
    Bar(10, "two workers / one, PostgreSQL, 50 ms, 8 in flight each", ">=", 1.7, "payouts_per_s",
        f"workers, 2 at work, {_TWO}", f"workers, 1 at work, {_TWO}"),
    Bar(11, "payouts --help / import typer, four more plugins", "<=", 1.5, "help_ratio", "start"),
    Bar(12, "growth of resident memory over 100,000 payouts, MiB", "<=", 20, "growth_mib", "memory, 16 in flight"),
)  # fmt: skip
