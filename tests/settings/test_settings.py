"""What payouts.toml may say, and how a mistake is reported: what, where, what to do, never a value."""

from __future__ import annotations

import re
import sys
import traceback
import zoneinfo
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal, cast

import pytest
from pydantic import Field, SecretStr, create_model

from payments_core.domain.errors import PaymentsError, SecretMissing, SettingsError
from payments_core.domain.payout import Operation
from payments_core.journal import open_journal
from payments_core.plugins.manager import Plugins
from payments_core.provider import Account, Facts, PayoutProvider, ProviderSpec
from payments_core.runtime import utc_now
from payments_core.settings import AccountSettings, Configuration, load, read_account
from payments_core.settings.time_zones import day_of, next_day_at
from payments_core.webhooks import read_webhook

NAMESPACE = "0123456789abcdef0123456789abcdef"
SECRET = "sekrit-9f8e7d"
GOOD = f"""
[installation]
namespace = "{NAMESPACE}"
[journal]
url = "sqlite:///payouts.db"
[accounts.main]
provider = "carrier"
currency = "EUR"
"""


class CarrierSettings(AccountSettings):
    """A provider's settings with every kind of secret."""

    environment: Literal["sandbox", "live"] = "sandbox"
    api_key: SecretStr = Field(min_length=8)
    pin: SecretStr | None = None
    pins: dict[str, SecretStr] = Field(default_factory=dict)
    old_keys: tuple[SecretStr, ...] = ()

    @property
    def is_test_mode(self) -> bool:
        return self.environment == "sandbox"


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "payouts.toml"
        path.write_text(text, "utf-8")
        return path

    return write


def described(error: BaseException) -> str:
    """Everything a person, a log or an error page could see of an error, also of the one behind it."""
    behind = error.__cause__ or error.__context__
    return "".join([str(error), repr(error), *traceback.format_exception(error), described(behind) if behind else ""])


def test_configuration_is_read_into_settings(write: Callable[[str], Path]) -> None:
    path = write(GOOD)

    assert load(path) == load(str(path))
    assert load(path) == Configuration(
        path, NAMESPACE, "sqlite:///payouts.db", {"main": {"provider": "carrier", "currency": "EUR"}}
    )


def test_configuration_without_accounts_is_accepted(write: Callable[[str], Path]) -> None:
    """A journal can be read without them."""
    text = GOOD.partition("[accounts.main]")[0] + "[accounts]\n"

    assert load(write(text)).accounts == {}


def test_configuration_that_is_missing_is_reported(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="There is no configuration at") as refused:
        load(tmp_path / "payouts.toml")

    assert "payouts doctor --init" in refused.value.hint
    assert "--write-config" in refused.value.hint


def test_configuration_in_another_encoding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "payouts.toml"
    path.write_bytes(GOOD.encode("utf-16"))

    with pytest.raises(SettingsError, match="cannot be read"):
        load(path)


