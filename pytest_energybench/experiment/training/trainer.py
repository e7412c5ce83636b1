"""The training loop: one code and one set of rules for the baseline and every method."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pytest_energybench.experiment.training.cpu_layers import quick_layers
from pytest_energybench.experiment.training.datasets.data import Splits
from pytest_energybench.experiment.training.distributed import current
from pytest_energybench.experiment.training.errors import DivergedError
from pytest_energybench.experiment.training.evaluate import (
    Score,
    entering,
    evaluate,
    logits_and_loss,
    running_type,
)
from pytest_energybench.experiment.training.hardware import generator, seeded
from pytest_energybench.experiment.training.optimizers import Updater
from pytest_energybench.experiment.training.progress import SILENT, Joules, Part, Progress
from pytest_energybench.experiment.training.settings import EarlyStopping, TrainSettings

CHECK_EVERY = 100
"""Batches between looks at whether the loss still is a number; each look waits for the device."""


Enough = Callable[[Score], bool]
"""Whether an epoch's validation score is enough, so that a training need not go on."""


def by_the_rules_alone(_: Score) -> bool:
    """No score is enough: early stopping and the cap of epochs decide."""
    return False


@dataclass(frozen=True, slots=True)
class Epoch:
    """One epoch. Losses in nats; `seconds` and `joules` since training began, validation included.

    `joules` is None if nobody meters.
    """

    number: int
    train_loss: float
    validation: Score
    seconds: float
    joules: float | None


@dataclass(frozen=True, slots=True)
class Training:
    """A finished training; the model holds the weights of `best`, the lowest validation loss or
    the one that was enough.

    `trainings` is more than one where the model was changed in between, and the history is of all.
    `optimizer_bytes` is what the optimizer kept beside the weights, master weights included.
    """

    history: tuple[Epoch, ...]
    best: Epoch
    capped: bool
    images: int
    trainings: int = 1
    optimizer_bytes: int = 0

    @property
    def epochs(self) -> int:
        """Epochs trained, those of waiting for an improvement included."""
        return len(self.history)


def train(
    model: nn.Module,
    data: Splits,
    updater: Updater,
    settings: TrainSettings,
    device: torch.device,
    *,
    label: str = "train",
    joules: Joules | None = None,
    progress: Progress = SILENT,
    enough: Enough = by_the_rules_alone,
    best: Epoch | None = None,
) -> Training:
    """Train `model` in place until the validation loss stops falling; keep its best weights.

    Also until an epoch is `enough`, whose weights are kept then. `best` is the epoch whose weights
    the model has from a training before: it stays the best where no epoch of this one is better.
    `updater` is bound to the model's parameters. `joules` gives joules since the window began; it
    is asked once an epoch. `progress` hears of each epoch, and within it where that is due. The
    same seed gives the same weights on the same machine, and torch's global random state is left as
    it was. Where several ranks train together, each calls this, and each ends with the same
    weights. Raises DivergedError when a loss is not a number.
    """
    ranks = current()
    stopping = EarlyStopping(settings.patience, settings.min_delta)
    order = generator(settings.seed)
    history: list[Epoch] = []
    snapshot: dict[str, Tensor] = {}
    if best is not None:
        _copy_state(model, snapshot)
    images = 0
    stopped = False
    fixed = settings.fixed_epochs
    most = settings.max_epochs if fixed is None else fixed
    per_epoch = settings.images_per_epoch or len(data.train)
    ranks.check_batch(min(settings.batch_size, per_epoch))
    began = time.monotonic()
    with in_training(model, settings.seed, device) as running:
        while not stopped and len(history) < most:
            number = len(history) + 1
            of = "of at most" if fixed is None else "of"
            within = Part(progress, f"epoch {number} {of} {most}")
            trained, loss = _epoch(running, data, updater, settings, order, within)
            score = evaluate(model, data.validation, settings.evaluation_batch)
            if not math.isfinite(loss) or not math.isfinite(score.loss):
                raise DivergedError(
                    f"{label}: the loss is {loss} (validation {score.loss}) in epoch {number}: "
                    f"the training diverged at learning rate {settings.learning_rate}"
                )
            epoch = Epoch(
                number, loss, score, time.monotonic() - began, None if joules is None else joules()
            )
            history.append(epoch)
            images += trained
            within(f"validation loss {score.loss:.3f}, accuracy {score.accuracy:.3f}")
            reached = enough(score)
            stopped = fixed is None and (stopping.update(score.loss) or reached)
            if best is None or reached or score.loss < best.validation.loss:
                best = epoch
                if not stopped and number < most:
                    _copy_state(model, snapshot)
    if not history or best is None:
        raise ValueError(f"max_epochs must be at least 1, not {most}")
    if best is not history[-1]:
        model.load_state_dict(snapshot)
    capped = fixed is None and not stopped
    return Training(
        tuple(history), best, capped=capped, images=images, optimizer_bytes=updater.state_bytes
    )


@contextmanager
def in_training(model: nn.Module, seed: int, device: torch.device) -> Iterator[nn.Module]:
    """Within the block, train the given module in place of `model`; random numbers come from
    `seed`."""
    ranks = current()
    with (
        seeded(ranks.seed(seed), device),
        ranks.parallel(model) as running,
        quick_layers(model, alone=running is model),
    ):
        yield running


def _epoch(
    model: nn.Module,
    data: Splits,
    updater: Updater,
    settings: TrainSettings,
    order: torch.Generator,
    progress: Progress,
) -> tuple[int, float]:
    """Train one epoch; returns the number of images and their mean loss, those of all ranks."""
    model.train()
    dtype = running_type(model)
    ranks = current()
    limit = settings.images_per_epoch
    batch = min(settings.batch_size, len(data.train), limit or len(data.train))
    images_done = own = 0
    total: Tensor | float = 0.0
    batches = data.train.shuffled(settings.batch_size, order, limit, ranks.share)
    for number, (images, labels) in enumerate(batches, 1):
        weight = ranks.weight(len(labels), batch)
        total = total + step(model, updater, entering(images, dtype), labels, weight) * len(labels)
        images_done += batch
        own += len(labels)
        if number % CHECK_EVERY == 0 and not math.isfinite(ranks.summed(total)[0]):
            break  # No need to finish a long epoch: the caller judges the loss.
        if progress.due:
            done = images_done / (limit or len(data.train))
            progress(f"{100 * min(done, 1):.0f} % of its images, loss {float(total) / own:.3f}")
    return images_done, ranks.summed(total)[0] / images_done


def step(
    model: nn.Module, updater: Updater, images: Tensor, labels: Tensor, weight: float = 1.0
) -> Tensor:
    """One step on one batch of images in the model's type; returns its mean loss, detached.

    The gradients are those of the mean loss times `weight` (`Ranks.weight`).
    """
    updater.zero()
    _, loss = logits_and_loss(model, images, labels)
    updater.backward(loss if weight == 1.0 else loss * weight)
    updater.step()
    return loss.detach()


def _copy_state(model: nn.Module, into: dict[str, Tensor]) -> None:
    """Copy the state dict; after the first time into the same memory."""
    with torch.no_grad():
        for key, value in model.state_dict().items():
            if key in into:
                into[key].copy_(value)
            else:
                into[key] = value.detach().clone()
