"""An installation that pays through the emulator of any provider: what its sheet of the conformance suite tells."""

from __future__ import annotations

import json
import socket
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from payments_core.client import PayoutClient, assemble
from payments_core.client.inbox import PATH
from payments_core.provider import Capability, ProviderSpec
from payments_core.testing.conformance.profile import Profile
from payments_core.testing.emulator.server import Emulator

# Instants of the real clock are short; what the shared clock passes through is as long as it is for a live account.
SETTINGS: Mapping[str, Any] = {
    "timeout_s": 1.0,
    "lease_s": 90.0,
    "max_in_flight": 12,
    "poll_schedule_s": [5, 15, 60, 300, 300, 600, 1200, 3600, 7200, 14400],
    "reads_per_s": 0,  # permits are waited for by the real clock
    "posts_per_s": 0,
}
_EMULATORS = ("poll_schedule_s", "visible_after_s", "dedupe_settle_s", "retry_schedule_s", "probe_after_s")
_QUICK = {"attempts": 2, "first_wait_s": 0.001, "longest_wait_s": 0.002, "jitter_s": 0.0}


class Installation:
    """An empty folder that gets a payouts.toml, and the started emulator it pays through."""

    def __init__(self, spec: ProviderSpec, profile: Profile, emulator: Emulator[Any], folder: Path) -> None:
        self.folder = folder
        self.config = folder / "payouts.toml"
        self.port = _free_port()
        [self.account, *_] = emulator.write_config(self.config, overwrite=True)
        fields = tomllib.loads(self.config.read_text("utf-8"))
        mine = fields["accounts"][self.account]
        for name in _EMULATORS:
            mine.pop(name, None)
        mine |= {**SETTINGS, "retry": dict.fromkeys(spec.retry, _QUICK), **profile.settings}
        self._write(fields)
        if {Capability.CALLBACKS, Capability.RESULT_CALLBACKS} & spec.capabilities:
            with PayoutClient(assemble(self.config)) as client:
                token = client.inbox.tokens.get(self.account, "")
            mine |= profile.callback_settings(f"http://localhost:{self.port}", f"/{PATH}/{token}")
            self._write(fields)

    def _write(self, payload: Mapping[str, Any]) -> None:
        self.config.write_text("\n".join(_toml(payload)) + "\n", "utf-8")


def played(spec: ProviderSpec) -> tuple[Profile, Emulator[Any]]:
    """Return a provider's sheet, and the emulator that goes with it."""
    kind = resolve_name(spec.conformance)
    return kind(), kind.emulator()


def _toml(table: Mapping[str, Any], name: str = "") -> Iterator[str]:
    """Yield the lines of a table and of those within it."""
    if name:
        yield f"[{name}]"
    yield from (f"{key} = {json.dumps(value)}" for key, value in table.items() if not isinstance(value, Mapping))
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _toml(value, f"{name}.{key}" if name else key)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port
