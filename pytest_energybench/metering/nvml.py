"""NVIDIA GPUs as NVML shows them (nvidia-ml-py, imported only where there is a driver)."""

from __future__ import annotations

import os
import sys
from typing import Any, NamedTuple

from pytest_energybench.metering.errors import Problem
from pytest_energybench.metering.visible import NO_SLICE, SLICE_CURE, VARIABLE, visible_devices

DRIVER_FILES = ("/dev/nvidiactl", "/proc/driver/nvidia", "/dev/dxg")
"""One of these exists where the driver is loaded (the last one under WSL)."""


class NvmlFailedError(OSError):
    """NVML answered with an error, e.g. because the device fell off the bus."""


class Gpu:
    """One GPU.

    Attributes:
        index: number of its domain: its place among the visible GPUs.
        name: e.g. `NVIDIA A100-SXM4-80GB`.
        uuid: e.g. `GPU-8932f937-...`.
        has_counter: it counts its own energy (Volta and newer).
        has_power: it shows its power.
        limit_w: the most it may draw, in watts; 0.0 where it doesn't say.
    """

    def __init__(self, nvml: Any, handle: Any, index: int) -> None:
        self._nvml = nvml
        self._handle = handle
        self.index = index
        self.name = str(nvml.nvmlDeviceGetName(handle))
        self.uuid = str(nvml.nvmlDeviceGetUUID(handle))
        self.has_counter = self._works(self.energy_j)
        self._is_instant = self._works(self._instant_w)
        self.has_power = self._is_instant or self._works(self._average_w)
        self.limit_w = self._limit_w()

    def energy_j(self) -> float:
        """Joules since the driver was loaded (nvmlDeviceGetTotalEnergyConsumption, in mJ).

        Raises:
            NvmlFailedError: the device can't say (any more).
        """
        try:
            return int(self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._handle)) / 1e3
        except self._nvml.NVMLError as error:
            raise NvmlFailedError(str(error)) from error

    def power_w(self) -> float:
        """Watts now: of this instant where the device shows that, else its own running average.

        Raises:
            NvmlFailedError: the device can't say (any more).
        """
        return self._instant_w() if self._is_instant else self._average_w()

    @property
    def power_field(self) -> str:
        """Which figure `power_w` is, for people."""
        return "instantaneous power" if self._is_instant else "power, averaged by the device"

    def _instant_w(self) -> float:
        """From Ampere on, the plain power figure is an average over a second; this one isn't."""
        nvml = self._nvml
        try:
            (field,) = nvml.nvmlDeviceGetFieldValues(self._handle, [nvml.NVML_FI_DEV_POWER_INSTANT])
        except nvml.NVMLError as error:
            raise NvmlFailedError(str(error)) from error
        if field.nvmlReturn != nvml.NVML_SUCCESS:
            raise NvmlFailedError(str(nvml.NVMLError(field.nvmlReturn)))
        return int(field.value.uiVal) / 1e3

    def _average_w(self) -> float:
        try:
            return int(self._nvml.nvmlDeviceGetPowerUsage(self._handle)) / 1e3
        except self._nvml.NVMLError as error:
            raise NvmlFailedError(str(error)) from error

    def _limit_w(self) -> float:
        try:
            return int(self._nvml.nvmlDeviceGetEnforcedPowerLimit(self._handle)) / 1e3
        except self._nvml.NVMLError:  # not supported
            return 0.0

    def _works(self, read: Any) -> bool:
        try:
            read()
        except NvmlFailedError:
            return False
        return True


class Gpus(NamedTuple):
    """The GPUs to be metered, and why others aren't."""

    gpus: tuple[Gpu, ...] = ()
    problems: tuple[Problem, ...] = ()


def find_gpus(setting: str | None = None) -> Gpus:
    """The visible GPUs, numbered as CUDA numbers them.

    Args:
        setting: as `CUDA_VISIBLE_DEVICES`, which is read by default.
    """
    if not driver_is_loaded():
        return Gpus(problems=(Problem("NVML", "no NVIDIA driver here, so no GPU is metered"),))
    import pynvml  # type: ignore[import-untyped]

    try:
        pynvml.nvmlInit()
        handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
        uuids = [str(pynvml.nvmlDeviceGetUUID(handle)) for handle in handles]
    except pynvml.NVMLError as error:
        return Gpus(problems=(Problem("NVML", str(error), "see what `nvidia-smi` says"),))
    visible = visible_devices(os.environ.get(VARIABLE) if setting is None else setting, uuids)
    problems = [] if visible.problem is None else [visible.problem]
    gpus = []
    for index, device in enumerate(visible.indices):
        try:
            gpu = Gpu(pynvml, handles[device], index)
        except pynvml.NVMLError as error:
            problems.append(Problem(f"GPU {device} ({uuids[device]})", str(error)))
            continue
        problem = _refusal(pynvml, handles[device], f"GPU {device} ({gpu.name})", gpu)
        if problem is None:
            gpus.append(gpu)
        else:
            problems.append(problem)
    if len({gpu.name for gpu in gpus}) > 1 and os.environ.get("CUDA_DEVICE_ORDER") != "PCI_BUS_ID":
        problems.append(
            Problem(
                "NVML",
                "GPUs of several kinds may be numbered differently by CUDA",
                "set CUDA_DEVICE_ORDER=PCI_BUS_ID",
            )
        )
    return Gpus(tuple(gpus), tuple(problems))


def _refusal(nvml: Any, handle: Any, what: str, gpu: Gpu) -> Problem | None:
    """Why a GPU can't be metered, if it can't."""
    try:
        current, _pending = nvml.nvmlDeviceGetMigMode(handle)
    except nvml.NVMLError:  # no GPU that can be sliced
        current = 0
    if current:
        return Problem(what, f"MIG is on: {NO_SLICE}", SLICE_CURE)
    if not gpu.has_counter and not gpu.has_power:
        return Problem(what, "shows neither energy nor power")
    return None


def driver_is_loaded() -> bool:
    """Whether asking NVML makes sense; tells without importing or loading anything."""
    return sys.platform == "win32" or any(os.path.exists(path) for path in DRIVER_FILES)


def gpu_names() -> list[str]:
    """Names of the visible GPUs, in the order of their domains."""
    return [gpu.name for gpu in find_gpus().gpus]
