"""Joules of NVIDIA GPUs from NVML's total energy counter (nvidia-ml-py)."""

from __future__ import annotations

import ctypes.util
import threading
from collections.abc import Sequence
from typing import Any

from pytest_energybench.metering.clock import SYSTEM_CLOCK, Clock
from pytest_energybench.metering.source import Domain, Losses, Reading

PERIOD_S = 0.1
"""The counter's update period is 20 to 100 ms by generation; the longest is assumed."""


class NvmlSource:
    """`gpu:N`: one domain per visible GPU."""

    def __init__(self, nvml: Any, handles: Sequence[Any], *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._nvml = nvml
        self._clock = clock
        self._mutex = threading.Lock()
        self._losses = Losses()
        self._handles = {f"gpu:{i}": handle for i, handle in enumerate(handles)}
        self.domains: Sequence[Domain] = tuple(
            Domain(name, "nvml", "measured", 1e-3, None, PERIOD_S, nvml.nvmlDeviceGetName(handle))
            for name, handle in self._handles.items()
        )

    @classmethod
    def find(cls, *, clock: Clock = SYSTEM_CLOCK) -> NvmlSource | None:
        """All GPUs of this machine; None where there is no driver."""
        nvml = load()
        if nvml is None:
            return None
        count = nvml.nvmlDeviceGetCount()
        return cls(nvml, [nvml.nvmlDeviceGetHandleByIndex(i) for i in range(count)], clock=clock)

    def open(self) -> None:
        """Nothing runs between the edges."""

    def close(self) -> None:
        """Nothing to stop."""

    def read(self) -> Reading:
        """Joules since the driver was loaded."""
        joules: dict[str, float] = {}
        with self._mutex:
            for name, handle in self._handles.items():
                if name in self._losses.lost:
                    continue
                try:
                    joules[name] = self._nvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1e3
                except self._nvml.NVMLError as error:
                    self._losses.add(name, str(error), self._clock.monotonic())
            return Reading(joules, dict(self._losses.lost))


def load() -> Any:
    """NVML, initialised; None where the driver's library isn't installed."""
    if ctypes.util.find_library("nvidia-ml") is None:
        return None
    import pynvml  # type: ignore[import-untyped]

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    return pynvml


def gpu_names() -> list[str]:
    """Names of the visible GPUs."""
    source = NvmlSource.find()
    return [] if source is None else [domain.note for domain in source.domains]
