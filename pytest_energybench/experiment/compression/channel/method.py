"""Structured pruning, beyond the paper: whole channels are removed, so dense kernels shrink.

One order over all layers says which channels go first (`importance`), a search says how many, and
the layers that read them are refitted. The classifier keeps its outputs.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice

import torch
from torch import nn

from pytest_energybench.experiment.compression.channel.decoders import decoder_groups, heads
from pytest_energybench.experiment.compression.channel.groups import (
    channel_groups,
    inputs_per_channel,
    remove,
)
from pytest_energybench.experiment.compression.channel.importance import (
    importances,
    least,
    reconstruct,
)
from pytest_energybench.experiment.compression.channel.statistics import BATCHES, collect
from pytest_energybench.experiment.compression.evaluation import score
from pytest_energybench.experiment.compression.plan import (
    PART,
    AccuracyTarget,
    CompressionPlan,
    Metric,
    ResultError,
    Retrain,
    Task,
)
from pytest_energybench.experiment.compression.search import Search, search
from pytest_energybench.experiment.training.datasets.data import Split
from pytest_energybench.experiment.training.errors import SettingError, first_line
from pytest_energybench.experiment.training.evaluate import Score
from pytest_energybench.experiment.training.hardware import place

PER_LEVEL = 0.02
"""A level is two per cent of all channels."""

LEVELS = 45
"""90 % at most: beyond, the channels that no layer may lose would have to go."""

RECALIBRATION_BATCHES = 8


@dataclass(frozen=True, slots=True)
class Channel:
    """Find the largest share of channels by search and take them out of the model."""

    def __call__(self, plan: CompressionPlan, task: Task) -> CompressionPlan:
        """Search on validation, every level a copy of the original; return the last that passes.

        Channels may lose PART of the tolerated accuracy, alone or in a combination; training may
        lose the rest. A model that misses its goal trains again, once. Needs torch-pruning.
        """
        began = time.monotonic()
        most = task.tolerance.at_most((task.tolerated_in_all or task.tolerance).part(PART))
        pruned = _Pruned(plan.model, replace(task, tolerance=most))
        found = search(
            "channels removed, steps of 2 %",
            LEVELS,
            # Two models of a level are compared with each other: both see all images.
            lambda level, _: pruned.score(level),
            most,
            strategy=task.strategy,
            progress=task.progress,
        )
        model = pruned.at(found.found)
        before, after = Counts.of(plan.model), Counts.of(model)
        plan = replace(plan, model=model, adjust=Again(task.goal(found)))
        plan = plan.found(pruned.counted(found).since(began))
        return plan.checked(partial(check_channels, before, after), "channel_rate")


@dataclass(frozen=True, slots=True)
class Counts:
    """Output channels of all convolutions and linear layers, parameters, and heads of attention, of
    a model."""

    channels: int
    parameters: int
    heads: int

    @classmethod
    def of(cls, model: nn.Module) -> Counts:
        """Count them."""
        layers = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
        return cls(
            channels=sum(layer.weight.shape[0] for layer in layers),
            parameters=sum(parameter.numel() for parameter in model.parameters()),
            heads=heads(model),
        )


@dataclass(frozen=True, slots=True)
class Again:
    """Trains a model once more if it misses its `goal`, until an epoch meets the goal or early
    stopping ends it.

    Early stopping counts only steps of its min delta; a model with few channels also improves in
    smaller ones. The second training is extra, so it ends as soon as the goal is met. Measurements:
    docs/design-notes.md, Constants of channel removal.
    """

    goal: AccuracyTarget

    def __call__(self, model: nn.Module, score: Score, done: int) -> Retrain | None:
        """Put the model back into float32 if it trains again."""
        if done or not self.goal.missed(score, done):
            return None
        model.float()
        return Retrain(self.goal.met, changed=False)


class _Pruned:
    """Copies of a model without some of its channels.

    They are large: of those that passed only the last is kept, which is what a search finds.
    """

    def __init__(self, model: nn.Module, task: Task) -> None:
        self._model = model
        self._task = task
        examples = next(task.data.validation.ordered(2))[0]
        images = examples.is_floating_point()
        self._groups = channel_groups(model, examples) if images else decoder_groups(model)
        self._statistics = collect(
            model, task.data.train, task.evaluation_batch, inputs_per_channel(self._groups)
        )
        self._worths = importances(model, self._groups, self._statistics)
        self._images = self._evaluations = 0
        self._start = self._score(model, 0)
        self._images += self._of_training(BATCHES)
        self._kept = 0, model

    def score(self, level: int) -> Score:
        """The validation score at `level`, all images."""
        if level == 0:
            return self._start
        model, score = self._best(level)
        if self._passes(score):
            self._kept = level, model
        return score

    def at(self, level: int) -> nn.Module:
        """The model at `level`."""
        kept, model = self._kept
        return model if kept == level else self._best(level)[0]

    def counted(self, found: Search) -> Search:
        """The search with all that was done so far: a level may take two evaluations, and images
        were looked at for statistics, too."""
        return replace(
            found, evaluations=self._evaluations, images=self._images, reference_evaluations=None
        )

    def _best(self, level: int) -> tuple[nn.Module, Score]:
        """The model; if it fails, with new running statistics if it does better with them.

        Either can be better: with few channels removed the old statistics fit, with many they
        belong to another model.
        """
        model = copy.deepcopy(self._model)
        going = tuple(least(self._groups, self._worths, level * PER_LEVEL))
        with _smaller(model):
            reconstruct(model, self._groups, going, self._statistics)
            remove(model, self._groups, going)
            place(model)
            score = self._score(model, level)
        if self._passes(score) or not normalising(model):
            return model, score
        anew = copy.deepcopy(model)
        recalibrate(anew, self._task.data.train, self._task.evaluation_batch)
        self._images += self._of_training(RECALIBRATION_BATCHES)
        score_anew = self._score(anew, level)
        return (anew, score_anew) if score_anew.correct > score.correct else (model, score)

    def _passes(self, score: Score) -> bool:
        return self._task.tolerance.keeps(score, self._start)

    def _score(self, model: nn.Module, level: int) -> Score:
        self._evaluations += 1
        found = score(model, self._task.at(level))
        self._images += found.total
        return found

    def _of_training(self, batches: int) -> int:
        answers = self._start.total // len(self._task.data.validation)
        return min(len(self._task.data.train), batches * self._task.evaluation_batch) * answers


@contextmanager
def _smaller(model: nn.Module) -> Iterator[None]:
    """A model that does not run without some of its channels is told in a line."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, IndexError, ValueError, SettingError) as error:
        raise SettingError(
            f"{type(model).__name__} does not run with fewer channels: {first_line(error)}; let its"
            " forward pass take sizes from its tensors, e.g. x.flatten(1) for x.view(-1, 400), or"
            " leave channel out of the methods"
        ) from error


