"""In the process that runs the tests: a finished test's case goes out with its last report."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import msgspec
import pytest

from pytest_energybench.results.model import Case, Outcome, Scalar
from pytest_energybench.session import EnergySession, draft_key

CASE_ATTRIBUTE = "energy_case"
"""Attribute of a teardown report that carries the case as plain values, also between processes."""

_outcome_key = pytest.StashKey[Outcome]()


class Recorder:
    """Registered when the first test asks for energy, so that others cost nothing."""

    NAME = "energybench-recorder"

    def __init__(self, config: pytest.Config) -> None:
        self._session = EnergySession.of(config)
        self._is_worker = hasattr(config, "workerinput")

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        draft = item.stash.get(draft_key, None)
        if draft is None:
            return report
        item.stash[_outcome_key] = outcome = outcome_after(
            report, item.stash.get(_outcome_key, "passed")
        )
        if report.when == "teardown":
            del item.stash[draft_key]
            if outcome != "skipped" or not draft.empty:
                case = self._session.finished(draft, outcome)
                setattr(report, CASE_ATTRIBUTE, msgspec.to_builtins(case))
                report.user_properties.extend(properties(case))
                if self._is_worker:
                    self._session.add(case)
        return report


def outcome_after(report: pytest.TestReport, before: Outcome) -> Outcome:
    """A test's outcome once this phase is known: the worst of its phases."""
    expected_to_fail = hasattr(report, "wasxfail")
    if report.skipped:
        return "xfailed" if expected_to_fail else "skipped"
    if report.failed:
        return "failed" if report.when == "call" else "error"
    if report.when == "call":
        return "xpassed" if expected_to_fail else "passed"
    return before


def properties(case: Case) -> list[tuple[str, Any]]:
    """The case's figures for JUnit XML and for others that read `user_properties`."""
    figures: dict[str, Scalar] = {
        "energy_total_j": case.total_j,
        "energy_facility_j": case.facility_j,
        "energy_duration_s": case.duration_s,
        **{f"energy_{domain}_j": joules for domain, joules in case.energy_j.items()},
        "energy_provenance": ", ".join(
            f"{domain}: {word}" for domain, word in case.provenance.items()
        ),
        "energy_rounds": len(case.rounds),
        "energy_verdict": case.verdict.kind if case.verdict else None,
    }
    return [(name, value) for name, value in figures.items() if value is not None]


def case_of(report: pytest.TestReport) -> Case | None:
    """The case that came with a report, None where there is none."""
    plain = getattr(report, CASE_ATTRIBUTE, None)
    return None if plain is None else msgspec.convert(plain, Case)
