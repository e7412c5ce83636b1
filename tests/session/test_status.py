"""How far a long session is, on a played clock: what is shown when, and what is not."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from pytest_energybench.metering.clock import SYSTEM_CLOCK
from pytest_energybench.metering.fake import FakeClock
from pytest_energybench.parallel.xdist import Controller
from pytest_energybench.plugin import _started_key
from pytest_energybench.results.model import Case, Window
from pytest_energybench.session.collection import Selection
from pytest_energybench.session.screen import progress_of
from pytest_energybench.session.state import EnergySession
from pytest_energybench.session.status import Status
from tests.session.terminal import shown_on

NODEIDS = tuple(f"test_net.py::test_net[{name}]" for name in ("plain", "amp"))


@dataclass
class Played:
    """A session whose tests are played: hooks are called as pytest does."""

    config: pytest.Config
    status: Status
    clock: FakeClock
    file: io.StringIO

    @property
    def log(self) -> list[str]:
        return self.file.getvalue().splitlines()

    def begin(self, nodeid: str) -> None:
        self.config.hook.pytest_runtest_logstart(nodeid=nodeid, location=("test_net.py", 0, ""))

    def wait(self, seconds: int) -> None:
        """Let time pass; the thread that shows what is due is played, too."""
        for _ in range(seconds):
            self.clock.advance(1.0)
            self.status.beat()

    def end(self, nodeid: str, seconds: float, **more: Any) -> None:
        case = Case(nodeid=nodeid, name=nodeid, total_j=600.0, duration_s=seconds)
        EnergySession.of(self.config).cases[nodeid] = case
        for when, took in (("setup", 0.0), ("call", seconds), ("teardown", 0.0)):
            report = pytest.TestReport(
                nodeid, ("test_net.py", 0, ""), {}, "passed", None, when, duration=took
            )
            if when == "teardown":
                vars(report).update(more)
            self.config.hook.pytest_runtest_logreport(report=report)
        self.config.hook.pytest_runtest_logfinish(nodeid=nodeid, location=("test_net.py", 0, ""))

    def summary(self) -> str:
        """What is said of the session's time."""
        at = len(self.file.getvalue())
        self.status.pytest_terminal_summary()
        return self.file.getvalue()[at:].strip()


Play = Callable[..., Played]


@pytest.fixture
def play(pytester: pytest.Pytester) -> Play:
    def play(*arguments: str, terminal: bool = False) -> Played:
        config = pytester.parseconfigure(*arguments)
        file = io.StringIO()
        reporter = config.pluginmanager.get_plugin("terminalreporter")
        reporter._tw._file, reporter.isatty = file, terminal
        reporter._session = session = pytest.Session.from_config(config)
        session.testscollected = len(NODEIDS)
        EnergySession.of(config).begin(Selection(asked=NODEIDS))
        clock = FakeClock()
        status = Status(config, clock.monotonic(), clock.monotonic)
        config.pluginmanager.register(status, Status.NAME)
        return Played(config, status, clock, file)

    return play


def test_a_case_that_took_long_has_a_line_with_its_number(play: Play) -> None:
    played = play()
    for nodeid, seconds in zip(NODEIDS, (179.0, 60.0), strict=True):
        played.begin(nodeid)
        played.end(nodeid, seconds)
    first, second = (line for line in played.log if line)
    assert first == "test_net.py . [1/2] plain     600 J     2:59"
    assert second.startswith("test_net.py . [2/2] amp       600 J     1:00")


def test_quick_cases_leave_pytests_output_as_it_is(play: Play) -> None:
    played = play()
    for nodeid in NODEIDS:
        played.begin(nodeid)
        played.wait(4)
        played.end(nodeid, 4.0)
    # pytest 8.2 adds its percentage.
    assert [line.removesuffix("[100%]").rstrip() for line in played.log] == ["", "test_net.py .."]
    assert played.summary() == ""


def test_a_silence_of_thirty_seconds_ends_with_a_heartbeat(play: Play) -> None:
    played = play()
    played.begin(NODEIDS[0])
    progress_of(played.config).begin("train")
    played.wait(29)
    before = len(played.log)
    progress_of(played.config)("epoch 3 of at most 6")
    played.wait(1)
    assert played.log[before:] == ["[1/2] plain: train, epoch 3 of at most 6, 30 s"]
    played.wait(30)
    assert played.log[-1] == "[1/2] plain: train, epoch 3 of at most 6, 1:00"
    assert len(played.log) == before + 2
    played.end(NODEIDS[0], 61.0)
    played.wait(120)  # nothing metered runs
    assert played.log[-1].startswith(". [1/2] plain ")


def test_what_others_write_is_no_silence(play: Play) -> None:
    played = play()
    played.begin(NODEIDS[0])
    played.wait(20)
    with played.status._screen.aside():
        pass
    played.wait(29)
    assert not any("[1/2]" in line for line in played.log)


def test_tests_that_are_not_metered_have_no_lines(play: Play) -> None:
    played = play()
    played.begin("test_net.py::test_plain")
    played.wait(90)
    assert not any("[" in line for line in played.log)


