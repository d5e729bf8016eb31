"""A request as it came in, and which call of the API it is."""

from __future__ import annotations

from urllib.parse import parse_qsl

from payments_core.testing import emulator
from payments_core.testing.emulator.requests import Kind
from payments_mtn_momo.api import operations as api
from payments_mtn_momo.settings import UUID

__all__ = ["OPERATIONS", "TOKEN_PATH", "TRANSFER_PATH", "Request", "is_uuid", "is_version_4"]


def is_uuid(text: str) -> bool:
    """Whether a text is a UUID of any version."""
    return UUID.fullmatch(text) is not None


def is_version_4(text: str) -> bool:
    """Whether a text is a UUID of version 4."""
    return is_uuid(text) and text[14] == "4" and text[19].lower() in "89ab"


def _kind(call: api.Call) -> Kind:
    """Return what faults call a call."""
    if call.moves_money:
        return "post"
    if call.name.endswith("_status"):
        return "get"
    return "token" if call.name == "token" else "other"


_ROUTES = emulator.Routes(*((call.name, call.method, call.path, _kind(call)) for call in api.OPERATIONS.values()))
OPERATIONS = _ROUTES.operations
TOKEN_PATH, TRANSFER_PATH = api.OPERATIONS["token"].path, api.OPERATIONS["transfer"].path


class Request(emulator.Request):
    """A request to MTN's gateway."""

    routes = _ROUTES

    @property
    def auth(self) -> api.Auth:
        """The credentials it has to carry; the export and MTN's libraries disagree about ``bc_authorize``."""
        return api.OPERATIONS[self.operation].auth if self.call else "none"

    @property
    def reference(self) -> str:
        """The payment or API user it is about, in small letters; empty when there is none."""
        if self.kind == "post":
            return self.headers.get("x-reference-id", "").lower()
        return (self.part("reference") or self.part("api_user")).lower()

    @property
    def target(self) -> str:
        """The target environment it names; empty when it names none."""
        return self.headers.get("x-target-environment", "")

    @property
    def subscription_key(self) -> str:
        """Its subscription key, from the header or, as the export allows, from the query."""
        query = dict(parse_qsl(self.path.partition("?")[2]))
        return self.headers.get("ocp-apim-subscription-key") or query.get("subscription-key", "")

    @property
    def form(self) -> dict[str, str] | None:
        """The fields of a form; None when the body is none."""
        kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/x-www-form-urlencoded":
            return None
        try:
            return dict(parse_qsl(self.body.decode(), keep_blank_values=True, strict_parsing=bool(self.body)))
        except ValueError:
            return None
