"""The provider's face: answers requests out of its books, and goes wrong as often as it is told to."""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from payments_core.http.messages import HttpRequest, HttpResponse, NoAnswer, NotSent
from payout_simulation.ledger import Ledger, Payment, RequestFields
from payout_simulation.plan import READ_FAULTS, SEND_FAULTS, TOKEN_FAULTS, Plan
from payout_simulation.seeded_random import SeededRandom, stream
from payout_simulation.simulated_time import HOUR, MINUTE, SECOND, Time

__all__ = ["Ended", "Gateway", "Shown"]

Shown: TypeAlias = tuple[str, Payment | None]  # a reference, and what stands under it

_TOKEN_LIVES_S = 3600
_LATEST_US = 20 * MINUTE


@dataclass(frozen=True, slots=True)
class Ended:
    """How one exchange ends, and when.

    Args:
        reply: The answer, or how there was none.
        took_us: How long it took, in microseconds.
        how: ``fine``, or the fault's name.

    """

    reply: HttpResponse | NotSent | NoAnswer
    took_us: int
    how: str

    def __str__(self) -> str:
        """``fine, HTTP 202``, or ``send-lost, NoAnswer``."""
        reply = self.reply
        return f"{self.how}, {f'HTTP {reply.status}' if isinstance(reply, HttpResponse) else type(reply).__name__}"


