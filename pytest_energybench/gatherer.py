"""In the process that reports: cases are gathered, the run judged and written, the table shown."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_energybench.keeping import Keeping
    from pytest_energybench.results.model import Run
    from pytest_energybench.session import EnergySession


WIDEST = 100
"""Columns of the table at most."""


class Gatherer:
    """The controller's half of the plugin; without xdist there is only one process."""

    NAME = "energybench-gatherer"

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._keeping: Keeping | None = None
        self._run: Run | None = None
        self._failures: list[str] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if hasattr(report, "energy_case"):
            from pytest_energybench.recorder import case_of

            case = case_of(report)
            if case is not None:
                case = self._session.add(case)
                if report.energy_last:
                    self.kept.take(case)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        result = yield
        self._conclude()
        if self._failures and not session.testsfailed:
            session.testsfailed = 1  # the exit status of a failed run, whatever else is counted
        return result

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None]:
        try:
            yield
        finally:  # another plugin's file on a full disk is no reason to lose ours
            self._finish(session)

    def _finish(self, session: pytest.Session) -> None:
        interrupted = session.exitstatus in (
            pytest.ExitCode.INTERRUPTED,
            pytest.ExitCode.INTERNAL_ERROR,
        )
        stopped = interrupted or bool(session.shouldstop or session.shouldfail)
        if stopped:
            self._session.tell_cut_short()
        self._conclude()
        if self._run is None or session.exitstatus == pytest.ExitCode.USAGE_ERROR:
            return
        written = self.kept.write(self._run, interrupted=interrupted, complete=not stopped)
        if not written and not session.exitstatus:
            session.exitstatus = pytest.ExitCode.USAGE_ERROR

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._run is None:
            return
        from pytest_energybench.companions import github_annotations
        from pytest_energybench.report.terminal import terminal_table
        from pytest_energybench.report.text import visible

        writer = terminalreporter._tw
        # Where there is no terminal, pytest assumes 80 columns; a log file is wider than that.
        columns = writer.fullwidth if terminalreporter.isatty else WIDEST
        if self._run.cases and not self._config.option.no_summary:
            terminalreporter.section("energy")
            terminalreporter.write_line(
                terminal_table(
                    self._run,
                    width=min(WIDEST, columns),
                    verbosity=self._config.option.verbose,
                    color=writer.hasmarkup,
                )
            )
        # What stood in a run file or a test's name may hold what a terminal would obey.
        for line in [*self.kept.said, *github_annotations(self._run)]:
            terminalreporter.write_line(visible(line))
        for line in self._failures:
            terminalreporter.write_line(visible(f"energy gate: {line}"), red=True)

    @property
    def _session(self) -> EnergySession:
        from pytest_energybench.session import EnergySession

        return EnergySession.of(self._config)

    @property
    def kept(self) -> Keeping:
        """What is kept of this session in files."""
        if self._keeping is None:
            from pytest_energybench.keeping import Keeping

            self._keeping = Keeping(
                self._session,
                here=self._config.invocation_params.dir,
                distributed=self._config.getoption("dist", "no") != "no",
            )
        return self._keeping

    def _conclude(self) -> None:
        """Make the run of what was gathered, once, and hold it against the session's gates."""
        if self._run is not None or self._config.option.collectonly:
            return
        session = self._session
        if session.options.disable or not (session.cases or session.options.keeps):
            return
        run, summary, self._failures = session.keeper.conclude(
            session.run(), session.selection.everything or None
        )
        self._run = run
        self.kept.tell(summary)
        if not session.options.strict_budgets:
            self.kept.said += session.keeper.idle_budgets(run, session.selection.everything)