WRONG = {
    "no TOML": (f"api_key = {SECRET}", "cannot be read"),
    "twice": (GOOD + 'currency = "EUR"', "cannot be read"),
    "no installation": (GOOD.replace("[installation]", "[x]"), r"no \[installation\] table"),
    "no journal": (GOOD.replace("[journal]", "[x]"), r"no \[journal\] table"),
    "no accounts": (GOOD.replace("[accounts.main]", "[account.main]"), r"no \[accounts\] table"),
    "accounts is text": ('accounts = "x"' + GOOD.partition("[accounts")[0], r"no \[accounts\] table"),
    "unknown table": (GOOD + f'[secrets]\nkey = "{SECRET}"', "unknown tables: secrets"),
    "unknown in installation": (GOOD.replace("[journal]", f'key = "{SECRET}"\n[journal]'), "does not know key"),
    "unknown in journal": (GOOD.replace("[accounts.", f'pass = "{SECRET}"\n[accounts.'), "does not know pass"),
    "no namespace": (GOOD.replace("namespace", "#"), "namespace is missing"),
    "short namespace": (GOOD.replace(NAMESPACE, "short"), "shorter than 8"),
    "a number as namespace": (GOOD.replace(f'"{NAMESPACE}"', "12345678"), "namespace is missing"),
    "no url": (GOOD.replace("url", "#"), "must look like sqlite:///"),
    "another url": (GOOD.replace("sqlite:///", f"mysql://me:{SECRET}@"), "must look like sqlite:///"),
    "a password": (GOOD.replace("sqlite:///", f"postgresql://me:{SECRET}@db/"), "holds a password"),
    "a password with an @": (GOOD.replace("sqlite:///", f"postgresql://me:a@{SECRET}@db/"), "holds a password"),
    "a password at the end": (GOOD.replace("sqlite:///", f"postgres://db/x?password={SECRET}&a="), "holds a password"),
    "a key's password": (GOOD.replace("sqlite:///", f"postgres://db/x?a=b&sslpassword={SECRET}&a="), "holds a pass"),
    "a stranger by default": (
        GOOD.replace("[journal]", 'default_account = "other"\n[journal]'),
        r"default_account names 'other', which is not configured",
    ),
    "a number by default": (GOOD.replace("[journal]", "default_account = 5\n[journal]"), "default_account names 5"),
    "no provider": (GOOD.replace("provider", "#"), r"\[accounts.main\] needs a provider"),
    "a number as provider": (GOOD.replace('"carrier"', "5"), r"\[accounts.main\] needs a provider"),
    "account is no table": (GOOD.partition("[accounts")[0] + "[accounts]\nmain = 5", r"\[accounts.main\] needs"),
    "account's name": (GOOD.replace("accounts.main", 'accounts."Main Account"'), "name of small letters"),
    "account's long name": (GOOD.replace("accounts.main", f"accounts.{'a' * 64}"), "name of small letters"),
}
JOURNALS = ["postgresql://me@db:5432/payouts?sslmode=verify-full", "postgresql:///", "env:DATABASE_URL", "file:journal"]


@pytest.mark.parametrize("url", JOURNALS)
def test_journal_url_may_be_a_reference_to_a_secret(url: str, write: Callable[[str], Path]) -> None:
    """An address without a password is written as it is; one with a password is only referred to."""
    assert load(write(GOOD.replace("sqlite:///payouts.db", url))).journal == url


HINTED = {"no installation", "no journal", "no accounts", "accounts is text", "no namespace", "short namespace"}


@pytest.mark.parametrize("case", WRONG)
def test_configuration_mistakes_are_reported_by_place_and_without_values(
    case: str, write: Callable[[str], Path]
) -> None:
    """Each problem by its place in the file, and no value with it."""
    text, problem = WRONG[case]
    path = write(text)

    with pytest.raises(SettingsError, match=problem) as refused:
        load(path)

    assert str(path) in refused.value.message
    assert bool(refused.value.hint) or case not in HINTED
    assert SECRET not in described(refused.value)


def resolve(reference: str) -> SecretStr:
    if not reference.startswith("env:"):
        raise SecretMissing("A secret is written into the configuration itself.", hint="Write where it is.")
    return SecretStr("secret-" + reference.removeprefix("env:"))


def read(**changed: Any) -> CarrierSettings:
    raw: dict[str, Any] = {"provider": "carrier", "currency": "EUR", "api_key": "env:KEY"}
    return read_account(CarrierSettings, "main", raw | changed, resolve_secret=resolve)


def test_secret_references_are_resolved_in_every_field() -> None:
    settings = read(pin="env:PIN", pins={"a": "env:A"}, old_keys=["env:OLD"])

    assert settings.api_key.get_secret_value() == "secret-KEY"
    assert settings.pin is not None
    assert settings.pin.get_secret_value() == "secret-PIN"
    assert settings.pins["a"].get_secret_value() == "secret-A"
    assert settings.old_keys[0].get_secret_value() == "secret-OLD"
    assert settings.currency == "EUR"
    assert "secret" not in repr(settings)


