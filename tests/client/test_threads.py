"""Threads that share one client from its very first call."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from payments_core import PayoutClient
from payments_mtn_momo.emulator import MtnMomoEmulator

THREADS, TIMES = 4, 15


def test_threads_that_come_first_at_once_share_one_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An account has one line, with one token and one set of connections, whoever is first to need it."""
    with MtnMomoEmulator() as gateway:
        gateway.write_config(tmp_path / "payouts.toml")
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(THREADS) as pool:
            for _ in range(TIMES):
                with PayoutClient.from_config(tmp_path / "payouts.toml") as client:
                    (account,) = client._runtime.accounts.values()
                    start = Barrier(THREADS)

                    def first(client: PayoutClient = client, start: Barrier = start) -> int:
                        start.wait(10)
                        return id(client._session(account))  # noqa: B023

                    assert len(set(pool.map(lambda _: first(), range(THREADS)))) == 1
    finally:
        sys.setswitchinterval(usual)
