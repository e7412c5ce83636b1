"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import secrets
import time
from contextlib import suppress
from pathlib import Path

from pytest_energybench.base.file_lock import try_lock
from pytest_energybench.base.system import WINDOWS, open_flags
from pytest_energybench.results.errors import WriteError, cause, named

_ENDING = ".energybench.tmp"
_TRIES = 20
_PAUSE_S = 0.05
_SURELY_LEFT_S = 3600.0
"""On Windows a temporary file is closed, and so unlocked, for a moment before it takes its name."""


def write_atomically(
    path: str | os.PathLike[str], content: bytes | bytearray, *, overwrite: bool
) -> None:
    """Put `content` at `path` in one step that survives a crash; creates the folder.

    The content goes to a temporary file in the same folder, is synced to the disk and takes the
    name, and then the folder is synced. A link is followed, not replaced. Temporary files of
    processes that were killed are cleared away.

    Args:
        overwrite: False refuses where the name is taken, also by another process in the meantime.

    Raises:
        WriteError: the folder or the file can't be written, or the name is taken, or stands for a
            device, pipe or folder. What was there stays and no temporary file is left.
    """
    if "\0" in os.fspath(path):
        raise WriteError(named(path, "cannot be written: the name holds a NUL character"))
    target = Path(os.path.realpath(path))
    try:
        make_folder(target.parent)
        if target.exists() and not target.is_file():  # root could replace /dev/null
            raise WriteError(named(path, "cannot be written: it is no plain file"))
        _clear_leftovers(target.parent)
        temporary, descriptor = _create_locked(target.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:  # open, and so locked, until it has its name
                file.write(content)
                file.flush()
                os.fsync(descriptor)
                if not WINDOWS:
                    _take_name(temporary, target, path, overwrite)
            if WINDOWS:  # which renames no open file
                _take_name(temporary, target, path, overwrite)
        finally:
            with suppress(FileNotFoundError):
                temporary.unlink()
        sync_folder(target.parent)
    except OSError as error:
        raise WriteError(named(path, f"cannot be written: {cause(error)}")) from error


def _create_locked(folder: Path) -> tuple[Path, int]:
    """A new temporary file in `folder`, and its descriptor.

    Its lock, held as long as the descriptor is open, tells it from a leftover. Where the file
    system has no locks, nobody clears leftovers.
    """
    while True:
        temporary = folder / f".{secrets.token_hex(8)}{_ENDING}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | open_flags()
        descriptor = os.open(temporary, flags, 0o666)
        try:  # unless it is taken for a leftover before it is locked
            is_ours = try_lock(descriptor) and os.fstat(descriptor).st_nlink > 0
        except OSError:
            is_ours = True
        if is_ours:
            return temporary, descriptor
        os.close(descriptor)


def _clear_leftovers(folder: Path) -> None:
    """Delete the temporary files in `folder` that no process holds: their writers were killed."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(_ENDING) and entry.is_file(follow_symlinks=False):
                with suppress(OSError):
                    _delete_unlocked(entry.path)


def _delete_unlocked(path: str) -> None:
    if WINDOWS:  # which deletes no open file
        if time.time() - os.stat(path).st_mtime > _SURELY_LEFT_S:
            os.unlink(path)
        return
    descriptor = os.open(path, os.O_RDWR | open_flags("O_NOFOLLOW", "O_NONBLOCK"))
    try:
        if try_lock(descriptor):
            os.unlink(path)
    finally:
        os.close(descriptor)


def _take_name(
    temporary: Path, target: Path, path: str | os.PathLike[str], overwrite: bool
) -> None:
    """Give the file its name, in one step that fails where a name must be free and is taken."""
    try:
        if overwrite:
            replace(temporary, target)
        elif WINDOWS:
            os.rename(temporary, target)
        else:  # where renaming would overwrite
            os.link(temporary, target)
    except FileExistsError as error:
        raise WriteError(named(path, "is there already and is not overwritten")) from error


def replace(source: Path, target: Path) -> None:
    """`os.replace`, tried for a second on Windows, where whoever reads a file, a virus scanner for
    one, keeps it from being replaced.

    Raises:
        OSError: as that does.
    """
    for _ in range(_TRIES if WINDOWS else 0):
        with suppress(PermissionError):
            os.replace(source, target)
            return
        time.sleep(_PAUSE_S)
    os.replace(source, target)


def make_folder(folder: Path) -> None:
    """Make a folder where it is missing.

    Raises:
        OSError: it can't be made; says so where a file is in its place.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        there = next(each for each in (folder, *folder.parents) if os.path.lexists(each))
        raise NotADirectoryError(error.errno, f"{there} is no folder") from error


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable. Windows opens no folder, and needs no such call."""
    if WINDOWS:
        return
    descriptor = os.open(folder, os.O_RDONLY | open_flags("O_DIRECTORY"))
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