@pytest.mark.parametrize(
    "changed", [{"api_key": SECRET}, {"pin": SECRET}, {"pins": {"a": SECRET}}, {"old_keys": [SECRET]}]
)
def test_secret_written_out_is_refused_without_repeating_it(changed: dict[str, Any]) -> None:
    """A configuration file gets copied; the refusal names the account and the field, and never what stood there."""
    with pytest.raises(SecretMissing, match=rf"^\[accounts.main\] {next(iter(changed))}: ") as refused:
        read(**changed)

    assert refused.value.hint
    assert SECRET not in described(refused.value)


WRONG_FIELDS: dict[str, tuple[dict[str, Any], str]] = {
    "unknown field": ({"api_kee": SECRET}, r"api_kee: no such setting \(did you mean api_key\?\)\."),
    "missing": ({"currency": None}, "currency: must be text"),
    "currency": ({"currency": "euro" + SECRET}, "currency: must be three capital letters, such as UGX"),
    "currency with a line break": ({"currency": "EUR\n"}, "currency: "),
    "environment": ({"environment": SECRET}, "environment: must be 'sandbox' or 'live'"),
    "short secret": ({"api_key": "env:"}, "api_key: "),
    "a secret that is a number": ({"api_key": 12345678}, "api_key: "),
    "a secret that is a table": ({"pin": {"a": 5}}, "pin: "),
    "time": ({"timeout_s": SECRET}, r"timeout_s: must be a number from 0\.001 to 3600\."),
    "negative": ({"lease_s": -1}, "lease_s: "),
    "empty schedule": ({"poll_schedule_s": []}, "poll_schedule_s: must not be empty"),
    "no schedule": ({"poll_schedule_s": 5}, r"poll_schedule_s: must be a list, such as \[5, 15, 60\]"),
    "schedule": ({"poll_schedule_s": [5, 0]}, r"poll_schedule_s.1: "),
    "retries": ({"retry_schedule_s": []}, "retry_schedule_s: "),
    "half in flight": ({"max_in_flight": 1.5}, "max_in_flight: must be a whole number"),
    "times": ({"timeout_s": 50}, r"timeout_s \(50\) is more than half"),
}
# What stands on the page of every account is looked for there; for all else, and for what may be either, there are two.
OWN_FIELDS = {
    "unknown field",
    "environment",
    "short secret",
    "a secret that is a number",
    "a secret that is a table",
    "times",
}


@pytest.mark.parametrize("case", WRONG_FIELDS)
def test_wrong_setting_is_reported_without_its_value(case: str) -> None:
    """Account, field and problem; never the value, which may be a secret in the wrong place."""
    changed, problem = WRONG_FIELDS[case]

    with pytest.raises(SettingsError, match=rf"^\[accounts.main\] is wrong: .*{problem}") as refused:
        read(**changed)

    assert "the page reference/settings of the documentation" in refused.value.hint
    is_own = case in OWN_FIELDS
    assert ("reference page of its provider" in refused.value.hint) is is_own, refused.value.hint
    assert [word for word in ("Input", "valid", "parse", "settings: ") if word in refused.value.message] == []
    assert SECRET not in described(refused.value)
    assert "secret-" not in described(refused.value)
    assert "12345678" not in described(refused.value)


class PostmanSettings(AccountSettings):
    """Of a provider that says its name, and what it pays in."""

    provider: Literal["postman"] = "postman"
    currency: Literal["KES", "TZS"] = "KES"
    district: str = Field(min_length=2)
    area: str = Field("AB", pattern=r"^[A-Z]{2}$")


