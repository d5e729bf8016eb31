"""Every number that a person or a program gives has bounds: nonsense is refused where it is given, with the range."""

from __future__ import annotations

import asyncio
import inspect
import math
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel
from typer.main import get_command

from payments_core import AsyncPayoutClient, Money, Payee, PayoutClient
from payments_core.cli.app import app, run
from payments_core.domain.errors import InvalidArgument, InvalidPayout, SettingsError
from payments_core.domain.payout import Order
from payments_core.http.retry_policy import overridden
from payments_core.plugins.manager import Plugins, found
from payments_core.provider import RetryPolicy
from payments_core.routing.routes import RouteSettings
from payments_core.settings import AccountSettings, WorkerSettings, load
from payments_core.settings.tables import read_table
from payments_core.settings.types import range_of
from payments_core.webhooks import WebhookSettings
from payments_mtn_momo.emulator import MtnMomoEmulator

HUGE = 10**400  # no float can hold it
NONSENSE: Mapping[str, Any] = {
    "not a number": math.nan,
    "for ever": math.inf,
    "never": -math.inf,
    "negative": -1,
    "longer than the world": 1e308,
    "of many digits": HUGE,
    "a yes": True,
    "text": "5",
}
ACCOUNTS = {"every account": AccountSettings} | {name: spec.settings for name, spec in Plugins().providers().items()}
TABLES: Mapping[str, type[BaseModel]] = {
    **ACCOUNTS,
    "worker": WorkerSettings,
    "webhook": WebhookSettings,
    "route": RouteSettings,
}


def kinds(annotation: Any) -> set[Any]:
    """Every type that an annotation is made of."""
    return {annotation}.union(*map(kinds, get_args(annotation)))


NUMBERS = [
    (table, name)
    for table, settings in TABLES.items()
    for name, field in settings.model_fields.items()
    if kinds(field.annotation) & {int, float}
]


@pytest.mark.parametrize(("table", "name"), NUMBERS)
def test_settings_number_outside_its_bounds_is_refused_with_the_range(table: str, name: str) -> None:
    """A setting that is added without bounds fails here; what is outside of them is refused with the range."""
    settings = TABLES[table]
    field = settings.model_fields[name]
    bounds = range_of(field)
    assert bounds is not None, "give it a type of setting_types, or ge and le"
    is_list = any(getattr(kind, "__origin__", None) is tuple for kind in kinds(field.annotation))
    beyond = {"above": math.nextafter(bounds[1], math.inf), "below": math.nextafter(bounds[0], -math.inf)}
    for case, value in {**NONSENSE, **beyond}.items():
        with pytest.raises(SettingsError) as refused:
            read_table(settings, "[table]", {name: [value] if is_list else value}, resolve_secret=lambda _: None)  # type: ignore[arg-type,return-value]
        text = next(part for part in refused.value.message.split("; ") if f"{name}" in part)
        assert f"from {bounds[0]:.12g} to {bounds[1]:.12g}" in text, (case, text)


@pytest.mark.parametrize("name", ["first_wait_s", "longest_wait_s", "jitter_s", "timeout_s", "deadline_s", "attempts"])
@pytest.mark.parametrize("case", NONSENSE)
def test_retry_table_number_outside_its_bounds_is_refused(name: str, case: str) -> None:
    """The same of what an account wants to be repeated otherwise."""
    with pytest.raises(ValueError, match=r"at most 3600|from 0 to 3600|from 1 to 10"):
        overridden({"token": RetryPolicy()}, {"token": {name: NONSENSE[case]}})


def test_settings_amount_with_too_many_digits_is_refused(tmp_path: Path) -> None:
    """More digits than any amount has are refused."""
    with pytest.raises(SettingsError, match="at most 18, and 9 decimals"):
        read_table(RouteSettings, "[[routes]]", {"account": "a", "max_amount": "9" * 19}, resolve_secret=None)  # type: ignore[arg-type]


@pytest.mark.parametrize("number", ["1" * 5000, f"{'[' * 5000}"])
def test_configuration_that_python_cannot_parse_is_reported(tmp_path: Path, number: str) -> None:
    """Python itself gives up on such a file; a person hears why."""
    path = tmp_path / "payouts.toml"
    path.write_text(f"[worker]\npoll_s = {number}\n", "utf-8")
    with pytest.raises(SettingsError, match="a number in it is too long, or its tables are nested too deep"):
        load(path)


# --- the command line ---


def options() -> Iterator[tuple[list[str], Any]]:
    """Yield every option and argument that takes a number, with the command it belongs to."""
    roots = {"": get_command(app)}
    for plugin in found():
        commands = Plugins([plugin]).cli_commands(plugin.name)
        if commands is not None:
            roots[plugin.name] = get_command(commands)  # type: ignore[arg-type]
    for name, root in roots.items():
        yield from _options([name] if name else [], root)


