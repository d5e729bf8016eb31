"""The emulated gateway: a pure state machine over the clock it is given. No socket, no thread, no server."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from payments_mtn_momo.emulator.books import Ledger
from payments_mtn_momo.emulator.collected import Collections, NotificationDesk
from payments_mtn_momo.emulator.consent import ConsentDesk
from payments_mtn_momo.emulator.holders import HolderDesk
from payments_mtn_momo.emulator.paying import PayingDesk
from payments_mtn_momo.emulator.provisioning import ProvisioningDesk
from payments_mtn_momo.emulator.replies import Answer, empty, firewall_page, from_gateway, from_momo, json_answer
from payments_mtn_momo.emulator.requests import TOKEN_PATH, TRANSFER_PATH, Request
from payments_mtn_momo.emulator.switches import Platform, Switches
from payments_mtn_momo.emulator.tokens import Credentials, Doorkeeper
from payments_mtn_momo.targets import TARGETS

__all__ = ["TOKEN_PATH", "TRANSFER_PATH", "Gateway", "Request", "Switches", "home_of"]


def home_of(target: str) -> Platform:
    """Return the platform a target environment is on unless it has moved."""
    return "sandbox" if target == "sandbox" else "legacy"


class Gateway:
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
        self.switches = switches or Switches()
        self.platform: Platform = platform or home_of(served[0])
        self.targets = set(served)
        self.books = Ledger()
        self.collections = Collections()
        self.door = Doorkeeper(life_s=self.switches.token_life_s, other_products_keys=self.switches.other_products_keys)
        for held in credentials:
            self.door.admit(held)
        self._consent = ConsentDesk(door=self.door, switches=self.switches, bad_request=self._bad_request)
        self._provisioning = ProvisioningDesk(door=self.door, switches=self.switches, bad_request=self._bad_request)
        self._routes = self._desks()

    def _desks(self) -> Mapping[str, Callable[[Request, str], Answer]]:
        """Return who answers the calls that a user makes with a token or a pair."""
        paying = PayingDesk(
            books=self.books,
            collections=self.collections,
            door=self.door,
            platform=self.platform,
            switches=self.switches,
            bad_request=self._bad_request,
        )
        holders = HolderDesk(
            books=self.books, platform=self.platform, switches=self.switches, bad_request=self._bad_request
        )
        notifications = NotificationDesk(
            collections=self.collections, switches=self.switches, bad_request=self._bad_request
        )
        return {
            **dict.fromkeys(("transfer", "deposit_v1", "deposit_v2", "refund_v1", "refund_v2"), paying.post),
            **dict.fromkeys(("transfer_status", "deposit_status", "refund_status"), paying.status),
            **dict.fromkeys(("balance", "balance_in"), holders.balance),
            "account_active": holders.active,
            "basic_user_info": holders.basic_user_info,
            "delivery_notification": notifications.notify,
            "bc_authorize": self._consent.authorize,
            "oauth2_token": self._consent.token,
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
        if self.platform == "momo_africa" and "python-requests" in request.headers.get("user-agent", "").lower():
            return firewall_page(403, "403 Forbidden", request.at)
        return self._at_the_gate(request) or self._inside(request)

    def ledger(self, at: datetime) -> list[dict[str, Any]]:
        """Return what was paid, a row a reference, in the order of acceptance."""
        self.books.settle(at)
        return self.books.rows()

    def payee_of(self, reference: str) -> str:
        """Return who a known payment goes to; empty when it is not known."""
        known = self.books.find(reference)
        return known.payee if known else ""

    def _at_the_gate(self, request: Request) -> Answer | None:
        """Check what stands in front of MoMo: the address and the subscription."""
        if "//" in request.path.partition("?")[0]:
            return self._bad_request(request.at)
        provisions = request.call is not None and request.call.speaks == "nobody"
        if request.call is None or (provisions and self.platform != "sandbox"):
            return from_gateway(404, "Resource not found", request.at)
        if request.method == "POST" and self.switches.length_required and "content-length" not in request.headers:
            return from_gateway(411, "Length Required", request.at)
        key = request.subscription_key
        if not key:
            return from_gateway(401, _KEY_MISSING, request.at)
        if not self.door.knows_subscription(key) and not (provisions and key in self.door.other_products_keys):
            return from_gateway(401, _KEY_INVALID, request.at)
        return None

    def _inside(self, request: Request) -> Answer:
        without_user: Mapping[str, Callable[[Request], Answer]] = {
            "token": self._token,
            "create_api_user": self._provisioning.create,
            "create_api_key": self._provisioning.create_key,
            "get_api_user": self._provisioning.get,
            "user_info": self._user_info,
        }
        if answer := without_user.get(request.operation):
            return answer(request)
        user = self._user(request)
        if user is None:
            return self._unauthorised(request.at)
        return self._misplaced(request, user) or self._routes[request.operation](request, user)

    def _token(self, request: Request) -> Answer:
        if self.platform == "momo_africa":
            if request.target not in self.targets:
                return json_answer(400, {"error": "Invalid or missing X-Target-Environment header"}, request.at)
            if self.door.is_url_encoded(request.authorization):
                return from_gateway(500, "Internal server error", request.at)
        if request.body and self.switches.login_body == "refused":
            return self._bad_request(request.at)
        token = self.door.login(request.authorization, request.at)
        if token is None:
            return self._login_refused(request.at)
        told = {"access_token": token, "token_type": "access_token", "expires_in": self.door.life_s}
        return json_answer(200, told, request.at, **{"cache-control": "no-store", "pragma": "no-cache"})

    def _login_refused(self, at: datetime) -> Answer:
        if self.platform == "momo_africa":
            return json_answer(401, {"error": "invalid_client"}, at)
        told = "login_failed" if self.switches.login_refusal == 500 else "login failed"
        return json_answer(self.switches.login_refusal, {"error": told}, at)

    def _user_info(self, request: Request) -> Answer:
        return self._misplaced(request) or self._consent.user_info(request)

    def _user(self, request: Request) -> str | None:
        """Return who speaks; None when nobody does as the call wants it."""
        speaks = request.call.speaks if request.call else "nobody"
        ways = {"basic": {"basic"}, "bearer": {"bearer"}, "either": {"basic", "bearer"}}.get(speaks, set())
        if speaks == "either" and self.switches.bc_authorize_auth != "either":
            ways = {self.switches.bc_authorize_auth}
        user = self.door.basic(request.authorization) if "basic" in ways else None
        if user is None and "bearer" in ways:
            user = self.door.user_of(request.authorization, request.at)
        return user

    def _misplaced(self, request: Request, user: str = "") -> Answer | None:
        """Refuse a target environment that is not served here, and a user of another product."""
        foreign = bool(user) and not self.door.users[user].belongs and self.switches.product_scoping
        if request.target not in self.targets or request.target not in TARGETS or foreign:
            return from_momo(500, "NOT_ALLOWED_TARGET_ENVIRONMENT", request.at)
        return None

    def _unauthorised(self, at: datetime) -> Answer:
        match self.switches.unauthorised:
            case "empty":
                return empty(401, at)
            case "error":
                return json_answer(401, {"error": "invalid_token"}, at)
            case _:
                return from_gateway(401, "Unauthorized. Access token is missing or invalid.", at)

    def _bad_request(self, at: datetime) -> Answer:
        written = self.switches.bad_request
        if written == "platform":
            written = "validation_error" if self.platform == "momo_africa" else "empty"
        return empty(400, at) if written == "empty" else from_momo(400, "VALIDATION_ERROR", at)


_KEY_MISSING = (
    "Access denied due to missing subscription key. "
    "Make sure to include subscription key when making requests to an API."
)
_KEY_INVALID = (
    "Access denied due to invalid subscription key. Make sure to provide a valid key for an active subscription."
)
