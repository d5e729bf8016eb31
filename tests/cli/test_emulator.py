"""`payouts emulator`: a gateway in a process of its own."""

from __future__ import annotations

import json
import shlex
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Callable
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any

import pytest

from payments_core.plugins.manager import Plugins

Call = Callable[..., Any]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_emulator_serves_until_a_signal_and_exits_with_0(
    start: Call, payouts: Call, folder: Path, number: signal.Signals
) -> None:
    process: subprocess.Popen[str] = start(
        "emulator", "mtn_momo", "--port", "0", "--write-config", "payouts.toml", "--target", "mtnuganda", "--json"
    )
    assert process.stdout is not None
    fields = json.loads(process.stdout.readline())
    sent = payouts("send", "--key", "wages-1", "--to", "+256700199887", "--amount", "5", "--wait", "10")
    with urllib.request.urlopen(f"{fields['url']}/__emulator/ledger", timeout=10) as answer:  # noqa: S310 - loopback
        entries = json.load(answer)["entries"]

    process.send_signal(number)
    _, text = process.communicate(timeout=10)

    assert (fields["accounts"], fields["config"]) == (["mtn-uganda"], "payouts.toml")
    assert sent.code == 0
    assert [entry["credits"] for entry in entries] == [1]
    assert (process.returncode, text) == (0, "")


def test_emulator_prints_its_address_and_a_first_command(start: Call) -> None:
    process = start("emulator", "mtn_momo", "--port", "0", "--write-config", "my.toml", "--seed", "7")

    lines = [process.stdout.readline() for _ in range(5)]
    process.send_signal(signal.SIGINT)

    assert "an emulator listens at http://127.0.0.1:" in lines[0]
    assert "my.toml pays through it, from mtn-sandbox" in lines[1]
    assert "payouts send --key test-1" in lines[2]
    assert "--config my.toml" in lines[2]
    assert "/__emulator/ledger" in lines[4]


@pytest.mark.parametrize("provider", sorted(Plugins().providers()))
def test_emulator_prints_a_first_command_that_works(start: Call, payouts: Call, provider: str) -> None:
    """Word for word, whatever the provider pays to; the end may take longer than this test.

    Only where an answer has to be heard first, that is said.
    """
    process = start("emulator", provider, "--port", "0", "--write-config", "payouts.toml")
    text = next(line for line in process.stdout if "payouts send" in line)

    ran = payouts(*shlex.split(text)[1:-2], "--json")

    if ran.code == 1:
        assert "callback_url" in ran.error["message"] + ran.error["hint"]
    else:
        assert (ran.code, ran.json["status"]) in {(0, "SUCCEEDED"), (4, "PENDING"), (4, "CREATED")}, ran


def test_emulator_with_one_target_refuses_the_option(payouts: Call, plays_one: str) -> None:
    ran = payouts("emulator", plays_one, "--port", "0", "--target", "atlantis", "--json")

    assert (ran.code, "has one target environment" in ran.error["message"]) == (1, True)


@pytest.fixture
def plays_one() -> str:
    """A provider that is installed and whose emulator has one target environment."""
    for spec in Plugins().providers().values():
        module, _, name = spec.emulator.partition(":")
        if name and "target" not in signature(getattr(import_module(module), name)).parameters:
            return spec.name
    pytest.skip("every emulator here plays several")


def test_emulator_on_a_port_in_use_says_what_to_do(payouts: Call) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ran = payouts("emulator", "mtn_momo", "--port", str(taken.getsockname()[1]), "--json")

    assert ran.code == 1
    assert "--port 0 takes any free one" in ran.error["hint"]


def test_emulator_refuses_an_unknown_target_and_lists_the_known(payouts: Call) -> None:
    ran = payouts("emulator", "mtn_momo", "--port", "0", "--target", "atlantis", "--json")

    assert (ran.code, "sandbox, mtnuganda" in ran.error["message"]) == (1, True)


def test_emulator_options_are_set_by_name(start: Call, payouts: Call, folder: Path) -> None:
    """`--set` gives what the emulator's class takes by keyword: here another platform, and amounts as numbers."""
    words = ("--set", "platform=momo_africa", "--set", "status_values=number")
    served = ("emulator", "mtn_momo", "--port", "0", "--target", "mtnuganda", "--write-config", "payouts.toml")
    process = start(*served, "--json", *words)
    assert process.stdout is not None
    process.stdout.readline()

    ran = payouts("send", "--key", "wages-1", "--to", "+256700199887", "--amount", "500", "--wait", "20", "--json")

    assert (ran.code, ran.json["status"]) == (0, "SUCCEEDED")
    assert 'platform = "momo_africa"' in (folder / "payouts.toml").read_text("utf-8")


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("nonsense=1", "unknown switches: nonsense; there are: delayed_s"),
        ("reason_shape", "'reason_shape' is not NAME=VALUE"),
        ("reason_shape=round", "reason_shape must be one of string, object"),
        ("platform=mars", "There is no platform 'mars'"),
    ],
)
def test_emulator_refuses_an_unknown_option_and_lists_the_known(written: str, says: str, payouts: Call) -> None:
    """A name or value that the emulator does not know ends the start and is named."""
    ran = payouts("emulator", "mtn_momo", "--port", "0", "--set", written, "--json")

    assert ran.code == 1
    assert says in ran.error["message"]


def test_emulator_of_a_provider_that_is_not_installed_is_refused(payouts: Call) -> None:
    assert payouts("emulator", "mpesa", "--json").error["code"] == "provider_not_installed"
