"""In the process that runs tests: sends a finished test's case with its last report."""

from __future__ import annotations

import os
import re
from collections.abc import Generator

import msgspec
import pytest

from pytest_energybench.base.flags import ENDED_EARLY, SKIPPED, SKIPPED_BY_FIXTURE
from pytest_energybench.gates.results import passes
from pytest_energybench.results.model import Case, Outcome
from pytest_energybench.results.storable import text
from pytest_energybench.session.collection import is_metered, is_metered_whole
from pytest_energybench.session.config import runs_tests
from pytest_energybench.session.integrations.benchmark import benchmark_metrics, fill_benchmark
from pytest_energybench.session.integrations.junit import properties
from pytest_energybench.session.markers import budget_of
from pytest_energybench.session.screen import progress_of
from pytest_energybench.session.state import FAILURES, EnergySession, Execution, execution_key

CASE_ATTRIBUTE = "energy_case"
"""Attribute of a teardown report that carries the case as plain values, also between processes."""

LAST_ATTRIBUTE = "energy_last"
"""Whether it was the last of the test's rounds."""

REPEATS_ATTRIBUTE = "energy_repeats"
"""Whether it ran again what was run before: it was a rerun."""

SPENT_ATTRIBUTE = "energy_spent"
"""Seconds of named work outside of windows since the last such report, by name."""

PROCESS_ATTRIBUTE = "energy_process"
"""The process that ran it, and knows the case already."""

_CAUGHT = r"(?<![.\w])(?:AssertionError|Exception|BaseException)(?!\w)"
_NOT_RAISED = re.compile(
    rf"DID NOT RAISE (?:any exception$|(?!any exception,).*{_CAUGHT})"
    rf"|(?:{_CAUGHT}|\(.*{_CAUGHT}.*\)) not raised(?: by .+)?(?: : .+)?$"
)
"""What `pytest.raises` and `assertRaises` say where an assertion should have failed."""

_set_up_key = pytest.StashKey[bool]()
_outcome_key = pytest.StashKey[Outcome]()
_ran_key = pytest.StashKey[bool]()
_raised_key = pytest.StashKey[bool]()
_judged_on_key = pytest.StashKey[object]()


