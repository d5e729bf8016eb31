"""How repeatable operations are repeated, and what an account may want otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from payments_core.domain.bounds import HOUR_S

__all__ = ["RetryPolicy", "overridden"]


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How one repeatable operation is repeated. Money requests have none: only the engine sends those again.

    Args:
        attempts: Sends in all, the first included.
        first_wait_s: Before the second send.
        longest_wait_s: Cap of the exponential wait.
        jitter_s: Random part added to each wait.
        timeout_s: For one send.
        deadline_s: For all sends together.
        statuses: HTTP statuses worth another send; a Retry-After in the answer is honoured.

    """

    attempts: int = 3
    first_wait_s: float = 0.2
    longest_wait_s: float = 2.0
    jitter_s: float = 0.2
    timeout_s: float = 10.0
    deadline_s: float = 30.0
    statuses: frozenset[int] = frozenset({429, 502, 503, 504})


_FIGURES = {field.name for field in fields(RetryPolicy)}


def overridden(
    policies: Mapping[str, RetryPolicy], overrides: Mapping[str, Mapping[str, Any]]
) -> dict[str, RetryPolicy]:
    """Return a provider's retry table with the figures an account wants otherwise.

    Args:
        policies: By operation; an operation that is missing here is never repeated, and cannot be made to be.
        overrides: ``{"token": {"attempts": 5, "deadline_s": 120.0}}``.

    Raises:
        ValueError: An operation that is not repeated, a figure that does not exist, or one that makes no sense.

    """
    table = dict(policies)
    for name, figures in overrides.items():
        if name not in table:
            raise ValueError(f"{name} is no operation that is repeated; there are: {', '.join(table) or 'none'}")
        if unknown := set(figures) - _FIGURES:
            raise ValueError(f"{name} has no {', '.join(sorted(unknown))}; there are: {', '.join(sorted(_FIGURES))}")
        given = dict(figures)
        if "statuses" in given:
            given["statuses"] = _statuses(name, given["statuses"])
        table[name] = _sensible(name, replace(table[name], **given))
    return table


def _sensible(name: str, policy: RetryPolicy) -> RetryPolicy:
    # Any: the figures come from a file, whatever the policy's annotations say.
    attempts: Any = policy.attempts
    figures = (policy.first_wait_s, policy.longest_wait_s, policy.timeout_s, policy.deadline_s)
    if isinstance(attempts, bool) or not isinstance(attempts, int) or not 1 <= attempts <= 10:
        raise ValueError(f"{name}: attempts must be a whole number from 1 to 10")
    if not all(_is_figure(figure) and figure > 0 for figure in figures):
        raise ValueError(f"{name}: waits, timeout_s and deadline_s must be seconds above 0, and at most {HOUR_S:g}")
    if not _is_figure(policy.jitter_s):
        raise ValueError(f"{name}: jitter_s must be seconds from 0 to {HOUR_S:g}")
    if policy.first_wait_s > policy.longest_wait_s:
        raise ValueError(f"{name}: first_wait_s is longer than longest_wait_s")
    if policy.timeout_s > policy.deadline_s:
        raise ValueError(f"{name}: timeout_s is longer than deadline_s")
    return policy


def _statuses(name: str, given: Any) -> frozenset[int]:
    if not isinstance(given, list | tuple | set | frozenset) or not all(_is_worth_it(status) for status in given):
        raise ValueError(f"{name}: statuses may hold 429 and 500 to 599; no other answer is worth a repetition")
    return frozenset(given)


def _is_worth_it(status: Any) -> bool:
    return isinstance(status, int) and (status == 429 or 500 <= status <= 599)


def _is_figure(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= HOUR_S
