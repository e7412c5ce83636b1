"""Steganographic capacity (paper Section 3.2): how many low-order bits of the weights are idle.

Zeroing bits measures the capacity n: the weights of the starting model are truncated, as in the
paper, and judged on validation. Training then needs another way onto the same grid, since
truncation always rounds towards zero: it would pull weights down in every step. They are rounded to
nearest in every forward pass, from float32 master weights that keep what is rounded away.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

from torch import nn

from pytest_energybench.experiment.compression.bits import (
    FLOAT_BITS,
    MANTISSA_BITS,
    MOST_ZEROED,
    idle_bits,
    on_grid,
    truncate,
)
from pytest_energybench.experiment.compression.evaluation import Examination, score_changed
from pytest_energybench.experiment.compression.plan import (
    BitGrid,
    CompressionPlan,
    Metric,
    ResultError,
    Task,
)
from pytest_energybench.experiment.compression.search import Evaluate, search, with_full_curve
from pytest_energybench.experiment.compression.targets import compressed_weights
from pytest_energybench.experiment.training.evaluate import Score


@dataclass(frozen=True, slots=True)
class Steganographic:
    """Find the capacity by search, then put the weights on its grid.

    `rounding="truncate", masters=False` zeroes the bits after each step. This naive reading ruins
    the model and is kept as an ablation; see docs/design-notes.md, Constants of channel removal.
    """

    rounding: str = "nearest"
    masters: bool = True

    def __call__(self, plan: CompressionPlan, task: Task) -> CompressionPlan:
        """Search on validation; the model keeps its float32 weights until it is trained."""
        began = time.monotonic()
        idle = min(idle_bits(weight) for weight in compressed_weights(plan.model).values())
        evaluate = truncated_accuracy(plan.model, task)
        found = search(
            "zeroed bits",
            MOST_ZEROED,
            evaluate,
            task.tolerance,
            strategy=task.strategy,
            # Bits that are zero in every weight already make no other model.
            state=lambda zeroed: max(zeroed, idle),
            whole=task.whole,
            progress=task.progress,
        )
        if task.strategy == "exhaustive":
            found = with_full_curve(found, MOST_ZEROED, evaluate, task.progress)
        zeroed = found.found
        notes = []
        if idle:
            notes.append(
                f"the starting weights have {idle} zero bits to begin with: a capacity below {idle}"
                " could not show"
            )
        if zeroed > MANTISSA_BITS:
            notes.append(f"{zeroed} zeroed bits take {zeroed - MANTISSA_BITS} of the exponent, too")
        plan = replace(plan, grid=BitGrid(zeroed, self.rounding, self.masters)).found(
            found.since(began)
        )
        return plan.checked(partial(check_grid, zeroed), "theoretical_rate").noted(
            *notes,
            zeroed_bits=zeroed,
            bits_kept=FLOAT_BITS - zeroed,
            idle_bits=idle,
            theoretical_rate=zeroed / FLOAT_BITS,
        )


def truncated_accuracy(model: nn.Module, task: Task) -> Evaluate:
    """A function from n to the validation score of `model` with n low-order bits zeroed.

    The model has its own weights again after every call.
    """
    weights = compressed_weights(model)
    examine = Examination(task)

    def evaluate_truncated(zeroed: int, most_wrong: int | None) -> Score:
        return score_changed(
            model, weights, lambda _, weight: truncate(weight, zeroed), task, examine, most_wrong
        )

    return evaluate_truncated


def all_on_grid(model: nn.Module, zeroed: int) -> bool:
    """Whether every compressed weight of `model` has its `zeroed` low-order bits zero."""
    return all(on_grid(weight, zeroed) for weight in compressed_weights(model).values())


def check_grid(zeroed: int, model: nn.Module) -> Mapping[str, Metric]:
    """Raise ResultError unless all compressed weights are on the grid; counts nothing."""
    if not all_on_grid(model, zeroed):
        raise ResultError(f"a trained weight has left the grid of {zeroed} zeroed bits")
    return {}
