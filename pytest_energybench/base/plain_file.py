"""Guarded reading of files: nothing under a given name can hang, flood or crash the reader.

A user's run file or the kernel's counter may be a pipe that nobody writes to, a device without end,
a link to itself. The system's own words for what is wrong are in `OSError.strerror`, ours as well.
"""

from __future__ import annotations

import errno
import os
import stat

from pytest_energybench.base.system import open_flags

KERNEL_BYTES = 65_536
"""A file of `/proc` may have some thousand bytes, one of `/sys` at most a page (4,096)."""

_FLAGS = os.O_RDONLY | open_flags("O_NONBLOCK", "O_CLOEXEC", "O_NOCTTY")

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def open_plain(path: str | os.PathLike[str]) -> int:
    """Open a plain file for reading; its descriptor.

    Raises:
        OSError: it can't be opened, or is no plain file; says what it is.
    """
    _check(path, os.stat(path))  # to open a device may do something
    descriptor = os.open(path, _FLAGS)
    try:
        _check(path, os.fstat(descriptor))  # what is a file now may be a pipe at the next moment
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def read_plain(path: str | os.PathLike[str], most: int = KERNEL_BYTES) -> bytes:
    """What a plain file holds.

    Args:
        most: bytes that it may hold.

    Raises:
        OSError: as `open_plain`, or it is too large.
    """
    with os.fdopen(open_plain(path), "rb") as file:
        # A file of /proc says that it is empty, and may not end or have nothing to say now.
        is_large = os.fstat(file.fileno()).st_size > most
        content = b"" if is_large else file.read(most + 1) or b""
    if is_large or len(content) > most:
        raise _error(errno.EFBIG, f"it is larger than {most / 2**20:,.4g} MiB", path)
    return content


def plain_text(path: str | os.PathLike[str]) -> str:
    """What a plain file says, without white space at its ends; empty where it can't be read."""
    try:
        return read_plain(path).decode(errors="replace").strip()
    except OSError:
        return ""


def _check(path: str | os.PathLike[str], found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        kind = next((word for test, word in _KINDS if test(found.st_mode)), "something else")
        raise _error(errno.EINVAL, f"it is {kind}, no plain file", path)


def _error(number: int, what: str, path: str | os.PathLike[str]) -> OSError:
    return OSError(number, what, os.fspath(path))
