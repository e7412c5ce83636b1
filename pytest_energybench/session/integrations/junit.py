"""Figures and results in JUnit's file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median
from typing import TYPE_CHECKING, Any

import pytest

from pytest_energybench.base.text import sanitize
from pytest_energybench.gates.figures import Figures
from pytest_energybench.gates.quantities import percent
from pytest_energybench.results.model import Case, Scalar

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_JUDGED = ("energy_result", "energy_reason", "energy_changes")
"""What a stored run, which cases are held against at the session's end, may still change."""


def properties(case: Case) -> list[tuple[str, Any]]:
    """The case's figures for JUnit XML and for others that read `user_properties`."""
    figures: dict[str, Scalar] = {
        "energy_total_j": case.total_j,
        "energy_facility_j": case.facility_j,
        "energy_duration_s": case.duration_s,
        **{f"energy_{domain}_j": joules for domain, joules in case.energy_j.items()},
        **{
            f"energy_per_{unit}_j": median(found.samples)
            for unit in case.units
            if (found := Figures.of(case, unit)).samples
        },
        "energy_provenance": ", ".join(
            f"{domain}: {word}" for domain, word in case.provenance.items()
        ),
        "energy_rounds": len(case.rounds),
        "energy_result": case.result.kind if case.result else None,
        "energy_reason": case.result.reason if case.result and case.result.reason else None,
        "energy_changes": "; ".join(
            f"{percent(each.estimate)} against {each.name or 'the budget'}: {each.finding}"
            for each in case.comparisons
            if each.quantity == "energy" and each.estimate is not None
        )
        or None,
    }
    return [(name, value) for name, value in figures.items() if value is not None]


class JUnitFile:
    """Pytest's own JUnit file, where one is written: what its cases came to in the end."""

    def __init__(self, config: pytest.Config) -> None:
        plugins = config.pluginmanager.get_plugins()
        written = getattr(config.option, "xmlpath", None)
        found = (each for each in plugins if written and type(each).__name__ == "LogXML")
        self._xml: Any = next(found, None)
        self._elements: dict[str, Any] = {}

    def take(self, report: pytest.TestReport, nodeid: str) -> None:
        """Remember where a case's last report goes, before it goes there."""
        if self._xml is not None:
            self._elements[nodeid] = self._xml.node_reporter(report)

    def finish(self, cases: Iterable[Case], lines: Sequence[str]) -> None:
        """The results as they were judged in the end; lines about the whole session as properties
        of its test suite."""
        if self._xml is None:
            return
        for case in cases:
            if case.nodeid in self._elements:
                _rejudge(self._elements[case.nodeid].to_xml(), case)
        for line in lines:
            self._xml.add_global_property("energy_gate", line)


def _rejudge(element: Element, case: Case) -> None:
    from xml.etree.ElementTree import SubElement

    there = element.find("properties")
    if there is None:
        return
    for old in [each for each in there if each.get("name") in _JUDGED]:
        there.remove(old)
    for name, value in properties(case):
        if name in _JUDGED:
            SubElement(there, "property", name=name, value=sanitize(str(value)))
