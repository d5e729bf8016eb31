"""Finds and loads plugins, and calls their hooks: the only module that uses pluggy's ``pm.hook``.

Loading is our own loop over the entry points: pluggy's loader silently drops the second plugin of a name. The manager
is created and passed in, never a global, and listing the installed plugins imports none of them.
"""

from __future__ import annotations

import contextlib
import difflib
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, distributions
from pathlib import Path
from typing import TYPE_CHECKING

import pluggy

from payments_core.domain.errors import PluginError, ProviderNotInstalled, SecretMissing
from payments_core.domain.events import EventName
from payments_core.domain.masking import scrub
from payments_core.logs import log, secret_exposed
from payments_core.plugins import hookspecs
from payments_core.plugins.hookspecs import GROUP, PREFIX

if TYPE_CHECKING:
    from pydantic import SecretStr

    from payments_core.domain.batches import Batch
    from payments_core.domain.payout import Order, Payout
    from payments_core.domain.records import Event
    from payments_core.provider import ProviderSpec

__all__ = ["Found", "Plugins", "found"]


@dataclass(frozen=True, slots=True)
class Found:
    """An installed plugin, not imported: its entry point, and the name and version of its distribution."""

    entry_point: EntryPoint
    distribution: str
    version: str

    @property
    def name(self) -> str:
        """The plugin's name in payouts.toml and on the command line."""
        return self.entry_point.name

    def __str__(self) -> str:
        """``name = package.plugin (distribution 0.1.0)``."""
        return f"{self.name} = {self.entry_point.value} ({self.distribution} {self.version})"


def found() -> tuple[Found, ...]:
    """Return every installed plugin, sorted by name, without importing one."""
    plugins: list[Found] = []
    seen: set[str] = set()
    for distribution in distributions():
        # Most distributions have no plugin: nothing of theirs is parsed.
        if f"[{GROUP}]" not in (distribution.read_text("entry_points.txt") or ""):
            continue
        ours = [entry_point for entry_point in distribution.entry_points if entry_point.group == GROUP]
        title = distribution.metadata["Name"]
        # One distribution can be found twice on sys.path: the first is the one that is imported, as everywhere else.
        if ours and (name := re.sub(r"[-_.]+", "-", title).lower()) not in seen:
            seen.add(name)
            plugins += [Found(entry_point, title, distribution.version) for entry_point in ours]
    return tuple(sorted(plugins, key=lambda plugin: (plugin.name, plugin.distribution)))


