"""How far a long session is: a status line on a terminal, else lines in the log.

A thread writes while a test runs, so that a download or an import is no silence. It sleeps in
between, and reads no meter.
"""

from __future__ import annotations

import os
import threading
from collections import defaultdict
from collections.abc import Callable, Generator, Mapping
from typing import TYPE_CHECKING, Any

import pytest

from pytest_energybench.metering.clock import SYSTEM_CLOCK
from pytest_energybench.report.progress import Roll, all_running, seconds_metered, where_time_went
from pytest_energybench.report.text import shorten
from pytest_energybench.session.config import EnergyConfig
from pytest_energybench.session.role import role_of
from pytest_energybench.session.screen import Screen, progress_of, screen_key

if TYPE_CHECKING:
    from pytest_energybench.session.state import EnergySession

LONG_S = 5.0
"""A test that has run for so long is shown; quick ones leave pytest's output as it is."""

REFRESH_S = 1.0
"""The status line is rewritten so often."""

HEARTBEAT_S = 30.0
"""Where there is no terminal, a line is written after so long a silence."""

TOLD_FROM_S = 10.0
"""A session of so many seconds says where they went."""

WIDEST = 120
"""Columns of a line in a log."""


def show_status(config: pytest.Config, started: float) -> None:
    """Show how far this session's metered tests are.

    Args:
        started: when the session began, in monotonic seconds.
    """
    shows = config.pluginmanager.has_plugin("terminalreporter")
    if shows and not EnergyConfig.of(config).disable and not config.option.collectonly:
        config.pluginmanager.register(Status(config, started), Status.NAME)


class Status:
    """Registered where tests are metered, in the process that reports."""

    NAME = "energybench-status"

    def __init__(
        self,
        config: pytest.Config,
        started: float,
        clock: Callable[[], float] = SYSTEM_CLOCK.monotonic,
    ) -> None:
        """
        Args:
            started: when the session began, in seconds of `clock`.
        """
        self._config = config
        self._clock = clock
        self._started = started
        self._reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
        self._screen = config.stash[screen_key] = Screen(self._reporter, clock)
        self._alone = role_of(config).runs_tests()
        self._rewrites = self._alone and _can_rewrite(config, self._reporter)
        self._over = threading.Event()
        self._roll = Roll(())
        self._running: dict[str, float] = {}
        self._took: defaultdict[str, float] = defaultdict(float)
        self._spent: defaultdict[str, float] = defaultdict(float)
        if self._alone:
            self._spent["collection"] = clock() - started
            progress_of(config).every_s = REFRESH_S if self._rewrites else HEARTBEAT_S / 3

    # ---- what pytest says ------------------------------------------------------------------

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtestloop(self) -> Generator[None, object, object]:
        watch = threading.Thread(target=self._watch, name=self.NAME, daemon=True)
        watch.start()
        try:
            return (yield)
        finally:
            self._over.set()
            watch.join()
            self._screen.close()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_logstart(self, nodeid: str) -> Generator[None]:
        if not self._took:  # workers have collected by now
            over = self._session().taken_over
            self._roll = Roll([each for each in self._session().order if each not in over])
        with self._screen.aside():
            yield
            self._running[nodeid] = self._clock()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> Generator[None]:
        with self._screen.aside():
            yield
            self._took[report.nodeid] += report.duration
            self._book(getattr(report, "energy_spent", {}))
            if report.when == "teardown":
                self._tell_ended(report)
            elif report.when not in ("setup", "call"):  # its worker has crashed
                self._running.pop(report.nodeid, None)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_logfinish(self, nodeid: str) -> Generator[None]:
        with self._screen.aside():
            yield
            self._running.pop(nodeid, None)

    def pytest_enter_pdb(self) -> None:
        """Somebody types now: nothing is shown any more."""
        self._over.set()
        with self._screen.aside():
            pass

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self) -> None:
        option = self._config.option
        seconds = self._clock() - self._started
        if seconds < TOLD_FROM_S or option.verbose < 0 or option.no_summary:
            return
        cases = [case for case in self._session().cases.values() if case.nodeid in self._took]
        if not cases:
            return
        self._book(seconds_metered(cases))
        self._book(progress_of(self._config).taken())
        line = where_time_went(seconds, self._spent, together=not self._alone)
        self._reporter.write_line(self._screen.fitting(line))

    def _book(self, seconds: Mapping[str, float]) -> None:
        for name, more in seconds.items():
            self._spent[name] += more

    # ---- what is shown ---------------------------------------------------------------------

    def beat(self) -> float:
        """Show what is due; gives the seconds until something can be due again."""
        with self._screen.lock:
            now = self._clock()
            running = {each: now - at for each, at in self._running.items() if each in self._roll}
            longest = max(running.values(), default=0.0)
            if self._rewrites:
                if running and longest >= LONG_S:
                    width = self._reporter._tw.fullwidth - 1
                    self._screen.show(shorten(self._doing(running), width))
                return REFRESH_S
            silent = min(longest, now - self._screen.quiet_since)
            if running and silent >= HEARTBEAT_S:
                self._screen.line(shorten(self._doing(running), WIDEST))
                silent = 0.0
            return HEARTBEAT_S - silent

    def _watch(self) -> None:
        pause = 0.0
        while not self._over.wait(pause):
            pause = self.beat()

    def _doing(self, running: Mapping[str, float]) -> str:
        """What the tests that run do, in one line; seconds since they began, by node id."""
        if not self._alone:
            return all_running([self._roll.running(*each) for each in running.items()])
        doing = progress_of(self._config).doing
        return self._roll.running(
            *next(iter(running.items())),
            words=(doing.phase, doing.words),
            joules=doing.joules,
            estimated=doing.estimated,
        )

    def _tell_ended(self, report: pytest.TestReport) -> None:
        """In a log, a line for a case that took long, behind the letter that pytest wrote."""
        case = self._session().cases.get(report.nodeid)
        verbosity = self._config.option.verbose
        last = getattr(report, "energy_last", True)
        if case is None or not last or self._took[report.nodeid] < LONG_S:
            return
        if self._rewrites or verbosity < 0 or report.nodeid not in self._roll:
            return
        if verbosity > 0:
            self._reporter.ensure_newline()
        space = " " if self._reporter._tw.width_of_current_line else ""
        # pytest ends the line before it writes the next path; with xdist it writes none.
        end = "" if self._alone else "\n"
        line = self._screen.fitting(self._roll.finished(case))
        self._reporter.write(f"{space}{line}{end}", flush=True)
        self._reporter.currentfspath = None

    def _session(self) -> EnergySession:
        from pytest_energybench.session.state import EnergySession

        return EnergySession.of(self._config)


def _can_rewrite(config: pytest.Config, reporter: Any) -> bool:
    """Whether a line can be rewritten: it is a terminal, and only pytest writes to it."""
    return bool(
        reporter.isatty
        and os.environ.get("TERM") != "dumb"
        and type(reporter).__module__ == "_pytest.terminal"
        and config.getoption("capture") != "no"
        and not config.getini("log_cli")
        and not config.getoption("log_cli_level", None)
    )
