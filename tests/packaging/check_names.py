"""Check that shipped code uses the terms of the glossary: `python check_names.py CHECKOUT`; run by `nox -s lint`."""

from __future__ import annotations

import io
import sys
import tokenize
from collections.abc import Iterator, Mapping
from pathlib import Path

# A part of an identifier, between underscores, to what to write instead.
PARTS: Mapping[str, str] = {
    **dict.fromkeys(("told", "said"), "the thing itself: fields, payload, body, response, result, error, text, row"),
    **dict.fromkeys(("hears", "heard"), "receives; parsed, callback, captured"),
    "tells": "reports, names, returns",
    "ears": "capture",
    "manners": "behaviour",
    **dict.fromkeys(("stumbled", "befall", "bury", "nap"), "fails, delivers, drops, sleeps: a standard verb"),
    "office": "runtime",
    "till": "until; fake_provider",
    "courier": "callback_dispatcher",
    "crew": "thread_pool",
    "leave": "preflight, permission",
    "fence": "version",
    **dict.fromkeys(("turns", "lane"), "rate_limiter, priority"),
    "letters": "callbacks, characters",
    **dict.fromkeys(("wish", "wishes"), "planned_order, requested"),
    **dict.fromkeys(("sought", "seek", "unsought"), "check_first, searched"),
    "hurry": "make_due",
    "absences": "not_found_count",
    "adopting": "duplicate_unverified",
    "nursery": "supervisor",
    **dict.fromkeys(("somebody", "nobody", "whoever"), "the actor: caller, provider, operator, payee, worker"),
}

# A whole name of a class to what to write instead.
CLASSES: Mapping[str, str] = {
    "Told": "DeliveryResult, DeliverySummary",
    "Heard": "ParsedCallback, CheckResult",
    "Said": "ExpectedOutcome, CapturedText",
    "Office": "Runtime",
    "Moment": "StepContext",
    "Line": "AccountSession",
    "AsyncLine": "AsyncAccountSession",
    "Turns": "RateLimiter",
    "Lane": "Priority",
    "Leave": "PreflightResult",
    "Go": "Proceed",
    "Till": "FakeProvider",
    "Bank": "Ledger",
    "Letter": "CallbackTraffic",
    "Wish": "PlannedOrder",
    "Lot": "Workload",
    "Watch": "InvariantChecker",
    "Courier": "CallbackDispatcher",
    "Doorkeeper": "Authenticator",
    "Ears": "LogCapture",
    "Seen": "ReportedDetails",
    "NotTold": "LookupRefused",
    "Learns": "SupportsProviderConfig",
    "Hears": "InboxMixin",
    "Tells": "EventsMixin",
    "Chooses": "RoutingMixin",
    "Forgets": "ErasureMixin",
    "Performer": "CommandExecutor",
    "AsyncPerformer": "AsyncCommandExecutor",
    "Crew": "ThreadPool",
}

# Names that others gave.
ALLOWED = {"ascii_letters", "seek"}  # string.ascii_letters, and a file's own method


def faults(root: Path) -> Iterator[str]:
    """Yield what is wrong below a folder: where, which identifier or module, and what to write instead."""
    packages = [root / "payments_core", *sorted(root.glob("providers/*/payments_*/"))]
    for file in sorted(file for package in packages for file in package.rglob("*.py")):
        path = file.relative_to(root)
        names = [(1, file.stem)]
        with tokenize.open(file) as source:
            tokens = tokenize.generate_tokens(io.StringIO(source.read()).readline)
            names += [(token.start[0], token.string) for token in tokens if token.type == tokenize.NAME]
        for line, name in names:
            if instead := better(name):
                yield f"{path}:{line}: {name}: write {instead}"


def better(name: str) -> str:
    """Return what to write instead of an identifier; empty when it is right."""
    if name in ALLOWED:
        return ""
    return CLASSES.get(name) or next((PARTS[part] for part in name.lower().split("_") if part in PARTS), "")


if __name__ == "__main__":
    found = list(faults(Path(sys.argv[1])))
    print("\n".join(found))
    sys.exit(bool(found))
