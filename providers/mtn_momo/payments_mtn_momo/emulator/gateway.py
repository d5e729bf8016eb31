"""The emulated gateway: a pure state machine over the clock it is given. No socket, no thread, no server."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from payments_core.testing import emulator
from payments_core.testing.emulator.callback_queue import Callback, CallbackBook
from payments_core.testing.emulator.faults import Rule
from payments_core.testing.emulator.gateway import Fires
from payments_core.testing.emulator.responses import Answer
from payments_mtn_momo.emulator.callback_plan import RETRIES_S, plan_callbacks
from payments_mtn_momo.emulator.consent import ConsentHandler
from payments_mtn_momo.emulator.holders import HolderHandler
from payments_mtn_momo.emulator.notifications import NotificationHandler
from payments_mtn_momo.emulator.paying import PaymentHandler
from payments_mtn_momo.emulator.provisioning import ProvisioningHandler
from payments_mtn_momo.emulator.replies import firewall_page, from_gateway, from_momo, json_answer
from payments_mtn_momo.emulator.requests import TOKEN_PATH, TRANSFER_PATH, Request
from payments_mtn_momo.emulator.switches import Switches
from payments_mtn_momo.emulator.tokens import TOKEN_LIFE_S, Credentials
from payments_mtn_momo.emulator.world import World
from payments_mtn_momo.targets import TARGETS, Platform

__all__ = ["TOKEN_PATH", "TRANSFER_PATH", "Gateway", "Request", "Switches"]


class Gateway(World, emulator.Gateway[Request]):
    """Every call of Disbursements and of sandbox provisioning, as MTN's gateway answers them.

    Args:
        credentials: Who may call it.
        targets: The values of X-Target-Environment it serves.
        switches: Where the sources leave a choice.
        platform: Whose quirks it has; that of the first target when None.

    """

    def __init__(
        self,
        *credentials: Credentials,
        targets: Iterable[str] = ("sandbox",),
        switches: Switches | None = None,
        platform: Platform | None = None,
    ) -> None:
        served = list(targets)
        World.__init__(self, platform or TARGETS[served[0]].platform, switches or Switches())
        emulator.Gateway.__init__(self, Request, CallbackBook(RETRIES_S[self.switches.callback_retries]))
        self.targets = set(served)
        for held in credentials:
            self.door.admit(held)
        payments, holders = PaymentHandler(self), HolderHandler(self)
        provisioning, consent = ProvisioningHandler(self), ConsentHandler(self)
        self._handlers: Mapping[str, Callable[[Request, str], Answer]] = {
            "token": self._token,
            "create_api_user": provisioning.create,
            "create_api_key": provisioning.create_key,
            "get_api_user": provisioning.get,
            **dict.fromkeys(("transfer", "deposit_v1", "deposit_v2", "refund_v1", "refund_v2"), payments.post),
            **dict.fromkeys(("transfer_status", "deposit_status", "refund_status"), payments.status),
            **dict.fromkeys(("balance", "balance_in"), holders.balance),
            "account_active": holders.active,
            "basic_user_info": holders.basic_user_info,
            "delivery_notification": NotificationHandler(self).notify,
            "bc_authorize": consent.authorize,
            "oauth2_token": consent.token,
            "user_info": consent.user_info,
        }

    def handle(self, method: str, path: str, headers: Mapping[str, str], body: bytes, at: datetime) -> Answer:
        """Answer one request; the same as :meth:`answer`, from its parts."""
        return self.answer(self.read(method, path, headers, body, at))

    def answer(self, request: Request) -> Answer:
        """Answer one request and remember what it did."""
        self.books.settle(request.at)
        if self.platform == "momo_africa" and "python-requests" in request.headers.get("user-agent", "").lower():
            return firewall_page(403, "403 Forbidden", request.at)
        return self._at_the_gate(request) or self._inside(request)

    def ledger(self, at: datetime) -> list[dict[str, Any]]:
        """Return what was paid, a row a reference, in the order of acceptance."""
        self.books.settle(at)
        return self.books.rows(self.posts)

    def refuse(self, fault: str, rule: Rule, request: Request) -> Answer:
        """Return the answer of a fault, in MoMo's or the gateway's form."""
        at = request.at
        match fault:
            case "writes_forbidden":
                return from_gateway(403, "Forbidden", at)
            case "waf_page":
                return firewall_page(403, "403 Forbidden", at)
            case "status_429":
                wait = f"{math.ceil(rule.value)}"
                return from_gateway(
                    429, f"Rate limit is exceeded. Try again in {wait} seconds.", at, **{"retry-after": wait}
                )
            case "status_503":
                return from_momo(503, "SERVICE_UNAVAILABLE", at)
            case _:
                return from_momo(500, rule.code or "INTERNAL_PROCESSING_ERROR", at)

    def payee(self, request: Request) -> str:
        """Return who the payment of a request goes to; empty when it is about none, or not known."""
        if request.kind == "get":
            known = self.books.find(request.reference)
            return known.payee if known else ""
        payee = request.fields.get("payee")
        return str(payee.get("partyId", "")) if isinstance(payee, dict) else ""

    def tokens_issued(self) -> int:
        """Return how many tokens it has issued."""
        return self.door.issued

    def revoke(self, request: Request) -> None:
        """End the token that a request carries."""
        if request.auth == "bearer":
            self.door.revoke(request.authorization)

    def plan_callbacks(self, request: Request, answer: Answer, fires: Fires) -> Sequence[Callback]:
        """Return the callbacks of a payment that was just taken."""
        taken = request.kind == "post" and answer.status == 202
        payment = self.books.find(request.reference) if taken else None
        if payment is None:
            return ()
        return plan_callbacks(payment, switches=self.switches, fires=fires, others=self.books.accepted)

    def _at_the_gate(self, request: Request) -> Answer | None:
        """Check what stands in front of MoMo: the address and the subscription."""
        if "//" in request.path.partition("?")[0]:
            return self.bad_request(request.at)
        provisions = request.call is not None and request.auth == "none"
        if request.call is None or (provisions and self.platform != "sandbox"):
            return from_gateway(404, "Resource not found", request.at)
        if request.method == "POST" and self.switches.length_required and "content-length" not in request.headers:
            return from_gateway(411, "Length Required", request.at)
        key = request.subscription_key
        if not key:
            return from_gateway(401, _KEY_MISSING, request.at)
        if key not in self.door.subscriptions and not (provisions and key in self.door.other_products_keys):
            return from_gateway(401, _KEY_INVALID, request.at)
        return None

    def _inside(self, request: Request) -> Answer:
        handler = self._handlers[request.operation]
        if request.operation == "token" or request.auth == "none":
            return handler(request, "")
        user = "" if request.auth == "oauth2" else self._user(request)
        if user is None:  # no body of it was captured
            return from_gateway(401, "Unauthorized. Access token is missing or invalid.", request.at)
        return self._misplaced(request, user) or handler(request, user)

    def _token(self, request: Request, _user: str) -> Answer:
        if self.platform == "momo_africa":
            if request.target not in self.targets:
                return json_answer(400, {"error": "Invalid or missing X-Target-Environment header"}, request.at)
            if self.door.is_url_encoded(request.authorization):
                return from_gateway(500, "Internal server error", request.at)
        token = self.door.login(request.authorization, request.at)
        if token is None:
            return self._login_refused(request.at)
        fields = {"access_token": token, "token_type": "access_token", "expires_in": TOKEN_LIFE_S}
        return json_answer(200, fields, request.at, **{"cache-control": "no-store", "pragma": "no-cache"})

    def _login_refused(self, at: datetime) -> Answer:
        if self.platform == "momo_africa":
            return json_answer(401, {"error": "invalid_client"}, at)
        error = "login_failed" if self.switches.login_refusal == 500 else "login failed"
        return json_answer(self.switches.login_refusal, {"error": error}, at)

    def _user(self, request: Request) -> str | None:
        """Return the API user of a request; None when it carries nothing that the call takes."""
        ways = {request.auth}
        if request.operation == "bc_authorize":
            switch = self.switches.bc_authorize_auth
            ways = {"basic", "bearer"} if switch == "either" else {switch}
        user = self.door.basic(request.authorization) if "basic" in ways else None
        if user is None and "bearer" in ways:
            user = self.door.user_of(request.authorization, request.at)
        return user

    def _misplaced(self, request: Request, user: str) -> Answer | None:
        """Refuse a target environment that is not served here, and a user of another product."""
        foreign = bool(user) and not self.door.users[user].belongs and self.switches.product_scoping
        if request.target not in self.targets or request.target not in TARGETS or foreign:
            return from_momo(500, "NOT_ALLOWED_TARGET_ENVIRONMENT", request.at)
        return None


_KEY_MISSING = (
    "Access denied due to missing subscription key. "
    "Make sure to include subscription key when making requests to an API."
)
_KEY_INVALID = (
    "Access denied due to invalid subscription key. Make sure to provide a valid key for an active subscription."
)
