"""What a run of the paper's cases found, in one sentence, and what it is a finding of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pytest_energybench.experiment.paper.claim import scope
from pytest_energybench.experiment.paper.matrix import EnergyKind, Matrix
from pytest_energybench.experiment.paper.reference import reference
from pytest_energybench.experiment.paper.trials import accuracy, energy_j, metric, with_search
from pytest_energybench.experiment.rules import BASELINE
from pytest_energybench.report.attachments import Headline
from pytest_energybench.report.provenance import scalar
from pytest_energybench.report.text import listed, plural

FIGURE = "figure_4_energy-relative-to-baseline-against-compression"
_MOST_NAMED = 4
_ENERGY: dict[EnergyKind, str] = {
    "measured": "energy",
    "partly estimated": "energy, part of it estimated",
    "estimated": "estimated energy, a ratio of times",
}


def headline(matrix: Matrix, table: str) -> Headline | None:
    """The paper's main finding as its run has it; None without the cases that it is about.

    Args:
        table: title of the table of claims.
    """
    found = _took(matrix, "steganographic")
    if not found:
        return None
    return Headline(
        finding=f"Steganographic training took {found}",
        scope=tuple(filter(None, (_scope(matrix), _controls(matrix), _lost(matrix)))),
        figure=FIGURE,
        table=table,
    )


def _took(matrix: Matrix, method: str) -> str:
    """`0.28 to 0.68 of the baseline's energy (0.40 to 0.85 with its search): less in 9 of 9
    models`; of one seed `lower`, since it has no bounds. Models with a disturbed round count as
    not decided."""
    found = {
        model: ratio
        for model in matrix.models
        if (ratio := matrix.relative(model, method, energy_j)) is not None
    }
    if not found:
        return ""
    ranges = list(found.values())
    calm = [
        ratio
        for model, ratio in found.items()
        if not matrix.spoiled(model, method) and not matrix.spoiled(model, BASELINE)
    ]
    searched = [matrix.ratio(model, method, with_search(energy_j)) for model in matrix.models]
    known = [ratio for ratio in searched if ratio is not None]
    ratios = [found.value for found in ranges]
    beside = f" ({_span(known)} with its search)" if known and known != ratios else ""
    of = plural(len(ranges), "model")
    if all(each.bounds is None for each in ranges):
        word = f"lower in {sum(each.value < 1 for each in calm)} of {of}, one seed each"
    else:
        word = f"less in {sum(e.bounds is not None and e.bounds[1] < 1 for e in calm)} of {of}"
    disturbed = len(ranges) - len(calm)
    rest = f", {disturbed} not decided (disturbed)" if disturbed else ""
    return f"{_span(ratios)} of the baseline's {_ENERGY[matrix.energy_kind]}{beside}: {word}{rest}"


def _span(ratios: Sequence[float]) -> str:
    low, high = f"{min(ratios):.2f}", f"{max(ratios):.2f}"
    return low if low == high else f"{low} to {high}"


def _scope(matrix: Matrix) -> str:
    paper = reference()
    names = " & ".join(name.split()[-1] for name in paper.authors)
    preset = matrix.run.settings.get("preset")
    parts = [*([f"{scalar(preset)} preset"] if preset else []), scope(matrix)]
    return f"Reproduction of {names} (arXiv:{paper.arxiv}): {', '.join(parts)}."


def _controls(matrix: Matrix) -> str:
    """What the number format alone gives."""
    controls = (("amp", "Mixed precision alone"), ("autocast", "torch's autocast"))
    took = [(words, _took(matrix, name)) for name, words in controls]
    return " ".join(f"{words} took {found}." for words, found in took if found)


def _lost(matrix: Matrix) -> str:
    """Which cases lost more accuracy than they may, and by how many images."""
    findings = {
        place: each.finding
        for place, case in matrix.cases.items()
        for each in case.comparisons
        if each.quantity == "accuracy" and each.reference == "group"
    }
    lost = [place for place, finding in findings.items() if finding == "lost"]
    undecided = sum(finding == "undecided" for finding in findings.values())
    compared = sum(
        method != BASELINE and matrix.change(model, method, accuracy) is not None
        for model, method in matrix.cases
    )
    if not compared:
        return ""
    named = list(_images(matrix, lost[:_MOST_NAMED]))
    more = [f"{len(lost) - len(named)} more"] if len(lost) > len(named) else []
    names = f": {listed([*named, *more])}" if lost else ""
    rest = f"; of {undecided} that is undecided" if undecided else ""
    return (
        f"{len(lost)} of {plural(compared, 'case')} lost more accuracy than allowed{names}{rest}."
    )


def _images(matrix: Matrix, places: Iterable[tuple[str, str]]) -> Iterable[str]:
    correct, total = metric("correct"), metric("total")
    for model, method in places:
        change = matrix.change(model, method, correct)
        of = matrix.value(model, method, total)
        images = f" ({-change:.0f} of {of:.0f} images)" if change is not None and of else ""
        yield f"{model} {method}{images}"
