"""A plan: what methods have decided about a model, passed from one to the next."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from torch import Tensor, nn

from pytest_energybench.experiment.compression.search import Search
from pytest_energybench.experiment.compression.tolerance import ROUNDING, Tolerance
from pytest_energybench.experiment.training.datasets.data import Splits
from pytest_energybench.experiment.training.distributed import current
from pytest_energybench.experiment.training.errors import TrainingError
from pytest_energybench.experiment.training.evaluate import Score
from pytest_energybench.experiment.training.progress import SILENT, Progress
from pytest_energybench.experiment.training.trainer import Enough, by_the_rules_alone

Metric = float | int | str
"""A figure or word for the report."""

Check = Callable[[nn.Module], Mapping[str, Metric]]
"""Looks at the trained module itself: returns what it counted there, or raises ResultError."""

MOST_ADJUSTMENTS = 3

PART = 0.75
"""Share of the accuracy that is left to lose which a method may use if another method follows.
Channel removal uses it also alone. A larger share saves more and leaves training less to recover.
Measurements: docs/design-notes.md, Constants of channel removal."""


class ResultError(TrainingError):
    """A trained model is not what its method claims; its figures must not be reported."""


@dataclass(frozen=True, slots=True)
class Retrain:
    """A second training, which ends by early stopping or as soon as an epoch is `enough`.

    `CompressionPlan.adjust` returns it. That is a function of the model in the type it trained in,
    of its validation score and of the number of adjustments so far. It puts the model back into
    float32 and may change it in place; or it returns None, and the model stays unchanged.

    `changed`: the model differs from the one that was scored. If it does not, its weights are kept
    unless the second training finds better ones.
    """

    enough: Enough = by_the_rules_alone
    changed: bool = True


Adjust = Callable[[nn.Module, Score, int], Retrain | None]
"""Looks at a trained model and says how it trains again, if it should: see `Retrain`."""


@dataclass(frozen=True, slots=True)
class BitGrid:
    """Weights live where their `zeroed` low-order bits are zero.

    `rounding` is how they get there, `nearest` or `truncate`. `masters`: float32 weights are kept
    beside them and collect the small steps; without, each step starts from rounded weights.
    """

    zeroed: int
    rounding: str = "nearest"
    masters: bool = True


@dataclass(frozen=True, slots=True)
class CompressionPlan:
    """A model ready to be trained, and all that was decided about it on the way.

    `mixed_precision`: it trains in the device's narrow type, whatever its grid. `autocast`: in
    float32 weights, computing in that type as `torch.autocast` does. `masks` are 0 where
    a weight is removed and 1 elsewhere, by parameter name, shaped as the weight. `checks` are held
    against the trained module, `adjust` may send it into training again. `facts` are figures for
    the report by name, `headline` the names of those that are the methods' compression rates;
    `notes` sentences for it. `lacks` is the one of them that says that the device has no narrow
    type for the model: then a narrow type's saving can't be asked of it.
    """

    model: nn.Module
    grid: BitGrid | None = None
    mixed_precision: bool = False
    autocast: bool = False
    masks: Mapping[str, Tensor] = field(default_factory=dict)
    searches: tuple[Search, ...] = ()
    checks: tuple[Check, ...] = ()
    adjust: Adjust | None = None
    facts: Mapping[str, Metric] = field(default_factory=dict)
    headline: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    lacks: str | None = None

    def noted(self, *notes: str, **facts: Metric) -> CompressionPlan:
        """The same plan with more notes and facts."""
        return replace(self, notes=(*self.notes, *notes), facts={**self.facts, **facts})

    def found(self, search: Search) -> CompressionPlan:
        """The same plan with one more search."""
        return replace(self, searches=(*self.searches, search))

    def checked(self, check: Check, headline: str) -> CompressionPlan:
        """The same plan with one more check, and the fact that is this method's rate, 0 to 1."""
        return replace(self, checks=(*self.checks, check), headline=(*self.headline, headline))

    def verified(self) -> dict[str, Metric]:
        """All facts, those included that the checks count on `model` as it is now.

        `compression_rate` is the headline, as in the paper's tables; in a combination each method
        leaves its share of what the ones before left. Raises ResultError when the model is not
        what its method says.
        """
        facts = dict(self.facts)
        for check in self.checks:
            facts.update(check(self.model))
        left = math.prod(1 - float(facts[name]) for name in self.headline)
        return {**facts, "compression_rate": 1 - left}


