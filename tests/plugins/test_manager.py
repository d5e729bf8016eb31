"""Plugins are found without being imported, loaded strictly, and called so that a broken one stops no other."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from flat_records import new_record
from pydantic import SecretStr

from payments_core.domain.errors import PluginError, ProviderNotInstalled, SecretMissing
from payments_core.domain.money import Money
from payments_core.domain.payout import Operation, Order, Payee, Payout
from payments_core.domain.records import Event
from payments_core.plugins.hookspecs import hookimpl
from payments_core.plugins.manager import Found, Plugins, found
from payments_core.provider import ProviderSpec
from payments_core.settings import AccountSettings

AT = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
EVENT = Event("payout.pending", AT)
ORDER = Order("k", Payee.msisdn("46733123450"), Money(5, "EUR"))
PAYOUT = new_record().view()
GOOD = "from payments_core import hookimpl\n@hookimpl\ndef payments_providers():\n    return []\n"
SPEC = ProviderSpec(
    "carrier",
    "Carrier",
    AccountSettings,
    object,
    operations=frozenset({Operation.TRANSFER}),
)


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Install a distribution with one module, as an installer would: a ``dist-info`` folder on the path."""
    monkeypatch.syspath_prepend(tmp_path)

    def install(distribution: str, entry_point: str, source: str, *, module: str = "", version: str = "1.0") -> None:
        module = module or distribution.replace("-", "_")
        (tmp_path / f"{module}.py").write_text(source, "utf-8")
        monkeypatch.delitem(sys.modules, module, raising=False)
        info = tmp_path / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n", "utf-8")
        (info / "entry_points.txt").write_text(f"[payments_core]\n{entry_point} = {module}\n", "utf-8")

    return install


def fakes() -> list[Found]:
    """Return the plugins the test installed, without those of the environment."""
    return [plugin for plugin in found() if plugin.distribution.startswith("fake-")]


def plugin(*functions: Callable[..., Any], name: str = "") -> ModuleType:
    """Make a module of hook implementations."""
    module = ModuleType(name or "made_up")
    for function in functions:
        setattr(module, function.__name__, hookimpl(function))
    return module


def loaded(**plugins: ModuleType) -> Plugins:
    manager = Plugins([])
    for name, module in plugins.items():
        manager.register(module, name)
    return manager


# Finding.


def test_found_lists_plugins_without_importing_them(install: Callable[..., None]) -> None:
    """Listing what is installed runs no code of it, and costs as little."""
    install("fake-one", "one", "raise RuntimeError('imported')")

    assert [(plugin.name, plugin.distribution, plugin.version) for plugin in fakes()] == [("one", "fake-one", "1.0")]
    assert str(fakes()[0]) == "one = fake_one (fake-one 1.0)"
    assert "fake_one" not in sys.modules


def test_found_lists_plugins_in_order(install: Callable[..., None]) -> None:
    for name in ("b", "c", "a"):
        install(f"fake-{name}", name, GOOD)

    assert [plugin.name for plugin in fakes()] == ["a", "b", "c"]


