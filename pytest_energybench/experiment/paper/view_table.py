"""Energy as joules per epoch times epochs, by each view of the same trainings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean

from pytest_energybench.experiment.paper.tables import Column, PaperTable, Value
from pytest_energybench.experiment.rules import BASELINE
from pytest_energybench.experiment.views import Figures, Rules, paired_views
from pytest_energybench.gates.statistics import mean_bounds, paired
from pytest_energybench.results.model import Case, Run

RATIOS = (
    ("per_epoch", "joules per epoch"),
    ("epochs", "epochs"),
    ("energy", "energy"),
)

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


def view_table(run: Run, cases: Sequence[tuple[str, str, Case]]) -> PaperTable:
    """All views of `cases`, which are (model, method, case)."""
    rules = Rules.of(run.settings)
    references = {model: case for model, method, case in cases if method == BASELINE}
    rows = [
        (model, method, pair.view, _counted(pair.reached, pair.rounds), *_values(pair.known()))
        for model, method, case in cases
        if method != BASELINE and model in references
        for pair in paired_views(case, references[model], rules)
    ]
    return PaperTable(
        stem="views",
        title="Joules per epoch x epochs: one training, seen by each stopping rule",
        note="Ratios to the baseline, of trainings with the same seed; energy is the product of "
        "the two before it. Lower and upper are one-sided 95 % t bounds over the rounds; one round "
        "has none. The first crossing is where validation first is within the tolerated drop of "
        "what the baseline reaches. Rounds: in how many the recorded epochs come to the view's "
        "end; if not in all, its figures are not known. A model that was changed and trained again "
        "has only what it took as trained.",
        columns=COLUMNS,
        rows=tuple(rows),
    )


def _counted(reached: int, rounds: int) -> str:
    return str(rounds) if reached == rounds else f"{reached} of {rounds}"


def _values(rounds: Sequence[tuple[Figures, Figures]]) -> list[Value]:
    if not rounds:
        return [None] * (len(COLUMNS) - 4)
    joules = [(a.joules, b.joules) for a, b in rounds]
    metered = [(a, b) for a, b in joules if a and b]
    epochs = [(float(a.epochs), float(b.epochs)) for a, b in rounds]
    values: list[Value] = []
    if len(metered) == len(rounds):
        pairs = zip(metered, epochs, strict=True)
        values += _ratio([(a / m, b / n) for (a, b), (m, n) in pairs])
    else:
        values += [None] * 3
    values += _ratio(epochs)
    values += _ratio(metered) if len(metered) == len(rounds) else [None] * 3
    changes = [ours.accuracy - theirs.accuracy for ours, theirs in rounds]
    bounds = mean_bounds(changes) if len(changes) > 1 else (None, None)
    return [
        *values,
        fmean(a for a, _ in epochs),
        fmean(b for _, b in epochs),
        fmean(changes),
        *bounds,
    ]


def _ratio(pairs: Sequence[tuple[float, float]]) -> list[Value]:
    """Geometric mean of the ratios with its bounds."""
    if len(pairs) == 1:
        return [pairs[0][0] / pairs[0][1], None, None]
    found = paired(*zip(*pairs, strict=True))
    return [math.exp(found.log_ratio), *map(math.exp, found.bounds)]
