"""What machine the joules were spent on."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_energybench.metering.cpu_identity import identify
from pytest_energybench.metering.ram import installed_bytes


@dataclass(frozen=True, slots=True)
class MachineFacts:
    """The machine as far as its energy figures depend on it; no host or user name.

    Attributes:
        cpu: the processor's name; empty if the system gives none.
        cores: logical CPUs.
        memory_bytes: installed memory.
        gpus: names of the visible GPUs, in the order of their domains.
        os: system and kernel release.
        python: implementation and version.
    """

    cpu: str
    cores: int
    memory_bytes: int
    gpus: tuple[str, ...]
    os: str
    python: str


def machine_facts(gpus: Sequence[str] | None = None) -> MachineFacts:
    """The facts of this machine.

    Args:
        gpus: names of its GPUs if they are known already; asked of NVML otherwise.
    """
    if gpus is None:
        from pytest_energybench.metering.nvml import gpu_names

        gpus = gpu_names()
    return MachineFacts(
        cpu=identify().name,
        cores=os.cpu_count() or 1,
        memory_bytes=installed_bytes(),
        gpus=tuple(gpus),
        os=f"{platform.system()} {platform.release()}",
        python=f"{platform.python_implementation()} {platform.python_version()}",
    )