def test_distribution_on_the_path_twice_is_one_plugin(
    install: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A distribution that is on the path twice, also in another version, is one plugin: the one that is imported."""
    install("fake-one", "one", GOOD, version="2.0")
    other = tmp_path / "other"
    info = other / "Fake_One-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: Fake_One\nVersion: 1.0\n", "utf-8")
    (info / "entry_points.txt").write_text("[payments_core]\none = fake_one.old_place\n", "utf-8")
    monkeypatch.setattr(sys, "path", [*sys.path, str(other)])

    assert [str(plugin) for plugin in found() if plugin.name == "one"] == ["one = fake_one (fake-one 2.0)"]
    Plugins(fakes())


# Loading.


def test_plugins_default_to_the_installed_ones(install: Callable[..., None]) -> None:
    install("fake-one", "one", "raise RuntimeError('imported')")

    with pytest.raises(PluginError, match="fake-one"):
        Plugins()


def test_plugins_of_one_name_are_refused_with_both_distributions(install: Callable[..., None]) -> None:
    """The second one is never dropped in silence: both distributions are named."""
    install("fake-one", "carrier", GOOD)
    install("fake-two", "carrier", GOOD)

    with pytest.raises(PluginError, match="Two plugins are called 'carrier'") as refused:
        Plugins(fakes())

    assert "carrier = fake_one (fake-one 1.0)" in refused.value.message
    assert "carrier = fake_two (fake-two 1.0)" in refused.value.message
    assert "PAYMENTS_DISABLED_PLUGINS" in refused.value.hint


BROKEN = {
    "raises": ("raise RuntimeError('no libfoo, call 46733123450')", "cannot be imported: RuntimeError: no libfoo"),
    "syntax": ("def", "cannot be imported: SyntaxError"),
    "import": ("import no_such_thing", "cannot be imported: ModuleNotFoundError"),
    "misspelt hook": (GOOD.replace("payments_providers", "payments_provider"), "unknown hooks: payments_provider"),
    "misspelt by specname": (
        GOOD.replace("@hookimpl", "@hookimpl(specname='payments_guard')").replace("payments_providers", "guard"),
        "unknown hooks: guard",
    ),
    "misspelt argument": (GOOD.replace("payments_providers()", "payments_before_submit(pay_out)"), "pay_out"),
    "no hook": ("def payments_something(): ...", "implements no hook"),
    "empty": ("", "implements no hook"),
    "unmarked guard": (
        GOOD + "def payments_before_submit(payout):\n    return 'no'\n",
        "not marked as such: payments_be",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_plugin_is_refused_with_distribution_and_entry_point(case: str, install: Callable[..., None]) -> None:
    """Distribution and entry point, what is wrong, and what to do."""
    source, problem = BROKEN[case]
    install("fake-one", "carrier", source)

    with pytest.raises(PluginError, match=problem) as refused:
        Plugins(fakes())

    assert "carrier = fake_one (fake-one 1.0)" in refused.value.message
    assert refused.value.hint
    assert "46733123450" not in str(refused.value)


def test_hook_named_by_specname_is_called(install: Callable[..., None]) -> None:
    install(
        "fake-one",
        "one",
        "from payments_core import hookimpl\n"
        "@hookimpl(specname='payments_before_submit')\ndef guard(payout):\n    return 'no'\n",
    )

    assert Plugins(fakes()).before_submit(PAYOUT) == "no"


def test_module_under_two_plugin_names_is_refused(install: Callable[..., None]) -> None:
    install("fake-one", "one", GOOD)
    install("fake-two", "two", GOOD, module="fake_one")

    with pytest.raises(PluginError, match=r"two = fake_one .* is registered already, under another name"):
        Plugins(fakes())


@pytest.mark.parametrize("names", ["carrier", "other,carrier", " carrier , other ", "carrier,"])
def test_disabled_plugin_is_not_imported(
    names: str, install: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The way out when a plugin is broken, without uninstalling anything."""
    install("fake-one", "carrier", "raise RuntimeError('imported')")
    monkeypatch.setenv("PAYMENTS_DISABLED_PLUGINS", names)

    assert Plugins(fakes()).providers() == {}


def test_disabled_name_must_match_the_whole_name(install: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    install("fake-one", "carrier", "raise RuntimeError('imported')")
    monkeypatch.setenv("PAYMENTS_DISABLED_PLUGINS", "carr,carriers")

    with pytest.raises(PluginError):
        Plugins(fakes())


def test_plugin_registered_twice_is_refused() -> None:
    manager = loaded(one=plugin(payments_providers))

    with pytest.raises(PluginError, match="Two plugins are called 'one'"):
        manager.register(plugin(payments_providers), "one")


def test_registered_plugin_is_checked_like_a_loaded_one() -> None:
    with pytest.raises(PluginError, match="implements no hook"):
        loaded(one=ModuleType("empty"))


def test_plugin_managers_share_nothing() -> None:
    """There is no global: two clients in one process have the plugins they were given."""
    one, other = loaded(one=plugin(payments_providers)), loaded()

    assert list(one.providers()) == ["carrier"]
    assert list(other.providers()) == []


# Providers.


def payments_providers() -> Sequence[ProviderSpec]:
    return [SPEC]


def test_providers_are_found_by_name() -> None:
    def payments_providers() -> Sequence[ProviderSpec]:
        return [replace(SPEC, name="b"), replace(SPEC, name="a")]

    manager = loaded(one=plugin(payments_providers))

    assert list(manager.providers()) == ["a", "b"]
    assert manager.provider("a").name == "a"


def test_provider_that_is_not_installed_is_reported() -> None:
    with pytest.raises(ProviderNotInstalled, match=r"'mtn_moom'\. Installed: carrier\.") as refused:
        loaded(one=plugin(payments_providers)).provider("mtn_moom")

    assert "payments-" not in refused.value.hint, "somebody else may have published what is called so"
    with pytest.raises(ProviderNotInstalled, match="Installed: carrier") as close:
        loaded(one=plugin(payments_providers)).provider("carriers")
    assert close.value.hint == "Did you mean carrier?"
    with pytest.raises(ProviderNotInstalled, match="Installed: none"):
        loaded().provider("carrier")


def test_providers_of_one_name_are_refused() -> None:
    manager = loaded(one=plugin(payments_providers), two=plugin(payments_providers))

    with pytest.raises(PluginError, match=r"'carrier' comes from two plugins: (one and two|two and one)"):
        manager.providers()


def test_plugin_with_one_provider_twice_is_refused() -> None:
    def payments_providers() -> Sequence[ProviderSpec]:
        return [SPEC, SPEC]

    with pytest.raises(PluginError, match="'carrier' comes from two plugins: one and one"):
        loaded(one=plugin(payments_providers)).providers()


@pytest.mark.parametrize(
    ("brought", "problem"),
    [
        (RuntimeError("no licence for 46733123450"), "RuntimeError: no licence for 46"),
        (None, "TypeError"),
        ([object()], "returned a object"),
        ([SPEC, None], "returned a NoneType"),
    ],
    ids=["raises", "nothing", "an object", "one and nothing"],
)
def test_plugin_whose_provider_hook_fails_is_refused_by_name(brought: Any, problem: str) -> None:
    """The client refuses to start and names the plugin."""

    def payments_providers() -> Any:
        if isinstance(brought, Exception):
            raise brought
        return brought

    with pytest.raises(PluginError, match=rf"The plugin 'one' .*{problem}") as refused:
        loaded(one=plugin(payments_providers)).providers()

    assert refused.value.hint
    assert "46733123450" not in str(refused.value)


def test_provider_hook_is_called_once_until_plugins_change() -> None:
    """As the hook says; and again only when another plugin came."""
    asked = []

    def payments_providers() -> Sequence[ProviderSpec]:
        asked.append(1)
        return [SPEC]

    manager = loaded(one=plugin(payments_providers))
    for _ in range(3):
        manager.provider("carrier")
    assert len(asked) == 1

    def payments_choose_account() -> str | None:
        return None

    manager.register(plugin(payments_choose_account), "two")
    assert list(manager.providers()) == ["carrier"]


# Calling.


def chooser(account: str | None) -> ModuleType:
    def payments_choose_account(order: Order, accounts: Sequence[str]) -> str | None:
        assert (order, accounts) == (ORDER, ["a", "b"])
        return account

    return plugin(payments_choose_account)


def test_account_choice_takes_the_first_answer_of_the_last_registered() -> None:
    """The plugin registered last is asked first; one that returns None leaves it to the next."""
    decide = {"a": chooser("a"), "b": chooser("b"), "none": chooser(None)}

    assert loaded(**decide).choose_account(ORDER, ["a", "b"]) == "b"
    assert loaded(**dict(reversed(decide.items()))).choose_account(ORDER, ["a", "b"]) == "a"
    assert loaded(none=chooser(None)).choose_account(ORDER, ["a", "b"]) is None
    assert loaded().choose_account(ORDER, ["a", "b"]) is None


def test_hook_receives_only_the_arguments_it_names() -> None:
    def payments_choose_account(accounts: Sequence[str]) -> str | None:
        return accounts[-1]

    assert loaded(one=plugin(payments_choose_account)).choose_account(ORDER, ["a", "b"]) == "b"


def test_secret_hook_resolves_all_but_built_in_forms(tmp_path: Path) -> None:
    """The built-in forms are ours; a plugin is asked for all others, and the first one that knows it answers."""
    asked = []

    def payments_resolve_secret(reference: str) -> SecretStr | None:
        asked.append(reference)
        return SecretStr("found") if reference.startswith("vault:") else None

    manager = loaded(one=plugin(payments_resolve_secret))

    assert manager.resolve_secret("vault:x", root=tmp_path).get_secret_value() == "found"
    for reference in ("safe:x", "env:NO_SUCH_THING", "file:none"):
        with pytest.raises(SecretMissing):
            manager.resolve_secret(reference, root=tmp_path)
    assert asked == ["vault:x", "safe:x"]


def answering(hook: str, answer: Any) -> ModuleType:
    """Make a plugin that answers a hook about the payout, or raises."""

    def ask(payout: Payout) -> Any:
        assert payout is PAYOUT
        if isinstance(answer, BaseException):
            raise answer
        return answer

    ask.__name__ = hook
    return plugin(ask)


def asking(hook: str, answers: Sequence[Any]) -> Plugins:
    return loaded(**{f"plugin{number}": answering(hook, answer) for number, answer in enumerate(answers)})


GUARD, APPROVAL = "payments_before_submit", "payments_needs_approval"


@pytest.mark.parametrize(
    ("answers", "refusal"),
    [
        ([None], None),
        ([None, None], None),
        (["no"], "no"),
        ([None, "no"], "no"),
        (["no", None], "no"),
        (["first", "second"], "second"),
        (["no", ""], "a guard refused without a reason"),
        (["", "no"], "no"),
        ([""], "a guard refused without a reason"),
        (["  "], "a guard refused without a reason"),
    ],
    ids=repr,
)
def test_guard_refusal_stands_whatever_other_guards_answer(answers: list[Any], refusal: str | None) -> None:
    """Whatever is not None is a refusal, also an empty text, and no other guard's answer takes it back."""
    manager = asking(GUARD, answers)

    assert manager.has_guards
    assert manager.before_submit(PAYOUT) == refusal


@pytest.mark.parametrize("answer", [True, False, 0, [], RuntimeError("down")], ids=repr)
def test_guard_that_fails_stops_the_preflight(answer: Any) -> None:
    """``True`` could mean either, so it is an error, and an error fails closed."""
    with pytest.raises((TypeError, RuntimeError)):
        asking(GUARD, [answer, None]).before_submit(PAYOUT)


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ([None, None], None),
        ([None, "a new payee"], "a new payee"),
        ([" "], "a plugin requires an approval without a reason"),
    ],
)
def test_approval_is_needed_when_any_plugin_wants_it(answers: list[Any], reason: str | None) -> None:
    """Whatever is not None is a reason, and no other plugin takes it back."""
    manager = asking(APPROVAL, answers)
    assert manager.has_approvals
    assert manager.needs_approval(PAYOUT) == reason
    assert not loaded(one=plugin(payments_providers)).has_approvals


