"""Write the figures of docs/paper-results.md from a run file; the words around them stay.

python docs/make_results.py                     # from the committed run
python docs/make_results.py --check             # exit status 1 if the page says otherwise
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from math import inf
from pathlib import Path

from figures_page import renew

from pytest_energybench.experiment.paper.claims import claims
from pytest_energybench.experiment.paper.matrix import Matrix
from pytest_energybench.experiment.paper.render import markdown_table
from pytest_energybench.experiment.paper.trials import (
    Figure,
    accuracy,
    energy_j,
    epochs,
    metric,
    per_epoch,
    with_search,
)
from pytest_energybench.experiment.rules import BASELINE, PAPER_METHODS
from pytest_energybench.gates.quantities import UNKNOWN
from pytest_energybench.results.model import Case
from pytest_energybench.results.run_file import read_run

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "docs" / "paper-results.md"

Cell = Callable[[str, str], str]


def main() -> int:
    """Write the page, or check it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    arguments = parser.parse_args()
    matrix = Matrix.of(read_run(ROOT / "reports" / "sample-matrix" / "energy.json"))
    figures = "\n".join(_tables(matrix)).rstrip()
    return renew(TARGET, figures, command="python docs/make_results.py", check=arguments.check)


def _tables(matrix: Matrix) -> Iterator[str]:
    others = [method for method in matrix.methods if method != BASELINE]
    searching = [method for method in others if _searched(matrix, method)]

    def ratio(figure: Figure) -> Cell:
        return lambda model, method: _number(matrix.ratio(model, method, figure), 2)

    def points(model: str, method: str) -> str:
        change = matrix.change(model, method, accuracy)
        return UNKNOWN if change is None else f"{100 * change:+.1f}"

    def paid(model: str, method: str) -> str:
        after = matrix.pays_after(model, method)
        return UNKNOWN if after is None else "never" if after == inf else f"{after:.1f}"

    def evaluations(model: str, method: str) -> str:
        case = matrix.cases.get((model, method))
        return UNKNOWN if case is None else str(_evaluations(case) or UNKNOWN)

    def epochs_of(model: str, method: str) -> str:
        return _number(matrix.value(model, method, epochs), 0)

    def baseline_accuracy(model: str, method: str) -> str:
        return _number(matrix.value(model, method, accuracy), 3)

    at_level = metric("joules_to_level")
    whole = ratio(with_search(energy_j))
    yield from _table(matrix, "Energy of training over the baseline's", others, ratio(energy_j))
    yield from _table(matrix, "The same with the method's own search", searching, whole)
    yield from _table(matrix, "Trainings until the search is paid", searching, paid)
    yield from _table(matrix, "The same per epoch", others, ratio(per_epoch(energy_j)))
    yield from _table(matrix, "The same up to the first crossing", others, ratio(at_level))
    yield from _table(matrix, "Epochs trained", matrix.methods, epochs_of)
    yield from _table(matrix, "Accuracy on test", [BASELINE], baseline_accuracy)
    yield from _table(matrix, "Change of it in points", others, points)
    if searching:
        yield from _table(matrix, "Evaluations of the search", searching, evaluations)
    if set(PAPER_METHODS) <= set(matrix.methods):
        yield "**What became of the paper's claims**\n"
        rows = [[claim.text, claim.words, claim.section] for claim in claims(matrix)]
        yield from markdown_table(["claim", "here", "section"], rows)


def _table(matrix: Matrix, title: str, methods: Sequence[str], cell: Cell) -> Iterator[str]:
    rows = [[model, *(cell(model, method) for method in methods)] for model in matrix.models]
    yield f"**{title}**\n"
    yield from markdown_table(["model", *methods], rows)
    yield ""


def _searched(matrix: Matrix, method: str) -> bool:
    cases = [case for (_, of), case in matrix.cases.items() if of == method]
    return any(_evaluations(case) for case in cases)


def _evaluations(case: Case) -> int:
    if case.search is None:
        return 0
    return case.search.evaluations + sum(one.evaluations for one in case.search.earlier)


def _number(value: float | None, digits: int) -> str:
    return UNKNOWN if value is None else f"{value:.{digits}f}"


if __name__ == "__main__":
    sys.exit(main())
