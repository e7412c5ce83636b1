"""What each method saves, without its search and with it, and when the search is paid."""

from __future__ import annotations

import math

from pytest_energybench.experiment.paper.matrix import Matrix
from pytest_energybench.experiment.paper.reference import reference
from pytest_energybench.experiment.paper.style import method_name
from pytest_energybench.experiment.paper.tables import Column, PaperTable, Value, range_cells
from pytest_energybench.experiment.paper.trials import energy_j, with_search
from pytest_energybench.experiment.rules import BASELINE

_COLUMNS = (
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
        _COLUMNS,
        tuple(rows),
    )


def _paid(trainings: float | None) -> Value:
    return "never" if trainings == math.inf else trainings
