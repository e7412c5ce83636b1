"""In the reporting process: gathers cases, judges and writes the run, shows the table."""

from __future__ import annotations

import html
import os
import sys
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import partial
from threading import Event
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from pytest_energybench.session.hearing import Hearing

if TYPE_CHECKING:
    from pytest_energybench.report.view import RunView
    from pytest_energybench.results.model import Run
    from pytest_energybench.session.integrations.github import Place
    from pytest_energybench.session.integrations.junit import JUnitFile
    from pytest_energybench.session.output import RunWriter
    from pytest_energybench.session.state import EnergySession


PHASES = ("setup", "call", "teardown")
"""Of a test that ran. Where its process died, pytest-xdist and pytest-forked report another one."""
WIDEST = 100
"""Columns of the table at most."""


GATE = "energy gate: "


DISABLED = "energy: disabled (--energy-disable), so nothing was metered and no gate has judged"


ENDINGS = ("_exit", "execv", "execve")


@contextmanager
def seen_exit(tell: Callable[[str], None]) -> Iterator[None]:
    """A test can end the session before its gates, with the status of one that holds.

    Meanwhile `os._exit(0)` tells so and gives 1, and a test that replaces the process by another
    program (`os.execv` and its like) fails instead, whichever module it has them from. Forked
    children and other statuses are left alone, and what is called after the gates.
    """
    real, process, over = {name: getattr(os, name) for name in ENDINGS}, os.getpid(), Event()

    def ending(status: int) -> None:
        if status == 0 and os.getpid() == process and not over.is_set():
            tell(f"{GATE}os._exit(0) ended the session before its gates were judged")
            status = 1
        real["_exit"](status)

    def replacing(name: str, *args: Any) -> None:
        if os.getpid() == process and not over.is_set():
            pytest.fail(
                f"os.{name} would end the session before its gates are judged: start the program"
                " in a process of its own",
                pytrace=False,
            )
        real[name](*args)

    seen: dict[str, Callable[..., Any]] = {name: partial(replacing, name) for name in ENDINGS}
    seen["_exit"] = ending
    _replace({real[name]: seen[name] for name in ENDINGS})
    try:
        yield
    finally:
        over.set()
        _replace({seen[name]: real[name] for name in ENDINGS})


def _replace(functions: Mapping[Callable[..., Any], Callable[..., Any]]) -> None:
    """Each function by another in all modules that have it: in `os`, in `posix` that it is from,
    and where a test imported it by name."""
    others = {id(old): new for old, new in functions.items()}
    for module in list(sys.modules.values()):
        if type(module) is ModuleType:  # another kind may import at a look
            for name, value in list(vars(module).items()):
                if id(value) in others:
                    setattr(module, name, others[id(value)])


