"""The configuration and secrets are read from files of the user's own: nothing waits, nothing is swallowed whole."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import SecretStr

from payments_core import PayoutClient
from payments_core.cli.app import run
from payments_core.domain.errors import JournalError, PaymentsError, SettingsError
from payments_core.domain.masking import scrub
from payments_core.journal import open_journal
from payments_core.plugins.manager import Plugins
from payments_core.runtime import utc_now
from payments_core.settings import load, read_secret
from payments_core.settings.tables import read_table
from payments_mtn_momo.emulator import MtnMomoEmulator

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pipes and modes of files")
TOML = '[accounts]\n[installation]\nnamespace = "12345678"\n[journal]\nurl = "sqlite:///p.db"\n'


@pytest.fixture(autouse=True)
def patience() -> Iterator[None]:
    """Let a test that waits for what never comes fail within half a minute."""

    def lost(_number: int, _frame: object) -> None:
        raise TimeoutError("it waits")

    before = signal.signal(signal.SIGALRM, lost)
    signal.alarm(30)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short name: a socket's may not be longer than a hundred characters."""
    path = Path(tempfile.mkdtemp())
    yield path
    shutil.rmtree(path)


def pipe(path: Path) -> None:
    os.mkfifo(path, 0o600)


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def listener(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


def large(path: Path) -> None:
    path.touch(0o600)
    os.truncate(path, 2**40)  # holes: it takes no room on the disk, and all the memory there is


STRANGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "a pipe": (pipe, "is not a regular file"),
    "an endless device": (endless, "is not a regular file"),
    "a folder": (Path.mkdir, "is not a regular file"),
    "a socket": (listener, "cannot be read"),
    "large": (large, r"is larger than \d+ bytes"),
}


@pytest.mark.parametrize("kind", STRANGE)
def test_file_that_is_no_regular_file_or_too_large_is_refused_at_once(folder: Path, kind: str) -> None:
    """Neither does it wait for who writes into a pipe, nor read until the memory is full."""
    make, text = STRANGE[kind]
    make(folder / "file")
    with pytest.raises(SettingsError, match=rf"/file {text}"):
        load(folder / "file")
    with pytest.raises(SettingsError, match=rf"The secret file file {text}"):
        read_secret("file:file", root=folder)


def holds_secret(annotation: Any) -> bool:
    return annotation is SecretStr or any(map(holds_secret, get_args(annotation)))


SECRETS = [
    (name, setting)
    for name, spec in Plugins().providers().items()
    for setting, field in spec.settings.model_fields.items()
    if holds_secret(field.annotation)
]


@pytest.mark.parametrize(("provider", "setting"), SECRETS)
def test_provider_key_files_have_the_same_checks(folder: Path, provider: str, setting: str) -> None:
    """Tokens, private keys and certificates alike; the message says which."""
    pipe(folder / "key")
    plugins = Plugins()
    resolve = partial(plugins.resolve_secret, root=folder)
    with pytest.raises(SettingsError, match=rf"^\[accounts\.a\] {setting}: The secret file key is not a regular"):
        read_table(plugins.provider(provider).settings, "[accounts.a]", {setting: "file:key"}, resolve_secret=resolve)


CHANGEABLE: dict[str, tuple[Callable[[Path], object], str]] = {
    "its group may write": (lambda path: path.chmod(0o660), r"can be changed by other users \(mode 0660\).*chmod go-w"),
    "everybody may write": (lambda path: path.chmod(0o602), r"can be changed by other users \(mode 0602\).*chmod go-w"),
    "everybody may replace": (lambda path: path.parent.chmod(0o777), r"can be replaced by every user.*chmod o-w"),
    "of another user": (lambda path: os.chown(path, 12345, -1), r"belongs to another user \(uid 12345.*chown"),
}


@pytest.mark.parametrize("how", CHANGEABLE)
@pytest.mark.parametrize("what", ["configuration", "secret"])
def test_file_that_others_can_change_is_refused(folder: Path, what: str, how: str) -> None:
    """A change to it decides who is paid, and from where: the message says what to look at and what to do."""
    if how == "of another user" and os.geteuid():
        pytest.skip("only root gives files away")
    path = folder / ("payouts.toml" if what == "configuration" else "key")
    path.write_text(TOML, "utf-8")
    path.chmod(0o600)
    change, text = CHANGEABLE[how]
    change(path)
    with pytest.raises(SettingsError, match=text):
        load(path) if what == "configuration" else read_secret("file:key", root=folder)


@pytest.mark.parametrize("what", ["configuration", "secret", "journal"])
def test_link_and_its_file_are_both_checked(folder: Path, what: str) -> None:
    """Both are judged: a link in a folder of our own may name a file in one that is open to all, and the reverse."""
    near, far = folder / "near", folder / "far"
    near.mkdir(0o700)
    far.mkdir(0o700)
    path, real = near / "link", far / "file"
    if what == "journal":
        open_journal("sqlite:///far/file", namespace="12345678", root=folder, clock=utc_now, make=True).close()
    real.touch(0o600)
    path.symlink_to(real)
    read: dict[str, Callable[[], object]] = {
        "configuration": lambda: load(path),
        "secret": lambda: read_secret("file:near/link", root=folder),
        "journal": lambda: open_journal("sqlite:///near/link", namespace="12345678", root=folder, clock=utc_now),
    }
    for opened in (far, near, folder):
        opened.chmod(0o777)
        with pytest.raises(PaymentsError, match="can be replaced by every user"):
            read[what]()
        opened.chmod(0o700)


