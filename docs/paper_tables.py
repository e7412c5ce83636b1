"""The tables of docs/paper-results.md: what the published run says of the paper's nine models."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from math import exp, log
from statistics import fmean, stdev

from results_cells import (
    ARITHMETIC,
    ENERGY_WORDS,
    WITH_SEARCH,
    all_seeds,
    disturbed,
    judged,
    lines,
    machine_rows,
    paid,
    setting_rows,
    signed,
    sorted_out,
    with_reason,
)

from pytest_energybench.experiment.paper.claims import claims
from pytest_energybench.experiment.paper.matrix import Matrix, Range
from pytest_energybench.experiment.paper.reference import reference
from pytest_energybench.experiment.paper.trials import (
    Figure,
    accuracy,
    energy_j,
    epochs,
    metric,
    per_epoch,
)
from pytest_energybench.experiment.rules import BASELINE, PAPER_METHODS
from pytest_energybench.gates.accuracy import judge_group_accuracy
from pytest_energybench.gates.quantities import UNKNOWN, energy
from pytest_energybench.report.figures import finite
from pytest_energybench.results.model import Case, Run

SIZE = "size_"
"""How the settings begin that say how a model is trained."""

FACTS = {
    "data": {"source": "data", "split": "data_fingerprint"},
    "training": {
        "starting weights": "weights",
        "optimizer": "optimizer",
        "learning rate": "learning_rate",
        "momentum": "momentum",
        "weight decay": "weight_decay",
        "patience": "patience",
        "least improvement": "min_delta",
        "epochs at most": "max_epochs",
    },
    "search": {
        "method": "search",
        "accuracy it may cost": "max_drop",
        "low rank's layers": "lowrank_layers",
    },
    "versions": {
        "Python": "python",
        "torch": "torch",
        "torchvision": "torchvision",
        "pytest-energybench": "version",
    },
    "arithmetic": ARITHMETIC,
}
"""Fact -> word -> the setting of a run that says it."""

RATIOS: dict[str, Figure] = {
    "Joules per epoch": per_epoch(energy_j),
    "Energy of training": energy_j,
    "Energy of training with the method's own search": WITH_SEARCH,
    "Energy up to the first crossing of the baseline's accuracy less a point": metric(
        "joules_to_level"
    ),
}
"""Title -> what is divided by the baseline's."""


@dataclass(frozen=True, slots=True)
class Table:
    """Models x methods.

    Attributes:
        cell: of a model and a method.
        last: heads and cells of rows below the models: a function of the method.
    """

    title: str
    methods: Sequence[str]
    cell: Callable[[str, str], str]
    last: tuple[tuple[str, Callable[[str], str]], ...] = ()


def tables(run: Run) -> Iterator[str]:
    """The lines of the figures: what the run was, what became of the claims, the tables."""
    matrix = Matrix.of(run)
    yield from lines(["", "this run"], _facts(matrix))
    yield f"{ENERGY_WORDS[matrix.energy_kind]}\n"
    if set(PAPER_METHODS) <= set(matrix.methods):
        yield "**What became of the paper's claims**\n"
        rows = [[claim.text, claim.words, claim.section] for claim in claims(matrix)]
        yield from lines(["claim", "here", "section"], rows)
    yield "**What the intervals show, by themselves, without a correction for their number**\n"
    yield from lines(["over the baseline's", "less", "more", "not shown"], _shown(matrix))
    for table in _tables(matrix):
        yield f"**{table.title}**\n"
        rows = [
            [_name(model), *(table.cell(model, method) for method in table.methods)]
            for model in matrix.models
        ]
        rows += [[head, *map(cell, table.methods)] for head, cell in table.last]
        yield from lines(["model", *table.methods], rows)


def _facts(matrix: Matrix) -> Iterator[list[str]]:
    run = matrix.run
    yield ["seeds", ", ".join(map(str, all_seeds(matrix)))]
    yield from setting_rows(run, FACTS)
    for name, value in run.settings.items():
        if name.startswith(SIZE):
            yield [_name(name.removeprefix(SIZE)), str(value)]
    yield from machine_rows(run)


def _shown(matrix: Matrix) -> Iterator[list[str]]:
    for title, figure in RATIOS.items():
        cells = [(model, of) for model in matrix.models for of in _methods(matrix, figure)]
        calm = [of for of in cells if not disturbed(matrix, *of, figure)]
        found = {of: matrix.relative(*of, figure) for of in calm}
        less, more, rest = sorted_out(cells, found)
        named = (", ".join(each) or "none" for each in (less, more))
        yield [title, *named, f"{len(rest)} of {len(cells)}"]


