"""Conditions that change a run's joules without a change of code; they are settings of the run.

Runs that differ in one of them are not comparable. What this machine does not tell is left out.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from pytest_energybench.metering.machine_state import cpu_settings, governors
from pytest_energybench.results.model import Scalar

_TOOLS = range(6)
"""Identifiers of tools in `sys.monitoring` (Python 3.12), which `sys.gettrace` knows nothing of."""


def conditions(root: Path = Path("/")) -> dict[str, Scalar]:
    """Name -> value, for the run file.

    Args:
        root: of the file system, for tests.
    """
    found: dict[str, Scalar] = {
        "tracer": ", ".join(tracers()) or None,
        "optimize": sys.flags.optimize or None,
        "dev_mode": sys.flags.dev_mode or None,
        **{
            name.replace(" ", "_"): value
            for name, value in cpu_settings(root, governors(root)).items()
        },
    }
    return {name: value for name, value in found.items() if value is not None}


def tracers() -> list[str]:
    """Tools that trace every line, call or allocation of this process: coverage, profilers."""
    hooks = (sys.gettrace(), sys.getprofile(), threading.gettrace(), threading.getprofile())
    names = {_named(hook) for hook in hooks if hook is not None}
    memory = sys.modules.get("tracemalloc")
    if memory is not None and memory.is_tracing():
        names.add("tracemalloc")
    monitoring = getattr(sys, "monitoring", None)
    if monitoring is not None:
        names |= {str(name) for tool in _TOOLS if (name := monitoring.get_tool(tool))}
    return sorted(names)


def _named(hook: object) -> str:
    """The package that a tracing function comes from: `coverage`, `bdb`, `pydevd`."""
    module = getattr(hook, "__module__", None) or type(hook).__module__
    return str(module).partition(".")[0].strip("_") or "unknown"
