"""The faults of an emulated gateway: their names, their forms, and when they fire.

A description maps names to forms::

    {"seed": 7, "answer_lost_after_acceptance": 0.2, "status_503": {"next": 3},
     "slow_s": {"payee": "46733123454", "value": 5}}

===================  ===============================================================================================
form                 meaning
===================  ===============================================================================================
a number             a probability; for a name that ends in ``_s`` it is seconds, for every matching request
``true``             every matching request
``{"next": n}``      the next n matching requests
``{"payee": "…"}``   requests about payments to this number
``{"p": 0.3}``       a probability
``{"value": x}``     seconds, for names in ``_s``; the Retry-After of ``status_429``; how many copies
                     ``callback_repeated`` makes; how many MiB a huge ``callback_malformed`` has
``{"on": "…"}``      which requests: ``post`` (payments), ``get`` (their status), ``token``, ``any``, or the name of
                     one call, as the emulator's own page lists them
``{"code": "…"}``    the provider's error code, for ``status_500``
``{"accepted": b}``  whether the request is carried out all the same, for ``status_500`` and ``status_503``
``{"kind": "…"}``    what is wrong with a body, for ``callback_malformed``
a list of objects    several rules of one name; the first that fires counts
===================  ===============================================================================================

Keys of one object restrict each other. ``{}`` as the whole description clears everything. Names that begin with
``callback_`` are checked when a payment with a callback is accepted, and count only those payments.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from types import MappingProxyType
from typing import Any

from payments_core.testing.emulator.options import describe, fits

__all__ = ["FAULTS", "BadFaults", "Fault", "Faults", "Rule"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault."""

    does: str  #: Its effect, for a person.
    on: str = "post"  #: The requests it applies to by default.
    value: float = 0.0  #: Its default value.
    keys: frozenset[str] = frozenset()  #: The allowed keys beside next, payee, p and on.
    most: float = 86_400  #: The largest value.
    kinds: tuple[str, ...] = ()  #: Its variants; the first is the default.


_VALUE = frozenset({"value"})

FAULTS: Mapping[str, Fault] = MappingProxyType(
    {
        "answer_lost_after_acceptance": Fault("carried out and taken, then the connection is reset without a byte"),
        "answer_lost_before_acceptance": Fault("read and not carried out, then the connection is reset without a byte"),
        "reset_mid_body": Fault("carried out; half of the answer, then a reset (an empty answer ends in its headers)"),
        "slow_s": Fault("carried out at once, answered late", value=5.0, keys=_VALUE),
        "status_429": Fault("refused with 429 and Retry-After", value=1.0, keys=_VALUE),
        "status_503": Fault("answered with 503", keys=frozenset({"accepted"})),
        "status_500": Fault("answered with 500 and a code of the provider", keys=frozenset({"code", "accepted"})),
        "waf_page": Fault("refused by the firewall: 403 and a page of HTML"),
        "invisible_s": Fault("a payment taken now is not found by reads for that long", value=30.0, keys=_VALUE),
        "stuck_pending": Fault("a payment taken now never ends"),
        "token_slow_s": Fault("tokens are issued late", on="token", value=15.0, keys=_VALUE),
        "token_refused": Fault("the token in the request is revoked: refused until a new one is fetched", on="any"),
        "writes_forbidden": Fault("403 Forbidden before the body is read"),
        "callback_lost": Fault("a callback never leaves"),
        "callback_repeated": Fault("a callback comes with copies, side by side", value=1.0, keys=_VALUE, most=100),
        "callback_late_s": Fault("a callback leaves that much later", value=600.0, keys=_VALUE),
        "callback_early": Fault("a callback is tried before the POST is answered, where a payment ends at once"),
        "callback_forged": Fault(
            "a stranger's, with another end, is sent when the payment is taken; it has no good signature"
        ),
        "callback_for_another": Fault("one that names another payment is sent beside it"),
        "callback_malformed": Fault(
            "a callback's body is cut, a page of HTML, huge, or of the wrong content type",
            value=1.0,
            keys=frozenset({"kind", "value"}),
            most=16,
            kinds=("cut", "html", "huge", "type"),
        ),
        "callback_contradicts": Fault("the provider itself sends one with the other end after it"),
        "outage_s": Fault("from now on every connection is reset, nothing is carried out", on="any", value=30.0),
    }
)
_COMMON = frozenset({"next", "payee", "p", "on"})
_HINTS: Mapping[str, type] = {"next": int, "payee": str, "code": str, "accepted": bool}
_ON = ("post", "get", "token", "any")


class BadFaults(ValueError):
    """The description is not valid; the old faults stay in force."""