@pytest.mark.parametrize("wrong", [{"district": ""}, {"currency": "UGX"}, {"districts": "5"}])
def test_provider_setting_mistake_names_the_page_of_the_provider(wrong: dict[str, Any]) -> None:
    """The core knows no provider's pages, nor where it was installed from: it names whose page that is."""
    table = {"provider": "postman", "district": "12"} | wrong

    with pytest.raises(SettingsError) as refused:
        read_account(PostmanSettings, "main", table, resolve_secret=SecretStr)

    assert refused.value.hint == (
        "See the reference page of the provider postman for its own settings, the page reference/settings of the "
        "documentation for those of every account."
    )


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"district": "1"}, "district: must have at least 2 characters."),
        ({"area": "abc"}, "area: must match pattern '^[A-Z]{2}$'."),
        ({"max_in_flight": 0}, "max_in_flight: must be a whole number from 1 to 1000."),
    ],
)
def test_setting_mistakes_are_reported_in_plain_words(wrong: dict[str, Any], problem: str) -> None:
    """Who writes a file knows no strings and no input."""
    with pytest.raises(SettingsError) as refused:
        read_account(
            PostmanSettings, "main", {"provider": "postman", "district": "12"} | wrong, resolve_secret=SecretStr
        )
    assert refused.value.message == f"[accounts.main] is wrong: {problem}"


def test_missing_setting_is_called_missing_and_a_retired_table_by_its_name() -> None:
    table = {"provider": "carrier", "api_key": "env:KEY"}

    with pytest.raises(SettingsError, match=r"^\[accounts.main\] is wrong: currency: is missing\."):
        read_account(CarrierSettings, "main", table, resolve_secret=resolve)
    with pytest.raises(SettingsError, match=r"^\[\[accounts.main.retired\]\] is wrong: currency: is missing\."):
        read_account(CarrierSettings, "main.retired", table, resolve_secret=resolve)
    with pytest.raises(SecretMissing, match=r"^\[\[accounts.main.retired\]\] api_key: "):
        read_account(CarrierSettings, "main.retired", table | {"api_key": SECRET}, resolve_secret=resolve)


def test_wrong_settings_are_all_reported_at_once() -> None:
    with pytest.raises(SettingsError) as refused:
        read(currency="euro", timeout_s=-1, other=1)

    assert all(name in refused.value.message for name in ("currency", "timeout_s", "other"))


@pytest.mark.parametrize(("timeout_s", "lease_s", "fits"), [(30, 60, True), (30.1, 60, False), (60, 90, False)])
def test_timeout_longer_than_half_the_lease_is_refused(timeout_s: float, lease_s: float, fits: bool) -> None:
    """Otherwise others would ask what became of a payment that is still on its way."""
    if fits:
        assert read(timeout_s=timeout_s, lease_s=lease_s).lease_s == lease_s
    else:
        with pytest.raises(SettingsError, match=r"timeout_s \([\d.]+\) is more than half of lease_s"):
            read(timeout_s=timeout_s, lease_s=lease_s)


def test_default_settings_keep_the_rules() -> None:
    """An account that sets nothing asks for about three days, then stops."""
    settings = read()
    asked_h = sum(settings.poll_schedule_s) / 3600

    assert settings.timeout_s <= settings.lease_s / 2
    assert settings.poll_schedule_s[:4] == (5, 15, 60, 300)
    assert 71 <= asked_h <= 72
    assert settings.visible_after_s is None
    assert not AccountSettings(provider="p", currency="EUR").is_test_mode


@pytest.mark.parametrize(("url", "is_test_mode"), [("http://127.0.0.1:1", True), ("https://api.example.com", False)])
def test_account_on_this_machine_is_in_test_mode(url: str, is_test_mode: bool) -> None:
    """Also where its provider does not say so: an emulator's short waits are accepted, and nothing else's."""
    reached = create_model("Reached", __base__=AccountSettings, base_url=(str, url))

    assert reached(provider="p", currency="EUR").is_test_mode is is_test_mode


def test_settings_are_immutable() -> None:
    with pytest.raises(ValueError, match="frozen"):
        read().timeout_s = 5


