"""Whether a starting model knows more than guessing would: else no search says anything."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from pytest_energybench.experiment.training.datasets.data import Split
from pytest_energybench.experiment.training.distributed import current
from pytest_energybench.experiment.training.errors import WeightsError
from pytest_energybench.experiment.training.evaluate import evaluate

NEAR = 0.1
"""Share of the way from guessing to no mistake that a starting model must have behind it."""

BY_CHANCE = 0.01
"""It must not be so likely that guessing has as many right."""


def check_knows_classes(model: nn.Module, validation: Split, batch_size: int) -> None:
    """Raise WeightsError if `model` is near chance on `validation`.

    The most frequent class, or token, everywhere is what guessing reaches. A search asks what can
    be removed without loss: of such a model everything can.
    """
    classes: list[Tensor] = []

    def count(logits: Tensor, labels: Tensor) -> bool:
        classes.append(torch.bincount(labels.flatten(), minlength=logits.shape[-1]))
        return False

    score = evaluate(model, validation, batch_size, enough=count)
    own = torch.stack(classes).sum(0).tolist()
    chance = max(current().summed(*own)) / score.total
    known = (score.accuracy - chance) / (1 - chance) if chance < 1 else 0.0
    if known >= NEAR and tail(score.correct, score.total, chance) <= BY_CHANCE:
        return
    raise WeightsError(
        f"the starting model has {score.correct} of {score.total} validation images right, near"
        f" the {chance:.1%} of guessing: a search on it would find that anything can be removed;"
        " give weights that know these classes, or more validation images"
    )


def tail(correct: int, total: int, chance: float) -> float:
    """Probability that guessing has at least `correct` of `total` right: the binomial tail."""
    if chance >= 1:
        return 1.0
    logs = (
        math.lgamma(total + 1)
        - math.lgamma(k + 1)
        - math.lgamma(total - k + 1)
        + k * math.log(chance)
        + (total - k) * math.log1p(-chance)
        for k in range(correct, total + 1)
    )
    return math.fsum(map(math.exp, logs))
