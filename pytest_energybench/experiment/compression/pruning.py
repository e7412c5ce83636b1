"""Magnitude pruning (paper Section 3.3): how many of the smallest weights are idle.

Global and unstructured, as `torch.nn.utils.prune.global_unstructured` with L1: the smallest weights
of the whole model go, wherever they are. Always taken from the original weights, since pruning
twice would compound. One sort serves every level.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from pytest_energybench.experiment.compression.evaluation import Examination, score_changed
from pytest_energybench.experiment.compression.plan import (
    CompressionPlan,
    Metric,
    ResultError,
    Task,
)
from pytest_energybench.experiment.compression.search import search
from pytest_energybench.experiment.compression.targets import compressed_weights
from pytest_energybench.experiment.training.evaluate import Score

STEPS = 100
"""A level is one per cent of the weights, the paper's step of 0.01."""


@dataclass(frozen=True, slots=True)
class Pruning:
    """Find the largest rate by search, remove those weights and keep them removed."""

    def __call__(self, plan: CompressionPlan, task: Task) -> CompressionPlan:
        """Search on validation; the removed weights of the model are zero afterwards."""
        began = time.monotonic()
        weights = compressed_weights(plan.model)
        levels = Levels(weights)
        examine = Examination(task)

        def evaluate(level: int, most_wrong: int | None) -> Score:
            masks = levels.masks(level)
            return score_changed(
                plan.model,
                weights,
                lambda name, weight: weight * masks[name],
                task.at(level),
                examine,
                most_wrong,
            )

        found = search(
            "pruned weights, %",
            STEPS - 1,
            evaluate,
            task.tolerance,
            strategy=task.strategy,
            whole=task.whole,
            progress=task.progress,
        )
        masks = levels.masks(found.found)
        with torch.no_grad():
            for name, weight in weights.items():
                weight.mul_(masks[name])
        # A layer whose rank were raised after training would outgrow its mask.
        plan = replace(plan, masks=masks, adjust=None).found(found.since(began))
        return plan.checked(partial(check_masks, masks), "pruned_rate_prunable")


class Levels:
    """The masks of every level, from one sort of all magnitudes."""

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        """Take the original weights; they are kept as magnitudes, later changes don't matter."""
        self._magnitudes = {name: weight.detach().abs() for name, weight in weights.items()}
        flat = torch.cat([each.flatten() for each in self._magnitudes.values()])
        self._total = flat.numel()
        # NumPy sorts float32 with the CPU's vector instructions, and without the indices that
        # torch returns and that would take twice the weights' memory.
        self._sorted = np.sort(flat.cpu().numpy())

    def masks(self, level: int) -> dict[str, Tensor]:
        """0 for the `level` per cent smallest weights and 1 for others, exactly so many.

        Of weights that are equally large, the first in the model's order go: weights that were
        stored in bfloat16 have few different magnitudes, and all or none of them would miss the
        level by up to half a per cent.
        """
        removed = round(level / STEPS * self._total)
        if removed == 0:
            return {name: torch.ones_like(each) for name, each in self._magnitudes.items()}
        threshold = float(self._sorted[removed - 1])
        left = removed - int(np.searchsorted(self._sorted, threshold, side="left"))
        masks = {}
        for name, magnitude in self._magnitudes.items():
            if left == 0:
                masks[name] = (magnitude >= threshold).to(magnitude.dtype)
                continue
            mask = (magnitude > threshold).to(magnitude.dtype)
            equal = (magnitude == threshold).nonzero()
            kept = equal[left:]
            mask[tuple(kept.t())] = 1.0
            left -= min(left, len(equal))
            masks[name] = mask
        return masks


def check_masks(masks: Mapping[str, Tensor], model: nn.Module) -> Mapping[str, Metric]:
    """Raise ResultError unless every removed weight is zero; counts rates as in Table 7.

    Rates are removed / all: `pruned_rate_prunable` over the weights of convolutions and linear
    layers, `pruned_rate_all` over all parameters, and the least and most of a single layer.
    """
    removed = total = 0
    rates = []
    for name, mask in masks.items():
        weight = model.get_parameter(name)
        if bool(weight.detach()[mask == 0].any()):
            raise ResultError(f"a removed weight of {name} is not zero after training")
        zeros = int((mask == 0).sum())
        rates.append(zeros / mask.numel())
        removed += zeros
        total += mask.numel()
    return {
        "pruned_rate_prunable": removed / total,
        "pruned_rate_all": removed / sum(each.numel() for each in model.parameters()),
        "layer_rate_min": min(rates),
        "layer_rate_max": max(rates),
    }
