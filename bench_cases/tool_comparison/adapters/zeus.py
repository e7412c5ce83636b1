"""Zeus: its monitor, processors only."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from zeus.device.cpu import rapl

if root := os.environ.get("ENERGYBENCH_POWERCAP_ROOT"):
    rapl.RAPL_DIR = f"{root}/intel-rapl"

from zeus.monitor import ZeusMonitor

_monitor = ZeusMonitor(gpu_indices=[])
if not len(_monitor.cpus):
    raise RuntimeError("zeus has found no energy counter of a processor")
_last = None


@contextmanager
def window() -> Iterator[None]:
    global _last
    _monitor.begin_window("w", sync_execution=False)
    yield
    _last = _monitor.end_window("w", sync_execution=False)


def joules() -> float:
    return sum(_last.cpu_energy.values()) + sum((_last.dram_energy or {}).values())
