"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from pytest_energybench.results.errors import WriteError, cause, named


def write_atomically(
    path: str | os.PathLike[str], content: bytes | bytearray, *, overwrite: bool
) -> None:
    """Put `content` at `path` in one step that survives a crash; creates the folder.

    The content goes to a temporary file in the same folder, is synced to the disk and takes the
    name, and then the folder is synced. A link is followed, not replaced.

    Args:
        overwrite: False refuses where the name is taken, also by another process in the meantime.

    Raises:
        WriteError: the folder or the file can't be written, or the name is taken, or stands for a
            device, pipe or folder. What was there stays and no temporary file is left.
    """
    if "\0" in os.fspath(path):
        raise WriteError(named(path, "cannot be written: the name holds a NUL character"))
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{target.name[:100]}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    try:
        make_folder(target.parent)
        if target.exists() and not target.is_file():  # root could replace /dev/null
            raise WriteError(named(path, "cannot be written: it is no plain file"))
        try:
            _write_synced(temporary, content)
            if overwrite:
                os.replace(temporary, target)
            else:
                _take_free_name(temporary, target, path)
        finally:
            with suppress(FileNotFoundError):
                temporary.unlink()
        sync_folder(target.parent)
    except OSError as error:
        raise WriteError(named(path, f"cannot be written: {cause(error)}")) from error


def _take_free_name(temporary: Path, target: Path, path: str | os.PathLike[str]) -> None:
    """Linking is the one way to take a name that fails where the name is taken."""
    try:
        os.link(temporary, target)
    except FileExistsError as error:
        raise WriteError(named(path, "is there already and is not overwritten")) from error


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
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_synced(path: Path, content: bytes | bytearray) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
