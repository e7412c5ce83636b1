"""In the process that runs the tests: a finished test's case goes out with its last report."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import msgspec
import pytest

from pytest_energybench.companions import benchmark_metrics, fill_benchmark
from pytest_energybench.groups import nodeid_of
from pytest_energybench.marks import budget_of
from pytest_energybench.peers import follows
from pytest_energybench.results.model import Case, Outcome, Scalar
from pytest_energybench.session import EnergySession, Execution, execution_key

CASE_ATTRIBUTE = "energy_case"
"""Attribute of a teardown report that carries the case as plain values, also between processes."""

LAST_ATTRIBUTE = "energy_last"
"""Whether it was the last of the test's rounds."""

_outcome_key = pytest.StashKey[Outcome]()


class Recorder:
    """Registered when the first test asks for energy, so that others cost nothing."""

    NAME = "energybench-recorder"

    def __init__(self, config: pytest.Config) -> None:
        self._session = EnergySession.of(config)
        self._is_worker = hasattr(config, "workerinput") or follows(config)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None]:
        execution = item.stash.get(execution_key, None)
        if execution is None:
            yield
            return
        budget_of(item)  # a mistake in it is told before the work
        if nodeid_of(item) in self._session.selection.whole:
            with execution.energy.measure("call"):
                yield
        else:
            yield
        execution.draft.metrics |= benchmark_metrics(item)
        fill_benchmark(item, execution.energy.case())
        if not execution.energy.windows:
            self._judge(item, execution)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None]:
        """A fixture that meters around its `yield` closes its window now: judge what came out."""
        execution = item.stash.get(execution_key, None)
        postponed = execution is not None and bool(execution.energy.windows)
        yield
        if execution is not None and postponed and item.stash.get(_outcome_key, None) == "passed":
            execution.energy.windows.end()
            self._judge(item, execution)

    def _judge(self, item: pytest.Item, execution: Execution) -> None:
        __tracebackhide__ = True
        failure = self._session.judge(execution, budget_of(item))
        if failure is not None:
            pytest.fail(failure, pytrace=False)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        execution = item.stash.get(execution_key, None)
        if execution is None:
            return report
        # A test may ask for the fixture as late as in its body: then no setup was seen here.
        before: Outcome = "passed"
        if report.when != "setup":
            before = item.stash.get(_outcome_key, before)
        item.stash[_outcome_key] = outcome = outcome_after(report, before)
        if report.when == "teardown":
            del item.stash[execution_key]
            execution.energy.windows.end()
            if not self._session.options.disable and (
                outcome != "skipped" or not execution.draft.empty
            ):
                case = self._session.finished(execution.draft, outcome)
                setattr(report, CASE_ATTRIBUTE, msgspec.to_builtins(case))
                setattr(report, LAST_ATTRIBUTE, execution.last)
                if execution.last:
                    report.user_properties.extend(properties(self._session.joined(case)))
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