def test_opened_file_is_the_one_that_is_checked_and_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is put in its place in between changes nothing: neither is it believed, nor is it read."""
    path, real = folder / "key", os.open
    path.write_text("first", "utf-8")
    path.chmod(0o600)

    def open_then_replace(name: Path, flags: int) -> int:
        number = real(name, flags)
        path.unlink()
        pipe(path)
        return number

    monkeypatch.setattr("payments_core.settings.files.os.open", open_then_replace)
    secret = read_secret("file:key", root=folder)
    assert secret is not None
    assert secret.get_secret_value() == "first"


@pytest.fixture
def paying(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An installation that pays through an emulator; the path of its configuration."""
    monkeypatch.chdir(folder)
    with MtnMomoEmulator() as gateway:
        gateway.write_config(folder / "payouts.toml")
        yield folder / "payouts.toml"


COMMANDS = [
    ["send", "--key", "k", "--to", "46733000001", "--amount", "5"],
    ["list"],
    ["pause"],
    ["resume"],
    ["worker", "--once"],
    ["doctor"],
    ["journal", "verify"],
    ["journal", "init"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_configuration_that_others_can_change_is_refused_everywhere(
    paying: Path, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Not the doctor alone: nothing is paid with a configuration that others can change, and no journal is made."""
    paying.chmod(0o666)
    assert run([*command, "--json"]) == 1
    text = capsys.readouterr()
    assert "can be changed by other users" in text.out + text.err
    with pytest.raises(SettingsError, match="can be changed by other users"):
        PayoutClient.from_config(paying)
    assert not paying.with_name("payouts.db").exists()


UNSAFE = CHANGEABLE | {
    "everybody may lay a log beside it": (lambda path: path.parent.chmod(0o1777), r"can be replaced by every user"),
    "in a folder of another user": (lambda path: os.chown(path.parent, 12345, -1), r"belongs to another user"),
}


@pytest.mark.parametrize("how", UNSAFE)
def test_journal_that_others_can_change_is_not_opened(
    paying: Path, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A payout that another user planted in it would be paid: no command that reads it goes on, and none makes it."""
    if "another user" in how and os.geteuid():
        pytest.skip("only root gives files away")
    paying.write_text(paying.read_text("utf-8").replace("sqlite:///payouts.db", "sqlite:///j/p.db"), "utf-8")
    file = paying.with_name("j") / "p.db"
    file.parent.mkdir(0o700)
    PayoutClient.from_config(paying).close()
    change, text = UNSAFE[how]
    change(file)
    for command in (["resume"], ["list"], ["journal", "verify"], ["journal", "backup", "b.db"]):
        assert run(command) == 1
        assert re.search(text, capsys.readouterr().err, re.DOTALL), command
    assert run(["doctor"]) == 1
    if file.parent.stat().st_mode & 0o002:
        file.unlink()
        with pytest.raises(JournalError, match=text):
            PayoutClient.from_config(paying)
        assert list(file.parent.iterdir()) == []


def test_secret_that_others_may_read_is_reported_and_used(paying: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An event each time it is read, and a finding of the doctor's; a payment goes on."""
    key = next((paying.parent / "secrets").glob("*api-key"))
    key.chmod(0o644)
    assert run(["send", "--key", "k", "--to", "46733000001", "--amount", "5", "--wait", "10", "--log-json"]) == 0
    fields = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(one["event"], one["level"], one["file"]) for one in fields] == [
        ("secret.exposed", "warning", scrub(f"secrets/{key.name}"))  # hexadecimal may hold a long number
    ]
    assert run(["doctor"]) == 1
    assert f"other users may read the secret file {key}" in capsys.readouterr().out


def test_certificate_readable_by_all_is_not_reported(folder: Path) -> None:
    """It stands where secrets do, and may be read by everybody."""
    (folder / "portal.cer").write_text("-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n", "utf-8")
    entries: list[str] = []
    assert read_secret("file:portal.cer", root=folder, on_exposed=entries.append) is not None
    assert entries == []


def test_written_files_are_accepted_under_any_umask(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On many systems a new file is one that its group may write: not so the configuration, and secrets."""
    monkeypatch.chdir(folder)
    before = os.umask(0)
    try:
        assert run(["doctor", "--init", "--config", "new.toml"]) == 0
        with MtnMomoEmulator() as gateway:
            gateway.write_config(folder / "payouts.toml")
            assert run(["doctor"]) == 0, capsys.readouterr()
    finally:
        os.umask(before)
    assert load("new.toml").accounts == {}
