"""Methods by name. A new method is a file with a `Method` and one line here, or `register`.

Those that compress nothing stand here: the baseline, and mixed precision for what the number format
alone gives.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import IntEnum

from torch import nn

from pytest_energybench.experiment.compression.bits import FITS_BFLOAT16
from pytest_energybench.experiment.compression.channel.method import Channel
from pytest_energybench.experiment.compression.evaluation import score
from pytest_energybench.experiment.compression.lowrank import LowRank
from pytest_energybench.experiment.compression.plan import (
    PART,
    CompressionPlan,
    Method,
    Metric,
    Task,
)
from pytest_energybench.experiment.compression.pruning import Pruning
from pytest_energybench.experiment.compression.steganographic import Steganographic
from pytest_energybench.experiment.compression.targets import size
from pytest_energybench.experiment.compression.tolerance import Tolerance
from pytest_energybench.experiment.training.errors import SettingError
from pytest_energybench.experiment.training.evaluate import Score


def baseline(plan: CompressionPlan, task: Task) -> CompressionPlan:  # noqa: ARG001 - the signature of a method
    """Return the plan unchanged."""
    return plan


def amp(plan: CompressionPlan, task: Task) -> CompressionPlan:  # noqa: ARG001 - the signature of a method
    """Train and store the weights in bfloat16, from float32 master weights that keep all bits.

    float16 with loss scaling on GPUs without bfloat16 (compute capability below 8.0); float32 on a
    CPU without it, which the report then says.
    """
    return replace(plan, mixed_precision=True).checked(stored, "stored_rate")


def autocast(plan: CompressionPlan, task: Task) -> CompressionPlan:  # noqa: ARG001 - the signature of a method
    """Train in torch's own `autocast`: weights stay float32, so nothing is stored in fewer bits.

    The device decides on the narrow type as for `amp`.
    """
    return replace(plan, autocast=True)


def stored(model: nn.Module) -> Mapping[str, Metric]:
    """`stored_rate`: the share of float32's bytes that the stored weights need not, 0 to 1."""
    found = size(model)
    return {"stored_rate": 1 - found.compressed_bytes / (4 * found.compressed_parameters)}


class Stage(IntEnum):
    """The order of methods in a combination, whatever the order of their names.

    First structure changes, then single weights are removed, last the bits of the weights are
    chosen: a mask or a capacity found for another structure would not fit this one.
    """

    STRUCTURE = 0
    FACTORS = 1
    MASK = 2
    NUMBERS = 3


@dataclass(frozen=True, slots=True)
class _Entry:
    method: Method
    stage: Stage


_METHODS: dict[str, _Entry] = {
    "baseline": _Entry(baseline, Stage.STRUCTURE),
    "amp": _Entry(amp, Stage.NUMBERS),
    "autocast": _Entry(autocast, Stage.NUMBERS),
    "steganographic": _Entry(Steganographic(), Stage.NUMBERS),
    "pruning": _Entry(Pruning(), Stage.MASK),
    "lowrank": _Entry(LowRank(), Stage.FACTORS),
    "channel": _Entry(Channel(), Stage.STRUCTURE),
    "naive-truncation": _Entry(Steganographic(rounding="truncate", masters=False), Stage.NUMBERS),
}


def names() -> tuple[str, ...]:
    """All registered names."""
    return tuple(_METHODS)


def register(name: str, method: Method, stage: Stage = Stage.STRUCTURE) -> None:
    """Add a method of your own; raises SettingError when the name is taken or holds a `+`."""
    if "+" in name or name in _METHODS:
        raise SettingError(f"method name {name!r} is taken or holds a '+': choose another one")
    _METHODS[name] = _Entry(method, stage)


def stage(name: str) -> Stage:
    """When the method of this name, a single one, has its turn; raises SettingError for others."""
    return _entry(name).stage


def method(name: str) -> Method:
    """The method of this name; `a+b` applies both, by their stages, within a stage as written.

    Together they may lose what one may: each but the last takes at most PART of what is left of
    `Task.tolerance`. If each lost all of it, models would be judged within a point that had been
    sent off two points behind. Where bits go last, what comes before leaves room for a narrow type,
    if the model has it within PART of the point to begin with. Looking at the model between two
    methods belongs to no search. Raises SettingError naming the methods there are.
    """
    entries = sorted(map(_entry, name.split("+")), key=lambda entry: entry.stage)
    if len(entries) == 1:
        return entries[0].method

    def combined(plan: CompressionPlan, task: Task) -> CompressionPlan:
        start, left = score(plan.model, task), task.tolerance
        task = replace(task, tolerated_in_all=task.tolerance)
        narrow = replace(task, zeroed_after=FITS_BFLOAT16)
        has_room = entries[-1].stage is Stage.NUMBERS and _fits(plan, narrow, start, left)
        for entry in entries[:-1]:
            before = narrow if has_room and entry.stage is not Stage.NUMBERS else task
            plan = entry.method(plan, replace(before, tolerance=left.part(PART)))
            left = task.tolerance.left(start, score(plan.model, task))
        return entries[-1].method(plan, replace(task, tolerance=left))

    return combined


def _fits(plan: CompressionPlan, narrow: Task, start: Score, left: Tolerance) -> bool:
    """Whether the model without the bits that a narrow type lacks is within PART of `left`."""
    return left.part(PART).keeps(score(plan.model, narrow), start)


def _entry(name: str) -> _Entry:
    if name not in _METHODS:
        raise SettingError(f"unknown method {name!r}: choose from {', '.join(_METHODS)}")
    return _METHODS[name]
