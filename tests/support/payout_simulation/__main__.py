"""Runs simulations: `python -m payout_simulation --seed 1 --seeds 20`. Exit 1 when a promise broke."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import fields, replace

from payout_simulation.outcome import Outcome
from payout_simulation.plan import NAMES, Plan
from payout_simulation.run import simulate
from payout_simulation.shrink import shrink
from payout_simulation.summary import Summary, play_all


def main(words: Sequence[str] | None = None) -> int:
    """Play the plans that a command line asks for; return the exit code."""
    result = _parser().parse_args(words)
    plain = {field.name: getattr(result, field.name) for field in fields(Plan) if field.name != "without"}
    try:
        first = Plan(**plain, without=_without(result))
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    plans = [replace(first, seed=seed) for seed in range(first.seed, first.seed + result.seeds)]
    summary = Summary()
    failed = None
    for outcome in play_all(plans, jobs=result.jobs):
        summary.add(outcome)
        if result.json:
            summary.write(result.json)
        if outcome.breaches:
            failed = outcome
            break
        if result.trace:
            _say(*outcome.story(whole=True), f"trace {outcome.trace_hash}")
    if failed is not None:
        _say(*map(str, failed.breaches), "", "To play it again:", f"  {failed.plan.command}", "")
        if not result.shrink:
            _say(*failed.story())
    _say(*summary.lines())
    if failed is not None and result.shrink:  # what is known is said by now: it may take a while, or be broken off
        _say("", f"Looking for the same in small, for {result.shrink_s:g} s at the most ...")
        _say(*_in_small(failed, result.shrink_s))
    return 0 if failed is None else 1


def _without(payload: argparse.Namespace) -> frozenset[str]:
    if payload.only:
        return frozenset(NAMES).symmetric_difference(set(payload.only.split(",")) - {"nothing"})  # unknown names stay
    return frozenset(filter(None, payload.without.split(",")))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m payout_simulation",
        description="Simulate payouts, processes and a provider that goes wrong. One seed decides everything.",
        epilog=f"What --without and --only take: {', '.join(NAMES)}.",
    )
    meant = {"seed": "the first seed", "payouts": "keys for each seed", "workers": "processes beside the application's"}
    meant |= {"hands": "payouts a process works on at once", "faults": "share of exchanges that go wrong, 0 to 1"}
    meant |= {"trouble": "share of steps before which something befalls us, 0 to 1"}
    for field in fields(Plan):
        if field.name in meant:
            text = f"{meant[field.name]} (%(default)s)"
            parser.add_argument(f"--{field.name}", type=type(field.default), default=field.default, help=text)
    parser.add_argument("--without", default="", metavar="NAMES", help="what does not happen, separated by commas")
    parser.add_argument("--only", default="", metavar="NAMES", help="what does happen, in place of --without")
    parser.add_argument("--seeds", type=int, default=1, help="how many seeds, one after the other (%(default)s)")
    parser.add_argument("--jobs", type=int, default=1, help="processes that share the seeds (%(default)s)")
    parser.add_argument("--json", default="", metavar="PATH", help="write the figures there after each seed, as JSON")
    parser.add_argument("--trace", action="store_true", help="print every step")
    parser.add_argument(
        "--shrink-s",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="how long to look for a smaller case of what fails (%(default)g)",
    )
    parser.add_argument("--no-shrink", dest="shrink", action="store_false", help="leave a failing plan as it is")
    return parser


def _in_small(failed: Outcome, most_s: float) -> list[str]:
    """Look for a smaller case of a breach; return what to say of it."""
    began, runs = time.monotonic(), 0

    def play(plan: Plan) -> Outcome:
        nonlocal runs
        runs += 1
        return simulate(plan)

    shrunk = shrink(failed, most_s=most_s, play=play)
    took_s = time.monotonic() - began
    lines = [f"{runs} smaller ones played in {took_s:.0f} s{', not all there are' if took_s >= most_s else ''}."]
    if shrunk is failed:
        return [*lines, "None of them breaks the same rule.", "", *failed.story()]
    lines += ["The same in small:", f"  {shrunk.plan.command}", *map(str, shrunk.breaches), ""]
    return [*lines, *shrunk.story(whole=True)]


def _say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
