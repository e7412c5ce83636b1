"""One training, several views: what each stopping rule makes of the same recorded epochs.

A rule only decides when a training ends; up to there its epochs are the same. So the figures of
all rules come from one history, and how many epochs chance has added is seen beside what an epoch
takes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TypeVar

from pytest_energybench.experiment.training.settings import EarlyStopping
from pytest_energybench.results.model import Case, Scalar

T = TypeVar("T")

LOSS, ACCURACY, JOULES = "validation loss", "validation accuracy", "joules so far"
"""Names of the curves that an experiment records, over epochs."""

ABSOLUTE, RELATIVE = 0.05, 0.05
"""Least improvement of the validation loss: in nats by the paper's settings, and as the share that
its text names ("5 % or more", Section 3.1)."""


@dataclass(frozen=True, slots=True)
class History:
    """The epochs of one training, from the first on.

    Attributes:
        losses: mean cross entropy on validation after each epoch, nats.
        accuracies: share of right answers there, 0 to 1.
        joules: IT energy since the training began; empty where it is not known. The last is that of
            the whole training.
        trainings: how often the model was trained; more than once, where it was changed in between.
    """

    losses: tuple[float, ...]
    accuracies: tuple[float, ...]
    joules: tuple[float, ...] = ()
    trainings: int = 1

    def best_accuracy(self, epochs: int) -> float:
        """That of the epoch with the lowest loss among the first ones: its weights are kept."""
        seen = self.losses[:epochs]
        return self.accuracies[seen.index(min(seen))]


@dataclass(frozen=True, slots=True)
class Figures:
    """What a training comes to where a view ends it; joules are None where they are not known."""

    epochs: float
    joules: float | None
    accuracy: float


@dataclass(frozen=True, slots=True)
class Rules:
    """What a run's trainings have in common; None: not known, or not so.

    Attributes:
        patience: epochs without an improvement that end a training.
        max_drop: accuracy below the reference's that counts as having reached it, 0 to 1.
        fixed_epochs: epochs of every training, where no rule has ended it.
    """

    patience: int | None = None
    max_drop: float | None = None
    fixed_epochs: int | None = None

    @classmethod
    def of(cls, settings: Mapping[str, Scalar]) -> Rules:
        """Those that the settings of a run say."""
        patience, drop, fixed = (
            settings.get(name) for name in ("patience", "max_drop", "fixed_epochs")
        )
        return cls(
            patience if isinstance(patience, int) else None,
            drop if isinstance(drop, int | float) else None,
            fixed if isinstance(fixed, int) else None,
        )


def views(history: History, reference: History, rules: Rules) -> dict[str, Figures | None]:
    """View -> figures of a training; None where its recorded epochs don't reach that far.

    `reference` is the training of the same seed without a method; what it reaches is the accuracy
    of its own lowest loss. A model that was changed and trained again has only what it took. A view
    whose rule the run does not say is left out.
    """
    whole = len(history.losses)
    ends: dict[str, int | None] = {}
    if rules.patience is not None:
        absolute = EarlyStopping(rules.patience, ABSOLUTE)
        relative = EarlyStopping(rules.patience, RELATIVE, relative=True)
        ends[f"absolute {ABSOLUTE:g}"] = _stopped(history, absolute)
        ends[f"relative {100 * RELATIVE:.0f} %"] = _stopped(history, relative)
    if rules.max_drop is not None:
        level = reference.best_accuracy(len(reference.losses)) - rules.max_drop
        ends["first crossing"] = first_crossing(history.accuracies, level)
    if history.trainings > 1 or reference.trainings > 1:
        ends = dict.fromkeys(ends)
    trained = "as trained" if rules.fixed_epochs is None else f"{rules.fixed_epochs} epochs"
    return {view: _figures(history, end) for view, end in {trained: whole, **ends}.items()}


def _figures(history: History, epochs: int | None) -> Figures | None:
    if epochs is None:
        return None
    joules = history.joules[epochs - 1] if history.joules else None
    return Figures(epochs, joules, history.best_accuracy(epochs))


def _stopped(history: History, rule: EarlyStopping) -> int | None:
    return next((n for n, loss in enumerate(history.losses, 1) if rule.update(loss)), None)


def first_crossing(accuracies: Sequence[float], level: float) -> int | None:
    """The first epoch, from 1, whose accuracy is at least `level`; None if there is none.

    The paper compares what it takes "to reach a given level" (Sections 2.4, 3.5). The guard lets
    fractions that are equal count as equal.
    """
    return next((n for n, each in enumerate(accuracies, 1) if each >= level - 1e-9), None)


def histories(case: Case) -> list[History | None]:
    """The history of each round, in their order; None where a round recorded none."""
    return [_history(case, number) for number in range(len(case.rounds))]


def _history(case: Case, number: int) -> History | None:
    curves = {
        each.name: tuple(value for _, value in each.points)
        for each in case.series
        if each.round == number
    }
    losses, accuracies = curves.get(LOSS, ()), curves.get(ACCURACY, ())
    if not losses or len(losses) != len(accuracies):
        return None
    joules, total_j = curves.get(JOULES, ()), case.rounds[number].total_j
    if case.rounds[number].idle_j:
        joules = ()  # the epochs' hold the idle power, which the round's are without
    if len(joules) == len(losses) and total_j is not None:
        joules = (*joules[:-1], total_j)
    trainings = case.rounds[number].metrics.get("trainings", 1)
    return History(
        losses,
        accuracies,
        joules if len(joules) == len(losses) else (),
        trainings if isinstance(trainings, int) else 1,
    )


def paired_views(case: Case, reference: Case, rules: Rules) -> list[Pair]:
    """All views of a case and its reference, over the seeds that both have.

    Trainings with one seed are one sample, the mean of their figures: see `pairs_by_seed`.
    """
    ours, theirs = _by_seed(case), _by_seed(reference)
    samples: list[dict[str, tuple[Figures | None, Figures | None]]] = []
    for mine, its in pairs_by_seed(ours, theirs).values():
        both = [
            (views(history, other, rules), views(other, other, rules))
            for history, other in zip(mine, its, strict=False)
            if history is not None and other is not None
        ]
        if len(both) == len(mine) == len(its):
            samples.append(
                {
                    name: (_mean([a[name] for a, _ in both]), _mean([b[name] for _, b in both]))
                    for name in both[0][0]
                }
            )
    names = samples[0] if samples else ()
    return [Pair(name, len(ours), tuple(sample[name] for sample in samples)) for name in names]


def pairs_by_seed(
    ours: Mapping[int | None, T], theirs: Mapping[int | None, T]
) -> dict[int | None, tuple[T, T]]:
    """What belongs together of two cases' samples by seed: those of the same one.

    Rounds without a seed are one sample, as those with one and the same are: only other seeds show
    how far chance goes. Where each side has one sample, these two belong together.
    """
    if len(ours) == len(theirs) == 1:
        ((seed, mine),), (its,) = ours.items(), theirs.values()
        return {seed: (mine, its)}
    return {
        seed: (ours[seed], theirs[seed]) for seed in ours if seed in theirs and seed is not None
    }


def _by_seed(case: Case) -> dict[int | None, list[History | None]]:
    found: dict[int | None, list[History | None]] = {}
    for each, history in zip(case.rounds, histories(case), strict=True):
        found.setdefault(each.seed, []).append(history)
    return found


def _mean(figures: Sequence[Figures | None]) -> Figures | None:
    """Of one seed's trainings; None unless all came to the view's end."""
    known = [each for each in figures if each is not None]
    if len(known) < len(figures):
        return None
    joules = [each.joules for each in known if each.joules is not None]
    return Figures(
        fmean(each.epochs for each in known),
        fmean(joules) if len(joules) == len(known) else None,
        fmean(each.accuracy for each in known),
    )


@dataclass(frozen=True, slots=True)
class Pair:
    """One view of a case and of its reference.

    Attributes:
        rounds: that the case has, those with one seed counted once.
        figures: the case's and the reference's of each seed that both have.
    """

    view: str
    rounds: int
    figures: tuple[tuple[Figures | None, Figures | None], ...]

    @property
    def reached(self) -> int:
        """Rounds in which both came to the view's end."""
        return sum(ours is not None and theirs is not None for ours, theirs in self.figures)

    def known(self) -> list[tuple[Figures, Figures]]:
        """The figures of all rounds; empty where one of them did not come to the view's end: those
        that did would be chosen by what they came to."""
        found = [(a, b) for a, b in self.figures if a is not None and b is not None]
        return found if len(found) == self.rounds else []
