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


ASLEEP_S = 7.0
METER = "\\\\?\\energy#meter"
CHANNELS = {"RAPL_Package0_PP0": 1, "RAPL_Package0_PKG": 10**9, "RAPL_Package0_DRAM": 5 * 10**8}
"""Channels of the energy meter, in picowatt-hours."""


def library(name: str, **_: object) -> Any:
    """`ctypes.WinDLL`."""
    return {"kernel32": Kernel32, "cfgmgr32": Cfgmgr32}[name]()


def energy_meter(version: int, channels: dict[str, int]) -> dict[int, bytes]:
    """Control code -> the answer of an energy meter, as `emi.h` has it."""
    metadata = struct.pack("<32s32sHH", b"", b"", 1, len(channels))
    for name in channels:
        text = f"{name}\0".encode("utf-16-le")
        metadata += struct.pack("<iH", 0, len(text)) + text
    return {
        0x224000: struct.pack("<H", version),
        0x224004: struct.pack("<I", len(metadata)),
        0x224008: metadata,
        0x22400C: b"".join(struct.pack("<QQ", energy, 1) for energy in channels.values()),
    }


class Cfgmgr32:
    """A machine with one energy meter."""

    def CM_Get_Device_Interface_List_SizeW(  # noqa: N802
        self, size: Any, guid: bytes, device: None, _: int
    ) -> int:
        assert guid.hex() == "4483bd45d67ecf49a440c276c933b053"
        assert device is None
        size._obj.value = len(METER) + 2
        return 0

    def CM_Get_Device_Interface_ListW(  # noqa: N802
        self, guid: bytes, device: None, names: Any, size: int, _: int
    ) -> int:
        assert (len(guid), device, size) == (16, None, len(METER) + 2)
        names.value = METER
        return 0


class Kernel32:
    """Job objects and devices, as far as the package uses them."""

    def __init__(self, *, refuses: bool = False) -> None:
        self._refuses = refuses
        self.CreateJobObjectW = lambda *_: 4
        self.GetCurrentProcess = lambda: 2**64 - 1
        self.GetTickCount64 = lambda: int(time.time() * 1e3)
        self.QueryUnbiasedInterruptTime = self._awake
        self.CreateFileW = lambda *asked: 8 if asked[0] == METER else None
        self.AssignProcessToJobObject = self._assign
        self.QueryInformationJobObject = self._query
        self.DeviceIoControl = self._control

    def _assign(self, job: ctypes.c_void_p, process: ctypes.c_void_p) -> int:
        assert (job.value, process.value) == (4, 2**64 - 1)
        return int(not self._refuses)

    def _query(self, job: ctypes.c_void_p, kind: int, answer: Any, size: int, _: None) -> int:
        """What this process and its children used."""
        assert (job.value, kind, size) == (4, 1, 48)
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        answer._obj.user = int((time.process_time() + children.ru_utime) * 1e7)
        answer._obj.kernel = int(children.ru_stime * 1e7)
        return 1

    def _awake(self, ticks: Any) -> int:
        ticks._obj.value = int((time.time() - ASLEEP_S) * 1e7)
        return 1

    def _control(
        self,
        device: ctypes.c_void_p,
        code: int,
        _: None,
        __: int,
        answer: Any,
        size: int,
        *rest: Any,
    ) -> int:
        said = energy_meter(2, CHANNELS)[code]
        assert (device.value, len(said)) == (8, size)
        ctypes.memmove(answer, said, size)
        rest[0]._obj.value = size
        return 1
