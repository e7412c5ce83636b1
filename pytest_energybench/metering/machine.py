"""What machine the joules were spent on."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pytest_energybench.base.system import logical_cpus
from pytest_energybench.metering.cpu_identity import identify
from pytest_energybench.metering.ram import installed_bytes

LIBRARIES = ("numpy", "torch", "torchvision", "transformers")
"""Whose versions are told: they do the work of most tests that are worth metering."""


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
        libraries: name -> version of those of `LIBRARIES` that are installed, used or not.
    """

    cpu: str
    cores: int
    memory_bytes: int
    gpus: tuple[str, ...]
    os: str
    python: str
    libraries: Mapping[str, str] = field(default_factory=dict)


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
        cores=logical_cpus(),
        memory_bytes=installed_bytes(),
        gpus=tuple(gpus),
        os=f"{platform.system()} {platform.release()}",
        python=f"{platform.python_implementation()} {platform.python_version()}",
        libraries=installed_versions(),
    )


def installed_versions() -> dict[str, str]:
    """The versions of `LIBRARIES` by what is installed, so that none has to be imported."""
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
