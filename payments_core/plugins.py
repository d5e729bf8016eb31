"""Finding plugins, loading them, and calling their hooks: the only module that touches pluggy's ``pm.hook``.

Loading is our own loop over the entry points, because pluggy's own silently drops the second plugin of a name. The
manager is made and passed in, never a global, and listing what is installed imports nothing of it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import EntryPoint, distributions
from pathlib import Path
from typing import TYPE_CHECKING

import pluggy

from payments_core import hookspecs
from payments_core.errors import PluginError, ProviderNotInstalled, SecretMissing
from payments_core.events import EventName
from payments_core.hookspecs import GROUP, PREFIX
from payments_core.logs import log
from payments_core.masking import scrub

if TYPE_CHECKING:
    from pydantic import SecretStr

    from payments_core.entries import Event
    from payments_core.payout import Order, Payout
    from payments_core.provider import ProviderSpec

__all__ = ["Found", "Plugins", "found"]


class Found:
    """An installed plugin, not imported.

    Args:
        name: Of the entry point: the word used in payouts.toml and on the command line.
        distribution: Which installed distribution brings it, with its version.
        entry_point: What would be imported.

    """

    __slots__ = ("distribution", "entry_point", "name", "version")

    def __init__(self, entry_point: EntryPoint, distribution: str, version: str) -> None:
        self.entry_point = entry_point
        self.name = entry_point.name
        self.distribution = distribution
        self.version = version

    def __str__(self) -> str:
        """``mtn_momo = payments_mtn_momo.plugin (payments-mtn-momo 0.1.0)``."""
        return f"{self.name} = {self.entry_point.value} ({self.distribution} {self.version})"


def found() -> tuple[Found, ...]:
    """Return every installed plugin, sorted by name, without importing one."""
    seen: dict[tuple[str, str, str], Found] = {}
    for distribution in distributions():
        for entry_point in distribution.entry_points:
            if entry_point.group == GROUP:
                name = distribution.metadata["Name"]
                # One distribution can be found twice on sys.path; that is not two plugins.
                seen.setdefault(
                    (entry_point.name, entry_point.value, name), Found(entry_point, name, distribution.version)
                )
    return tuple(sorted(seen.values(), key=lambda plugin: (plugin.name, plugin.distribution)))


class Plugins:
    """The loaded plugins, one typed method a hook.

    Args:
        plugins: Which to load; every installed one when not given.

    Raises:
        PluginError: Two plugins of one name, one that cannot be imported, a misspelt hook or argument, or none at all.

    """

    def __init__(self, plugins: Iterable[Found] | None = None) -> None:
        self._manager = pluggy.PluginManager(GROUP)
        self._manager.add_hookspecs(hookspecs)
        self._names: dict[str, Found] = {}
        blocked = set(filter(None, os.environ.get("PAYMENTS_DISABLED_PLUGINS", "").split(",")))
        for plugin in found() if plugins is None else plugins:
            if plugin.name not in blocked:
                self._load(plugin)

    def register(self, plugin: object, name: str) -> None:
        """Add a plugin that is not installed: a module or object with ``hookimpl`` functions, for tests and embedding."""
        if self._manager.has_plugin(name):
            raise PluginError(f"Two plugins are called {name!r}.", hint="Give one of them another name.")
        self._add(plugin, name, f"plugin {name!r}")

    def _load(self, plugin: Found) -> None:
        if other := self._names.get(plugin.name):
            raise PluginError(
                f"Two plugins are called {plugin.name!r}: {other} and {plugin}.",
                hint="Uninstall one of the two distributions, or name the entry point in PAYMENTS_DISABLED_PLUGINS.",
            )
        try:
            module = plugin.entry_point.load()
        except Exception as error:
            raise PluginError(
                f"The plugin {plugin} cannot be imported: {type(error).__name__}: {scrub(str(error))}.",
                hint=f"Mend or uninstall {plugin.distribution}, or set PAYMENTS_DISABLED_PLUGINS={plugin.name}.",
            ) from error
        self._names[plugin.name] = plugin
        self._add(module, plugin.name, f"plugin {plugin}")

    def _add(self, plugin: object, name: str, title: str) -> None:
        misspelt = [word for word in dir(plugin) if self._is_hookimpl(plugin, word) and not hasattr(hookspecs, word)]
        if misspelt:
            raise PluginError(
                f"The {title} implements unknown hooks: {', '.join(misspelt)}.",
                hint=f"The hooks are {', '.join(sorted(self.hooks()))}.",
            )
        try:
            self._manager.register(plugin, name)
        except pluggy.PluginValidationError as error:
            raise PluginError(
                f"The {title} breaks a hook's form: {' '.join(str(error).split())}.",
                hint="See docs/reference/hooks.md.",
            ) from error
        if not self._manager.get_hookcallers(plugin):
            raise PluginError(
                f"The {title} implements no hook.",
                hint="Mark its functions with `from payments_core import hookimpl`; their names begin with payments_.",
            )

    def _is_hookimpl(self, plugin: object, word: str) -> bool:
        return not word.startswith("__") and self._manager.parse_hookimpl_opts(plugin, word) is not None

    @staticmethod
    def hooks() -> tuple[str, ...]:
        """Return the names of the hooks."""
        return tuple(word for word in vars(hookspecs) if word.startswith(PREFIX))

    # One typed method a hook.

    def providers(self) -> Mapping[str, ProviderSpec]:
        """Collect the providers; two of one name are an error that names both plugins."""
        specs: dict[str, tuple[ProviderSpec, str]] = {}
        for implementation in self._manager.hook.payments_providers.get_hookimpls():
            brought: Sequence[ProviderSpec] = implementation.function()  # type: ignore[assignment]  # pluggy says object
            for spec in brought:
                if spec.name in specs:
                    raise PluginError(
                        f"The provider {spec.name!r} comes from two plugins: {specs[spec.name][1]} and "
                        f"{implementation.plugin_name}.",
                        hint="Uninstall one of them.",
                    )
                specs[spec.name] = (spec, implementation.plugin_name)
        return {name: spec for name, (spec, _) in sorted(specs.items())}

    def provider(self, name: str) -> ProviderSpec:
        """Return one provider.

        Raises:
            ProviderNotInstalled: None of the plugins brings it.

        """
        specs = self.providers()
        if name not in specs:
            raise ProviderNotInstalled(
                f"No installed plugin brings the provider {name!r}; installed are: {', '.join(specs) or 'none'}.",
                hint=f"Install its distribution (for example payments-{name.replace('_', '-')}), or correct the name.",
            )
        return specs[name]

    def choose_account(self, order: Order, accounts: Sequence[str]) -> str | None:
        """Ask the routing plugins; None when none decides."""
        chosen: str | None = self._manager.hook.payments_choose_account(order=order, accounts=accounts)
        return chosen

    def resolve_secret(self, reference: str, *, root: Path) -> SecretStr:
        """Return the secret a reference stands for: ``env:NAME``, ``file:PATH`` or a plugin's own form.

        Args:
            reference: As written in the configuration.
            root: Where relative paths start.

        Raises:
            SecretMissing: It stands for nothing.

        """
        from pydantic import SecretStr

        kind, _, rest = reference.partition(":")
        if kind == "env":
            if rest not in os.environ:
                raise SecretMissing(f"The environment has no variable {rest}.", hint=f"Set it: export {rest}=…")
            return SecretStr(os.environ[rest])
        if kind == "file":
            try:
                return SecretStr((root / rest).read_text("utf-8").strip())
            except (OSError, UnicodeDecodeError) as error:
                raise SecretMissing(
                    f"The secret file {rest} cannot be read: {type(error).__name__}.",
                    hint="Make it, readable by you alone (mode 0600), with the secret on one line.",
                ) from None
        secret: SecretStr | None = self._manager.hook.payments_resolve_secret(reference=reference)
        if secret is None:
            raise SecretMissing(
                "A secret is written into the configuration itself, or no plugin knows its form.",
                hint='Write where it is: "env:NAME", "file:PATH", or what an installed plugin understands.',
            )
        return secret

    @property
    def has_guards(self) -> bool:
        """Whether any plugin guards sending."""
        return bool(self._manager.hook.payments_before_submit.get_hookimpls())

    def before_submit(self, payout: Payout) -> str | None:
        """Ask every guard; the first refusal, or None. Whatever a guard raises goes up: it fails closed."""
        refusals: list[str] = self._manager.hook.payments_before_submit(payout=payout)
        return refusals[0] if refusals else None

    @property
    def has_observers(self) -> bool:
        """Whether any plugin listens to changes."""
        return bool(self._manager.hook.payments_payout_changed.get_hookimpls())

    def payout_changed(self, payout: Payout, event: Event) -> None:
        """Tell every observer; a broken one is logged and stops nobody."""
        arguments = {"payout": payout, "event": event}
        for implementation in self._manager.hook.payments_payout_changed.get_hookimpls():
            try:
                implementation.function(*(arguments[name] for name in implementation.argnames))
            except Exception as error:  # an observer's fault is its own; money goes on
                log(
                    EventName.HOOK_FAILED,
                    hook="payments_payout_changed",
                    plugin=implementation.plugin_name,
                    error=f"{type(error).__name__}: {error}",
                )

    def cli_commands(self, name: str) -> object | None:
        """Return the command group of one plugin."""
        for implementation in self._manager.hook.payments_cli_commands.get_hookimpls():
            if implementation.plugin_name == name:
                commands: object | None = implementation.function()
                return commands
        return None
