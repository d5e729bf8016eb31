"""A place to pay from whose journal can be lost: a gateway, a configuration, and a journal of either kind."""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from psycopg import conninfo

from payments_core import Money, Payee, PayoutClient, settings
from payments_core.domain.records import Gap
from payments_core.journal import open_audit, store_of
from payments_core.journal.maintenance import restore
from payments_core.journal.maintenance.stores import Store
from payments_core.journal.maintenance.verify import Flaw
from payments_core.plugins.manager import Plugins
from payments_mtn_momo.emulator import MtnMomoEmulator

SETTINGS = {
    "timeout_s": 0.9,
    "lease_s": 2.0,
    "visible_after_s": 0.3,
    "dedupe_settle_s": 0.1,
    "reads_per_s": 0,
    "poll_schedule_s": [0.2] * 60,
    "retry_schedule_s": [0.2],
}
PERSON = {"actor": "Ann", "reason": "the disk died"}


class Place:
    """What a paying installation is, and how it loses its memory."""

    def __init__(self, folder: Path, gateway: MtnMomoEmulator, store: str, postgres: Any) -> None:
        self.folder, self.gateway, self.kind, self._postgres = folder, gateway, store, postgres
        self.config = folder / "payouts.toml"
        self._made: list[str] = []
        self.refused: set[str] = set()  # keys to which a guard says no
        gateway.write_config(self.config)
        self.change(**SETTINGS)

    def change(self, **changes: Any) -> None:
        """Change settings of the account."""
        lines = self.config.read_text("utf-8").splitlines()
        kept = [line for line in lines if line.split(" ")[0] not in changes]
        kept += [f"{name} = {value}" for name, value in changes.items()]
        self.config.write_text("\n".join(kept) + "\n", "utf-8")

    def point(self, url: str) -> None:
        """Name another journal."""
        text = self.config.read_text("utf-8")
        self.config.write_text(re.sub(r'(?m)^url = ".*"$', f'url = "{url}"', text, count=1), "utf-8")

    @property
    def url(self) -> str:
        return settings.load(self.config).journal

    @property
    def namespace(self) -> str:
        return settings.load(self.config).namespace

    def client(self) -> PayoutClient:
        return PayoutClient.from_config(self.config)

    def send(self, client: Any, key: str, payee: str, **more: Any) -> Any:
        return client.send(key=key, payee=Payee.msisdn(payee), amount=Money(5, "EUR"), **more)

    def store(self, url: str = "") -> Store:
        root = self.folder
        return store_of(url or self.url, namespace=self.namespace, root=root, at=datetime.now(UTC))

    def act(self) -> restore.OperatorAction:
        return restore.OperatorAction(datetime.now(UTC), **PERSON)

    def back_up(self) -> datetime:
        """Copy the journal while nobody uses it; return when."""
        at = datetime.now(UTC)
        if self.kind == "sqlite":
            if not self._file.exists():
                self.store().create()
            with closing(sqlite3.connect(self._file)) as one, closing(sqlite3.connect(self._copy)) as copy:
                one.backup(copy)
        else:
            self._copied = self._clone(self.url)
        return at

    def lose_and_restore(self) -> None:
        """Put the backup in the journal's place."""
        if self.kind == "sqlite":
            for file in self._file.parent.glob(f"{self._file.name}*"):
                file.unlink()
            shutil.copy(self._copy, self._file)
        else:
            self.point(self._clone(self._copied))

    def restored(self, gap_from: datetime) -> None:
        restore.begin_gap(self.store(), gap_from, self.act())

    @property
    def accounts(self) -> Collection[str]:
        return settings.load(self.config).accounts.keys()

    def statement(self) -> list[str]:
        """Return what an operator copies from the provider's statement: reference and external id of each payment."""
        books = self.gateway.gateway.books
        paid = {credit.reference for credit in books.credits}
        found = [(payment.reference, payment.order["externalId"]) for payment in books.accepted]
        return [value for values in found for value in values if values[0] in paid]

    def erase(self) -> None:
        """Let the provider forget all that it was sent: it shows none of it, and refuses none of it twice."""
        self.gateway.gateway.books._by_reference.clear()

    def compare(self, *references: str) -> None:
        """Say that the statement of each account was compared, and what was found in it."""
        for account in self.accounts:
            restore.compare_statement(
                self.store(), self.act(), account=account, configured=self.accounts, references=references
            )

    def end_gap(self) -> Gap:
        return restore.end_gap(self.store(), self.act(), self.accounts)

    def credits(self) -> Counter[str]:
        """Count what each payee has received."""
        self.gateway.ledger()  # what has come to its end by now
        return Counter(credit.payee for credit in self.gateway.gateway.books.credits)

    def flaws(self) -> list[Flaw]:
        """Audit the journal."""
        with closing(open_audit(self.url, namespace=self.namespace, root=self.folder)) as audit:
            return list(audit.flaws())

    @property
    def _file(self) -> Path:
        return self.folder / self.url.removeprefix("sqlite:///")

    @property
    def _copy(self) -> Path:
        return self.folder / "backup.db"

    def _clone(self, url: str) -> str:
        name = f"{conninfo.conninfo_to_dict(url)['dbname']}_{len(self._made)}"
        self._postgres.execute(f"CREATE DATABASE {name} TEMPLATE {conninfo.conninfo_to_dict(url)['dbname']}")
        self._made.append(self._postgres.url_of(name))
        return self._made[-1]

    def pay_in_the_gap(self, key: str, payee: str, **more: Any) -> None:
        """Back up, pay one payout, lose the journal, and restore the backup, which says so."""
        gap_from = self.back_up()
        with self.client() as client:
            self.send(client, key, payee, **more)
            client.wait(key, timeout_s=15)
        self.lose_and_restore()
        self.restored(gap_from)

    def close(self) -> None:
        for url in self._made:
            self._postgres.drop(url)


def _as_with_a_guard(plugins: Plugins) -> None:
    plugins.has_guards, plugins.has_approvals, plugins.has_observers, plugins.has_routing = True, False, False, False


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A place whose journal is of either kind."""
    monkeypatch.chdir(tmp_path)
    with MtnMomoEmulator() as gateway:
        server = request.getfixturevalue("postgres") if request.param == "postgres" else None
        made = Place(tmp_path, gateway, request.param, server)
        monkeypatch.setattr(Plugins, "_note_hooks", _as_with_a_guard)
        fields = {True: "not today", False: None}
        monkeypatch.setattr(Plugins, "before_submit", lambda _, payout: fields[payout.key in made.refused])
        if server is not None:
            share: Callable[[Path], str] = request.getfixturevalue("share_journal")
            share(made.config)
        yield made
        made.close()
