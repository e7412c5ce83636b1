"""AMD GPUs by the energy counter that AMD SMI shows, in HIP's order.

AMD SMI Python API: `amdsmi_get_energy_count` gives a count and its unit in microjoules,
`amdsmi_get_gpu_enumeration_info` the number that HIP gives a device. A card with two dies (MI250X),
and the partitions of one (MI300X), share a counter that only one of them may show: devices of one
serial number are one domain, named after the first of them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from pytest_energybench.base.text import sanitize
from pytest_energybench.metering.clock import Clock
from pytest_energybench.metering.custom import CounterSource
from pytest_energybench.metering.errors import MeterError, Problem
from pytest_energybench.metering.source import Source
from pytest_energybench.metering.sources import Offer

DRIVER = Path("/sys/module/amdgpu")
INSTALL = "pip install 'pytest-energybench[amd]'"
PERIOD_S = 0.02
"""More than the millisecond in which the firmware adds to the count; drivers hand it on later."""
VARIABLES = (("ROCR_VISIBLE_DEVICES",), ("HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES"))
"""Each step leaves some of the devices and numbers them anew (ROCm, "GPU isolation techniques")."""


class _Device(NamedTuple):
    """One device: what AMD SMI calls it, its number for HIP, and what its card is known by."""

    handle: Any
    hip: int
    name: str
    card: str


def offer() -> Offer | None:
    """AMD's driver is loaded."""
    if not DRIVER.exists():
        return None
    return Offer("AMD GPU", f"{INSTALL}, and --energy-meters=auto,amd", has="gpu")


def find(clock: Clock, smi: Any = None) -> tuple[list[Source], list[Problem]]:
    """A source for each card of which a device is visible to HIP.

    Args:
        smi: the module `amdsmi`; imported by default.

    Raises:
        MeterError: a variable that hides devices holds something else than numbers.
    """
    if smi is None:
        try:
            smi = import_module("amdsmi")
        except (ImportError, OSError, KeyError) as error:  # the last ones where ROCm is missing
            why = f"amdsmi can't be imported: {str(error) or type(error).__name__}"
            cure = INSTALL if isinstance(error, ImportError) else "install ROCm's `amd-smi-lib`"
            return [], [Problem("AMD GPU", why, cure, absent=offer() is None)]
    try:
        smi.amdsmi_init()
        devices = [_device(smi, each) for each in smi.amdsmi_get_processor_handles()]
    except smi.AmdSmiException as error:
        return [], [Problem("AMD GPU", str(error), "see what `amd-smi` says")]
    devices.sort(key=lambda device: device.hip)
    cards: dict[str, list[tuple[int, _Device]]] = {}
    for index, place in enumerate(visible(len(devices), os.environ)):
        cards.setdefault(devices[place].card, []).append((index, devices[place]))
    sources: list[Source] = []
    for card, parts in cards.items():
        whole = [device for device in devices if device.card == card]
        names = ", ".join(f"gpu:{index}" for index, _ in parts)
        note = f"{parts[0][1].name}: energy counter"
        if len(whole) > 1:
            note += f" of a card with {len(whole)} devices, {names} of them visible"
        sources.append(
            CounterSource(
                _joules(smi, whole),
                f"gpu:{parts[0][0]}",
                period_s=PERIOD_S,
                note=f"experimental: {note}",
                source="amd",
                device=card,
                clock=clock,
            )
        )
    return sources, []


def visible(count: int, environ: Mapping[str, str]) -> list[int]:
    """Places of the devices that HIP sees, in its order, among `count`.

    Raises:
        MeterError: a variable holds something else than numbers of devices.
    """
    left = list(range(count))
    for names in VARIABLES:
        name = next((each for each in names if each in environ), None)
        if name is None:
            continue
        words = [word.strip() for word in environ[name].split(",") if word.strip()]
        if not all(word.isdigit() and int(word) < len(left) for word in words if word != "-1"):
            raise MeterError(f"{name}={environ[name]}: amd knows its {len(left)} GPUs by number")
        shown = words[: words.index("-1")] if "-1" in words else words
        left = [left[int(word)] for word in dict.fromkeys(shown)]
    return left


def _device(smi: Any, handle: Any) -> _Device:
    asic = smi.amdsmi_get_gpu_asic_info(handle)
    hip = smi.amdsmi_get_gpu_enumeration_info(handle)["hip_id"]
    if not isinstance(hip, int):
        raise MeterError(f"amd: {asic['market_name']} has no number for HIP ({hip})")
    serial = str(asic["asic_serial"])
    known = serial.removeprefix("0x").strip("0") not in ("", "N/A")
    card = serial if known else str(smi.amdsmi_get_gpu_device_bdf(handle))
    return _Device(handle, hip, sanitize(str(asic["market_name"])), card)


def _joules(smi: Any, devices: list[_Device]) -> Callable[[], float]:
    """Joules of a card: what the one of its devices shows that counts the most."""

    def joules() -> float:
        counts = [smi.amdsmi_get_energy_count(device.handle) for device in devices]
        microjoules = [each["energy_accumulator"] * each["counter_resolution"] for each in counts]
        return float(max(microjoules)) / 1e6

    return joules