def _options(words: list[str], command: Any) -> Iterator[tuple[list[str], Any]]:
    for name, inner in getattr(command, "commands", {}).items():
        yield from _options([*words, name], inner)
    for option in command.params:
        if takes_number(option):
            yield words, option


def takes_number(option: Any) -> bool:
    """Whether it does; typer has its own kinds of options, or those of click."""
    if hasattr(option, "type"):
        return bool(re.match("integer|float", option.type.name))
    return bool(kinds(option.type_descriptor.annotation) & {int, float})


NUMERIC = list(options())


@pytest.mark.parametrize(
    ("words", "option"), NUMERIC, ids=[f"{' '.join(words)} {option.name}" for words, option in NUMERIC]
)
def test_command_line_number_outside_its_bounds_is_refused_with_the_range(
    words: list[str], option: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is outside of them is a usage error: nothing is read, and the message has the range."""
    monkeypatch.chdir(tmp_path)
    for value in ("nan", "inf", "-inf", "-1", "1e308", "9" * 400):
        code = run([*words, f"{option.opts[0]}={value}", *needed(words, option)])
        text = capsys.readouterr().err
        assert (code, "no configuration" in text) == (2, False), (value, text)
        assert re.search(r"from -?\d+ to \d+|is not in the range \d+<=x<=\d+|valid (integer|number|whole)", text), text


def needed(words: list[str], option: Any) -> list[str]:
    """What else the command must be given to look at the option."""
    command: Any = get_command(app)
    if words[0] not in command.commands:
        command = get_command(Plugins([one for one in found() if one.name == words[0]]).cli_commands(words[0]))  # type: ignore[arg-type]
        words = words[1:]
    for word in words:
        command = command.commands[word]
    names = [other.opts[0] for other in command.params if other.required and other is not option]
    return [word for name in names for word in ([name, "x"] if name.startswith("-") else ["x"])]


def test_send_with_an_endless_wait_is_refused_before_anything_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not after the payment: no journal is made, and the gateway hears nothing."""
    monkeypatch.chdir(tmp_path)
    with MtnMomoEmulator() as gateway:
        gateway.write_config(tmp_path / "payouts.toml")
        for wait in ("inf", "nan", "1e308"):
            assert run(["send", "--key", "k", "--to", "46733000001", "--amount", "5", "--wait", wait]) == 2
            assert "Nothing was sent" in capsys.readouterr().err
        assert gateway.ledger() == []
    assert not (tmp_path / "payouts.db").exists()


# --- the clients ---

CALLS: Mapping[str, Callable[[Any, Any], Any]] = {
    "wait": lambda client, value: client.wait("po_one", timeout_s=value),
    "resume": lambda client, value: client.resume(timeout_s=value),
    "balances": lambda client, value: client.balances("mtn-sandbox", wait_s=value),
    "events": lambda client, value: client.events(consumer="app", poll_s=value),
    "pending_events": lambda client, value: client.pending_events("app", limit=value),
    "handle": lambda client, value: client.inbox.handle(value),
}


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration whose gateway has no listener."""
    path = tmp_path_factory.mktemp("bounds") / "payouts.toml"
    with MtnMomoEmulator() as gateway:
        gateway.write_config(path)
    return path


@pytest.mark.parametrize("case", NONSENSE)
@pytest.mark.parametrize("call", CALLS)
def test_client_argument_outside_its_bounds_is_refused(config: Path, call: str, case: str) -> None:
    """Refused before anything is done, in both worlds alike."""

    async def wait() -> None:
        async with AsyncPayoutClient.from_config(config) as client:
            given = CALLS[call](client, NONSENSE[case])
            if inspect.isawaitable(given):
                await given

    text = r"must be a (whole )?number from \d+ to \d+"
    with PayoutClient.from_config(config) as client, pytest.raises(InvalidArgument, match=text):
        CALLS[call](client, NONSENSE[case])
    with pytest.raises(InvalidArgument, match=text):
        asyncio.run(wait())


@pytest.mark.parametrize("year", [1, 1999, 3000, 9999])
@pytest.mark.parametrize("name", ["not_before", "expires_at"])
def test_order_time_outside_the_years_2000_to_2999_is_refused(name: str, year: int) -> None:
    """Waits are added to it; nothing is recorded."""
    fields: Any = {name: datetime(year, 1, 1, tzinfo=UTC)}
    with pytest.raises(InvalidPayout, match="between the years 2000 and 2999"):
        Order(key="k", payee=Payee.msisdn("46733000001"), amount=Money(5, "EUR"), **fields)