def normalising(model: nn.Module) -> list[nn.modules.batchnorm._BatchNorm]:
    """The layers that keep running statistics of what enters them."""
    return [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]


def recalibrate(model: nn.Module, split: Split, batch_size: int) -> None:
    """Take the running statistics of all batch normalisation anew from training images.

    With channels gone the inputs of the layers after them have other means and variances. No weight
    changes, and no label is looked at.
    """
    layers = normalising(model)
    momenta = [layer.momentum for layer in layers]
    model.eval()
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # the mean over all batches
        layer.train()
    with torch.no_grad():
        for images, _ in islice(split.ordered(batch_size), RECALIBRATION_BATCHES):
            model(images)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    model.eval()


def check_channels(before: Counts, after: Counts, model: nn.Module) -> Mapping[str, Metric]:
    """What was removed: `channels_removed_rate` over output channels, `channel_rate` over all
    parameters of the model, and `heads_removed_rate` where a decoder has heads.

    Raises ResultError when a layer's weight has another shape than the layer says, which is what
    a channel removed from one side of a connection only would leave behind, or when the trained
    model has more parameters than were left; a method after this one may have left it fewer.
    """
    for path, layer in model.named_modules():
        if isinstance(layer, nn.Conv2d):
            said = (layer.out_channels, layer.in_channels // layer.groups, *layer.kernel_size)
        elif isinstance(layer, nn.Linear):
            said = (layer.out_features, layer.in_features)
        else:
            continue
        if tuple(layer.weight.shape) != said:
            raise ResultError(f"{path} holds {tuple(layer.weight.shape)} weights and says {said}")
    there = Counts.of(model)
    if there.parameters > after.parameters:
        raise ResultError(
            f"the model has {there.parameters:,} parameters, and {after.parameters:,} were left"
        )
    if there.heads > after.heads:
        raise ResultError(f"the model has {there.heads} heads, and {after.heads} were left")
    rates = {
        "channels_removed_rate": 1 - after.channels / before.channels,
        "channel_rate": 1 - after.parameters / before.parameters,
    }
    if before.heads:
        rates["heads_removed_rate"] = 1 - after.heads / before.heads
    return rates