@pytest.mark.parametrize("name", AccountSettings.model_fields)
def test_settings_are_all_described_with_their_unit(name: str) -> None:
    """The reference page is made of these; a time says its unit."""
    description = AccountSettings.model_fields[name].description or ""

    assert description.endswith(".")
    assert "second" in description or not name.endswith("_s")


FACTS = Facts(resend="safe", visible_after_s=300, dedupe_window_s=86_400)


def account(facts: Facts, **changed: Any) -> Account:
    spec = ProviderSpec(
        "carrier", "Carrier", CarrierSettings, SimpleNamespace, frozenset({Operation.TRANSFER}), facts=facts
    )
    return Account("main", spec, read(**changed), PROVIDER)


PROVIDER = cast("PayoutProvider", SimpleNamespace(binding=lambda _operation: {"host": "carrier.example"}))


def test_provider_facts_are_the_default() -> None:
    assert account(FACTS).facts == FACTS
    assert account(Facts()).facts == Facts()


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"visible_after_s": 600, "environment": "live"}, {"visible_after_s": 600}),
        ({"visible_after_s": 300, "environment": "live"}, {"visible_after_s": 300}),
        ({"visible_after_s": 1, "environment": "sandbox"}, {"visible_after_s": 1}),
        ({"dedupe_settle_s": 700_000, "environment": "live"}, {"dedupe_settle_s": 700_000}),
        ({"dedupe_settle_s": 1, "environment": "sandbox"}, {"dedupe_settle_s": 1}),
        ({"dedupe_window_s": 3600, "environment": "live"}, {"dedupe_window_s": 3600}),
        ({"dedupe_window_s": 86_400, "environment": "live"}, {"dedupe_window_s": 86_400}),
    ],
)
def test_account_setting_may_be_more_cautious_than_the_provider(
    changed: dict[str, Any], expected: Mapping[str, float]
) -> None:
    facts = account(FACTS, **changed).facts

    assert {name: getattr(facts, name) for name in expected} == expected
    assert facts.resend == "safe"


@pytest.mark.parametrize(
    ("facts", "changed", "problem"),
    [
        (FACTS, {"visible_after_s": 299, "environment": "live"}, r"visible_after_s \(299\) is below"),
        (FACTS, {"dedupe_settle_s": 604_799, "environment": "live"}, r"dedupe_settle_s \(604799\) is below"),
        (FACTS, {"dedupe_window_s": 86_401, "environment": "live"}, r"dedupe_window_s \(86401\) is above"),
        (FACTS, {"dedupe_window_s": 86_401, "environment": "sandbox"}, r"dedupe_window_s \(86401\) is above"),
        (Facts(), {"dedupe_window_s": 1}, r"dedupe_window_s \(1\) is above"),
    ],
)
def test_account_setting_less_cautious_than_the_provider_is_refused(
    facts: Facts, changed: dict[str, Any], problem: str
) -> None:
    """A second send rests on these two figures: where money moves they only get safer, and an unknown stays unknown."""
    with pytest.raises(SettingsError, match=problem) as refused:
        account(facts, **changed)

    assert "[accounts.main]" in refused.value.message
    assert refused.value.hint


@pytest.fixture
def secret_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CARRIER_KEY", SECRET)
    monkeypatch.setenv("CARRIER_EMPTY", "")
    (tmp_path / "key").write_text(f"{SECRET}\n", "utf-8")
    (tmp_path / "empty").write_text(" \n", "utf-8")
    (tmp_path / "binary").write_bytes(b"\xff\xfe" + SECRET.encode())
    return tmp_path


def test_secret_is_read_from_the_environment_or_a_file(secret_places: Path) -> None:
    """In the environment, or in files relative to the configuration's folder, without the line break at the end."""
    plugins = Plugins([])

    for reference in ("env:CARRIER_KEY", "file:key", f"file:{secret_places / 'key'}"):
        assert plugins.resolve_secret(reference, root=secret_places).get_secret_value() == SECRET


