"""The score of a model with other weights; its own are restored."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from pytest_energybench.experiment.compression.bits import truncate
from pytest_energybench.experiment.compression.plan import Task
from pytest_energybench.experiment.compression.targets import compressed_weights
from pytest_energybench.experiment.training.evaluate import Score, evaluate

Change = Callable[[str, Tensor], Tensor]
"""From a weight's name and its values to others of the same shape."""


class Examination:
    """The validation images as one search asks them.

    A level that has lost too much sees no more of them. Once a model has answered all, those that
    it is least sure of come first, so that few are needed to see that a level fails. No answer
    depends on the other images of a batch, but for the rounding of sums.

    Attributes:
        order: the numbers of the images as they are asked; None: as the split has them.
    """

    def __init__(self, task: Task) -> None:
        self._split = task.data.validation
        self._batch = task.evaluation_batch
        self._whole = task.whole
        self.order: Tensor | None = None

    def __call__(self, model: nn.Module, most_wrong: int | None = None) -> Score:
        """The score of `model` on all images, or on so many that more than `most_wrong` are wrong;
        the first time it is all."""
        first = self.order is None
        certain: list[Tensor] = []
        wrong = 0

        def enough(logits: Tensor, labels: Tensor) -> bool:
            nonlocal wrong
            if first:
                certain.append(_certainty(logits, labels))
                return False
            wrong += int((logits.argmax(-1) != labels).sum())
            return most_wrong is not None and wrong > most_wrong

        score = evaluate(model, self._split, self._batch, order=self.order, enough=enough)
        if first and not self._whole:
            self.order = torch.cat(certain).argsort(stable=True)
        return score


def _certainty(logits: Tensor, labels: Tensor) -> Tensor:
    """By how much each image's own class is ahead of the next one, negative where it is behind; of
    a text the mean over its tokens."""
    own = logits.gather(-1, labels[..., None])
    others = logits.scatter(-1, labels[..., None], -torch.inf)
    ahead = own[..., 0] - others.amax(-1)
    return ahead.view(len(labels), -1).mean(1)


def score(model: nn.Module, task: Task) -> Score:
    """The validation score of `model`, all images, without the bits that `task` says will go."""
    return score_changed(model, {}, lambda _, weight: weight, task, Examination(task))


def score_changed(
    model: nn.Module,
    weights: Mapping[str, Tensor],
    change: Change,
    task: Task,
    examine: Examination,
    most_wrong: int | None = None,
) -> Score:
    """The validation score of `model` with `change` applied to its `weights`: as `examine` has it.

    First the bits are zeroed that a later method will zero: otherwise this method could leave a
    model that fits no narrow type and trains in float32. What `change` gives stays as it is. The
    model's own weights are restored, also after an error.
    """
    narrowed = list(compressed_weights(model).values()) if task.zeroed_after else []
    originals = [(each, each.detach().clone()) for each in {*weights.values(), *narrowed}]
    try:
        with torch.no_grad():
            for narrow in narrowed:
                narrow.copy_(truncate(narrow, task.zeroed_after))
            for name, weight in weights.items():
                weight.copy_(change(name, weight.detach()))
        return examine(model, most_wrong)
    finally:
        with torch.no_grad():
            for weight, values in originals:
                weight.copy_(values)
