"""The emulator on a loopback socket: the gateway, and the routes that watch and steer it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, cast, get_args

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from payments_core.domain.errors import SettingsError
from payments_core.testing.emulator.configuration import EmulatedAccount
from payments_core.testing.emulator.control_api import read_object
from payments_core.testing.emulator.server import Emulator
from payments_mtn_momo.emulator.collected import Collection
from payments_mtn_momo.emulator.gateway import Gateway
from payments_mtn_momo.emulator.switches import Switches
from payments_mtn_momo.emulator.tokens import Credentials
from payments_mtn_momo.targets import TARGETS, Platform, Target

__all__ = ["MtnMomoEmulator"]


class MtnMomoEmulator(Emulator[Gateway]):
    """A stand-in for MTN's disbursement gateway on this machine; also a context manager.

    Args:
        port: 0 for any free one.
        target: The target environment it plays.
        platform: Whose quirks it has: ``sandbox``, ``legacy`` or ``momo_africa``; empty for the target's own. What one
            emulator has taken no other knows, as it is between MTN's platforms.
        credentials: What its callers hold; drawn in the platform's form when None.
        callback_host: Where its callers may be called back, as registered; empty for anywhere.
        faults: Faults in force from the start.
        switches: Fields of :class:`~payments_mtn_momo.emulator.switches.Switches`, such as ``delayed_s=2``.

    Raises:
        ValueError: A target, a platform or a switch's value that does not exist; a
            platform that does not serve the target.

    """

    what: ClassVar[str] = "MTN MoMo Disbursements and of sandbox provisioning"
    example: str = "--to +256772123456 --amount 5"
    switch_type = Switches
    own_options = frozenset({"platform", "callback_host"})

    def __init__(
        self,
        port: int = 0,
        *,
        target: str = "sandbox",
        platform: str = "",
        credentials: Credentials | None = None,
        callback_host: str = "",
        faults: Mapping[str, Any] | None = None,
        **switches: Any,
    ) -> None:
        self.target = _target(target).name
        self.platform = _platform(platform, target)
        self.switches = Switches(**switches)
        self.credentials = credentials or Credentials.new(self.platform, callback_host=callback_host)
        gateway = Gateway(self.credentials, targets=[target], switches=self.switches, platform=self.platform)
        super().__init__(gateway, port, faults=faults, callback_timeout_s=self.switches.callback_timeout_s)

    def about(self) -> Mapping[str, Any]:
        """Return what is played, and how."""
        shown = {name: on for name, on in asdict(self.switches).items() if "keys" not in name}
        return {**super().about(), "platform": self.platform, "targets": self.targets, "switches": shown}

    def routes(self) -> Sequence[Route]:
        """Return the routes for what MoMo alone has."""
        return (Route("/__emulator/collections", self._collections, methods=["POST"]),)

    def add_collection(self, **fields: Any) -> str:
        """Add a collection, for refunds and delivery notifications; return its reference.

        Args:
            fields: ``amount``, ``currency`` and ``payer`` (a number, or an object); where wanted ``reference``,
                ``state`` and ``api_user``.

        Raises:
            ValueError: Something is missing, unknown or wrong.

        """
        collection = Collection.model_validate({"api_user": self.credentials.api_user, "at": self.now} | fields)
        with self._lock:
            self.gateway.collections[collection.reference] = collection
        return collection.reference

    @property
    def targets(self) -> Sequence[str]:
        """The target environments it serves."""
        return sorted(self.gateway.targets)

    def account(self, target: str) -> EmulatedAccount:
        """Return the account that pays through this server in a target environment, which is served from now on.

        Raises:
            ValueError: There is no such target.

        """
        row, held = _target(target or self.target), self.credentials
        with self._lock:
            self.gateway.targets.add(row.name)
        settings = {"target_environment": row.name, "base_url": self.url, "api_user": held.api_user}
        return EmulatedAccount(
            name=f"mtn-{row.name.removeprefix('mtn')}",
            provider="mtn_momo",
            settings=settings | ({"platform": self.platform} if self.platform == "momo_africa" else {}),
            secrets={"api_key": held.api_key, "subscription_key": held.subscription_key},
            largest_amount={row.currency: "100000" if row.quantum < 1 else "5000000"},
            taken={"api_user"},
        )

    def adopt(self, account: EmulatedAccount, path: Path) -> None:
        """Accept the credentials of an account that was written before."""
        written = account.settings.get("platform", "")
        if written == "momo_africa" != self.platform:
            raise SettingsError(
                f"{path} is there already and pays through another platform: {written}.", hint="Write to another path."
            )
        host = self.credentials.callback_host
        self.credentials = Credentials(account.settings["api_user"], **account.secrets, callback_host=host)
        with self._lock:
            self.gateway.door.admit(self.credentials)

    async def _collections(self, request: Request) -> JSONResponse:
        try:
            return JSONResponse({"reference": self.add_collection(**await read_object(request))}, 201)
        except ValueError as error:
            return JSONResponse({"error": str(error)}, 400)


def _target(name: str) -> Target:
    if name not in TARGETS:
        raise ValueError(f"There is no target {name!r}; there are: {', '.join(TARGETS)}.")
    return TARGETS[name]


def _platform(platform: str, target: str) -> Platform:
    if platform and platform not in get_args(Platform):
        raise ValueError(f"There is no platform {platform!r}; there are: {', '.join(get_args(Platform))}.")
    found = cast("Platform", platform or TARGETS[target].platform)
    if (found == "sandbox") != (target == "sandbox"):
        raise ValueError(f"The target {target} is not served by the platform {found}.")
    return found
