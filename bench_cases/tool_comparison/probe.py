"""Measures one thing of one tool, in that tool's interpreter, and prints it as JSON.

    python probe.py ADAPTER WHAT [NUMBER]

ADAPTER is a file of `adapters/`: it has `window()`, a context manager in which the tool meters, and
`joules()`, what it has found for the last one. Only the standard library is imported here.
"""

from __future__ import annotations

import importlib.util
import json
import os
import resource
import statistics
import sys
import time
from pathlib import Path
from types import ModuleType

BEGIN = time.perf_counter()  # what is imported above is no tool's own

ROOT = "ENERGYBENCH_POWERCAP_ROOT"
SETTLING_S = 2.5
"""Tools that sample power end the sample that they began in the first window."""


def main(adapter: str, what: str, number: float = 1.0) -> float:
    """The figure: see `tools.Probe` for what there is."""
    tool = loaded(Path(adapter))
    with tool.window():
        pass
    first_ms = (time.perf_counter() - BEGIN) * 1e3
    if what == "first":
        return first_ms
    if what == "window":
        return window_us(tool, int(number))
    if what == "cpu":
        return sleeping_cpu_ms(tool, number)
    time.sleep(SETTLING_S)
    if what in ("error", "wrapped"):
        return error_percent(tool, number, wraps=what == "wrapped")
    from workloads import load

    with tool.window():
        load(what, number)
    return float(tool.joules())


def loaded(path: Path) -> ModuleType:
    """The adapter, by its path: it may be called as the tool it imports."""
    spec = importlib.util.spec_from_file_location(f"adapter_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def window_us(tool: ModuleType, count: int) -> float:
    """The least of five medians: what an empty window costs where nobody disturbs."""
    batches = []
    for _ in range(5):
        spent = []
        for _ in range(count):
            start = time.perf_counter()
            with tool.window():
                pass
            spent.append(time.perf_counter() - start)
        batches.append(statistics.median(spent) * 1e6)
    return min(batches)


def cpu_s() -> float:
    """CPU seconds of this process and of those it has waited for."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def sleeping_cpu_ms(tool: ModuleType, seconds: float) -> float:
    """CPU time that metering takes while the work only sleeps."""
    start = cpu_s()
    with tool.window():
        time.sleep(seconds)
    return (cpu_s() - start) * 1e3


def error_percent(tool: ModuleType, seconds: float, *, wraps: bool) -> float:
    """How far the tool is from joules that are known; with `wraps` each counter wraps meanwhile."""
    from counters import Replay

    replay = Replay(Path(os.environ[ROOT]))
    if wraps:
        replay.wrap_soon(int(50e6 * seconds / 2))
        with tool.window():  # so that no tool is surprised by the jump
            time.sleep(0.2)
    with tool.window():
        replay.play(seconds)
    truth_j = replay.spent_uj / 1e6
    return 100 * (float(tool.joules()) - truth_j) / truth_j


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:3], *map(float, sys.argv[3:]))))