class EnergyReporter:
    """The controller's half of the plugin; without xdist there is only one process."""

    NAME = "energybench-reporter"

    @classmethod
    def of(cls, config: pytest.Config) -> EnergyReporter:
        """The session's one instance."""
        there = config.pluginmanager.get_plugin(cls.NAME)
        if there is None:
            config.pluginmanager.register(there := cls(config), cls.NAME)
        assert isinstance(there, cls)
        return there

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._writer: RunWriter | None = None
        self._run: Run | None = None
        self._viewed: RunView | None = None
        self._junit: JUnitFile | None = None
        self._failures: list[str] = []
        self._looped = self._ran = self._broken_off = self._concluded = False
        self._hearing = Hearing(grouped=config.getoption("dist", "no") == "loadgroup")
        self._warnings: list[str] = []
        self._places: dict[str, Place] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._ran |= report.when == "call" or report.failed
        self._hearing.take(report)
        died = report.when not in PHASES and report.failed  # unless its process is to run it again
        if died and report.nodeid in self._session().order:
            from pytest_energybench.results.model import Case

            crashed = Case(nodeid=report.nodeid, name=report.nodeid.rpartition("::")[2])
            self._session().add_crashed(crashed, str(report.longrepr))
        if hasattr(report, "energy_case"):
            from pytest_energybench.session.runtest import case_of

            case = case_of(report)
            if case is None:
                return
            if hasattr(report, "node") or report.energy_process != os.getpid():
                case = self._session().add(case, repeats=report.energy_repeats)
            self._places[case.nodeid] = self._place(report)
            self._hearing.take_round(case.nodeid, last=report.energy_last)
            if report.energy_last:
                self._junit_file().take(report, case.nodeid)
            if report.energy_last and case.outcome != "skipped":  # it is to run when resumed
                self.writer().take(self._session().cases[case.nodeid])

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        from pytest_energybench.session.config import runs_tests

        self._looped = runs_tests(self._config)
        if self._looped and self._session().order:
            self.writer().claim()
        try:
            with seen_exit(self._session().tell) if self._looped else nullcontext():
                result = yield
        except BaseException:
            self._broken_off = self._looped
            raise
        if self._looped:
            energy = self._session()
            for line in self._hearing.missing(energy.order, energy.cases):
                energy.fail(line)
        self._conclude()
        if self._fails() and not session.testsfailed:
            session.testsfailed = 1  # the exit status of a failed run, whatever else is counted
        return result

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None]:
        try:
            yield
        finally:  # another plugin's file on a full disk is no reason to lose ours
            self._finish(session)

    def _finish(self, session: pytest.Session) -> None:
        stopped = (
            self._broken_off
            or bool(session.shouldstop or session.shouldfail)
            or session.exitstatus in (pytest.ExitCode.INTERRUPTED, pytest.ExitCode.INTERNAL_ERROR)
        )
        energy = self._session()
        if stopped and not energy.options.disable:
            cut_short = self._hearing.cut_short(energy.order, energy.cases)
            if cut_short is not None:
                energy.fail(cut_short)
            if cut_short is not None and not session.exitstatus:
                session.exitstatus = pytest.ExitCode.INTERRUPTED  # `pytest.exit(returncode=0)`
        self._conclude()
        if stopped and not session.exitstatus and self._fails():
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        usage_error = session.exitstatus == pytest.ExitCode.USAGE_ERROR
        if self._run is None or not self._has_run() or usage_error:
            self.writer().release()
            return
        written = self.writer().write(
            self._run, partial(self._view, self._run), complete=not stopped
        )
        if session.exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and self._session().taken_over:
            session.exitstatus = pytest.ExitCode.OK  # an earlier run had finished them all
        told = self._tell_trackers(self._run)
        if not (written and told) and not session.exitstatus:
            session.exitstatus = pytest.ExitCode.USAGE_ERROR

    def _fails(self) -> bool:
        """Whether the session or one of its cases fails."""
        results = [case.result for case in self._run.cases] if self._run is not None else []
        return bool(self._failures) or any(each and each.kind == "fail" for each in results)

    def _tell_trackers(self, run: Run) -> bool:
        """Call the project's `pytest_energy_case`; False where one raised, which is said."""
        hook = self._config.hook.pytest_energy_case
        if not hook.get_hookimpls():
            return True
        from pytest_energybench.report.export import numbers

        for case in run.cases:
            try:
                hook(config=self._config, case=case, numbers=numbers(case))
            # A tracker that is away, or a hook that fails or skips, costs no session its end.
            except (Exception, pytest.fail.Exception, pytest.skip.Exception) as error:
                what = f"{type(error).__name__}: {error}".splitlines()[0]
                self.writer().messages.append(f"energy: pytest_energy_case raised {what}")
                return False
        return True

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self._concluded:
            if self._looped and self._session().options.disable and self._session().order:
                terminalreporter.write_line(DISABLED, yellow=True)
            return
        from pytest_energybench.base.text import sanitize
        from pytest_energybench.report.encoding import fitting
        from pytest_energybench.report.terminal import terminal_report
        from pytest_energybench.session.integrations.github import github_annotations

        writer = terminalreporter._tw
        encoding = getattr(writer._file, "encoding", None)

        def say(line: str, **markup: bool) -> None:
            terminalreporter.write_line(fitting(line, encoding), **markup)

        # Where there is no terminal, pytest assumes 80 columns; a log file is wider than that.
        columns = writer.fullwidth if terminalreporter.isatty else WIDEST
        shows = bool(self._run and (self._run.cases or self._failures))
        shows &= not self._config.option.no_summary
        if self._run is not None and shows:
            terminalreporter.ensure_newline()
            terminalreporter.section("energy")
            table = terminal_report(
                self._view(self._run),
                width=min(WIDEST, columns),
                verbosity=self._config.option.verbose,
                color=writer.hasmarkup,
            )
            for line in table.split("\n"):
                say(line)
        # What stood in a run file or a test's name may hold what a terminal would obey.
        cases = () if self._run is None else self._run.cases
        annotations = github_annotations(cases, self._failures, self._places)
        for line in [*self.writer().messages, *annotations]:
            say(sanitize(line))
        for line in () if shows else self.gate_lines():
            failing = line.startswith(GATE)
            say(sanitize(line), red=failing, yellow=not failing)

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_results_summary(self, prefix: list[str]) -> None:
        """Above the table of pytest-html, whose rows were made before the run was judged."""
        if self._run is not None and self._run.cases:
            from pytest_energybench.report.digest import digest

            head = digest(self._view(self._run)).head
            prefix.append(f"<p><b>Energy: {html.escape(head)}</b></p>")
        prefix += [f"<p>{html.escape(line)}</p>" for line in self.gate_lines()]

    def gate_lines(self) -> list[str]:
        """What nothing decides, then why the session fails, a line each."""
        return [
            *(f"energy warning: {line}" for line in self._warnings),
            *(f"{GATE}{line}" for line in self._failures),
        ]

    def _place(self, report: pytest.TestReport) -> Place:
        from pytest_energybench.session.integrations.github import Place

        file, line, _ = report.location
        return Place(self._config.rootpath / file, None if line is None else line + 1)

    def _junit_file(self) -> JUnitFile:
        if self._junit is None:
            from pytest_energybench.session.integrations.junit import JUnitFile

            self._junit = JUnitFile(self._config)
        return self._junit

    def _session(self) -> EnergySession:
        from pytest_energybench.session.state import EnergySession

        return EnergySession.of(self._config)

    def _view(self, run: Run) -> RunView:
        """What the page, the terminal and the summary lay out, made once."""
        if self._viewed is None:
            from pytest_energybench.report.build import run_view

            self._viewed = run_view(run)
        return self._viewed

    def writer(self) -> RunWriter:
        """Writes the files of this session."""
        if self._writer is None:
            from pytest_energybench.session.output import RunWriter

            self._writer = RunWriter(self._session(), here=self._config.invocation_params.dir)
        return self._writer

    def _has_run(self) -> bool:
        """Whether a test ran, here or before; a report of none would replace one that says more."""
        session = self._session()
        return bool(self._ran or session.taken_over or session.options.shard)

    def _conclude(self) -> None:
        """Make the run of what was gathered, once, and hold it against the session's gates."""
        if self._concluded or not self._looped:
            return  # pytest was asked for something else than to run tests
        session = self._session()
        session.end_untold()
        if session.options.disable:
            return
        self._concluded = True
        from pytest_energybench.gates.fail_on import warnings
        from pytest_energybench.session.session_gates import unmetered

        chosen = session.selection
        everything, plain = (chosen.everything, chosen.plain) if chosen is not None else (None, ())
        if session.cases or (session.options.keeps and self._has_run()):
            run, summary, failures = session.gates.conclude(
                session.run(), everything, plain, self._hearing.not_passed
            )
            self._run, self._failures = run, [*session.failures, *failures]
            self.writer().tell(summary)
            self._warnings = [*unmetered(run), *warnings(run)]
            if not session.options.strict_budgets:
                nodeids = [case.nodeid for case in run.cases]
                self.writer().messages += session.gates.idle_budgets(nodeids, everything, plain)
        else:
            found = session.gates.without_cases(
                everything,
                plain,
                self._hearing.not_passed,
                asked=len(session.order),
                now=self._config.getoption("energy_compare") is not None,
            )
            self._failures, self._warnings = [*session.failures, *found[0]], found[1]
        self._junit_file().finish(self._run.cases if self._run else (), self.gate_lines())