@pytest.mark.parametrize("answer", [True, 7, ValueError("broken")])
def test_approval_hook_that_fails_approves_nothing(answer: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        asking(APPROVAL, [answer, None]).needs_approval(PAYOUT)


@pytest.mark.parametrize(
    ("hook", "noted"),
    [
        ("payments_before_submit", "has_guards"),
        ("payments_needs_approval", "has_approvals"),
        ("payments_payout_changed", "has_observers"),
        ("payments_choose_account", "has_routing"),
    ],
)
def test_hooks_of_a_plugin_registered_later_are_noted(hook: str, noted: str) -> None:
    """What asks for every payout whether there is a guard must not miss one that is registered later."""
    manager = loaded(one=plugin(payments_providers))
    names = ("has_guards", "has_approvals", "has_observers", "has_routing")
    assert [getattr(manager, name) for name in names] == [False] * 4

    def implementation() -> None:
        return None

    implementation.__name__ = hook
    manager.register(plugin(implementation), "late")

    assert [getattr(manager, name) for name in names] == [name == noted for name in names]


def test_preflight_without_guards_calls_no_hook() -> None:
    assert not loaded(one=plugin(payments_providers)).has_guards
    assert not loaded(one=plugin(payments_providers)).has_observers
    assert loaded().before_submit(PAYOUT) is None


def test_observer_that_fails_is_logged_and_stops_no_caller(caplog: pytest.LogCaptureFixture) -> None:
    """Every other observer hears of it, the caller hears nothing, and the log names the plugin."""
    entries: list[tuple[str, object, object]] = []

    def observer(name: str) -> ModuleType:
        def payments_payout_changed(event: Event, payout: Payout) -> None:  # in another order than the specification
            entries.append((name, payout, event))
            if name == "broken":
                raise RuntimeError("for 46733123450")

        return plugin(payments_payout_changed)

    manager = loaded(a=observer("a"), broken=observer("broken"), b=observer("b"))
    with caplog.at_level(logging.DEBUG, "payments_core"):
        manager.payout_changed(PAYOUT, EVENT)

    assert manager.has_observers
    assert sorted(entries) == [(name, PAYOUT, EVENT) for name in ("a", "b", "broken")]
    assert [record.message for record in caplog.records] == ["payments.hook_failed"]
    facts = vars(caplog.records[0])
    assert (facts["hook"], facts["plugin"]) == ("payments_payout_changed", "broken")
    assert facts["error"] == "RuntimeError: for 46*******50"


def test_cli_commands_of_one_plugin() -> None:
    def group(commands: str) -> ModuleType:
        def payments_cli_commands() -> object:
            return commands

        return plugin(payments_cli_commands)

    manager = loaded(one=group("one's"), two=group("two's"), three=plugin(payments_providers))

    assert manager.cli_commands("one") == "one's"
    assert manager.cli_commands("two") == "two's"
    assert manager.cli_commands("three") is None
