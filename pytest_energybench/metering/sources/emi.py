"""Windows' Energy Meter Interface: processors' RAPL counters, or a meter that a board has.

Microsoft's documentation of `emi.h`: a device of the interface class below answers four control
codes. A channel's energy is in picowatt-hours; version 1 has one channel, version 2 names several,
those of processors `RAPL_PackageN_PKG`, `RAPL_PackageN_DRAM` and so on.
"""

from __future__ import annotations

import ctypes
import re
import struct
import uuid
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from pytest_energybench.base.system import WINDOWS
from pytest_energybench.base.text import sanitize
from pytest_energybench.metering.clock import Clock
from pytest_energybench.metering.custom import CounterSource
from pytest_energybench.metering.errors import Problem
from pytest_energybench.metering.source import Source
from pytest_energybench.metering.sources import Offer

GET_VERSION, GET_METADATA_SIZE = 0x224000, 0x224004
GET_METADATA, GET_MEASUREMENT = 0x224008, 0x22400C
"""CTL_CODE(FILE_DEVICE_UNKNOWN, 0 to 3, METHOD_BUFFERED, FILE_READ_ACCESS)."""
JOULES = 3.6e-9
"""Of a picowatt-hour."""
HEAD_V2 = struct.Struct("<32s32sHH")
"""OEM, model, revision and number of channels of EMI_METADATA_V2; its channels follow."""
CHANNEL_V2 = struct.Struct("<iH")
"""Unit and length of the name in bytes of EMI_CHANNEL_V2; the name follows."""
MEASUREMENT = struct.Struct("<QQ")
"""Energy, and time in units of 100 ns."""
PERIOD_S = 0.01
KINDS = {"PKG": "cpu", "DRAM": "dram"}

INTERFACE = uuid.UUID("45BD8344-7ED6-49CF-A440-C276C933B053")
"""GUID_DEVICE_ENERGY_METER."""
PRESENT = 0
READ, SHARED, EXISTING = 0x80000000, 3, 3
"""GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE, OPEN_EXISTING."""
INVALID = ctypes.c_void_p(-1).value


class Device(Protocol):
    """An energy meter of this machine."""

    name: str

    def ask(self, code: int, size: int) -> bytes:
        """The answer to a control code, of `size` bytes at most. Raises OSError."""


def offer() -> Offer | None:
    """There is such a device."""
    if not WINDOWS or not _devices():
        return None
    return Offer("Windows' Energy Meter Interface", "--energy-meters=auto,emi")


def find(clock: Clock, devices: list[Device] | None = None) -> tuple[list[Source], list[Problem]]:
    """A source for each package and its memory; of other channels, those that name one.

    Args:
        devices: the energy meters; looked for by default.
    """
    if devices is None:
        devices = _devices() if WINDOWS else []
    sources: list[Source] = []
    problems: list[Problem] = []
    if not devices:
        problems.append(Problem("EMI", "no energy meter here", absent=True))
    for device in devices:
        try:
            channels = _channels(device)
        except (OSError, ValueError, struct.error) as error:
            problems.append(Problem(f"EMI {device.name}", str(error)))
            continue
        for place, name in enumerate(channels):
            found = re.fullmatch(r"RAPL_Package(\d+)_(PKG|DRAM)", name)
            if found is None:
                continue
            sources.append(
                CounterSource(
                    _joules(device, place, len(channels)),
                    f"{KINDS[found[2]]}:{int(found[1])}",
                    period_s=PERIOD_S,
                    note=f"experimental: {name} of {device.name}",
                    source="emi",
                    clock=clock,
                )
            )
    return sources, problems


def _channels(device: Device) -> list[str]:
    """Names of the device's channels, in their order.

    Raises:
        ValueError: it is of another version, or counts in another unit.
    """
    (version,) = struct.unpack("<H", device.ask(GET_VERSION, 2))
    if version != 2:
        raise ValueError(f"version {version} of the interface names no channels")
    (size,) = struct.unpack("<I", device.ask(GET_METADATA_SIZE, 4))
    data = device.ask(GET_METADATA, size)
    *_, count = HEAD_V2.unpack_from(data)
    at = HEAD_V2.size
    names = []
    for _ in range(count):
        unit, length = CHANNEL_V2.unpack_from(data, at)
        at += CHANNEL_V2.size
        if unit != 0:
            raise ValueError(f"unit {unit} is not that of picowatt-hours")
        names.append(sanitize(data[at : at + length].decode("utf-16-le").rstrip("\0")))
        at += length
    return names


def _joules(device: Device, place: int, channels: int) -> Callable[[], float]:
    def joules() -> float:
        answer = device.ask(GET_MEASUREMENT, MEASUREMENT.size * channels)
        energy, _ = MEASUREMENT.unpack_from(answer, MEASUREMENT.size * place)
        return float(energy) * JOULES

    return joules


def _devices() -> list[Device]:
    return list(devices())


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
