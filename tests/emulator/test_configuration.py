"""The configuration that an emulator writes: what it adds by itself is told to whoever writes an emulator."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from payments_core.settings import load
from payments_core.testing.emulator.configuration import EmulatedAccount, write_new


def test_settings_added_by_write_new_are_documented(tmp_path: Path) -> None:
    """An author who sets one of them himself would write a file that cannot be read."""
    given = {"base_url": "http://127.0.0.1:9500"}
    account = EmulatedAccount(name="main", provider="postman", settings=given, secrets={})
    write_new(tmp_path / "payouts.toml", account)

    added = set(load(tmp_path / "payouts.toml").accounts["main"]) - {"provider", *given}
    result = (inspect.getdoc(write_new) or "").split("It adds short waits", 1)[1].split("Of these", 1)[0]
    assert set(re.findall(r"``(\w+)``", result)) == added
