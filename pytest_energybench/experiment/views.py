"""One training, several views: what each stopping rule makes of the same recorded epochs.

A rule only decides when a training ends; up to there its epochs are the same. So the figures of
all rules come from one history, and how many epochs chance has added is seen beside what an epoch
takes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_energybench.experiment.training.early_stopping import EarlyStopping
from pytest_energybench.results.model import Case, Scalar

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

    epochs: int
    joules: float | None
    accuracy: float


@dataclass(frozen=True, slots=True)
class Rules:
    """What a run's trainings have in common.

    Attributes:
        patience: epochs without an improvement that end a training.
        max_drop: accuracy below the reference's that counts as having reached it, 0 to 1.
        fixed_epochs: epochs of every training, where no rule has ended it.
    """

    patience: int = 3
    max_drop: float = 0.01
    fixed_epochs: int | None = None

    @classmethod
    def of(cls, settings: Mapping[str, Scalar]) -> Rules:
        """Those that the settings of a run say."""
        patience, drop, fixed = (
            settings.get(name) for name in ("patience", "max_drop", "fixed_epochs")
        )
        return cls(
            patience if isinstance(patience, int) else 3,
            drop if isinstance(drop, float) else 0.01,
            fixed if isinstance(fixed, int) else None,
        )


def views(history: History, reference: History, rules: Rules) -> dict[str, Figures | None]:
    """View -> figures of a training; None where its recorded epochs don't reach that far.

    `reference` is the training of the same seed without a method; what it reaches is the accuracy
    of its own lowest loss. A model that was changed and trained again has only what it took.
    """
    whole = len(history.losses)
    ends = {
        f"absolute {ABSOLUTE:g}": _stopped(history, EarlyStopping(rules.patience, ABSOLUTE)),
        f"relative {RELATIVE:.0%}".replace("%", " %"): _stopped(
            history, EarlyStopping(rules.patience, RELATIVE, relative=True)
        ),
        "first crossing": _crossed(
            history, reference.best_accuracy(len(reference.losses)) - rules.max_drop
        ),
    }
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


def _crossed(history: History, level: float) -> int | None:
    """The first epoch at the level; the guard lets fractions that are equal count as equal."""
    return next((n for n, each in enumerate(history.accuracies, 1) if each >= level - 1e-9), None)


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
    """All views of a case and its reference, over the rounds with the same seeds."""
    theirs = dict(zip(_keys(reference), histories(reference), strict=True))
    ours = dict(zip(_keys(case), histories(case), strict=True))
    rounds = [
        (views(history, other, rules), views(other, other, rules))
        for key, history in ours.items()
        if history is not None and (other := theirs.get(key)) is not None
    ]
    names = rounds[0][0] if rounds else ()
    return [
        Pair(name, len(case.rounds), tuple((mine[name], its[name]) for mine, its in rounds))
        for name in names
    ]


def _keys(case: Case) -> Sequence[int]:
    """What says which rounds belong together: seeds, else numbers."""
    return case.seeds or range(len(case.rounds))


@dataclass(frozen=True, slots=True)
class Pair:
    """One view of a case and of its reference.

    Attributes:
        rounds: that the case has.
        figures: the case's and the reference's of each round with the same seed.
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
