"""Files that decide about money, read whole: the configuration, and secrets."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import NamedTuple

from payments_core.errors import SettingsError

__all__ = ["FileText", "read_file"]

_IS_POSIX = os.name == "posix"  # elsewhere a file's mode and owner say nothing
# Not to wait for who writes into a pipe, and not to become the controller of a terminal.
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)


class FileText(NamedTuple):
    """What stands in a file.

    Args:
        text: The text.
        is_exposed: Whether others than its owner may read it.

    """

    text: str
    is_exposed: bool


def read_file(path: Path, what: str, *, most_bytes: int) -> FileText:
    """Read a regular file that nobody else can change; what was opened is looked at, so that nothing comes in between.

    Args:
        path: The file.
        what: What it is, with its name, for messages.
        most_bytes: More than that is refused.

    Raises:
        SettingsError: It is no regular file, too large, or others can change it.
        OSError: There is none, or it cannot be read.
        UnicodeDecodeError: It is not UTF-8.

    """
    number = os.open(path, _FLAGS)
    try:
        found = os.fstat(number)
        if not stat.S_ISREG(found.st_mode):
            raise SettingsError(f"{what} is not a regular file.", hint="A pipe, a device or a folder is not read.")
        if _IS_POSIX:
            _check_owner(path, what, found)
        with os.fdopen(number, "rb", closefd=False) as file:
            data = file.read(most_bytes + 1)
    finally:
        os.close(number)
    if len(data) > most_bytes:
        raise SettingsError(f"{what} is larger than {most_bytes} bytes.", hint="Name the right file.")
    return FileText(data.decode("utf-8"), _IS_POSIX and bool(found.st_mode & 0o044))


def _check_owner(path: Path, what: str, found: os.stat_result) -> None:
    """Refuse a file that another user can change: who changes it decides who is paid, and as whom."""
    us = os.geteuid()
    if found.st_uid not in {0, us}:
        raise SettingsError(
            f"{what} belongs to another user (uid {found.st_uid}; this process is uid {us}).",
            hint=f"Look at what stands in it, and make it yours: chown {us} {path}",
        )
    if found.st_mode & 0o022:
        raise SettingsError(
            f"{what} can be changed by other users (mode {stat.S_IMODE(found.st_mode):04o}).",
            hint=f"Look at what stands in it, and take that right away: chmod go-w {path}",
        )
    folder = path.parent.stat()
    if folder.st_mode & stat.S_IWOTH and not folder.st_mode & stat.S_ISVTX:
        raise SettingsError(
            f"{what} can be replaced by every user: its folder is open to all "
            f"(mode {stat.S_IMODE(folder.st_mode):04o}).",
            hint=f"Take that right away: chmod o-w {path.parent}",
        )