def _tables(matrix: Matrix) -> Iterator[Table]:
    others = _others(matrix)
    searching = _methods(matrix, WITH_SEARCH)
    for title, figure in RATIOS.items():
        methods = _methods(matrix, figure)
        yield _ratios(matrix, f"{title}, over the baseline's", methods, figure)
    yield Table("Trainings until the search is paid", searching, partial(paid, matrix))
    yield Table("Evaluations of the search", searching, _evaluations(matrix))
    yield Table("Epochs trained, mean", matrix.methods, _mean(matrix, epochs, 1))
    of_baseline = _of_baseline(matrix)
    yield Table("Baseline over the seeds", [*of_baseline], lambda m, what: of_baseline[what](m))
    yield Table("Change of accuracy in points", others, _points(matrix))
    yield Table("The accuracy rule over the seeds", others, _rule(matrix))


def _ratios(matrix: Matrix, title: str, methods: Sequence[str], figure: Figure) -> Table:
    def cell(model: str, method: str) -> str:
        found = matrix.relative(model, method, figure)
        return with_reason(found, disturbed(matrix, model, method, figure))

    def calm(method: str) -> list[str]:
        return [m for m in matrix.models if not disturbed(matrix, m, method, figure)]

    def pooled(method: str) -> str:
        logs = (matrix.logs(model, method, figure) for model in calm(method))
        return with_reason(Range.of([fmean(each) for each in logs if each], exp), None)

    def sides(method: str) -> str:
        found = (matrix.relative(model, method, figure) for model in calm(method))
        bounds = [each.bounds for each in found if each is not None and each.bounds is not None]
        less, more = sum(high < 1 for _, high in bounds), sum(low > 1 for low, _ in bounds)
        return f"{less} and {more} of {len(bounds)}"

    return Table(title, methods, cell, (("all models", pooled), ("shown less and more in", sides)))


def _of_baseline(matrix: Matrix) -> dict[str, Callable[[str], str]]:
    """Head of a column -> its cell of a model."""

    def joules(model: str) -> str:
        value = matrix.value(model, BASELINE, per_epoch(energy_j))
        return energy(value, estimated=matrix.energy_kind != "measured").text

    def percent(model: str) -> str:
        value = matrix.value(model, BASELINE, accuracy)
        return UNKNOWN if value is None else f"{100 * value:.2f}"

    return {
        "joules per epoch": joules,
        "epochs": lambda model: _mean(matrix, epochs, 1)(model, BASELINE),
        "SD of ln(energy)": lambda model: _spread(matrix, model),
        "accuracy, %": percent,
    }


def _spread(matrix: Matrix, model: str) -> str:
    joules = list(matrix.samples(model, BASELINE, energy_j).values())
    return f"{stdev(map(log, joules)):.2f}" if len(joules) > 1 and min(joules) > 0 else UNKNOWN


def _mean(matrix: Matrix, figure: Figure, digits: int) -> Callable[[str, str], str]:
    def cell(model: str, method: str) -> str:
        value = matrix.value(model, method, figure)
        return UNKNOWN if value is None else f"{value:.{digits}f}"

    return cell


def _points(matrix: Matrix) -> Callable[[str, str], str]:
    def cell(model: str, method: str) -> str:
        changes = matrix.differences(model, method, accuracy)
        return signed(Range.of([100 * each for each in changes]))

    return cell


def _rule(matrix: Matrix) -> Callable[[str, str], str]:
    drop = finite(matrix.run.settings.get("max_drop"))

    def cell(model: str, method: str) -> str:
        case, baseline = (matrix.cases.get((model, of)) for of in (method, BASELINE))
        if case is None or baseline is None or drop is None:
            return UNKNOWN
        word, passed = judged(
            case, baseline, lambda ours, theirs: [judge_group_accuracy(ours, theirs, drop)]
        )
        return f"{word}, {passed}"

    return cell


def _evaluations(matrix: Matrix) -> Callable[[str, str], str]:
    def cell(model: str, method: str) -> str:
        case = matrix.cases.get((model, method))
        return UNKNOWN if case is None else str(_evaluated(case) or UNKNOWN)

    return cell


def _methods(matrix: Matrix, figure: Figure) -> list[str]:
    """Those that the figure is one of: with a search, those that have one."""
    others = _others(matrix)
    return [m for m in others if _searched(matrix, m)] if figure is WITH_SEARCH else others


def _searched(matrix: Matrix, method: str) -> bool:
    return any(_evaluated(case) for (_, of), case in matrix.cases.items() if of == method)


def _evaluated(case: Case) -> int:
    if case.search is None:
        return 0
    return case.search.evaluations + sum(one.evaluations for one in case.search.earlier)


def _others(matrix: Matrix) -> list[str]:
    return [method for method in matrix.methods if method != BASELINE]


def _name(model: str) -> str:
    return reference().paper_name(model)
