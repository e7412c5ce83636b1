"""What a model would score with other weights, without giving up its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from pytest_energybench.compression.plan import Task
from pytest_energybench.training.evaluate import Score, evaluate

Change = Callable[[str, Tensor], Tensor]
"""From a weight's name and its original values to others of the same shape."""


def score_changed(
    model: nn.Module, weights: Mapping[str, Tensor], change: Change, task: Task
) -> Score:
    """The validation score of `model` with `change` applied to its `weights`, all images.

    The model has its own weights again afterwards, whatever happened.
    """
    originals = {name: weight.detach().clone() for name, weight in weights.items()}
    try:
        with torch.no_grad():
            for name, weight in weights.items():
                weight.copy_(change(name, originals[name]))
        return evaluate(model, task.data.validation, task.evaluation_batch)
    finally:
        with torch.no_grad():
            for name, weight in weights.items():
                weight.copy_(originals[name])