def test_a_case_waits_for_its_last_round(play: Play) -> None:
    played = play()
    played.begin(NODEIDS[0])
    played.end(NODEIDS[0], 4.0, energy_last=False)
    assert not any("[1/2]" in line for line in played.log)
    played.end(NODEIDS[0], 4.0, energy_last=True)
    assert any("[1/2]" in line for line in played.log)


def test_quiet_runs_have_the_heartbeat_alone(play: Play) -> None:
    played = play("-q")
    played.begin(NODEIDS[0])
    played.wait(30)
    played.end(NODEIDS[0], 31.0)
    assert [line for line in played.log if "[1/2]" in line] == ["[1/2] plain: 30 s"]
    assert played.summary() == ""


def test_verbose_lines_of_pytest_stay_whole(play: Play) -> None:
    played = play("-v")
    played.begin(NODEIDS[0])
    played.end(NODEIDS[0], 60.0)
    lines = [line for line in played.log if line]
    assert lines[0].startswith("test_net.py::test_net[plain] PASSED ")
    assert lines[1].startswith("[1/2] plain ")


def test_on_a_terminal_one_line_is_rewritten_each_second_from_the_fifth_on(
    play: Play,
) -> None:
    played = play(terminal=True)
    played.begin(NODEIDS[0])
    progress_of(played.config).begin("search")
    played.wait(4)
    assert "[1/2]" not in played.file.getvalue()
    played.wait(2)
    progress_of(played.config)("3 of ~5 evaluations")
    played.wait(1)
    shown = played.file.getvalue().split("\r\x1b[2K")[1:]
    assert shown == [
        "[1/2] plain: search, 5 s",
        "[1/2] plain: search, 6 s",
        "[1/2] plain: search, 3 of ~5 evaluations, 7 s",
    ]
    played.end(NODEIDS[0], 7.0)
    assert played.file.getvalue().rpartition("\r\x1b[2K")[2].endswith(".")


@pytest.mark.parametrize("argument", ["--capture=no", "-olog_cli=true", "--log-cli-level=INFO"])
def test_where_tests_write_to_the_terminal_no_line_is_rewritten(play: Play, argument: str) -> None:
    played = play(argument, terminal=True)
    played.begin(NODEIDS[0])
    played.wait(30)
    assert played.log[-1] == "[1/2] plain: 30 s"
    assert "\x1b" not in played.file.getvalue()


def test_a_dumb_terminal_is_no_terminal(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    played = play(terminal=True)
    played.begin(NODEIDS[0])
    played.wait(30)
    assert "\x1b" not in played.file.getvalue()


def test_the_debugger_has_the_terminal_for_itself(play: Play) -> None:
    played = play(terminal=True)
    played.begin(NODEIDS[0])
    played.wait(6)
    played.status.pytest_enter_pdb()
    assert played.status._over.is_set()
    assert shown_on(80, played.file.getvalue()) == ["", "test_net.py"]


def test_a_case_whose_worker_crashed_runs_no_more(play: Play) -> None:
    played = play()
    played.begin(NODEIDS[0])
    report = pytest.TestReport(NODEIDS[0], ("", None, ""), {}, "failed", "crashed", "???")
    played.config.hook.pytest_runtest_logreport(report=report)
    played.wait(60)
    assert not any("[1/2]" in line for line in played.log)


def test_at_the_end_it_is_told_where_the_time_went(play: Play) -> None:
    played = play()
    played.clock.advance(4.0)
    played.begin(NODEIDS[0])
    played.clock.advance(96.0)
    played.end(NODEIDS[0], 90.0, energy_spent={"warm start": 21.5, "imports": 9.0})
    record: dict[str, Any] = {"started": "", "energy_j": {}, "total_j": None, "provenance": {}}
    EnergySession.of(played.config).cases[NODEIDS[0]] = Case(
        nodeid=NODEIDS[0],
        name="plain",
        windows=[
            Window(name="search", duration_s=12.0, place="beside", **record),
            Window(name="train", duration_s=40.0, **record),
        ],
    )
    assert played.summary() == (
        "1:40 in all: 0:40 metered, 0:21 warm start, 0:12 search, 0:09 imports, 0:18 other"
    )


def test_a_case_of_an_earlier_run_took_no_time_of_this_one(play: Play) -> None:
    played = play()
    EnergySession.of(played.config).cases["taken over"] = Case(nodeid="taken over", name="it")
    played.clock.advance(60.0)
    assert played.summary() == ""


def test_the_session_s_begin_is_of_the_clock_that_shows_it(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python's monotonic clock may be another than the package's."""
    monkeypatch.setattr(time, "monotonic", lambda: 1e9)
    config = pytester.parseconfigure()
    begun = [config.stash[_started_key]]
    monkeypatch.setattr(
        "pytest_energybench.session.status.show_status", lambda _, started: begun.append(started)
    )
    Controller(config).pytest_sessionstart()
    assert len(begun) == 2
    assert all(0 <= SYSTEM_CLOCK.monotonic() - each < 600 for each in begun)
