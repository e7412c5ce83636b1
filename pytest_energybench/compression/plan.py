"""What a method decides about a model: the value that methods hand on to each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

import torch
from torch import nn

from pytest_energybench.compression.search import Search
from pytest_energybench.training.data import Data


@dataclass(frozen=True, slots=True)
class BitGrid:
    """Weights live where their `zeroed` low-order bits are zero.

    `rounding` is how they get there, `nearest` or `truncate`. `masters`: float32 weights are kept
    beside them and collect the small steps; without, each step starts from rounded weights.
    """

    zeroed: int
    rounding: str = "nearest"
    masters: bool = True


@dataclass(frozen=True, slots=True)
class Plan:
    """A model ready to be trained, and all that was decided about it on the way.

    `facts` are figures for the report by name; `notes` sentences for it.
    """

    model: nn.Module
    grid: BitGrid | None = None
    searches: tuple[Search, ...] = ()
    facts: Mapping[str, float | int | str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def noted(self, *notes: str, **facts: float | int | str) -> Plan:
        """The same plan with more notes and facts."""
        return replace(self, notes=(*self.notes, *notes), facts={**self.facts, **facts})


@dataclass(frozen=True, slots=True)
class Task:
    """What a method may look at while it decides.

    `max_drop` is the accuracy it may lose on `data.validation`, absolute, 0 to 1.
    """

    data: Data
    device: torch.device
    max_drop: float
    evaluation_batch: int
    strategy: str = "bisection"
    seed: int = 0


class Method(Protocol):
    """A way to compress a model before it is trained."""

    def __call__(self, plan: Plan, task: Task) -> Plan:
        """Decide, and change `plan.model` where the method changes models.

        Methods joined with `+` are called one after the other, so a search sees the model as the
        methods before it left it.
        """
        ...
