"""What a run of the paper's cases found, in words: the claims as a page of Markdown and as a table
of the report, and the main finding in one sentence, with what it is a finding of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pytest_energybench.experiment.paper.claim import NO_METER, VERDICTS, Claim, Finding, scope
from pytest_energybench.experiment.paper.matrix import EnergyKind, Matrix
from pytest_energybench.experiment.paper.reference import reference
from pytest_energybench.experiment.paper.tables import escape
from pytest_energybench.experiment.paper.trials import accuracy, energy_j, metric, with_search
from pytest_energybench.experiment.rules import BASELINE
from pytest_energybench.gates.quantities import UNKNOWN
from pytest_energybench.report.attachments import Headline, Table
from pytest_energybench.report.conditions import commit
from pytest_energybench.report.provenance import scalar, scalar_rows
from pytest_energybench.report.text import listed, plural

_TITLE = "Claims of the paper"
_SIGNS = {"yes": "✓", "no": "✗", "open": "?"}
_SETTINGS = (
    "preset",
    "data",
    "weights",
    "subset",
    "device",
    "min_delta",
    "fixed_epochs",
    "max_drop",
    "search",
    "lowrank_layers",
    "rounds",
    "seed",
    "pue",
)
"""Settings that say what kind of experiment the figures are from."""

FIGURE = "figure_4_energy-relative-to-baseline-against-compression"
_MOST_NAMED = 4
_ENERGY: dict[EnergyKind, str] = {
    "measured": "energy",
    "partly estimated": "energy, part of it estimated",
    "estimated": "estimated energy, a ratio of times",
}


def claims_table(matrix: Matrix, all_claims: Sequence[Claim]) -> Table:
    """One claim a row: verdict, the figures behind it, section."""
    rows = [
        [claim.text, claim.words, "; ".join(map(_line, claim.findings)) or UNKNOWN, claim.section]
        for claim in all_claims
    ]
    header = [
        "claim",
        "verdict",
        "figures behind it (✓ as claimed, ✗ not, ? open)",
        "paper, section",
    ]
    return Table(_TITLE, header, rows, _settings(matrix), prose=True)


def claims_markdown(matrix: Matrix, all_claims: Sequence[Claim]) -> str:
    """The page: how often what came out, then each claim with its figures, then the settings."""
    paper = reference()
    lines = [
        f"# {_TITLE}",
        "",
        escape(
            f"{paper.title} ({' and '.join(paper.authors)}, {paper.date}, arXiv:{paper.arxiv})."
        ),
        "",
        escape(_summary(all_claims)),
        "",
    ]
    for number, claim in enumerate(all_claims, 1):
        lines += [
            f"## {number}. {escape(claim.words[:1].upper() + claim.words[1:])}",
            "",
            f"{escape(claim.text)} (Paper: {escape(claim.section)})",
            "",
            *(f"- {escape(_line(finding))}" for finding in claim.findings),
            *([""] if claim.findings else []),
        ]
    lines += ["## Settings", "", escape(_settings(matrix))]
    return "\n".join(lines) + "\n"


def _line(finding: Finding) -> str:
    return f"{_SIGNS[finding.answer]} {finding.model} {finding.text}"


def _summary(all_claims: Sequence[Claim]) -> str:
    counts = [
        f"{sum(claim.verdict == verdict for claim in all_claims)} {verdict}" for verdict in VERDICTS
    ]
    on_time = sum(claim.on_time and claim.verdict != "not testable here" for claim in all_claims)
    note = f"; {on_time} of them judged on time, {NO_METER}" if on_time else ""
    return (
        f"Of {len(all_claims)} claims: {', '.join(counts)}{note}. A figure of several seeds has its"
        " one-sided 95 % bounds behind it; ✓ they lie where the claim says, ✗ they do not, ? they"
        " leave it open."
    )


def _settings(matrix: Matrix) -> str:
    """What the figures are figures of: settings, meters, machine, commit."""
    run = matrix.run
    chosen = {name: run.settings[name] for name in _SETTINGS if name in run.settings}
    parts = [f"{name} {text}" for name, text in scalar_rows(chosen)]
    meters = ", ".join(f"{each.domain} {each.source} ({each.provenance})" for each in run.meters)
    parts.append(f"energy {matrix.energy_kind}: {meters or 'no meter'}")
    parts += [run.machine.cpu, *run.machine.gpus]
    if run.commits:
        parts.append(f"commit {commit(run)}")
    return "; ".join(parts) + "."


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
