"""The operating system's own lock on an open file: gone with its process, however that dies.

It belongs to the open file, not to the process: opened twice, a file can be locked against oneself.
It is `flock` where there is one. Windows locks bytes, each for one owner: a shared lock is one of
`PLACES` bytes there, an exclusive one is all of them. They lie far beyond what a file holds, since
nobody else can read a byte that is locked.
"""

from __future__ import annotations

import errno
import os
from importlib import import_module
from typing import Any


def _module(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        return None


_fcntl, _msvcrt = _module("fcntl"), _module("msvcrt")

FIRST_PLACE = 2**30
PLACES = 64
"""Processes that can share one lock on Windows."""

_held: dict[int, tuple[int, int]] = {}
"""Descriptor -> first place and number of what it locked on Windows. One that was closed since, and
stands for another file now, has nothing to let go there, which is no harm."""


def try_lock(descriptor: int, *, shared: bool = False) -> bool:
    """Lock an open file, at once or not at all; from one kind to the other it is let go between.

    Returns:
        False where somebody else's lock is in the way; nothing is locked then.

    Raises:
        OSError: neither the system nor the file system has locks.
    """
    if _fcntl is not None:
        kind = _fcntl.LOCK_SH if shared else _fcntl.LOCK_EX
        try:
            _fcntl.flock(descriptor, kind | _fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
    if _msvcrt is None:
        raise OSError(errno.ENOSYS, "this system has no file locks")
    unlock(descriptor)  # what one holds oneself is in the way, too
    own = os.getpid() % PLACES
    singles = [(place, 1) for place in (*range(own, PLACES), *range(own))]
    for place, places in singles if shared else [(0, PLACES)]:
        if _locking(descriptor, _msvcrt.LK_NBLCK, place, places):
            _held[descriptor] = place, places
            return True
    return False


def unlock(descriptor: int) -> None:
    """Let go of what `try_lock` locked; closing the file does so, too."""
    if _fcntl is not None:
        _fcntl.flock(descriptor, _fcntl.LOCK_UN)
    elif (held := _held.pop(descriptor, None)) is not None:
        _locking(descriptor, _msvcrt.LK_UNLCK, *held)


def _locking(descriptor: int, mode: int, place: int, places: int) -> bool:
    before = os.lseek(descriptor, 0, os.SEEK_CUR)
    try:
        os.lseek(descriptor, FIRST_PLACE + place, os.SEEK_SET)
        _msvcrt.locking(descriptor, mode, places)
    except PermissionError:  # another's, or none to let go
        return False
    finally:
        os.lseek(descriptor, before, os.SEEK_SET)
    return True
