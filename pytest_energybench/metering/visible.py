"""Which GPUs `CUDA_VISIBLE_DEVICES` leaves, in the order in which CUDA numbers them.

CUDA C++ Programming Guide, appendix "CUDA Environment Variables": indices or UUIDs, the latter as
short as is still unique; unset means all, empty means none; the list ends at its first invalid
entry.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pytest_energybench.metering.errors import Problem

VARIABLE = "CUDA_VISIBLE_DEVICES"
NO_SLICE = "NVML has no energy of a MIG slice, and the whole GPU's isn't this process's alone"
SLICE_CURE = "`sudo nvidia-smi -mig 0` turns MIG off"


class Visible(NamedTuple):
    """What the variable leaves.

    Attributes:
        indices: of the devices as NVML counts them, in CUDA's order.
        problem: what is wrong with the variable, if anything.
    """

    indices: tuple[int, ...]
    problem: Problem | None = None


def visible_devices(setting: str | None, uuids: Sequence[str]) -> Visible:
    """Indices into `uuids` of the devices that CUDA sees.

    Args:
        setting: the variable's value; None where it isn't set.
        uuids: of all devices of the machine (`GPU-...`), in NVML's order.
    """
    if setting is None:
        return Visible(tuple(range(len(uuids))))
    found: list[int] = []
    for entry in setting.split(",") if setting.strip() else ():
        word = entry.strip()
        if word.startswith("MIG-"):
            return Visible(tuple(found), Problem(f"GPU {word}", NO_SLICE, SLICE_CURE))
        index = _index(word, uuids)
        if index is None:
            if word == "-1":  # the customary way to hide what follows
                break
            why = f"{VARIABLE}={setting} names no such GPU; CUDA's list ends there"
            return Visible(tuple(found), Problem(f"GPU {word}", why))
        if index not in found:  # named twice is still one GPU's joules
            found.append(index)
    return Visible(tuple(found))


def _index(word: str, uuids: Sequence[str]) -> int | None:
    if word.isdigit():
        return int(word) if int(word) < len(uuids) else None
    if not word.startswith("GPU-"):
        return None
    matches = [i for i, uuid in enumerate(uuids) if uuid.startswith(word)]
    return matches[0] if len(matches) == 1 else None
