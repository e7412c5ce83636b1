"""Watts of one busy logical CPU, for machines whose processor has no readable energy counter."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from pytest_energybench.metering.errors import MeterError
from pytest_energybench.metering.processors import find_processor

TDP_VARIABLE = "ENERGYBENCH_CPU_TDP_W"

DEFAULT_WATTS = 3.5
"""Cloud Carbon Footprint, "Methodology", 2021: a server vCPU at full load draws 3.5 W on average
(from SPECpower results of the processors that AWS runs)."""


class CorePower(NamedTuple):
    """The power model: a busy logical CPU draws `watts`, an idle one nothing.

    Attributes:
        watts: of one busy logical CPU.
        error: relative error of the figure.
        note: where it comes from.
    """

    watts: float
    error: float
    note: str


def core_power(
    environ: Mapping[str, str] = os.environ, model: str | None = None, cores: int | None = None
) -> CorePower:
    """Watts of a busy logical CPU: as told, by data sheet, or a documented default.

    A data sheet's power is divided by that processor's own threads, so that a virtual machine with
    a few of them is charged its share. Design power is what a processor may draw in the long run
    with all threads busy; a single busy thread runs faster and draws more than its share, a memory
    bound one less. That is what the stated error is for.

    Args:
        environ: `ENERGYBENCH_CPU_TDP_W` is the design power of all that this system sees, in watts.
        model: name of the processor; read from the system by default.
        cores: logical CPUs that the given design power is shared among.

    Raises:
        MeterError: the variable is no positive number.
    """
    told = environ.get(TDP_VARIABLE)
    if told is not None:
        try:
            tdp_w = float(told)
        except ValueError:
            tdp_w = -1.0
        if not 0.0 < tdp_w < 1e5:
            raise MeterError(f"{TDP_VARIABLE}={told!r} is no power; give watts, e.g. 65")
        count = cores or os.cpu_count() or 1
        return CorePower(tdp_w / count, 0.3, f"TDP {tdp_w:g} W / {count} CPUs, {TDP_VARIABLE}")
    name = cpu_model() if model is None else model
    found = find_processor(name)
    if found is not None:
        key, (tdp_w, threads) = found
        note = f"TDP {tdp_w:g} W / {threads} threads, data sheet of {key}"
        return CorePower(tdp_w / threads, 0.4, note)
    return CorePower(DEFAULT_WATTS, 0.6, f"default for unlisted CPUs; set {TDP_VARIABLE}")


def cpu_model(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The processor's name as the system gives it; empty where it gives none."""
    try:
        with cpuinfo.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if line.startswith(("model name", "Model", "cpu model")):
                    return line.partition(":")[2].strip()
    except OSError:
        import platform

        return platform.processor()
    return ""
