"""Figures in the places that people look at already: pytest-html, pytest-benchmark, GitHub."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pytest_energybench.results.model import Case, Run
    from pytest_energybench.session import EnergySession


class HtmlColumns:
    """Columns energy, change and verdict in the table of pytest-html, sortable as numbers.

    pytest-html sorts by a cell's text, so a hidden number of fixed width goes before it.
    """

    PLACE = 2  # after the result and the test's name

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_results_table_header(self, cells: list[str]) -> None:
        cells[self.PLACE : self.PLACE] = [
            '<th class="sortable" data-column-type="energy">Energy</th>',
            '<th class="sortable" data-column-type="change">Δ energy</th>',
            '<th class="sortable" data-column-type="verdict">Verdict</th>',
        ]

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_results_table_row(self, report: pytest.TestReport, cells: list[str]) -> None:
        from markupsafe import Markup

        cells[self.PLACE : self.PLACE] = [
            Markup('<td class="col-{}"><span hidden>{}</span>{}</td>').format(name, key, text)
            for name, key, text in self._figures(self._session.cases.get(report.nodeid))
        ]

    @property
    def _session(self) -> EnergySession:
        from pytest_energybench.session import EnergySession

        return EnergySession.of(self._config)

    @staticmethod
    def _figures(case: Case | None) -> list[tuple[str, str, str]]:
        if case is None:
            return [("energy", "", ""), ("change", "", ""), ("verdict", "", "")]
        from pytest_energybench.gates.quantity import format_change, format_energy

        change = _change(case)
        known = case.total_j is not None
        return [
            (
                "energy",
                f"{case.total_j:030.9f}" if case.total_j is not None else "",
                format_energy(case.total_j) if case.total_j is not None else "unknown",
            ),
            (
                "change",
                # The smallest possible change is -1, so that adding 1 leaves no sign to sort.
                f"{1 + change:030.9f}" if change is not None and known else "",
                format_change(change) if change is not None and known else "",
            ),
            ("verdict", "", case.verdict.kind if case.verdict else ""),
        ]


def _change(case: Case) -> float | None:
    """Relative change of energy against the stored run, else the baseline, where there is one."""
    found = {
        comparison.origin: comparison.verdict.delta
        for comparison in case.comparisons
        if comparison.quantity == "energy" and comparison.verdict.delta is not None
    }
    return found.get("stored", found.get("baseline"))


def fill_benchmark(item: pytest.Item, case: Case) -> None:
    """Put the joules of a test that also uses pytest-benchmark into its `extra_info`."""
    benchmark = getattr(item, "funcargs", {}).get("benchmark")
    extra: dict[str, Any] | None = getattr(benchmark, "extra_info", None)
    if extra is None or case.total_j is None:
        return
    extra["energy_j"] = case.total_j
    extra["energy_domains_j"] = dict(case.energy_j)
    extra["energy_provenance"] = dict(case.provenance)


def benchmark_metrics(item: pytest.Item) -> dict[str, float]:
    """Mean seconds and number of rounds of the test's pytest-benchmark, empty without one."""
    metadata = getattr(getattr(item, "funcargs", {}).get("benchmark"), "stats", None)
    stats = getattr(metadata, "stats", None)
    if stats is None or not getattr(stats, "data", None):
        return {}
    return {"benchmark_mean_s": float(stats.mean), "benchmark_rounds": float(stats.rounds)}


def github_summary(run: Run, environ: Mapping[str, str] = os.environ) -> str | None:
    """Append the run's Markdown to the step's summary on GitHub.

    Returns:
        why that failed, None where it went well or this is no GitHub step.
    """
    path = environ.get("GITHUB_STEP_SUMMARY")
    if not path:
        return None
    from pytest_energybench.report.markdown import render_markdown

    try:
        with open(path, "a", encoding="utf-8") as summary:
            summary.write(render_markdown(run) + "\n")
    except OSError as error:
        return f"step summary not written: {error}"
    return None


def github_annotations(run: Run, environ: Mapping[str, str] = os.environ) -> list[str]:
    """Workflow commands that put regressions and errors beside the code on GitHub."""
    if environ.get("GITHUB_ACTIONS") != "true":
        return []
    return [
        f"::{'error' if case.verdict.kind == 'error' else 'warning'}"
        f" file={_escaped(case.nodeid.partition('::')[0], in_property=True)},"
        f"title={_escaped('energy ' + case.verdict.kind, in_property=True)}"
        f"::{_escaped(f'{case.name}: {case.verdict.reason}')}"
        for case in run.cases
        if case.verdict is not None and case.verdict.kind in ("regressed", "error")
    ]


def _escaped(text: str, *, in_property: bool = False) -> str:
    """GitHub's own escapes for workflow commands, so that a test's name can't give one."""
    escapes = {"%": "%25", "\r": "%0D", "\n": "%0A"}
    if in_property:
        escapes |= {":": "%3A", ",": "%2C"}
    return "".join(escapes.get(char, char) for char in text)
