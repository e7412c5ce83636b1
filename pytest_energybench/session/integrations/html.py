"""Figures in the table of pytest-html."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

import pytest

from pytest_energybench.session.collection import ROUND_ATTRIBUTE

if TYPE_CHECKING:
    from pytest_energybench.results.model import Case, Comparison
    from pytest_energybench.session.state import EnergySession


class HtmlColumns:
    """Columns energy, change and result in the table of pytest-html, sortable as numbers.

    pytest-html sorts by a cell's text, so a hidden number of fixed width goes before it. It makes a
    row when its test has ended, before cases are held against a stored run: what that came to
    stands above the table.
    """

    PLACE = 2  # after the result and the test's name

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_results_table_header(self, cells: list[str]) -> None:
        from markupsafe import escape

        stored = self._session().options.compare
        before = f", before {escape(stored)}" if stored is not None else ""
        cells[self.PLACE : self.PLACE] = [
            '<th class="sortable" data-column-type="energy">Energy</th>',
            '<th class="sortable" data-column-type="change">Energy vs reference</th>',
            f'<th class="sortable" data-column-type="energyresult">Energy result{before}</th>',
        ]

    @pytest.hookimpl(optionalhook=True, wrapper=True)
    def pytest_html_results_table_row(
        self, report: pytest.TestReport, cells: list[str]
    ) -> Generator[None]:
        from markupsafe import Markup

        cells[self.PLACE : self.PLACE] = [
            Markup('<td class="col-{}"><span hidden>{}</span>{}</td>').format(name, key, text)
            for name, key, text in self._figures(self._session().cases.get(report.nodeid))
        ]
        yield
        if getattr(report, ROUND_ATTRIBUTE, None) is not None and not report.failed:
            cells.clear()  # a row without a cell is left out: the case has that of its last round

    def _session(self) -> EnergySession:
        from pytest_energybench.session.state import EnergySession

        return EnergySession.of(self._config)

    @staticmethod
    def _figures(case: Case | None) -> list[tuple[str, str, str]]:
        if case is None:
            return [("energy", "", ""), ("change", "", ""), ("energyresult", "", "")]
        from pytest_energybench.gates.quantities import UNKNOWN, energy, percent
        from pytest_energybench.report.build import result_word
        from pytest_energybench.report.figures import estimated_domains

        found = next((each for each in case.comparisons if _is_change(each)), None)
        change = found.estimate if found is not None else None
        estimated = bool(estimated_domains(case))
        return [
            (
                "energy",
                f"{case.total_j:030.9f}" if case.total_j is not None else "",
                energy(case.total_j, estimated=estimated).text
                if case.total_j is not None
                else UNKNOWN,
            ),
            (
                "change",
                # The smallest possible change is -1, so that adding 1 leaves no sign to sort.
                f"{1 + change:030.9f}" if change is not None else "",
                f"{percent(change)} {found.finding}{' est.' * estimated}"
                if found and change is not None
                else "",
            ),
            ("energyresult", "", result_word(case)),
        ]


def _is_change(comparison: Comparison) -> bool:
    return (comparison.reference, comparison.quantity) == ("group", "energy")
