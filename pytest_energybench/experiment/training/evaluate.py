"""Loss and accuracy of a model on a split."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from pytest_energybench.experiment.training.cpu_layers import quick_layers
from pytest_energybench.experiment.training.datasets.data import Split
from pytest_energybench.experiment.training.distributed import current

AUX_WEIGHT = 0.4
"""Weight of InceptionV3's auxiliary loss (Szegedy et al. 2015, torchvision's reference recipe)."""


@dataclass(frozen=True, slots=True)
class Score:
    """`correct` of `total` images seen, and their mean cross entropy in nats."""

    correct: int
    total: int
    loss: float

    @property
    def accuracy(self) -> float:
        """Share of images classified correctly, 0 to 1."""
        return self.correct / self.total


def logits_and_loss(model: nn.Module, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Logits (batch, classes) in float32 and the mean cross entropy, with any auxiliary head's.

    The loss is taken in float32 whatever type the model runs in.
    """
    output = model(images)
    if isinstance(output, tuple):
        logits = output[0].float()
        auxiliary = functional.cross_entropy(output[1].float(), labels)
        return logits, functional.cross_entropy(logits, labels) + AUX_WEIGHT * auxiliary
    logits = output.float()
    return logits, functional.cross_entropy(logits, labels)


def running_type(model: nn.Module) -> torch.dtype:
    """The type a model takes its images in: that of its first parameter with several dimensions."""
    for parameter in model.parameters():
        if parameter.dim() > 1:
            return parameter.dtype
    return torch.float32


Enough = Callable[[Tensor, Tensor], bool]
"""Looks at the logits (batch, classes) and labels of a batch, and says whether the rest need not be
seen."""


def evaluate(
    model: nn.Module,
    split: Split,
    batch_size: int,
    *,
    order: Tensor | None = None,
    enough: Enough | None = None,
    answers: list[bool] | None = None,
) -> Score:
    """Score every image of `split`; puts the model into evaluation mode and leaves it there.

    `order` is that of the images, by their numbers; with `enough` those are scored that were seen
    until then. `answers` gets whether each image was right. Each of several ranks runs its share of
    the images, without these three; all get the score of all images.
    """
    ranks = current()
    model.eval()
    dtype = running_type(model)
    correct: Tensor | int = 0
    loss: Tensor | float = 0.0
    seen = 0
    with torch.inference_mode(), quick_layers(model):
        for images, labels in split.ordered(batch_size, ranks.share, order):
            logits = model(images.to(dtype)).float()
            right = logits.argmax(1) == labels
            correct = correct + right.sum()
            if answers is not None and ranks.share.world == 1:
                answers += right.tolist()
            loss = loss + functional.cross_entropy(logits, labels, reduction="sum").double()
            seen += len(labels)
            if enough is not None and enough(logits, labels):
                break
    all_correct, all_loss, total = ranks.summed(correct, loss, seen)
    return Score(int(all_correct), int(total), all_loss / total)