@dataclass(frozen=True, slots=True)
class Task:
    """What a method may look at while it decides.

    `tolerance` is what it may lose on `data.validation`.
    `trained_accuracy` and `trained_loss` (nats) are what the trained baseline reached there, where
    that is known.
    `lowrank_layers`: which layers low rank may take, `wide` or `paper`.
    Where methods are combined, `tolerance` is one method's part of `tolerated_in_all`, and one that
    follows will put the weights into a type without their `zeroed_after` low-order bits, so that
    what this one leaves must do without them. `whole_curve`: of every level that a search
    probes the accuracy is wanted, of those that fail, too. `progress` hears how far a search is.
    """

    data: Splits
    tolerance: Tolerance
    evaluation_batch: int
    strategy: str = "bisection"
    lowrank_layers: str = "wide"
    seed: int = 0
    trained_accuracy: float | None = None
    trained_loss: float | None = None
    tolerated_in_all: Tolerance | None = None
    zeroed_after: int = 0
    whole_curve: bool = False
    progress: Progress = SILENT

    @property
    def whole(self) -> bool:
        """Whether searches evaluate every level on all images. Several ranks do: to stop together,
        each would have to wait for the others after every batch."""
        return self.whole_curve or self.strategy == "exhaustive" or current().share.world > 1

    def at(self, level: int) -> Task:
        """The task for one level of a search: its reference, level 0, keeps all bits."""
        return self if level else replace(self, zeroed_after=0)

    def goal(self, found: Search) -> AccuracyTarget:
        """What a model that was compressed as `found` must reach on validation when it is trained:
        within what all methods may lose of the trained baseline, or, where that is unknown, of the
        start."""
        start = found.curve[0].accuracy
        reference = start if self.trained_accuracy is None else self.trained_accuracy
        allowed = self.tolerated_in_all or self.tolerance
        loss = self.trained_loss
        worst = math.inf if loss is None else loss + allowed.rise
        return AccuracyTarget(reference - allowed.drop, loss, worst)


@dataclass(frozen=True, slots=True)
class AccuracyTarget:
    """The accuracy on validation, 0 to 1, below which a trained model is adjusted, and the loss of
    the trained baseline there, if that is known. Above `worst_loss` it is adjusted, too."""

    accuracy: float
    loss: float | None = None
    worst_loss: float = math.inf

    def missed(self, score: Score, done: int) -> bool:
        """Whether `score` falls short and there is an adjustment left after `done` ones."""
        return not self._reached(score) and done < MOST_ADJUSTMENTS

    def met(self, score: Score) -> bool:
        """Whether `score` is there, with a loss no higher than the baseline's.

        The accuracy alone would be of that epoch which chance favours: an image of a few hundred
        is a third of a point.
        """
        return self._reached(score) and (self.loss is None or score.loss <= self.loss)

    def _reached(self, score: Score) -> bool:
        right = score.accuracy >= self.accuracy - ROUNDING
        return right and score.loss <= self.worst_loss + ROUNDING


class Method(Protocol):
    """A way to compress a model before it is trained."""

    def __call__(self, plan: CompressionPlan, task: Task) -> CompressionPlan:
        """Decide, and change `plan.model` where the method changes models.

        Methods joined with `+` are called one after the other (`registry.Stage` has the order), so
        a search sees, and takes as its reference, the model as the methods before it left it.
        """
