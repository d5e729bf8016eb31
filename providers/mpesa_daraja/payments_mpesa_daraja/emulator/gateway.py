"""Daraja's HTTP API: a pure state machine that reads no clock."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

from payments_core.testing import emulator
from payments_core.testing.emulator import Answer, Fires, Routes
from payments_core.testing.emulator.callback_plan import Answer as CallbackContent
from payments_core.testing.emulator.callback_plan import ProviderSays, plan
from payments_core.testing.emulator.callback_queue import Callback, CallbackBook
from payments_core.testing.emulator.faults import Rule
from payments_mpesa_daraja.emulator.keys import Keys
from payments_mpesa_daraja.emulator.payments import QUEUED, STALE, Payment, result
from payments_mpesa_daraja.emulator.switches import Switches

__all__ = ["Credentials", "Gateway", "Request"]

_NEEDED = ("OriginatorConversationID", "InitiatorName", "SecurityCredential", "CommandID", "Amount", "PartyA", "PartyB")
_ASKED = ("Initiator", "SecurityCredential", "CommandID", "PartyA", "IdentifierType")
_URLS = ("ResultURL", "QueueTimeOutURL")


@dataclass(slots=True)
class Credentials:
    """The credentials that requests must carry."""

    consumer_key: str = field(default_factory=lambda: secrets.token_hex(16))
    consumer_secret: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    initiator: str = "testapi"
    initiator_password: str = field(default_factory=lambda: f"Safaricom{secrets.token_hex(8)}!*#", repr=False)
    shortcode: str = "600997"


class Request(emulator.Request):
    """A request to the gateway."""

    routes = Routes(
        ("token", "GET", "/oauth/v1/generate", "token"),
        ("pay", "POST", "/mpesa/b2c/v3/paymentrequest", "post"),
        ("status", "POST", "/mpesa/transactionstatus/v1/query", "get"),
        ("balance", "POST", "/mpesa/accountbalance/v1/query", "other"),
    )

    @property
    def reference(self) -> str:
        """The reference of the payment that the request names."""
        name = "OriginatorConversationID" if self.operation == "pay" else "OriginalConversationID"
        return str(self.fields.get(name, ""))


class Gateway(emulator.Gateway[Request]):
    """Answers the API's calls.

    Args:
        credentials: The credentials that requests must carry.
        keys: The key pair that passwords are encrypted for.
        switches: Options of the emulator.

    """

    def __init__(self, credentials: Credentials, keys: Keys, switches: Switches) -> None:
        super().__init__(Request, CallbackBook())  # no retries are documented
        self.credentials = credentials
        self._keys = keys
        self._switches = switches
        self._tokens: dict[str, datetime] = {}
        self._payments: dict[str, Payment] = {}
        self._passwords: dict[str, str] = {}
        self._numbers = count(1)
        self._taken = Decimal(0)  # of the utility account: paid and in progress

    def answer(self, request: Request) -> Answer:
        """Answer one request and record its effect."""
        if request.operation == "token":
            return self._token(request)
        if not request.operation:
            return _error(404, "404.001.01", "Resource not found")
        if self._tokens.get(request.authorization.removeprefix("Bearer "), request.at) <= request.at:
            return _error(404, "404.001.03", "Invalid Access Token")
        needed = {"pay": _NEEDED, "balance": _ASKED}.get(request.operation, ())
        missing = [name for name in (*needed, *_URLS) if not request.fields.get(name)]
        if missing:
            return _error(400, "400.002.02", f"Bad Request - Invalid {missing[0]}")
        return self._pay(request) if request.operation == "pay" else self._accepted(f"Q-{next(self._numbers)}")

    def _token(self, request: Request) -> Answer:
        pair = base64.b64encode(f"{self.credentials.consumer_key}:{self.credentials.consumer_secret}".encode()).decode()
        if request.authorization != f"Basic {pair}":
            return _error(400, "400.008.01", "Invalid Authentication passed")
        if "grant_type=client_credentials" not in request.path:
            return _error(400, "400.008.02", "Invalid grant type passed")
        token, life_s = secrets.token_urlsafe(21), self._switches.token_life_s
        if self._switches.tokens == "one":
            self._tokens.clear()
        self._tokens[token] = request.at + timedelta(seconds=life_s)
        lifetime = str(life_s) if self._switches.expires_in == "text" else life_s
        return Answer.json(200, {"access_token": token, "expires_in": lifetime})

    def revoke(self, request: Request) -> None:
        """Revoke the token of a request."""
        self._tokens.pop(request.authorization.removeprefix("Bearer "), None)

    def _pay(self, request: Request) -> Answer:
        order, at, number = request.fields, request.at, next(self._numbers)
        whole = str(order["Amount"])
        if not whole.isdecimal() or not 10 <= int(whole) <= 250_000:
            return _error(400, "400.002.02", "Bad Request - Invalid Amount")
        if request.reference in self._payments:
            if self._switches.duplicates == "refused":
                return _error(500, "500.002.1001", "Duplicate OriginatorConversationID.")
            return self._accepted(request.reference)
        is_stuck = request.stuck or order["PartyB"] == QUEUED
        self._payments[request.reference] = payment = Payment(
            order=order,
            conversation=f"AG_{number:020}",
            receipt=f"SK{number:08}",
            accepted_at=at,
            visible_at=at + timedelta(seconds=request.invisible_s),
            ends_at=None if is_stuck else at + timedelta(seconds=self._switches.ends_after_s),
            is_ours=self._decrypt(str(order["SecurityCredential"])) == self.credentials.initiator_password,
            is_covered=int(whole) <= self._switches.funds - self._taken,
        )
        self._taken += int(whole) if payment.failure is None else 0
        return self._accepted(request.reference, payment.conversation)

    def _decrypt(self, encrypted: str) -> str:
        if encrypted not in self._passwords:  # decryption takes a millisecond
            self._passwords[encrypted] = self._keys.decrypt(encrypted)
        return self._passwords[encrypted]

    def _accepted(self, originator: str, conversation: str = "") -> Answer:
        fields = {
            "ConversationID": conversation or f"AG_{next(self._numbers):020}",
            "OriginatorConversationID": originator,
            "ResponseCode": "0",
            "ResponseDescription": "Accept the service request successfully.",
        }
        return Answer.json(200, fields)

    def refuse(self, fault: str, rule: Rule, request: Request) -> Answer:
        """Return the answer that a fault gives; Daraja reports too many requests as HTTP 500."""
        match fault:
            case "writes_forbidden" | "waf_page":
                page = b"<html><title>Request unsuccessful. Incapsula incident</title></html>"
                return Answer.of(403, page, "text/html")
            case "status_429":
                return _error(500, "500.003.02", "Error Occurred: Spike Arrest Violation")
            case "status_503":
                return Answer.of(503, b"<html><title>503 Service Unavailable</title></html>", "text/html")
            case _:
                return _error(500, rule.code or "500.003.1001", "Internal Server Error")

    # --- result callbacks ---

    def plan_callbacks(self, request: Request, answer: Answer, fires: Fires) -> Sequence[Callback]:
        """Return the callbacks of a request that was just answered."""
        if answer.status != 200 or request.operation not in {"pay", "status", "balance"}:
            return ()
        accepted = json.loads(answer.body)
        if request.operation == "balance":
            return self._plan_balance(request, accepted["OriginatorConversationID"], fires)
        if request.operation == "status":
            ends_at = request.at + timedelta(seconds=self._switches.answers_after_s)
            query = accepted["OriginatorConversationID"]

            def status_at(at: datetime, other: bool) -> Mapping[str, Any]:
                return self._status(request, query, at, other)

            return self._planned(request, fires, ends_at, status_at, self._switches.answers)
        payment = self._payments[request.reference]
        if payment.conversation != accepted["ConversationID"]:  # a duplicate that is reported only now
            text = "Duplicate OriginatorConversationID."
            late = result(15, text, request.reference, accepted["ConversationID"], "")
            return [self._callback(request, late, "15", request.at, url="ResultURL")]
        if request.fields["PartyB"] == QUEUED:
            given_up = request.at + timedelta(minutes=1)
            return [self._callback(request, request.fields, "queue timeout", given_up, url="QueueTimeOutURL")]
        if self._switches.silent:
            return ()

        def result_at(at: datetime, other: bool) -> Mapping[str, Any]:
            return payment.result_at(at, otherwise=other)

        return self._planned(request, fires, payment.ends_at, result_at, self._switches.results)

    def _plan_balance(self, request: Request, query: str, fires: Fires) -> Sequence[Callback]:
        if self._switches.balances == "queued":
            given_up = request.at + timedelta(minutes=1)
            return [self._callback(request, request.fields, "queue timeout", given_up, url="QueueTimeOutURL")]
        ends_at = request.at + timedelta(seconds=self._switches.answers_after_s)

        def balances_at(at: datetime, other: bool) -> Mapping[str, Any]:
            return self._balances(request, query, at, other)

        return self._planned(request, fires, ends_at, balances_at, self._switches.answers)

    def _balances(self, request: Request, query: str, at: datetime, otherwise: bool) -> dict[str, Any]:
        """Return the result of a balance query; payments in progress are reserved."""
        credentials = self.credentials
        password = self._decrypt(str(request.fields["SecurityCredential"]))
        is_ours = (request.fields["Initiator"], password) == (credentials.initiator, credentials.initiator_password)
        conversation = f"AG_{query}"
        if not is_ours or request.fields["PartyA"] != credentials.shortcode:
            return result(*STALE, query, conversation, "")
        paid = sum(Decimal(one.order["Amount"]) for one in self._payments.values() if one.is_paid(at))
        current = self._switches.funds - paid
        available = Decimal(0) if otherwise else self._switches.funds - self._taken
        utility = f"{current:.2f}|{available:.2f}|{self._taken - paid:.2f}|0.00"
        text = f"Working Account|KES|900000.00|900000.00|0.00|0.00&Utility Account|KES|{utility}"
        text += "&Charges Paid Account|KES|-220.00|-220.00|0.00|0.00"
        moment = f"{at + timedelta(hours=3):%Y%m%d%H%M%S}"
        rows = (("AccountBalance", text), ("BOCompletedTime", moment))
        return result(0, "The service request is processed successfully.", query, conversation, "", *rows)

    def _planned(
        self,
        request: Request,
        fires: Fires,
        ends_at: datetime | None,
        payload_at: Callable[[datetime, bool], Mapping[str, Any]],
        answers: Sequence[CallbackContent],
    ) -> list[Callback]:
        def write(says: ProviderSays, due_at: datetime) -> Callback:
            payload = payload_at(ends_at or request.at, says == "other end")
            if says == "another's":
                payload = {"Result": {**payload["Result"], "OriginatorConversationID": "another-payment"}}
            # A forged or contradicting callback does not know the minted path, unless an option says so.
            url = "QueueTimeOutURL" if says == "other end" and tuple(answers) == ("true",) else "ResultURL"
            return self._callback(request, payload, str(payload["Result"]["ResultCode"]), due_at, url=url)

        return plan(write, fires, accepted_at=request.at, ends_at=ends_at, answers=answers)

    def _status(self, request: Request, query: str, at: datetime, otherwise: bool) -> dict[str, Any]:
        payment = self._payments.get(request.reference)
        hidden = payment is None or at < payment.visible_at
        if (
            payment is None
            or hidden
            or (self._switches.declined == "unknown" and payment.failure and payment.has_ended(at))
        ):
            return result("SFC_IC0003", "The operator does not exist.", query, f"AG_{query}", "")
        return payment.status_at(at, query, parties=self._switches.parties, otherwise=otherwise)

    def _callback(
        self, request: Request, payload: Mapping[str, Any], says: str, due_at: datetime, *, url: str
    ) -> Callback:
        return Callback.of(request.reference, str(request.fields[url]), says, payload, due_at)

    # --- what tests read ---

    def ledger(self, at: datetime) -> Sequence[Mapping[str, Any]]:
        """Return one row for each payment, by reference."""
        return [
            {
                "reference": reference,
                "payee": payment.order["PartyB"],
                "amount": payment.order["Amount"],
                "currency": "KES",
                "command": payment.order["CommandID"],
                "status": "paid" if payment.is_paid(at) else "failed" if payment.has_ended(at) else "accepted",
                "posts": self.posts[reference],
                "credits": int(payment.is_paid(at)),
            }
            for reference, payment in self._payments.items()
        ]

    def payee(self, request: Request) -> str:
        """Return the payee of a request's payment."""
        known = self._payments.get(request.reference)
        return str(request.fields.get("PartyB") or (known.order["PartyB"] if known else ""))


def _error(status: int, code: str, message: str) -> Answer:
    return Answer.json(status, {"requestId": secrets.token_hex(8), "errorCode": code, "errorMessage": message})