@dataclass(slots=True)
class Rule:
    """One rule of one fault, with its remaining count."""

    value: float  #: Its value.
    on: str  #: The requests it applies to.
    p: float = 1.0  #: Its probability.
    payee: str = ""  #: Only payments to this number.
    left: int | None = None  #: How often it may still fire; None for no limit.
    code: str = ""  #: The provider's error code; empty for its usual one.
    accepted: bool = False  #: Whether the request is carried out all the same.
    kind: str = ""  #: The variant of the fault.


@dataclass(slots=True)
class Faults:
    """The faults in force."""

    described: Mapping[str, Any] = field(default_factory=dict)  #: The description given to :meth:`read`.
    rules: Mapping[str, list[Rule]] = field(default_factory=dict)  #: The rules by fault.
    outage_until: datetime | None = None  #: No request is answered before.
    _drawn: Mapping[str, Random] = field(default_factory=dict)

    @classmethod
    def read(cls, described: Mapping[str, Any], at: datetime, operations: Sequence[str] = ()) -> Faults:
        """Parse a description.

        Args:
            described: Names to forms.
            at: Now; an outage begins here.
            operations: The names of the calls.

        Raises:
            BadFaults: A name is unknown or a form is wrong; the message lists the valid ones.

        """
        seed = described.get("seed", 0)
        if isinstance(seed, bool) or not isinstance(seed, int):
            raise BadFaults("seed must be a whole number")
        forms = {name: form for name, form in described.items() if name != "seed"}
        if unknown := sorted(set(forms) - set(FAULTS)):
            raise BadFaults(f"unknown faults: {', '.join(unknown)}; there are: {', '.join(FAULTS)}")
        on = tuple(dict.fromkeys((*_ON, *operations)))
        rules = {name: list(_rules(name, form, on)) for name, form in forms.items()}
        outage = rules.pop("outage_s", None)
        until = at + timedelta(seconds=outage[0].value) if outage else None
        # Each fault has its own random numbers: adding one does not change when another fires.
        drawn = {name: Random(f"{seed}:{name}") for name in rules}  # noqa: S311 - reproducible on purpose
        return cls(dict(described), rules, until, drawn)

    def fires(self, name: str, kind: str, payee: str, operation: str = "") -> Rule | None:
        """Return the rule of a fault that applies to a request, and count it down.

        Args:
            name: The fault.
            kind: ``post``, ``get``, ``token`` or ``other``.
            payee: The payee of the request's payment; empty without a payment.
            operation: The name of the call; empty for an unknown one.

        """
        for rule in self.rules.get(name, ()):
            if rule.on not in {kind, operation, "any"} or (rule.payee and rule.payee != payee) or rule.left == 0:
                continue
            if rule.p < 1 and self._drawn[name].random() >= rule.p:
                continue
            if rule.left is not None:
                rule.left -= 1
            return rule
        return None


def _rules(name: str, form: object, on: Sequence[str]) -> Iterator[Rule]:
    if isinstance(form, list) and form and all(isinstance(part, dict) for part in form) and name != "outage_s":
        for part in form:
            yield _rule(name, part, on)
    elif isinstance(form, dict):
        yield _rule(name, form, on)
    elif form is True:
        yield _rule(name, {}, on)
    else:
        yield _rule(name, {"value" if name.endswith("_s") else "p": form}, on)


def _rule(name: str, form: Mapping[str, Any], on: Sequence[str]) -> Rule:
    fault = FAULTS[name]
    allowed = frozenset({"value"}) if name == "outage_s" else fault.keys | _COMMON
    if unknown := sorted(set(form) - allowed):
        raise BadFaults(f"{name} does not know {', '.join(unknown)}; it knows: {', '.join(sorted(allowed))}")
    for key, hint in _HINTS.items():
        if key in form and not fits(form[key], hint):
            raise BadFaults(f"{name}: {key} must be {describe(hint)}")
    if form.get("on", fault.on) not in on:
        raise BadFaults(f"{name}: on must be one of {', '.join(on)}")
    kind = form.get("kind", fault.kinds[0] if fault.kinds else "")
    if fault.kinds and kind not in fault.kinds:
        raise BadFaults(f"{name}: kind must be one of {', '.join(fault.kinds)}")
    return Rule(
        value=_figure(name, "value", form.get("value", fault.value), most=fault.most),
        on=form.get("on", fault.on),
        p=_figure(name, "p", form.get("p", 1.0), most=1),
        payee=form.get("payee", "").removeprefix("+"),
        left=form.get("next"),
        code=form.get("code", ""),
        accepted=form.get("accepted", False),
        kind=kind,
    )


def _figure(name: str, key: str, given: object, *, most: float) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given <= most:
        raise BadFaults(f"{name}: {key} must be a number from 0 to {most:g}")
    return float(given)
