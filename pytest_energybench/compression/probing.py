"""What a model would score with other weights, without giving up its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from pytest_energybench.compression.bits import truncate
from pytest_energybench.compression.plan import Task
from pytest_energybench.compression.targets import compressed_weights
from pytest_energybench.training.evaluate import Score, evaluate

Change = Callable[[str, Tensor], Tensor]
"""From a weight's name and its values to others of the same shape."""


def score(model: nn.Module, task: Task) -> Score:
    """The validation score of `model`, all images, without the bits that `task` says will go."""
    return score_changed(model, {}, lambda _, weight: weight, task)


def score_changed(
    model: nn.Module, weights: Mapping[str, Tensor], change: Change, task: Task
) -> Score:
    """The validation score of `model` with `change` applied to its `weights`, all images.

    Before, the bits are zeroed that a method after this one will zero: a model that only float32
    holds would train in it, and lose more than it saves otherwise, as ResNet18 did when the
    channels it kept left room for 15 bits of 16. What `change` gives stays as it is. The model has
    its own weights again afterwards, whatever happened.
    """
    narrowed = list(compressed_weights(model).values()) if task.zeroed_after else []
    originals = [(each, each.detach().clone()) for each in {*weights.values(), *narrowed}]
    try:
        with torch.no_grad():
            for narrow in narrowed:
                narrow.copy_(truncate(narrow, task.zeroed_after))
            for name, weight in weights.items():
                weight.copy_(change(name, weight.detach()))
        return evaluate(model, task.data.validation, task.evaluation_batch)
    finally:
        with torch.no_grad():
            for weight, values in originals:
                weight.copy_(values)
