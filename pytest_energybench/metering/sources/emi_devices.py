"""Devices of Windows' Energy Meter Interface, by `cfgmgr32` and `kernel32`."""

from __future__ import annotations

import ctypes
import uuid
from collections.abc import Iterator
from typing import Any

INTERFACE = uuid.UUID("45BD8344-7ED6-49CF-A440-C276C933B053")
"""GUID_DEVICE_ENERGY_METER."""
PRESENT = 0
READ, SHARED, EXISTING = 0x80000000, 3, 3
"""GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE, OPEN_EXISTING."""
INVALID = ctypes.c_void_p(-1).value


class EnergyMeter:
    """An open device; closed with its process.

    Attributes:
        name: its interface path.
    """

    def __init__(self, kernel32: Any, name: str) -> None:
        self.name = name
        self._kernel32 = kernel32
        handle = kernel32.CreateFileW(name, READ, SHARED, None, EXISTING, 0, None)
        if handle in (None, INVALID):
            raise OSError(f"{name} can't be opened")
        self._handle = ctypes.c_void_p(handle)

    def ask(self, code: int, size: int) -> bytes:
        """The answer to a control code.

        Raises:
            OSError: it refuses.
        """
        answer = ctypes.create_string_buffer(size)
        got = ctypes.c_uint32()
        if not self._kernel32.DeviceIoControl(
            self._handle, code, None, 0, answer, size, ctypes.byref(got), None
        ):
            raise OSError(f"{self.name} refuses control code {code:#x}")
        return answer.raw[: got.value]


def devices() -> Iterator[EnergyMeter]:
    """The energy meters that can be opened."""
    cfgmgr32: Any = ctypes.WinDLL("cfgmgr32")  # type: ignore[attr-defined,unused-ignore]
    kernel32: Any = ctypes.WinDLL("kernel32")  # type: ignore[attr-defined,unused-ignore]
    kernel32.CreateFileW.restype = ctypes.c_void_p
    guid = INTERFACE.bytes_le
    size = ctypes.c_uint32()
    if cfgmgr32.CM_Get_Device_Interface_List_SizeW(ctypes.byref(size), guid, None, PRESENT):
        return
    names = ctypes.create_unicode_buffer(size.value)
    if cfgmgr32.CM_Get_Device_Interface_ListW(guid, None, names, size.value, PRESENT):
        return
    for name in "".join(names).split("\0"):
        if name:
            try:
                yield EnergyMeter(kernel32, name)
            except OSError:  # gone, or not for this user
                continue
