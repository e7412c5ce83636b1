"""In the process that reports: cases are gathered, files written, the table shown."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_energybench.results.model import Run
    from pytest_energybench.session import EnergySession


class Gatherer:
    """The controller's half of the plugin; without xdist there is only one process."""

    NAME = "energybench-gatherer"

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._run: Run | None = None
        self._said: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if hasattr(report, "energy_case"):
            from pytest_energybench.recorder import case_of

            case = case_of(report)
            if case is not None:
                self._session.add(case)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self._config.option.collectonly:
            return
        options = self._session.options
        wanted = options.report or options.json is not None
        if options.disable or not (self._session.cases or wanted):
            return
        self._run = self._session.run()
        if not self._write(self._run) and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.USAGE_ERROR

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._run is None:
            return
        from pytest_energybench.report.terminal import terminal_table

        writer = terminalreporter._tw
        if self._run.cases and not self._config.option.no_summary:
            terminalreporter.section("energy")
            terminalreporter.write_line(
                terminal_table(
                    self._run,
                    width=min(100, writer.fullwidth),
                    verbosity=self._config.option.verbose,
                    color=writer.hasmarkup,
                )
            )
        for line in self._said:
            terminalreporter.write_line(line)

    @property
    def _session(self) -> EnergySession:
        from pytest_energybench.session import EnergySession

        return EnergySession.of(self._config)

    def _write(self, run: Run) -> bool:
        """Write what was asked for; False, and a line for the terminal, where that failed."""
        from pytest_energybench.results.errors import ResultsError
        from pytest_energybench.results.files import write_run

        options = self._session.options
        try:
            if options.json is not None:
                write_run(run, options.json)
                self._say("energy run", options.json)
            if options.report:
                from pytest_energybench.report.html import write_html

                write_run(run, options.report_dir / "energy.json")
                write_html(run, options.report_dir / "energy.html")
                self._say("energy report", options.report_dir / "energy.html")
        except (OSError, ResultsError) as error:
            self._said.append(f"energy report not written: {error}")
            return False
        return True

    def _say(self, what: str, path: Path) -> None:
        here = self._config.invocation_params.dir
        shown = path.relative_to(here) if path.is_relative_to(here) else path
        self._said.append(f"{what}: {shown}")
