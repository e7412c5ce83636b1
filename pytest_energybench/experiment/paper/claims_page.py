"""The claims as a page of Markdown and as a table of the report."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_energybench.experiment.paper.claim import NO_METER, VERDICTS, Claim, Finding
from pytest_energybench.experiment.paper.matrix import Matrix
from pytest_energybench.experiment.paper.reference import reference
from pytest_energybench.experiment.paper.render import escape
from pytest_energybench.gates.quantities import UNKNOWN
from pytest_energybench.report.attachments import Table
from pytest_energybench.report.conditions import commit
from pytest_energybench.report.provenance import scalar_rows

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
