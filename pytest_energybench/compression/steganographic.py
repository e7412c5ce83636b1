"""Steganographic capacity (paper Section 3.2): how many low-order bits of the weights are idle.

Zeroing bits measures the capacity n: the weights of the starting model are truncated, as in the
paper, and judged on validation. Training then needs another way onto the same grid, since
truncation always rounds towards zero: it would pull weights down in every step. They are rounded to
nearest in every forward pass, from float32 master weights that keep what is rounded away.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import nn

from pytest_energybench.compression.bits import (
    FLOAT_BITS,
    MANTISSA_BITS,
    MOST_ZEROED,
    truncate,
)
from pytest_energybench.compression.plan import BitGrid, Plan, Task
from pytest_energybench.compression.search import Evaluate, search
from pytest_energybench.compression.targets import compressed_weights
from pytest_energybench.training.evaluate import Score, evaluate


@dataclass(frozen=True, slots=True)
class Steganographic:
    """Find the capacity by search, then put the weights on its grid.

    `rounding="truncate", masters=False` is the naive reading, re-zeroing the weights after each
    step, kept as an ablation: it ruins the model (digits, n = 19: .962 becomes .764).
    """

    rounding: str = "nearest"
    masters: bool = True

    def __call__(self, plan: Plan, task: Task) -> Plan:
        """Search on validation; the model keeps its float32 weights until it is trained."""
        found = search(
            "zeroed bits",
            MOST_ZEROED,
            truncated_accuracy(plan.model, task),
            task.max_drop,
            strategy=task.strategy,
        )
        zeroed = found.found
        notes = []
        if zeroed > MANTISSA_BITS:
            notes.append(f"{zeroed} zeroed bits take {zeroed - MANTISSA_BITS} of the exponent, too")
        plan = replace(
            plan,
            grid=BitGrid(zeroed, self.rounding, self.masters),
            searches=(*plan.searches, found),
        )
        return plan.noted(
            *notes,
            zeroed_bits=zeroed,
            bits_kept=FLOAT_BITS - zeroed,
            theoretical_rate=zeroed / FLOAT_BITS,
        )


def truncated_accuracy(model: nn.Module, task: Task) -> Evaluate:
    """A function from n to the validation score of `model` with n low-order bits zeroed.

    The model has its own weights again after every call.
    """
    weights = compressed_weights(model)

    def evaluate_truncated(zeroed: int) -> Score:
        originals = {name: weight.detach().clone() for name, weight in weights.items()}
        try:
            with torch.no_grad():
                for name, weight in weights.items():
                    weight.copy_(truncate(originals[name], zeroed))
            return evaluate(model, task.data.validation, task.evaluation_batch)
        finally:
            with torch.no_grad():
                for name, weight in weights.items():
                    weight.copy_(originals[name])

    return evaluate_truncated
