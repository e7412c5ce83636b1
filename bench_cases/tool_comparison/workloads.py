"""What is metered side by side: nothing, one busy core, all cores busy. Standard library only."""

from __future__ import annotations

import os
import subprocess
import sys
import time

LOADS = ("idle", "one core", "all cores")


def load(kind: str, seconds: float) -> None:
    """Keep none, one or all of the machine's cores busy for some seconds."""
    if kind == "idle":
        time.sleep(seconds)
    elif kind == "one core":
        spin(seconds)
    elif kind == "all cores":
        others = (os.cpu_count() or 1) - 1
        command = [sys.executable, __file__, str(seconds)]
        started = [subprocess.Popen(command) for _ in range(others)]
        spin(seconds)
        for process in started:
            process.wait()
    else:
        raise ValueError(f"{kind!r} is none of {', '.join(LOADS)}")


def spin(seconds: float) -> None:
    """One core is busy."""
    end = time.perf_counter() + seconds
    number = 1
    while time.perf_counter() < end:
        for _ in range(1000):
            number = number * 3 % 1_000_003


if __name__ == "__main__":
    spin(float(sys.argv[1]))
