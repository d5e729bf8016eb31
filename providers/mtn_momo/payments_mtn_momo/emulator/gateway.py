"""The emulated gateway: a pure state machine over the clock it is given. No socket, no thread, no server."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from payments_mtn_momo.emulator.payees import AT_ONCE, STUCK, TRANSFER_PAYEES
from payments_mtn_momo.emulator.replies import MESSAGES, Answer, accepted, empty, from_gateway, from_momo, json_answer
from payments_mtn_momo.emulator.tokens import Credentials, Doorkeeper
from payments_mtn_momo.emulator.transfers import Ledger, Transfer, amount_text, read_order
from payments_mtn_momo.targets import TARGETS

__all__ = ["Gateway", "Request", "Switches"]

TOKEN_PATH = "/disbursement/token/"  # noqa: S105 - the trailing slash belongs to it
TRANSFER_PATH = "/disbursement/v1_0/transfer"

_UUID = re.compile(r"(?i)[0-9a-f]{8}-[0-9a-f]{4}-([0-9a-f])[0-9a-f]{3}-([0-9a-f])[0-9a-f]{3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """What sources do not agree on, or a test wants otherwise.

    Args:
        delayed_s: How long ...454 takes. 25 s measured by a public client on requesttopay.
        delayed_words: What ...454 says meanwhile, in turn. CREATED by the same measurement, PENDING by the portal.
        reason_shape: A bare string since January 2024 (developer community, article 192); an object in the export.
        token_life_s: 3600 in every source.
        login_refusal: 500 ``login_failed`` recorded in the sandbox, 401 in the OpenAPI export.
        unauthorised: The body of a refused token's 401: the gateway's shape, or none; captured nowhere.
        bad_request: The body of a 400: none (no schema in the OpenAPI export), or VALIDATION_ERROR (article 338).

    """

    delayed_s: float = 25.0
    delayed_words: tuple[Literal["CREATED", "PENDING"], ...] = ("CREATED", "PENDING")
    reason_shape: Literal["string", "object"] = "string"
    token_life_s: int = 3600
    login_refusal: Literal[500, 401] = 500
    unauthorised: Literal["gateway", "empty"] = "gateway"
    bad_request: Literal["empty", "validation_error"] = "empty"


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came in, and what a fault may have decided about it.

    Args:
        method: HTTP method.
        path: Without the query.
        headers: Lower-case names.
        body: Raw bytes.
        at: When.
        stuck: A payment taken from it stays PENDING.
        invisible_s: A payment taken from it is not found by reads for that long.

    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    at: datetime
    stuck: bool = False
    invisible_s: float = 0.0

    @property
    def kind(self) -> Literal["post", "get", "token", "other"]:
        """Which of the three known calls it is."""
        if self.method == "POST" and self.path == TOKEN_PATH:
            return "token"
        if self.method == "POST" and self.path == TRANSFER_PATH:
            return "post"
        if self.method == "GET" and self.path.startswith(f"{TRANSFER_PATH}/"):
            return "get"
        return "other"

    @property
    def reference(self) -> str:
        """The payment it is about; empty when there is none."""
        if self.kind == "get":
            return self.path.removeprefix(f"{TRANSFER_PATH}/").lower()
        return self.headers.get("x-reference-id", "").lower() if self.kind == "post" else ""


class Gateway:
    """Tokens, transfers and their status, as MTN's gateway answers them.

    Args:
        credentials: Who may call it.
        targets: The values of X-Target-Environment it serves.
        switches: Where the sources leave a choice.

    """

    def __init__(
        self,
        *credentials: Credentials,
        targets: Iterable[str] = ("sandbox",),
        switches: Switches | None = None,
    ) -> None:
        self.switches = switches or Switches()
        self.door = Doorkeeper(life_s=self.switches.token_life_s)
        self.books = Ledger()
        self.targets = set(targets)
        for held in credentials:
            self.door.admit(held)
        self._routes: Mapping[str, Callable[[Request], Answer]] = {
            "token": self._token,
            "post": self._post,
            "get": self._get,
        }

    def handle(self, method: str, path: str, headers: Mapping[str, str], body: bytes, at: datetime) -> Answer:
        """Answer one request; the same as :meth:`answer`, from its parts."""
        known = {name.lower(): value for name, value in headers.items()}
        return self.answer(Request(method, path, known, body, at))

    def answer(self, request: Request) -> Answer:
        """Answer one request and remember what it did."""
        self.books.settle(request.at)
        if request.kind == "post":
            self.books.note_post(request.reference)
        route = self._routes.get(request.kind)
        if route is None:
            return from_gateway(404, "Resource not found", request.at)
        key = request.headers.get("ocp-apim-subscription-key")
        if not key:
            return from_gateway(401, _KEY_MISSING, request.at)
        if not self.door.knows_subscription(key):
            return from_gateway(401, _KEY_INVALID, request.at)
        return route(request)

    def ledger(self, at: datetime) -> list[dict[str, Any]]:
        """Return what was paid, a row a reference, in the order of acceptance."""
        self.books.settle(at)
        return self.books.rows()

    def payee_of(self, reference: str) -> str:
        """Return who a known payment goes to; empty when it is not known."""
        known = self.books.find(reference)
        return known.payee if known else ""

    def _token(self, request: Request) -> Answer:
        token = self.door.login(request.headers.get("authorization", ""), request.at)
        if token is None:
            told = "login_failed" if self.switches.login_refusal == 500 else "login failed"
            return json_answer(self.switches.login_refusal, {"error": told}, request.at)
        told_token = {"access_token": token, "token_type": "access_token", "expires_in": self.door.life_s}
        return json_answer(200, told_token, request.at, **{"cache-control": "no-store", "pragma": "no-cache"})

    def _refusal(self, request: Request) -> Answer | None:
        """Check what every product call has to show."""
        if self.door.user_of(request.headers.get("authorization", ""), request.at) is None:
            if self.switches.unauthorised == "empty":
                return empty(401, request.at)
            return from_gateway(401, "Unauthorized. Access token is missing or invalid.", request.at)
        if request.headers.get("x-target-environment") not in self.targets:
            return from_momo(500, "NOT_ALLOWED_TARGET_ENVIRONMENT", request.at)
        return None

    def _bad_request(self, at: datetime) -> Answer:
        return empty(400, at) if self.switches.bad_request == "empty" else from_momo(400, "VALIDATION_ERROR", at)

    def _post(self, request: Request) -> Answer:
        if refusal := self._refusal(request):
            return refusal
        version = _UUID.fullmatch(request.reference)
        if not version or version[1] != "4" or version[2].lower() not in "89ab":
            return self._bad_request(request.at)
        target = TARGETS[request.headers["x-target-environment"]]
        order = read_order(request.body, quantum=target.quantum)
        if order == "empty_payee":  # measured: a payee without fields is a 500, not a 400
            return from_momo(500, "INTERNAL_PROCESSING_ERROR", request.at)
        if isinstance(order, str):
            return self._bad_request(request.at)
        if order["currency"] != target.currency:
            return from_momo(500, "INVALID_CURRENCY", request.at)
        if self.books.find(request.reference):  # the body is not compared: no source says that it is
            return from_momo(409, "RESOURCE_ALREADY_EXIST", request.at)
        self.books.accept(self._taken(request, order))
        return accepted(request.at)

    def _taken(self, request: Request, order: Mapping[str, Any]) -> Transfer:
        fate = STUCK if request.stuck else TRANSFER_PAYEES.get(order["payee"]["partyId"], AT_ONCE)
        return Transfer(
            reference=request.reference,
            user=self.door.user_of(request.headers["authorization"], request.at) or "",
            order=order,
            fate=fate,
            accepted_at=request.at,
            ends_at=request.at + timedelta(seconds=self.switches.delayed_s if fate.delayed else 0),
            visible_at=request.at + timedelta(seconds=request.invisible_s),
        )

    def _get(self, request: Request) -> Answer:
        if refusal := self._refusal(request):
            return refusal
        if not _UUID.fullmatch(request.reference):
            return self._bad_request(request.at)
        transfer = self.books.find(request.reference)
        user = self.door.user_of(request.headers["authorization"], request.at)
        if transfer is None or transfer.user != user or request.at < transfer.visible_at:
            return from_momo(404, "RESOURCE_NOT_FOUND", request.at)
        return json_answer(200, self._status(transfer, request.at), request.at)

    def _status(self, transfer: Transfer, at: datetime) -> dict[str, Any]:
        """Write a transfer as recorded: key order, amount without trailing zeros, transaction id on success only."""
        state, order = transfer.state(at, self.switches.delayed_words), transfer.order
        told: dict[str, Any] = {"amount": amount_text(order["amount"]), "currency": order["currency"]}
        if state == "SUCCESSFUL":
            told["financialTransactionId"] = transfer.transaction_id
        told |= {name: order[name] for name in ("externalId", "payee", "payerMessage", "payeeNote") if name in order}
        told["status"] = state
        if state == "FAILED":
            reason = transfer.fate.reason
            as_object = {"code": reason, "message": MESSAGES.get(reason, reason)}
            told["reason"] = reason if self.switches.reason_shape == "string" else as_object
        return told


_KEY_MISSING = (
    "Access denied due to missing subscription key. "
    "Make sure to include subscription key when making requests to an API."
)
_KEY_INVALID = (
    "Access denied due to invalid subscription key. Make sure to provide a valid key for an active subscription."
)
