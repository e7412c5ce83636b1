"""The tools side by side, and how one of them is asked for one figure."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bench_cases.tool_comparison.environments import last_line

HERE = Path(__file__).parent
OURS = "pytest-energybench"

Probe = Literal["first", "window", "cpu", "error", "wrapped", "idle", "one core", "all cores"]
"""What is asked for: milliseconds of import and first window; microseconds of a window; CPU
milliseconds of metering a sleep; error in per cent on counters that are known, and on such that
wrap; joules of a load."""

Figure = float | str
"""A figure, or in one line why there is none."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool.

    Attributes:
        name: as pip installs it.
        adapter: file of `adapters/` that drives it; empty if it has no windows of its own.
        plugin: the module that pytest loads; empty if it is no plugin.
        windows: how many windows are timed at a go.
    """

    name: str
    adapter: str = ""
    plugin: str = ""
    windows: int = 200


TOOLS = (
    Tool(OURS, "energybench", "pytest_energybench.plugin", 2000),
    Tool("codecarbon", "codecarbon", windows=20),
    Tool("zeus", "zeus"),
    Tool("pyJoules", "pyjoules", windows=2000),
    Tool("carbontracker", "carbontracker"),
    Tool("pytest-codecarbon", plugin="pytest_codecarbon"),
    Tool("pytest-benchmark", plugin="pytest_benchmark.plugin"),
)


def quiet_environment(folder: Path, **more: str) -> dict[str, str]:
    """For a tool's process: nothing of this checkout, and no way out of this machine."""
    nowhere = "http://127.0.0.1:9"
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return {
        **kept,
        "http_proxy": nowhere,
        "https_proxy": nowhere,
        "ENERGYBENCH_LOCK_DIR": str(folder / "locks"),
        **more,
    }


def started(
    adapter: str,
    python: Path | str,
    what: Probe,
    number: float,
    folder: Path,
    *,
    tree: Path | None = None,
    meters: str = "auto",
) -> subprocess.Popen[str]:
    """A fresh process of the tool that finds one figure.

    Args:
        number: seconds, or for "window" how many.
        folder: where the process may write; it is made.
        tree: a made tree of counters, instead of the machine's own meters.
        meters: which of its sources our own tool reads.
    """
    folder.mkdir(parents=True, exist_ok=True)
    root = {} if tree is None else {"ENERGYBENCH_POWERCAP_ROOT": str(tree)}
    return subprocess.Popen(
        [
            str(python),
            str(HERE / "probe.py"),
            str(HERE / "adapters" / f"{adapter}.py"),
            what,
            str(number),
        ],
        cwd=folder,
        env=quiet_environment(folder, ENERGYBENCH_METERS=meters, **root),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def figure(process: subprocess.Popen[str]) -> Figure:
    """What the process has found, or why it couldn't."""
    out, err = process.communicate(timeout=600)
    if process.returncode or not out.strip():
        return last_line(err)
    return float(json.loads(out.splitlines()[-1]))


def median(figures: list[Figure]) -> Figure:
    """The median, or the first error."""
    wrong = [each for each in figures if isinstance(each, str)]
    return wrong[0] if wrong else statistics.median(float(each) for each in figures)