class Plugins:
    """The loaded plugins, with one typed method for each hook.

    Args:
        plugins: The plugins to load; every installed one when not given.

    Raises:
        PluginError: Two plugins have one name, or a plugin cannot be imported, misspells a hook, or has no hook.

    """

    def __init__(self, plugins: Iterable[Found] | None = None) -> None:
        self._manager = pluggy.PluginManager(GROUP)
        self._manager.add_hookspecs(hookspecs)
        self._names: dict[str, Found] = {}
        self._providers: dict[str, ProviderSpec] | None = None
        self._note_hooks()
        blocked = {name.strip() for name in os.environ.get("PAYMENTS_DISABLED_PLUGINS", "").split(",")}
        for plugin in found() if plugins is None else plugins:
            if plugin.name not in blocked:
                self._load(plugin)

    def register(self, plugin: object, name: str) -> None:
        """Add a plugin that is not installed: a module or object with ``hookimpl`` functions, for embedding."""
        if self._manager.has_plugin(name):
            raise PluginError(f"Two plugins are called {name!r}.", hint="Register one of them under another name.")
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
                hint=f"Repair or uninstall {plugin.distribution}, or set PAYMENTS_DISABLED_PLUGINS={plugin.name}.",
            ) from error
        self._names[plugin.name] = plugin
        self._add(module, plugin.name, f"plugin {plugin}")

    def _add(self, plugin: object, name: str, title: str) -> None:
        marked = {word: hook for word in dir(plugin) if (hook := self._implemented(plugin, word))}
        misspelt = [word for word, hook in marked.items() if hook not in self.hooks()]
        if misspelt:
            raise PluginError(
                f"The {title} implements unknown hooks: {', '.join(misspelt)}.",
                hint=f"The hooks are {', '.join(sorted(self.hooks()))}.",
            )
        unmarked = [word for word in self.hooks() if callable(getattr(plugin, word, None)) and word not in marked]
        if unmarked:  # an unmarked guard would never be called
            raise PluginError(
                f"The {title} has functions named like hooks, but not marked as such: {', '.join(unmarked)}.",
                hint="Mark them with `from payments_core import hookimpl`, or give them other names.",
            )
        try:
            self._manager.register(plugin, name)
        except ValueError:
            raise PluginError(
                f"The {title} is registered already, under another name.", hint="Give each plugin a module of its own."
            ) from None
        except pluggy.PluginValidationError as error:
            raise PluginError(
                f"The {title} breaks a hook's form: {' '.join(str(error).split())}.",
                hint="See the page reference/hooks of the documentation.",
            ) from error
        if not self._manager.get_hookcallers(plugin):
            raise PluginError(
                f"The {title} implements no hook.",
                hint="Mark its functions with `from payments_core import hookimpl`; their names begin with payments_.",
            )
        self._providers = None
        self._note_hooks()

    def _note_hooks(self) -> None:
        """Note which hooks any plugin implements: that is asked for every payout, and changes with a plugin only."""
        hook = self._manager.hook
        self.has_guards = bool(hook.payments_before_submit.get_hookimpls())
        self.has_approvals = bool(hook.payments_needs_approval.get_hookimpls())
        self.has_observers = bool(hook.payments_payout_changed.get_hookimpls())
        self.has_routing = bool(hook.payments_choose_account.get_hookimpls())

    def _implemented(self, plugin: object, word: str) -> str:
        """Return the name of the hook that a plugin's function is marked to implement; empty when it is not marked."""
        marks = None if word.startswith("__") else self._manager.parse_hookimpl_opts(plugin, word)
        return "" if marks is None else marks.get("specname") or word

    @staticmethod
    def hooks() -> tuple[str, ...]:
        """Return the names of the hooks."""
        return tuple(word for word in vars(hookspecs) if word.startswith(PREFIX))

    # One typed method for each hook.

    def providers(self) -> Mapping[str, ProviderSpec]:
        """Collect the providers, once.

        Raises:
            PluginError: Two providers have one name, or a plugin fails; the message names the plugin.

        """
        if self._providers is None:
            self._providers = self._collected()
        return self._providers

    def _collected(self) -> dict[str, ProviderSpec]:
        from payments_core.provider import ProviderSpec

        specs: dict[str, tuple[ProviderSpec, str]] = {}
        for implementation in self._manager.hook.payments_providers.get_hookimpls():
            try:
                brought: list[object] = list(implementation.function())  # type: ignore[call-overload]  # pluggy says object
            except Exception as error:
                raise PluginError(
                    f"The plugin {implementation.plugin_name!r} failed in payments_providers: "
                    f"{type(error).__name__}: {scrub(str(error))}.",
                    hint=f"Repair it, or set PAYMENTS_DISABLED_PLUGINS={implementation.plugin_name}.",
                ) from error
            for spec in brought:
                if not isinstance(spec, ProviderSpec):
                    raise PluginError(
                        f"The plugin {implementation.plugin_name!r} returned a {type(spec).__name__} as a provider.",
                        hint="payments_providers() must return a list of ProviderSpec.",
                    )
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
            ProviderNotInstalled: No plugin has it.

        """
        specs = self.providers()
        if name not in specs:
            meant = difflib.get_close_matches(name, specs, 1, 0.6)
            # No distribution's name is guessed: another publisher may use that name.
            raise ProviderNotInstalled(
                f"No installed plugin has the provider {name!r}. Installed: {', '.join(specs) or 'none'}.",
                hint=f"Did you mean {meant[0]}?"
                if meant
                else "Correct the name, or install its distribution; `payouts providers` lists the installed plugins.",
            )
        return specs[name]

    def choose_account(self, order: Order, accounts: Sequence[str]) -> str | None:
        """Return the account that a routing plugin chooses; None when none chooses."""
        chosen: str | None = self._manager.hook.payments_choose_account(order=order, accounts=accounts)
        return chosen

    def resolve_secret(self, reference: str, *, root: Path) -> SecretStr:
        """Return the secret for a reference: ``env:NAME``, ``file:PATH`` or a plugin's own form.

        Args:
            reference: As written in the configuration.
            root: Where relative paths start.

        Raises:
            SecretMissing: The reference resolves to nothing.
            SettingsError: The file is not regular, too large, or writable by other users.

        """
        from payments_core.settings import read_secret

        if (found := read_secret(reference, root=root, on_exposed=secret_exposed)) is not None:
            return found
        secret: SecretStr | None = self._manager.hook.payments_resolve_secret(reference=reference)
        if secret is None:
            raise SecretMissing(
                "A secret is written into the configuration itself, or no plugin resolves its reference.",
                hint='Write a reference: "env:NAME", "file:PATH", or the form of an installed plugin.',
            )
        return secret

    def before_submit(self, payout: Payout) -> str | None:
        """Return the first refusal of the guards, or None. An exception of a guard propagates: it fails closed."""
        return _first_reason(self._manager.hook.payments_before_submit(payout=payout), "a guard", "refused")

    def refuses_batch(self, batch: Batch, actor: str) -> str | None:
        """Return the first reason why a person may not approve a batch, or None. An exception propagates."""
        reasons = self._manager.hook.payments_approve_batch(batch=batch, actor=actor)
        return _first_reason(reasons, "a plugin", "refuses the approval")

    def needs_approval(self, payout: Payout) -> str | None:
        """Return the first reason for an approval, or None. An exception propagates: it fails closed."""
        reasons = self._manager.hook.payments_needs_approval(payout=payout)
        return _first_reason(reasons, "a plugin", "requires an approval")

    def payout_changed(self, payout: Payout, event: Event) -> None:
        """Call every observer; a failing one is logged and stops neither payments nor other observers."""
        arguments = {"payout": payout, "event": event}
        for implementation in self._manager.hook.payments_payout_changed.get_hookimpls():
            with contextlib.suppress(BaseException):  # an error whose text or log record fails too
                bug = ""
                try:
                    implementation.function(*(arguments[name] for name in implementation.argnames))
                except BaseException as error:  # noqa: BLE001 an observer's error stops nothing else
                    bug = f"{type(error).__name__}: {error}"
                if bug:
                    hook = "payments_payout_changed"
                    log(EventName.HOOK_FAILED, hook=hook, plugin=implementation.plugin_name, error=bug)

    def cli_commands(self, name: str) -> object | None:
        """Return the command group of one plugin."""
        for implementation in self._manager.hook.payments_cli_commands.get_hookimpls():
            if implementation.plugin_name == name:
                commands: object | None = implementation.function()
                return commands
        return None


def _first_reason(reasons: Iterable[object], actor: str, act: str) -> str | None:
    """Return the first of the hooks' reasons; any value but None is one, and None of them is None."""
    for reason in reasons:
        if not isinstance(reason, str):
            raise TypeError(f"{actor} answered with a {type(reason).__name__}")
        return reason.strip() or f"{actor} {act} without a reason"
    return None
