"""A journal file that is lost between two lives: refused as long as it is, whatever is left of it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

from crash_points import CrashFile

from payments_core.domain.errors import JournalDamaged, JournalMissing
from payments_core.engine.journal_protocol import Journal
from payments_core.journal import open_journal

PARTS = ("", "-wal", "-shm")


def _emptied(path: Path) -> None:
    os.truncate(path, 0)


def _emptied_without_log(path: Path) -> None:
    _without_log(path)
    os.truncate(path, 0)


def _cut(path: Path) -> None:
    os.truncate(path, 1)


def _without_log(path: Path) -> None:
    for part in PARTS[1:]:
        Path(f"{path}{part}").unlink(missing_ok=True)


def _removed(path: Path) -> None:
    path.unlink()


def _removed_with_log(path: Path) -> None:
    _without_log(path)
    path.unlink()


LOSSES: Mapping[str, Callable[[Path], None]] = {
    "emptied": _emptied,
    "emptied, its log gone": _emptied_without_log,
    "cut to a byte": _cut,
    "removed beside its log": _removed,
    "removed with its log": _removed_with_log,
}


class LosingFile(CrashFile):
    """A journal that is lost in every way before the next life begins; what is refused is put back by a person.

    Args:
        path: The file.

    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.refused: list[str] = []
        self._is_lost = False

    def open(self, namespace: str, clock: Callable[[], datetime]) -> Journal:
        """Open what the last process left, once every loss of it was refused."""
        self._is_lost = self._left.exists()
        return super().open(namespace, clock)

    def _open(self, path: Path, namespace: str, clock: Callable[[], datetime]) -> Journal:
        if self._is_lost:
            self._is_lost = False
            for name, lose in LOSSES.items():
                if (taken := self._opened_after(name, lose, path, namespace, clock)) is not None:
                    return taken
        return super()._open(path, namespace, clock)

    def _opened_after(
        self, name: str, lose: Callable[[Path], None], path: Path, namespace: str, clock: Callable[[], datetime]
    ) -> Journal | None:
        kept = {part: Path(f"{path}{part}").read_bytes() for part in PARTS if Path(f"{path}{part}").exists()}
        lose(path)
        try:
            return open_journal(f"sqlite:///{path.name}", namespace=namespace, root=path.parent, clock=clock)
        except (JournalDamaged, JournalMissing):
            self.refused.append(name)
        for part in PARTS:
            Path(f"{path}{part}").unlink(missing_ok=True)
        for part, content in kept.items():
            Path(f"{path}{part}").write_bytes(content)
            shutil.copymode(path, f"{path}{part}")
        return None
