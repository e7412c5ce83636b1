"""Windows' calls that the package makes, as their documentation has them, on Linux's own means."""

from __future__ import annotations

import ctypes
import fcntl
import os
import resource
import struct
import time
from typing import Any

LK_UNLCK, LK_NBLCK = 0, 2
REGION = "hhqqi4x"
"""struct flock: type, whence, start, length, process."""


def locking(descriptor: int, mode: int, nbytes: int) -> None:
    """`msvcrt.locking`: bytes from the file's position on, each for one open file.

    Unlike POSIX's, a lock is let go as it was taken, and one's own is in the way, too.
    """
    first = os.lseek(descriptor, 0, os.SEEK_CUR)
    last = first + nbytes - 1
    held = own(descriptor)
    if mode == LK_UNLCK:
        kind, refused = fcntl.F_UNLCK, (first, last) not in held
    else:
        kind, refused = fcntl.F_WRLCK, any(one <= last and first <= end for one, end in held)
    try:
        if not refused:
            region = struct.pack(REGION, kind, os.SEEK_SET, first, nbytes, 0)
            fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, region)
    except OSError:
        refused = True
    if refused:
        raise PermissionError(13, "Permission denied")


def own(descriptor: int) -> list[tuple[int, int]]:
    """First and last bytes that this open file has locked (proc_pid_fdinfo(5))."""
    with open(f"/proc/self/fdinfo/{descriptor}") as lines:
        found = [line.split()[-2:] for line in lines if line.startswith("lock:")]
    return [(int(first), int(last)) for first, last in found]


class Kernel32:
    """Job objects as `windows_job` uses them: what this process and its children used."""

    def __init__(self, *, refuses: bool = False) -> None:
        self._refuses = refuses
        self.CreateJobObjectW = lambda *_: 4
        self.GetCurrentProcess = lambda: 2**64 - 1
        self.AssignProcessToJobObject = self._assign
        self.QueryInformationJobObject = self._query

    def _assign(self, job: ctypes.c_void_p, process: ctypes.c_void_p) -> int:
        assert (job.value, process.value) == (4, 2**64 - 1)
        return int(not self._refuses)

    def _query(self, job: ctypes.c_void_p, kind: int, answer: Any, size: int, _: None) -> int:
        assert (job.value, kind, size) == (4, 1, 48)
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        answer._obj.user = int((time.process_time() + children.ru_utime) * 1e7)
        answer._obj.kernel = int(children.ru_stime * 1e7)
        return 1
