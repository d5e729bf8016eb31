"""Files that decide about money: the configuration and secrets, which are read whole, and the journal."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from payments_core.domain.errors import PaymentsError, SettingsError

__all__ = ["FileText", "check_folders", "check_unchangeable", "read_file"]

_IS_POSIX = os.name == "posix"  # elsewhere a file's mode and owner mean nothing
# Not to wait for the writer of a pipe, and not to become the controller of a terminal.
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)


class FileText(NamedTuple):
    """The content of a file, and whether others than its owner may read it."""

    text: str
    is_exposed: bool


def read_file(path: Path, what: str, *, most_bytes: int) -> FileText:
    """Read a regular file that no other user can change; the opened file is checked, so that nothing comes in between.

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
        check_unchangeable(path, what, found)
        with os.fdopen(number, "rb", closefd=False) as file:
            data = file.read(most_bytes + 1)
    finally:
        os.close(number)
    if len(data) > most_bytes:
        raise SettingsError(f"{what} is larger than {most_bytes} bytes.", hint="Name the right file.")
    return FileText(data.decode("utf-8"), _IS_POSIX and bool(found.st_mode & 0o044))


_LINKS = 40  # as many as Linux follows


def check_unchangeable(
    path: Path, what: str, found: os.stat_result, *, error: type[PaymentsError] = SettingsError
) -> None:
    """Refuse a file that another user can change or replace: its content decides which payee is paid, and as whom.

    ``what`` names it in messages, ``found`` is its own status, and ``error`` the class that is raised.
    """
    if not _IS_POSIX:
        return
    us = os.geteuid()
    if found.st_uid not in {0, us}:
        raise error(
            f"{what} belongs to another user (uid {found.st_uid}; this process is uid {us}).",
            hint=f"Look at what stands in it, and make it yours: chown {us} {path}",
        )
    if found.st_mode & 0o022:
        raise error(
            f"{what} can be changed by other users (mode {stat.S_IMODE(found.st_mode):04o}).",
            hint=f"Look at what stands in it, and take that right away: chmod go-w {path}",
        )
    check_folders(path, what, error=error)


def check_folders(
    path: Path, what: str, *, error: type[PaymentsError] = SettingsError, may_be_shared: bool = True
) -> None:
    """Refuse a file whose name another user can give to another file.

    It need not be there. With ``may_be_shared`` its folder may be one in which all may add files but not replace
    another's (sticky).
    """
    if not _IS_POSIX:
        return
    us, real = os.geteuid(), path.resolve()
    for name in _names(path):
        if name.is_symlink() and (owner := name.lstat().st_uid) not in {0, us}:
            raise error(
                f"{what} can be replaced: the link {name} belongs to another user (uid {owner}).",
                hint="Look at what it names, and put the file itself in its place.",
            )
        for folder in name.parents:
            found = folder.stat()
            if folder == name.parent and found.st_uid not in {0, us}:
                raise error(
                    f"{what} can be replaced: its folder {folder} belongs to another user (uid {found.st_uid}).",
                    hint=f"Look at what stands there, and make it yours: chown {us} {folder}",
                )
            is_safe = found.st_mode & stat.S_ISVTX and (may_be_shared or folder != real.parent)
            if found.st_mode & stat.S_IWOTH and not is_safe:
                raise error(
                    f"{what} can be replaced by every user: its folder is open to all "
                    f"(mode {stat.S_IMODE(found.st_mode):04o}).",
                    hint=f"Look at what stands there, and take that right away: chmod o-w {folder}",
                )


def _names(path: Path) -> Iterator[Path]:
    """Yield a file's name, every name a symbolic link gives it, and the resolved one."""
    name = path.absolute()
    for _ in range(_LINKS):
        yield name
        if not name.is_symlink():
            break
        name = name.parent / name.readlink()
    yield path.resolve()
