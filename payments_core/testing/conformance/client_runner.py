"""An installation with one account, and a client of either kind that pays from it."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

from payments_core.client import AsyncPayoutClient, PayoutClient, assemble
from payments_core.domain.payout import Order
from payments_core.domain.references import payout_id
from payments_core.engine.drafts import make_draft
from payments_core.plugins.hookspecs import hookimpl
from payments_core.plugins.manager import Plugins
from payments_core.provider import Account, Draft, ProviderSpec
from payments_core.runtime import Runtime
from payments_core.runtime.runtime import Clock
from payments_core.settings import load

__all__ = ["Kind", "Payer", "draft_in", "runtime_of"]

Kind: TypeAlias = Literal["sync", "async"]


class _Plugin:
    def __init__(self, spec: ProviderSpec) -> None:
        self._spec = spec

    @hookimpl
    def payments_providers(self) -> list[ProviderSpec]:
        return [self._spec]


def runtime_of(
    spec: ProviderSpec, config: Path, account: str, table: Mapping[str, Any], journal: str, clock: Clock
) -> Runtime:
    """Return an installation with one account.

    Args:
        spec: The provider's specification.
        config: A payouts.toml: the namespace and the account's secrets are found by it.
        account: Its name.
        table: In place of the account's table there.
        journal: The name of a file beside the configuration.
        clock: Returns the current time.

    """
    configuration = replace(load(config), accounts={account: dict(table)}, journal=f"sqlite:///{journal}")
    plugins = Plugins(())
    plugins.register(_Plugin(spec), spec.name)
    return assemble(configuration, plugins=plugins, clock=clock)


def draft_in(account: Account, order: Order, *, namespace: str, number: int = 1) -> Draft:
    """Return the draft of an attempt in an installation."""
    return make_draft(account, order, namespace=namespace, payout_id=payout_id(namespace, order.key), number=number)


class Payer:
    """A client of either kind, called in one way.

    Args:
        runtime: What the client works with; closed with it.
        kind: Sync or async.

    """

    def __init__(self, runtime: Runtime, kind: Kind) -> None:
        self.runtime = runtime
        self._closed = False
        self.client: PayoutClient | AsyncPayoutClient
        self.client = PayoutClient(runtime) if kind == "sync" else AsyncPayoutClient(runtime)
        self._runner = asyncio.Runner() if kind == "async" else None

    def ask(self, name: str, *args: Any, **more: Any) -> Any:
        """Call a method of the client and return its result."""
        found = getattr(self.client, name)(*args, **more)
        return self._run(found) if inspect.isawaitable(found) else found

    def ask_together(self, name: str, calls: list[Mapping[str, Any]]) -> list[Any]:
        """Make many calls concurrently."""
        if self._runner is None:
            from concurrent.futures import ThreadPoolExecutor

            with ThreadPoolExecutor(32) as pool:
                return list(pool.map(lambda more: self.ask(name, **more), calls))

        async def together() -> list[Any]:
            return list(await asyncio.gather(*(getattr(self.client, name)(**more) for more in calls)))

        return list(self._run(together()))

    def close(self) -> None:
        """Close the client and its journal; a second call has no effect."""
        if not self._closed:
            self._closed = True
            self.ask("close")
            if self._runner is not None:
                self._runner.close()

    def _run(self, found: Any) -> Any:
        assert self._runner is not None

        async def awaited() -> Any:
            return await found

        return self._runner.run(awaited())
