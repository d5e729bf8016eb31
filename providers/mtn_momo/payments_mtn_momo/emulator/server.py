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
from payments_core.testing.emulator.configuration import EmulatedAccount, read_back, write_new
from payments_core.testing.emulator.control_api import read_object
from payments_core.testing.emulator.server import Emulator
from payments_mtn_momo.emulator.collected import read_collection
from payments_mtn_momo.emulator.gateway import Gateway, home_of
from payments_mtn_momo.emulator.switches import Platform, Switches
from payments_mtn_momo.emulator.tokens import Credentials
from payments_mtn_momo.targets import TARGETS

__all__ = ["MtnMomoEmulator"]


class MtnMomoEmulator(Emulator[Gateway]):
    """A stand-in for MTN's disbursement gateway on this machine; also a context manager.

    Args:
        port: 0 for any free one.
        host: A loopback address; nothing else is served.
        target: The target environment it plays.
        platform: Whose quirks it has: ``sandbox``, ``legacy`` or ``momo_africa``; empty for the target's own. What one
            emulator has taken no other knows, as it is between MTN's platforms.
        credentials: What its callers hold; drawn in the platform's form when None.
        callback_host: Where its callers may be called back, as registered; empty for anywhere.
        faults: Faults in force from the start.
        switches: Fields of :class:`~payments_mtn_momo.emulator.switches.Switches`, such as ``delayed_s=2``.

    Raises:
        ValueError: A host that is not loopback; a target, a platform or a switch's value that does not exist; a
            platform that does not serve the target.

    """

    example: ClassVar[str] = "--to +256772123456 --amount 5"

    def __init__(
        self,
        port: int = 0,
        *,
        host: str = "127.0.0.1",
        target: str = "sandbox",
        platform: str = "",
        credentials: Credentials | None = None,
        callback_host: str = "",
        faults: Mapping[str, Any] | None = None,
        **switches: Any,
    ) -> None:
        if target not in TARGETS:
            raise ValueError(f"There is no target {target!r}; there are: {', '.join(TARGETS)}.")
        self.target = target
        self.platform = _platform(platform, target)
        self.switches = Switches(**switches)
        self.credentials = credentials or Credentials.new(self.platform, callback_host=callback_host)
        gateway = Gateway(self.credentials, targets=[target], switches=self.switches, platform=self.platform)
        super().__init__(gateway, port, host=host, faults=faults, callback_timeout_s=self.switches.callback_timeout_s)

    @classmethod
    def options(cls, written: Mapping[str, str]) -> Mapping[str, Any]:
        """Read ``platform``, ``callback_host`` and switches that were written as text.

        Raises:
            ValueError: A name or value that does not exist.

        """
        own = {name: text for name, text in written.items() if name in {"platform", "callback_host"}}
        return own | Switches.read({name: text for name, text in written.items() if name not in own})

    def about(self) -> Mapping[str, Any]:
        """Return what is played, and how."""
        return {
            "what": "An emulator of MTN MoMo Disbursements and of sandbox provisioning. No money moves.",
            "platform": self.platform,
            "targets": self.targets,
            "switches": {name: value for name, value in asdict(self.switches).items() if "keys" not in name},
        }

    def routes(self) -> Sequence[Route]:
        """Return the routes for what MoMo alone has."""
        return (
            Route("/__emulator/payments", self._payments),
            Route("/__emulator/collections", self._collections, methods=["GET", "POST"]),
        )

    @property
    def tokens_issued(self) -> int:
        """How many tokens were asked for with good credentials."""
        with self._lock:
            return self.gateway.door.issued

    def payments(self) -> Sequence[Mapping[str, Any]]:
        """Return what the ledger leaves out: bodies, API users, callback addresses, a row an acceptance."""
        with self._lock:
            self.gateway.books.settle(self.now)
            return self.gateway.books.details()

    def collections(self) -> Sequence[Mapping[str, Any]]:
        """Return the collections it knows."""
        with self._lock:
            known = list(self.gateway.collections.known.values())
        return [asdict(one) | {"at": one.at.isoformat()} for one in known]

    def add_collection(self, **fields: Any) -> str:
        """Add a collection, for refunds and delivery notifications; return its reference.

        Args:
            fields: ``amount``, ``currency`` and ``payer``; where wanted ``reference``, ``state`` and ``api_user``.

        Raises:
            ValueError: Something is missing, unknown or wrong.

        """
        collection = read_collection(fields, user=self.credentials.api_user, at=self.now)
        with self._lock:
            self.gateway.collections.add(collection)
        return collection.reference

    @property
    def targets(self) -> Sequence[str]:
        """The target environments it serves."""
        return sorted(self.gateway.targets)

    def write_config(
        self, path: Path, *, target: str = "", platform: str = "", overwrite: bool = False
    ) -> Sequence[str]:
        """Write a payouts.toml that pays through this server, or keep the one it wrote before.

        A file that pays through this address is kept, and the credentials it names are served: the same journal
        works on after a restart (then ``config_reused`` is true). Secrets go into files of mode 0600 in ``secrets/``,
        which several configurations may share.

        Args:
            path: The file.
            target: The target environment; the emulator's own when empty.
            platform: Written down where it is not the target's own; must be the emulator's.
            overwrite: Write a new one, with a new namespace, whatever is there.

        Returns:
            The names of its accounts.

        Raises:
            SettingsError: Another file is there.
            ValueError: A target that does not exist, or a platform this emulator does not play.
            RuntimeError: The server has no address yet.

        """
        if not self.url:
            raise RuntimeError("Start the emulator first: its address goes into the file.")
        if target and target not in TARGETS:
            raise ValueError(f"There is no target {target!r}; there are: {', '.join(TARGETS)}.")
        if platform and platform != self.platform:
            raise ValueError(f"This emulator plays {self.platform}; start another with platform={platform!r}.")
        account = self._account(target or self.target)
        self.config_reused = path.exists() and not overwrite
        if self.config_reused:
            held = self._read_back(path, account)
        else:
            write_new(path, account)
            held = self.credentials
        with self._lock:
            self.credentials = held
            self.gateway.door.admit(held)
            self.gateway.targets.add(target or self.target)
        return (account.name,)

    def _read_back(self, path: Path, account: EmulatedAccount) -> Credentials:
        found = read_back(path, account, taken={"api_user"})
        written = found.settings.get("platform", "")
        if written == "momo_africa" != self.platform:
            raise SettingsError(
                f"{path} is there already and pays through another platform: {written}.", hint="Write to another path."
            )
        host = self.credentials.callback_host
        return Credentials(found.settings["api_user"], **found.secrets, callback_host=host)

    def _account(self, target: str) -> EmulatedAccount:
        held, moved = self.credentials, self.platform == "momo_africa"
        settings = {"target_environment": target, "base_url": self.url, "api_user": held.api_user}
        return EmulatedAccount(
            name=account_name(target),
            provider="mtn_momo",
            settings=settings | ({"platform": self.platform} if moved else {}),
            secrets={"api_key": held.api_key, "subscription_key": held.subscription_key},
            comments={"target_environment": f"pays in {TARGETS[target].currency}"},
            largest_amount={TARGETS[target].currency: "100000" if TARGETS[target].quantum < 1 else "5000000"},
        )

    async def _payments(self, request: Request) -> JSONResponse:
        return JSONResponse({"payments": self.payments()})

    async def _collections(self, request: Request) -> JSONResponse:
        if request.method == "POST":
            try:
                fields = await read_object(request)
                return JSONResponse({"reference": self.add_collection(**fields)}, 201)
            except (ValueError, TypeError) as error:
                return JSONResponse({"error": str(error)}, 400)
        return JSONResponse({"collections": self.collections()})


def account_name(target: str) -> str:
    """Return the account's name for a target: ``mtn-sandbox``, ``mtn-uganda``."""
    return f"mtn-{target.removeprefix('mtn')}"


def _platform(platform: str, target: str) -> Platform:
    if platform and platform not in get_args(Platform):
        raise ValueError(f"There is no platform {platform!r}; there are: {', '.join(get_args(Platform))}.")
    found = cast("Platform", platform or home_of(target))
    if (found == "sandbox") != (target == "sandbox"):
        raise ValueError(f"The target {target} is not served by the platform {found}.")
    return found
