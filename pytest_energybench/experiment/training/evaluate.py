"""Loss and accuracy of a model on a split: of images and their classes, or of text and the token
that follows each of its tokens; and whether it knows more than guessing would."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from pytest_energybench.experiment.training.cpu_layers import quick_layers
from pytest_energybench.experiment.training.datasets.data import Split
from pytest_energybench.experiment.training.distributed import current
from pytest_energybench.experiment.training.errors import SettingError, WeightsError
from pytest_energybench.experiment.training.master_weights import NORMALISATIONS

LARGEST_LOSS = 700.0
"""Nats; beyond, the exponential is no float any more."""

AUX_WEIGHT = 0.4
"""Weight of InceptionV3's auxiliary loss (Szegedy et al. 2015, torchvision's reference recipe)."""

NEAR = 0.1
"""Share of the way from guessing to no mistake that a starting model must have behind it."""

BY_CHANCE = 0.01
"""It must not be so likely that guessing has as many right."""


@dataclass(frozen=True, slots=True)
class Score:
    """`correct` of `total` answers (an image has one, a text one a token), and their mean cross
    entropy in nats."""

    correct: int
    total: int
    loss: float

    @property
    def accuracy(self) -> float:
        """Share of right answers, 0 to 1."""
        return self.correct / self.total

    @property
    def perplexity(self) -> float:
        """The exponential of the mean cross entropy: among how many equally likely tokens the model
        would be as unsure (Jelinek et al. 1977)."""
        return math.exp(min(self.loss, LARGEST_LOSS))


def logits_and_loss(model: nn.Module, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Logits (batch, classes) or (batch, tokens, vocabulary) in float32 and the mean cross entropy,
    with any auxiliary head's.

    The loss is taken in float32 whatever type the model runs in.
    """
    output = model(images)
    logits = answering(output, labels)
    loss = functional.cross_entropy(logits.flatten(0, -2), labels.flatten())
    auxiliary = getattr(output, "aux_logits", None)
    if isinstance(auxiliary, Tensor):
        loss = loss + AUX_WEIGHT * functional.cross_entropy(auxiliary.float(), labels)
    return logits, loss


def logits_of(output: object) -> Tensor:
    """What a model gave, in float32; torchvision's InceptionV3 and the models of `transformers` may
    give an object with it. Raises SettingError for anything else."""
    logits = getattr(output, "logits", output)
    if not isinstance(logits, Tensor):
        raise SettingError(
            f"the model gives a {type(logits).__name__}: wrap it in one whose forward returns the"
            " logits alone, a tensor (batch, classes)"
        )
    return logits.float()


def answering(output: object, labels: Tensor) -> Tensor:
    """The logits of `output`, of which there must be as many as `labels`."""
    logits = logits_of(output)
    if logits.shape[:-1] != labels.shape:
        raise SettingError(
            f"the model gives {tuple(logits.shape)} for class numbers {tuple(labels.shape)}: logits"
            " (batch, classes) are meant, or (batch, length, vocabulary) of text"
        )
    return logits


def entering(inputs: Tensor, dtype: torch.dtype) -> Tensor:
    """`inputs` as a model of that type takes them: images in its type, tokens as they are."""
    return inputs.to(dtype) if inputs.is_floating_point() else inputs


def running_type(model: nn.Module) -> torch.dtype:
    """The type a model computes in: that of its first parameter with several dimensions, but for
    normalisation, which may stay float32 beside narrow inputs."""
    for module in model.modules():
        if not isinstance(module, NORMALISATIONS):
            for parameter in module.parameters(recurse=False):
                if parameter.dim() > 1 and parameter.is_floating_point():
                    return parameter.dtype
    return torch.float32


class Answers:
    """What a model answered to each image or text of a split.

    Attributes:
        right: of each, how many of its answers were right.
        losses: of each, the mean cross entropy of its answers, nats.
    """

    def __init__(self) -> None:
        self.right: list[int] = []
        self.losses: list[float] = []

    def add(self, logits: Tensor, labels: Tensor) -> None:
        """Take a batch of `logits` (batch, ..., classes) and `labels` (batch, ...)."""
        loss = functional.cross_entropy(
            logits.flatten(0, -2), labels.flatten(), reduction="none"
        ).view(len(labels), -1)
        right = (logits.argmax(-1) == labels).view(len(labels), -1)
        self.right += right.sum(1).tolist()
        self.losses += loss.mean(1).tolist()


Enough = Callable[[Tensor, Tensor], bool]
"""Looks at the logits (batch, ..., classes) and labels (batch, ...) of a batch, and says whether
the rest need not be seen."""


def evaluate(
    model: nn.Module,
    split: Split,
    batch_size: int,
    *,
    order: Tensor | None = None,
    enough: Enough | None = None,
    answers: Answers | None = None,
) -> Score:
    """Score every image of `split`; puts the model into evaluation mode and leaves it there.

    `order` is that of the images, by their numbers; with `enough` those are scored that were seen
    until then. `answers` gets those of each. Each of several ranks runs its share of the images,
    without these three; all get the score of all images.
    """
    ranks = current()
    model.eval()
    dtype = running_type(model)
    correct: Tensor | int = 0
    loss: Tensor | float = 0.0
    seen = 0
    # Not in inference mode: what a model keeps of its first forward pass must serve training, too.
    with torch.no_grad(), quick_layers(model):
        for images, labels in split.ordered(batch_size, ranks.share, order):
            logits = answering(model(entering(images, dtype)), labels)
            correct = correct + (logits.argmax(-1) == labels).sum()
            if answers is not None and ranks.share.world == 1:
                answers.add(logits, labels)
            rows, classes = logits.flatten(0, -2), labels.flatten()
            loss = loss + functional.cross_entropy(rows, classes, reduction="sum").double()
            seen += labels.numel()
            if enough is not None and enough(logits, labels):
                break
    all_correct, all_loss, total = ranks.summed(correct, loss, seen)
    return Score(int(all_correct), int(total), all_loss / total)


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