@pytest.mark.parametrize(
    ("reference", "problem", "hint"),
    [
        ("env:CARRIER_NONE", "variable CARRIER_NONE does not exist", "export CARRIER_NONE="),
        ("env:CARRIER_EMPTY", "variable CARRIER_EMPTY is empty", "export CARRIER_EMPTY="),
        ("file:./none", "file ./none cannot be read: FileNotFoundError", "0600"),
        ("file:none", "is not the name of a file that is there", "file:secrets/key"),
        ("env:none", "is not the name of an environment variable", "env:API_KEY"),
        ("file:empty", "file empty is empty", "0600"),
        ("file:binary", "file binary cannot be read: UnicodeDecodeError", "0600"),
        ("file:a\0b", "is not the name of a file", "file:secrets/key"),
        (SECRET, "written into the configuration itself", "env:NAME"),
        (f"vault:{SECRET}", "no plugin resolves its reference", "env:NAME"),
        ("", "written into the configuration itself", "env:NAME"),
    ],
    ids=ascii,
)
def test_secret_that_is_missing_or_empty_is_refused(
    reference: str, problem: str, hint: str, secret_places: Path
) -> None:
    """An empty secret is a missing one: it would only fail later, at the provider."""
    with pytest.raises(SecretMissing, match=re.escape(problem)) as refused:
        Plugins([]).resolve_secret(reference, root=secret_places)

    assert hint in refused.value.hint
    assert SECRET not in described(refused.value)


KEYS = [
    SECRET,
    "0123456789ABCDEF0123456789ABCDEF",
    "AKEY0123456789ABCDEFGHIJ",
    "aB3/dE6+gH9iJ2kL5mN8oP1qR4sT7uV0wX/yZ==",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmF0dXJlb2Z0b2tlbg",
    "f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
    "postgresql://u:hidden-word@h/d",
]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("kind", ["env", "file"])
def test_secret_in_the_place_of_its_name_is_not_repeated(tmp_path: Path, kind: str, key: str) -> None:
    """With ``env:`` before the key itself, the error names the setting and not the key; the journal's address too."""
    resolve = partial(Plugins([]).resolve_secret, root=tmp_path)
    with pytest.raises(SecretMissing, match=rf"^\[webhooks\.erp\] secret: What stands after {kind}: is not") as refused:
        read_webhook("erp", {"url": "https://erp.example.org", "secret": f"{kind}:{key}"}, resolve_secret=resolve)
    assert key not in described(refused.value)
    with pytest.raises(SecretMissing, match=rf"^\[journal\] url: What stands after {kind}: is not") as refused:
        open_journal(f"{kind}:{key}", namespace="12345678", root=tmp_path, clock=utc_now)
    assert key not in described(refused.value)


LIMITS = pytest.mark.parametrize("setting", ["largest_amount", "daily_limit", "approve_above"])


@LIMITS
def test_limit_is_an_exact_amount_for_each_currency(setting: str) -> None:
    written = {"UGX": "500000", "EUR": "12.50", "KES": 3000, "ZMW": "0"}
    limits = getattr(account(FACTS, **{setting: written}).settings, setting)
    assert limits == {"UGX": Decimal(500000), "EUR": Decimal("12.50"), "KES": Decimal(3000), "ZMW": Decimal(0)}
    assert getattr(account(FACTS).settings, setting) is None


@LIMITS
@pytest.mark.parametrize("written", [12.5, True, "", "-1", -2, "1e3", "NaN", " 5", "5,00", "Infinity", "٣", None, []])
def test_limit_that_is_no_plain_amount_is_refused(setting: str, written: Any) -> None:
    """A float of TOML has lost its digits, and what is understood in two ways is understood in none."""
    with pytest.raises(SettingsError, match=f"{setting}: the amount for UGX must be a whole number, or text"):
        account(FACTS, **{setting: {"EUR": "5", "UGX": written}})


