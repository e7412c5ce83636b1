"""Tables that the paper has not: what each method saves, without its search and with it, and when
the search is paid; and energy as joules per epoch times epochs, by each view of the same trainings.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean

from pytest_energybench.experiment.paper.canvas import method_name
from pytest_energybench.experiment.paper.matrix import Matrix, Range
from pytest_energybench.experiment.paper.reference import reference
from pytest_energybench.experiment.paper.tables import Column, PaperTable, Value, range_cells
from pytest_energybench.experiment.paper.trials import energy_j, with_search
from pytest_energybench.experiment.rules import BASELINE
from pytest_energybench.experiment.views import Figures, Rules, paired_views
from pytest_energybench.report.text import listed

_SAVINGS = (
    Column("model", "model"),
    Column("method", "method"),
    Column("energy_ratio", "training", 2),
    Column("energy_lower", "lower", 2),
    Column("energy_upper", "upper", 2),
    Column("with_search_ratio", "with its search", 2),
    Column("with_search_lower", "lower", 2),
    Column("with_search_upper", "upper", 2),
    Column("trainings_until_paid", "trainings until paid", 1),
)

RATIOS = (("per_epoch", "joules per epoch"), ("epochs", "epochs"), ("energy", "energy"))

COLUMNS = (
    Column("model", "model"),
    Column("method", "method"),
    Column("view", "ends by"),
    Column("rounds", "rounds"),
    *(
        Column(f"{name}{end}", head, 3)
        for name, words in RATIOS
        for end, head in (("_ratio", f"{words}, ratio"), ("_lower", "lower"), ("_upper", "upper"))
    ),
    Column("epochs_mean", "epochs, mean", 1),
    Column("baseline_epochs_mean", "baseline's", 1),
    Column("accuracy_change", "validation accuracy, change", 4, signed=True),
    Column("accuracy_lower", "lower", 4, signed=True),
    Column("accuracy_upper", "upper", 4, signed=True),
)


def savings_table(matrix: Matrix) -> PaperTable:
    """A row for each model and method with a baseline."""
    whole = with_search(energy_j)
    rows = [
        (
            reference().paper_name(model),
            method_name(method),
            *range_cells(matrix.relative(model, method, energy_j)),
            *range_cells(matrix.relative(model, method, whole)),
            _paid(matrix.pays_after(model, method)),
        )
        for model in matrix.models
        for method in matrix.methods
        if method != BASELINE and (model, method) in matrix.cases
    ]
    kind = matrix.energy_kind
    estimated = " Energy is estimated: its ratio is a time ratio." if kind == "estimated" else ""
    return PaperTable(
        "table_savings",
        "Savings without and with their search",
        "Energy over that of the model's baseline: of one training, and of one training with the "
        "searches of its method. Lower and upper are one-sided 95 % bounds over seeds; one seed "
        "has none. A search is paid when trainings have saved what it took; where the bounds leave "
        f"open whether a training saves, so is that.{estimated}",
        _SAVINGS,
        tuple(rows),
    )


def _paid(trainings: float | None) -> Value:
    return "never" if trainings == math.inf else trainings


def view_table(matrix: Matrix) -> PaperTable:
    """All views of each model and method with a baseline."""
    rules, cases = Rules.of(matrix.run.settings), matrix.cases
    rows = [
        (
            reference().paper_name(model),
            method_name(method),
            pair.view,
            _counted(pair.reached, pair.rounds),
            *_values(pair.known()),
        )
        for model in matrix.models
        for method in matrix.methods
        if method != BASELINE and {(model, method), (model, BASELINE)} <= cases.keys()
        for pair in paired_views(cases[model, method], cases[model, BASELINE], rules)
    ]
    unsaid = [name for name in ("patience", "max_drop") if getattr(rules, name) is None]
    left_out = f" Views that need {listed(unsaid)} are left out: the run does not say it."
    return PaperTable(
        stem="views",
        title="Joules per epoch x epochs: one training, seen by each stopping rule",
        note="Ratios to the baseline, of trainings with the same seed; energy is the product of "
        "the two before it. Lower and upper are one-sided 95 % t bounds over the rounds; one round "
        "has none. The first crossing is where validation first is within the tolerated drop of "
        "what the baseline reaches. Rounds: in how many the recorded epochs come to the view's "
        "end; if not in all, its figures are not known. Rounds with one seed, or without, count as "
        "one. A model that was changed and trained again has only what it took as trained."
        f"{left_out if unsaid else ''}",
        columns=COLUMNS,
        rows=tuple(rows),
    )


def _counted(reached: int, rounds: int) -> str:
    return str(rounds) if reached == rounds else f"{reached} of {rounds}"


def _values(rounds: Sequence[tuple[Figures, Figures]]) -> list[Value]:
    if not rounds:
        return [None] * (len(COLUMNS) - 4)
    epochs = [ours.epochs / theirs.epochs for ours, theirs in rounds]
    energy = [a.joules / b.joules for a, b in rounds if a.joules and b.joules]
    if len(energy) < len(rounds):
        energy = []
    per_epoch = [joules / number for joules, number in zip(energy, epochs, strict=False)]
    return [
        *(
            cell
            for ratios in (per_epoch, epochs, energy)
            for cell in range_cells(Range.of([math.log(each) for each in ratios], math.exp))
        ),
        fmean(ours.epochs for ours, _ in rounds),
        fmean(theirs.epochs for _, theirs in rounds),
        *range_cells(Range.of([ours.accuracy - theirs.accuracy for ours, theirs in rounds])),
    ]
