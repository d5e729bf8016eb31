"""What `payouts.py` prints and draws."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any

from _bars import YARDSTICK, Bar, Set

Rows = Mapping[str, Sequence[Mapping[str, Any]]]
_COLOURS = ("#2a5db0", "#b0562a", "#2a8f5b", "#8a2ab0")
_WIDTH, _LEFT, _ROW = 760, 300, 24


def middle(rows: Sequence[Mapping[str, Any]], figure: str) -> float | None:
    """Return the median of one figure; None where there is none."""
    values = [row[figure] for row in rows if figure in row]
    return median(values) if values else None


def table(rows: Rows) -> Iterator[str]:
    """Yield the lines of the table."""
    yield f"{'contestant':58} {'CPU us/payout':>22} {'x httpx':>8} {'payouts/s':>10}"
    yardstick = middle(rows.get(YARDSTICK, ()), "cpu_us")
    for label, found in rows.items():
        cpu, rate = middle(found, "cpu_us"), middle(found, "payouts_per_s")
        costs = [row["cpu_us"] for row in found if "cpu_us" in row]
        spread = "" if cpu is None else f"{cpu:.0f} ({min(costs):.0f}-{max(costs):.0f})"
        times = "" if cpu is None or yardstick is None else f"{cpu / yardstick:.2f}"
        yield f"{label:58} {spread:>22} {times:>8} {'' if rate is None else f'{rate:.0f}':>10}"


def held(rows: Rows, bars: Sequence[Bar]) -> list[dict[str, Any]]:
    """Return each bar that was measured, with what was found and whether it is met."""
    return [result for bar in bars if (result := _held(rows, bar))]


def _held(rows: Rows, bar: Bar) -> dict[str, Any] | None:
    found = middle(rows.get(bar.label, ()), bar.figure)
    other = middle(rows.get(bar.over, ()), bar.figure) if bar.over else bar.unit
    if found is None or other is None:
        return None
    value = found / other
    met = value <= bar.limit if bar.how == "<=" else value >= bar.limit
    verdict = "met" if met else "MISSED"
    measured = round(value, 3 if value < 1 else 2)
    return {"bar": bar.number, "goal": bar.words, "wanted": f"{bar.how} {bar.limit:g}", "measured": measured,
            "verdict": verdict}  # fmt: skip


# --- drawings --------------------------------------------------------------------------------------------------------


def chart(drawn: Set, rows: Rows) -> str:
    """Return an SVG: a bar for each contestant, or a line for each that grows along something."""
    if drawn.along == "payouts":
        (found,) = rows.values()
        return _lines(drawn.title, {"resident": [(float(at), mib) for at, mib in found[-1]["resident_mib"]]})
    if drawn.along:
        series: dict[str, list[tuple[float, float]]] = {}
        for one in drawn.contestants:
            value = middle(rows.get(one.label, ()), drawn.figure)
            if value is not None:
                series.setdefault(f"{one.name}, {one.store}", []).append((float(getattr(one, drawn.along)), value))
        return _lines(drawn.title, series)
    values = {
        label: [row[drawn.figure] for row in found]
        for label, found in rows.items()
        if drawn.figure in (found or [{}])[0]
    }
    return _bars(drawn.title, values)


def _bars(title: str, values: Mapping[str, Sequence[float]]) -> str:
    most = max((max(found) for found in values.values()), default=1.0)
    parts, scale = [], (_WIDTH - _LEFT - 70) / most
    for number, (label, found) in enumerate(values.items()):
        at, value = 40 + number * _ROW, median(found)
        colour = _COLOURS[0] if label.startswith("ours") else "#9aa4b2"
        parts += [
            _text(_LEFT - 8, at + 13, label, "end"),
            f'<rect x="{_LEFT}" y="{at}" width="{value * scale:.1f}" height="16" fill="{colour}"/>',
            f'<path d="M{_LEFT + min(found) * scale:.1f} {at + 8}H{_LEFT + max(found) * scale:.1f}" stroke="#222"/>',
            _text(_LEFT + max(found) * scale + 6, at + 13, f"{value:.0f}"),
        ]
    return _svg(title, 48 + len(values) * _ROW, parts)


def _lines(title: str, series: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """Draw values from zero up, over places that are evenly spaced where they grow by leaps."""
    places = sorted({x for points in series.values() for x, _ in points})
    most = max((y for points in series.values() for _, y in points), default=1.0) * 1.1
    at = {x: 70 + number * 640 / max(len(places) - 1, 1) for number, x in enumerate(places)}
    step = math.ceil(len(places) / 7)
    parts = [_text(at[x], 330, f"{x:,.0f}", "middle") for x in places[::step]]
    parts += [_text(60, 314 - 270 * share, f"{most * share:,.0f}", "end") for share in (0, 0.25, 0.5, 0.75, 1)]
    parts.append('<path d="M70 40V310H720" fill="none" stroke="#888"/>')
    for number, (label, points) in enumerate(series.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        way = "L".join(f"{at[x]:.1f} {310 - 270 * y / most:.1f}" for x, y in points)
        parts += [
            f'<path d="M{way}" fill="none" stroke="{colour}" stroke-width="2"/>',
            f'<rect x="{70 + number * 170}" y="346" width="12" height="12" fill="{colour}"/>',
            _text(88 + number * 170, 357, label),
        ]
    return _svg(title, 370, parts)


def _text(x: float, y: float, words: str, anchor: str = "start") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}">{words}</text>'


def _svg(title: str, height: int, parts: Sequence[str]) -> str:
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}"',
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>',
        f'<text x="12" y="22" font-size="14">{title}</text>',
        *parts,
        "</svg>",
        "",
    ])  # fmt: skip