class Gateway:
    """One provider as the network shows it.

    Args:
        name: The account that it serves.
        bank: Its books.
        time: What has passed.
        plan: What goes wrong, and how often.
        arrived: Told of each payment whose bytes have arrived, before anything else is done with it.
        answers: Sends the answers to questions that are answered later.

    """

    def __init__(
        self,
        name: str,
        bank: Ledger,
        time: Time,
        plan: Plan,
        arrived: Callable[[HttpRequest, RequestFields], None],
        answers: Callable[[str, Shown], None],
    ) -> None:
        self.bank = bank
        self.calls: Counter[str] = Counter()
        self.final_states: defaultdict[str, set[str]] = defaultdict(set)  # final words that were spoken, by reference
        self.not_found_count: Counter[str] = Counter()  # how often it was said that it is not there, by reference
        self.honest: set[str] = set()  # references of which it never says so while they are
        self._time = time
        self._share = plan.faults
        self._arrived = arrived
        self._answers = answers
        self._amounts = plan.has("amounts")
        self._chance = stream(plan.seed, "gateway", name)
        self._tokens: dict[str, tuple[int, str]] = {}  # until when, and whose
        self._down_us = self._outage(plan)
        self._lots = {
            kind: SeededRandom(plan.kept(faults))
            for kind, faults in {"send": SEND_FAULTS, "read": READ_FAULTS, "token": TOKEN_FAULTS}.items()
        }

    def _outage(self, plan: Plan) -> range:
        """Return when reads find nobody, if at all: for hours, while payments are taken."""
        if not plan.has("outages") or self._chance.random() < 0.7:
            return range(0)
        begins_us = self._chance.randrange(2 * HOUR)
        return range(begins_us, begins_us + self._chance.randrange(HOUR, 4 * HOUR))

    def answer(self, request: HttpRequest) -> Ended:
        """Answer one request."""
        if request.operation == "token":
            return self._token(request)
        if request.operation == "status":
            return self._read(request)
        return self._send(request)

    # --- payments ---

    def _send(self, request: HttpRequest) -> Ended:
        fields = json.loads(request.body or "{}")
        chance = self.bank.fate(fields).chance
        fault = self._fault("send", chance)
        if fault == "send-twice" and self.bank.facts.resend != "safe":
            fault = "send-taken-lost"  # who takes the same payment twice would pay twice, whatever we do
        if fault == "send-refused":
            return self._ended(fault, NotSent("refused", at=self._time()), chance)
        self._arrived(request, fields)
        if fault == "fine" and not self._knows(request):
            fault = "send-401"
        if fault == "send-late":
            self.bank.take_later(fields, self._time.passed_us + chance.randrange(_LATEST_US))
        if "taken" in fault or fault == "send-twice":
            self.bank.take(fields, self._time.passed_us)
        return self._ended(fault, self._sent(fault, fields, request, chance), chance, request.timeout_s)

    def _sent(
        self, fault: str, payload: RequestFields, request: HttpRequest, chance: random.Random
    ) -> HttpResponse | NoAnswer:
        match fault:
            case "fine":
                return self._taken(payload, chance)
            case "send-lost" | "send-taken-lost" | "send-late":
                return NoAnswer("timed out", at=self._time())
            case "send-taken-cut":
                return NoAnswer("the answer was cut", at=self._time())
            case "send-taken-garbled":
                return self._http(202, b'{"state": "PEND')
            case "send-400":
                self.final_states[payload["reference"]].add("FAILED")
                return self._http(400, {"error": "REFUSED"})
            case "send-twice":
                return self._http(409, {"error": "DUPLICATE"})
            case _:
                return self._trouble(fault, chance)

    def _taken(self, payload: RequestFields, chance: random.Random) -> HttpResponse:
        payment = self.bank.take(payload, self._time.passed_us)
        if payment is None:
            return self._http(409, {"error": "DUPLICATE"})
        if payment.fate.settles_us == 0:  # it is over before the answer, which tells so
            self.bank.tick(self._time.passed_us)
        return self._http(202, self.state(payment, chance))

    # --- questions ---

    def _read(self, request: HttpRequest) -> Ended:
        user, _, reference = request.url.rsplit("/", 3)[1:]
        now_us = self._time.passed_us
        payment = self.bank.find(user, reference, now_us)
        chance = payment.fate.chance if payment else self._chance
        fault = "read-lost" if now_us in self._down_us else self._fault("read", chance)
        if fault in {"read-404", "read-page"} and (self._shows_absence or reference in self.honest):
            fault = "read-503"  # whose "not found" means something does not say it lightly
        if fault == "fine" and not self._knows(request):
            fault = "read-401"
        late = self.bank.facts.status_by == "result_callback"
        if late and fault in {"read-404", "read-word", "read-behind", "read-garbled"}:
            fault = "fine"  # it has nothing to say yet: its answers go wrong in ways of their own
        if late and fault == "fine":
            self._answers(json.loads(request.body or "{}")["answer_to"], (reference, payment))
            return self._ended(fault, self._http(202, {}), chance, request.timeout_s)
        return self._ended(fault, self._described(fault, reference, payment, chance), chance, request.timeout_s)

    @property
    def _shows_absence(self) -> bool:
        return self.bank.facts.not_found_conclusive_after_s is not None

    def _described(
        self, fault: str, reference: str, payment: Payment | None, chance: random.Random
    ) -> HttpResponse | NoAnswer | NotSent:
        match fault:
            case "fine" if payment is not None:
                return self._http(200, self.state(payment, chance))
            case "fine" | "read-404":
                return self._absent(reference)
            case "read-page":
                return self._http(404, b"<h1>Not Found</h1>")
            case "read-word" | "read-behind" if payment is not None:
                word = "PENDING" if fault == "read-behind" else chance.choice(["ON_HOLD", "successful", "", "FAILED?"])
                return self._http(200, {**self.shown(payment, chance), "state": word})
            case "read-word" | "read-behind":  # a word about a payment that is not there
                return self._absent(reference)
            case "read-refused":
                return NotSent("refused", at=self._time())
            case "read-lost" | "read-cut":
                return NoAnswer("timed out", at=self._time())
            case "read-garbled":
                return self._http(200, b'{"state": "FAILED')
            case _:
                return self._trouble(fault, chance)

    def _absent(self, reference: str) -> HttpResponse:
        self.not_found_count[reference] += 1
        return self._http(404, {"error": "NOT_FOUND"})

    def state(self, payment: Payment, chance: random.Random) -> dict[str, Any]:
        """Tell how a payment stands; from here on this word has been spoken."""
        shown = self.shown(payment, chance)
        if shown["state"] != "PENDING":
            self.final_states[payment.fields["reference"]].add(shown["state"])
        return shown

    def shown(self, payment: Payment, chance: random.Random) -> dict[str, Any]:
        """Return what the provider writes about a payment."""
        result, state = payment.fields, "FAILED" if payment.state == "REVERSED" else payment.state
        amount = result["amount"]
        if self._amounts:
            amount = chance.choice([amount, amount + "0", amount.rstrip("0").rstrip(".")])
        shown = {"state": state, "amount": amount, "currency": result["currency"], "external": result["external"]}
        if "collected" not in result:  # of a refund it would show the payer
            shown["to"] = result["to"]
        if state == "FAILED":
            shown["why"] = "TIMED_OUT" if payment.fate.times_out else payment.state
        return shown

    # --- tokens ---

    def _token(self, request: HttpRequest) -> Ended:
        fault, now_us = self._fault("token", self._chance), self._time.passed_us
        reply: HttpResponse | NotSent | NoAnswer
        if fault == "fine":
            token = f"token-{len(self._tokens)}"
            self._tokens[token] = now_us + _TOKEN_LIVES_S * SECOND, request.url.rsplit("/", 2)[1]
            reply = self._http(200, {"token": token, "lives_s": _TOKEN_LIVES_S})
        elif fault == "token-refused":
            reply = NotSent("refused", at=self._time())
        elif fault == "token-401":
            reply = self._http(401, {"error": "BAD_KEY"})
        else:  # its provider takes every answer for a refusal; only a lost one is none
            reply = NoAnswer("timed out", at=self._time())
        return self._ended(fault, reply, self._chance)

    def _knows(self, request: HttpRequest) -> bool:
        token = request.headers["authorization"].removeprefix("Bearer ")
        until_us, user = self._tokens.get(token, (-1, ""))
        return until_us > self._time.passed_us and f"/{user}/" in request.url

    # --- answers ---

    def _fault(self, kind: str, chance: random.Random) -> str:
        lot = self._lots[kind]
        return lot.draw(chance) if lot and chance.random() < self._share else "fine"

    def _trouble(self, fault: str, chance: random.Random) -> HttpResponse:
        """Return an answer that is about the gateway and not about a payment."""
        match fault.rsplit("-", 1)[1]:
            case "429":
                return self._http(429, {"error": "SLOW_DOWN"}, **{"retry-after": str(chance.randrange(1, 120))})
            case "401":
                return self._http(401, {"error": "BAD_TOKEN"})
            case "403":
                return self._http(403, {"error": "CLOSED"})
            case "503" if fault.startswith("send"):
                return self._http(503, {"error": "NOT_TAKEN"})
            case status:
                return self._http(int(status), {"error": "INTERNAL"})

    def _http(self, status: int, body: Mapping[str, Any] | bytes, **headers: str) -> HttpResponse:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return HttpResponse(status, headers, raw, self._time())

    def _ended(
        self,
        fault: str,
        reply: HttpResponse | NotSent | NoAnswer,
        chance: random.Random,
        timeout_s: float = 10.0,
    ) -> Ended:
        self.calls[fault] += 1
        timed_out = isinstance(reply, NoAnswer) and reply.why == "timed out"
        took_us = int(timeout_s * SECOND) if timed_out else chance.randrange(20_000, 900_000)
        return Ended(reply, took_us, fault)