class RuntestMeter:
    """Registered when the first test asks for energy, so that others cost nothing."""

    NAME = "energybench-runtest"

    def __init__(self, config: pytest.Config) -> None:
        self._session = EnergySession.of(config)
        self._progress = progress_of(config)
        self._unheard: dict[str, Case] = {}
        self._records = runs_tests(config) and not self._session.options.disable

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """After skip marks were obeyed, before the first fixture."""
        execution = item.stash.get(execution_key, None)
        if execution is not None:  # pytest-retry sets up again without a teardown's report
            del item.stash[execution_key]
            self._book(item, execution, "failed")
        item.stash[_set_up_key] = is_metered(item)
        if item.stash[_set_up_key] and self._records:
            try:
                self._session.prepare()
            except pytest.UsageError as error:
                raise pytest.fail.Exception(str(error), pytrace=False) from None
        if is_metered_whole(item):
            self._session.execution_of(item)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None]:
        execution = item.stash.get(execution_key, None)
        if execution is None:
            yield
            return
        item.stash[_raised_key] = False
        try:
            if is_metered_whole(item):
                with execution.energy.measure("call"):
                    yield
            else:
                yield
        except BaseException:
            item.stash[_raised_key] = True
            if not all(map(passes, execution.builder.comparisons)):
                self._session.judge(execution, budget_of(item))  # the others are kept as well
            raise
        execution.builder.see_machine()  # fixtures may set back what the test has changed
        execution.builder.metrics |= benchmark_metrics(item)
        fill_benchmark(item, execution.energy.case)
        if not execution.energy.windows:
            self._judge(item, execution)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None]:
        """Fixtures may meter, record and mark up to their end: judge what came after the test, and
        a test that was not judged yet."""
        skipped: BaseException | None = None
        try:
            yield
        except pytest.skip.Exception as error:
            skipped = error
        self._judge_rest(item)
        if skipped is not None:
            raise skipped

    def _judge_rest(self, item: pytest.Item) -> None:
        __tracebackhide__ = True
        execution = item.stash.get(execution_key, None)
        if execution is None or item.stash.get(_raised_key, False):
            return
        if item.stash.get(_outcome_key, None) in ("passed", "xpassed"):
            execution.energy.windows.end()
            if item.stash.get(_judged_on_key, None) != _judgeable(item, execution):
                self._judge(item, execution)

    def _judge(self, item: pytest.Item, execution: Execution) -> None:
        __tracebackhide__ = True
        item.stash[_judged_on_key] = _judgeable(item, execution)
        failure = self._session.judge(execution, budget_of(item))
        if failure is not None:
            pytest.fail(failure, pytrace=False)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        execution = item.stash.get(execution_key, None)
        unready = (
            report.when == "setup" and not report.passed and item.stash.get(_set_up_key, False)
        )
        if execution is None and unready:  # a fixture ended it before it got `energy`
            execution = self._session.execution_of(item)
        if execution is None:
            return report
        if report.when == "call" and not execution.last:
            asserted = bool(execution.energy.asserted)
            in_a_window = call.excinfo and call.excinfo.value is execution.energy.windows.raised
            cut = asserted and ended_early(call)
            waits = asserted or self._session.has_limits(item)
            misses = cut or (waits and passed_unexpectedly(report, call))
            if misses and not in_a_window:
                report.outcome, report.longrepr = "passed", None
                report.__dict__.pop("wasxfail", None)
            if cut:
                execution.builder.flags.append(ENDED_EARLY)
        # A test may ask for the fixture as late as in its body: then no setup was seen here.
        before: Outcome = "passed"
        if report.when == "call":
            item.stash[_ran_key] = True
        if report.when != "setup":
            before = item.stash.get(_outcome_key, before)
        item.stash[_outcome_key] = outcome = outcome_after(report, before)
        if outcome == "xfailed" and report.when == "call":
            execution.builder.case = msgspec.structs.replace(
                execution.builder.case, expected=text(report.wasxfail.removeprefix("reason: "))
            )
        if report.when == "teardown":
            execution.energy.windows.end()
            setattr(report, SPENT_ATTRIBUTE, self._progress.taken())
            if outcome == "skipped" and self._session.has_limits(item):
                ran = item.stash.get(_ran_key, False)
                execution.builder.flags.append(SKIPPED if ran else SKIPPED_BY_FIXTURE)
            del item.stash[execution_key]
            builder = execution.builder
            says_something = (
                outcome != "skipped" or not builder.empty or builder.earlier is not None
            )
            if self._records and says_something:
                case = self._book(item, execution, outcome)
                if case.outcome == "error" and outcome not in FAILURES and report.passed:
                    report.outcome, report.longrepr = "failed", "\n".join(case.errors[-1:])
                setattr(report, CASE_ATTRIBUTE, msgspec.to_builtins(self._unheard[case.nodeid]))
                # A round that fails is its test's last.
                last = execution.last or outcome in FAILURES
                setattr(report, LAST_ATTRIBUTE, last)
                setattr(report, REPEATS_ATTRIBUTE, execution.repeats)
                setattr(report, PROCESS_ATTRIBUTE, os.getpid())
                if last:
                    report.user_properties.extend(properties(case))
        return report

    def _book(self, item: pytest.Item, execution: Execution, outcome: Outcome) -> Case:
        """Take an execution that has ended; the case as it stands now."""
        item.stash[_judged_on_key] = None
        case = self._session.finished(execution.builder, outcome, execution.energy.windows.missing)
        self._unheard[case.nodeid] = self._session.join(self._unheard.get(case.nodeid), case)
        return self._session.add(case, repeats=execution.repeats)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A report has carried all cases so far; reruns may have dropped earlier reports."""
        if hasattr(report, CASE_ATTRIBUTE):
            self._unheard.clear()


def _judgeable(item: pytest.Item, execution: Execution) -> object:
    """What a judgement depends on; where it changes afterwards, the test is judged again."""
    builder = execution.builder
    counts = len(builder.windows), builder.further, len(builder.called)
    return counts, dict(builder.metrics), dict(builder.units), budget_of(item)


def passed_unexpectedly(report: pytest.TestReport, call: pytest.CallInfo[None]) -> bool:
    """Whether a test was expected to fail: a limit may, which waits for the last round."""
    if not report.failed:
        return report.passed and hasattr(report, "wasxfail")
    if call.excinfo is None:
        return str(report.longrepr).startswith("[XPASS(strict)]")
    return str(call.excinfo.value).startswith("Unexpected success")


def ended_early(call: pytest.CallInfo[None]) -> bool:
    """Whether what was to catch a failed assertion ended the test, since none was made."""
    kinds = (pytest.fail.Exception, AssertionError)
    if call.excinfo is None or not call.excinfo.errisinstance(kinds):
        return False
    return _NOT_RAISED.match(str(call.excinfo.value)) is not None


def outcome_after(report: pytest.TestReport, before: Outcome) -> Outcome:
    """A test's outcome once this phase is known: the worst of its phases."""
    expected_to_fail = hasattr(report, "wasxfail")
    if report.failed:
        return "failed" if report.when == "call" else "error"
    if before in ("failed", "error"):
        return before  # a subtest, whose report comes before that of its test, or an earlier phase
    if report.skipped and (expected_to_fail or report.when != "teardown"):
        return "xfailed" if expected_to_fail else "skipped"
    if report.when == "call":
        return "xpassed" if expected_to_fail else "passed"
    return before


def case_of(report: pytest.TestReport) -> Case | None:
    """The case that came with a report, None if there is none."""
    plain = getattr(report, CASE_ATTRIBUTE, None)
    return None if plain is None else msgspec.convert(plain, Case)