@LIMITS
@pytest.mark.parametrize("written", ["500000", 20000])
def test_limit_without_a_currency_shows_how_the_table_is_written(setting: str, written: Any) -> None:
    with pytest.raises(SettingsError) as refused:
        account(FACTS, **{setting: written})
    assert f'{setting} = {{ EUR = "500000" }}, or [accounts.NAME.{setting}] and below it EUR' in refused.value.message


@LIMITS
@pytest.mark.parametrize(("written", "why"), [({}, "names no currency"), ({"ugx": "5"}, "three capital letters")])
def test_limits_table_without_a_valid_currency_is_refused(setting: str, written: Any, why: str) -> None:
    with pytest.raises(SettingsError, match=why):
        account(FACTS, **{setting: written})


@pytest.mark.parametrize("zone", ["Africa/Kampala", "Asia/Kolkata", "UTC"])
def test_time_zone_is_a_name_of_the_database(zone: str) -> None:
    assert account(FACTS, time_zone=zone).settings.time_zone == zone
    assert account(FACTS).settings.time_zone == "UTC"


@pytest.mark.parametrize("zone", ["Kampala", "+03:00", "", "../etc/passwd", "Africa", "/etc/localtime", "Africa\0"])
def test_unknown_time_zone_is_refused_at_start(zone: str) -> None:
    with pytest.raises(SettingsError, match=r"time_zone: is no time zone: write a name .* \"Africa/Kampala\", or"):
        account(FACTS, time_zone=zone)


def test_missing_time_zone_database_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """UTC needs none."""
    monkeypatch.setitem(sys.modules, "tzdata", None)
    zoneinfo.reset_tzpath(to=())
    zoneinfo.ZoneInfo.clear_cache()
    try:
        with pytest.raises(SettingsError, match="has no time zone database: install tzdata"):
            account(FACTS, time_zone="Africa/Kampala")
        assert account(FACTS, time_zone="UTC").settings.time_zone == "UTC"
    finally:
        zoneinfo.reset_tzpath()


@pytest.mark.parametrize(
    ("zone", "at", "day", "next_at"),
    [
        ("UTC", "2026-11-30T23:59:59+00:00", "2026-11-30", "2026-12-01T00:00:00+00:00"),
        ("Africa/Kampala", "2026-11-30T20:59:59+00:00", "2026-11-30", "2026-11-30T21:00:00+00:00"),
        ("Africa/Kampala", "2026-11-30T21:00:00+00:00", "2026-12-01", "2026-12-01T21:00:00+00:00"),
        ("Africa/Cairo", "2026-04-23T21:59:59+00:00", "2026-04-23", "2026-04-23T22:00:00+00:00"),  # midnight is skipped
        ("Africa/Cairo", "2026-10-29T21:30:00+00:00", "2026-10-29", "2026-10-29T22:00:00+00:00"),  # 23:00 comes twice
        ("America/Havana", "2026-10-31T12:00:00+00:00", "2026-10-31", "2026-11-01T04:00:00+00:00"),  # so does midnight
    ],
)
def test_day_begins_at_midnight_of_the_time_zone(zone: str, at: str, day: str, next_at: str) -> None:
    """Also where clocks are set at midnight: a moment is of one day, and the next day begins when the date changes."""
    moment, begins = datetime.fromisoformat(at), datetime.fromisoformat(next_at)
    assert (day_of(moment, zone), next_day_at(moment, zone)) == (date.fromisoformat(day), begins)
    assert day_of(begins, zone) == date.fromisoformat(day) + timedelta(days=1)
    assert day_of(begins - timedelta(microseconds=1), zone) == date.fromisoformat(day)


def test_configuration_errors_are_all_settings_errors() -> None:
    """An application catches ``SettingsError`` at start and knows that nothing was sent."""
    assert issubclass(SecretMissing, SettingsError)
    assert issubclass(SettingsError, PaymentsError)
