"""What real runs show of long tests: in a pipe, with xdist, on a terminal."""

from __future__ import annotations

import pytest

from tests.session.conftest import FAKE_METER
from tests.session.terminal import run_on_terminal, shown_on

AT_ONCE = (
    FAKE_METER
    + """
import time
from pathlib import Path
from pytest_energybench.session import screen
from pytest_energybench.session import status
from pytest_energybench.measurement.progress import Progress

status.LONG_S = status.TOLD_FROM_S = 0.0
status.REFRESH_S = status.HEARTBEAT_S = 0.01
SEEN = Path(__file__).with_name("seen")

class Screen(screen.Screen):
    def line(self, text):
        super().line(text)
        SEEN.write_text("")

    def show(self, text):
        super().show(text)
        SEEN.write_text("")

status.Screen = Screen

def pytest_configure(config):
    config.stash[screen.progress_key] = Progress(METER.clock.monotonic)

@pytest.fixture
def until_shown():
    '''Return when how far the test is has been shown once more.'''
    def until_shown():
        SEEN.unlink(missing_ok=True)
        while not SEEN.exists():
            time.sleep(0.005)
    return until_shown
"""
)
"""Everything counts as long and is shown at once; seconds of work are the fake meter's."""

LONG = """
import pytest

@pytest.mark.parametrize("method", ["plain", "amp"])
def test_net(energy, work, until_shown, method):
    # Windows of one name, begin and length are one that tests share; these are two.
    more = 0.001 * (method == "amp")
    with energy.heavy_work("warm start"):
        work(3.0)
    with energy.measure("search", counted=False):
        work(5.0 + more)
        energy.progress("2 of ~5 evaluations")
        until_shown()
    with energy.measure("train"):
        work(20.0 + more)
        until_shown()
"""


@pytest.fixture
def long(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makeconftest(AT_ONCE)
    pytester.makepyfile(test_net=LONG)
    return pytester


def test_a_pipe_has_a_heartbeat_a_line_a_case_and_where_the_time_went(
    long: pytest.Pytester,
) -> None:
    run = long.runpytest_subprocess()
    run.assert_outcomes(passed=2)
    run.stdout.re_match_lines(
        [
            r"\[1/2\] plain: search, 2 of ~5 evaluations, \d+ s.*",
            r"\[1/2\] plain: train, \d+ s",
            r"\. \[1/2\] plain     240 J     0:20",
            r"\[2/2\] amp: search.*",
            r"\. \[2/2\] amp       240 J     0:20",
            r"\d+:\d\d in all: 0:40 metered, 0:10 search, 0:06 warm start",
        ]
    )


def test_xdist_s_controller_knows_which_cases_run_and_sums_up(
    long: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_PLUGINS", "pytest_energybench.plugin,xdist.plugin")
    run = long.runpytest_subprocess("-n", "2")
    run.assert_outcomes(passed=2)
    output = run.stdout.str()
    for number, label in (("[1/2]", "plain"), ("[2/2]", "amp")):
        assert f"{number} {label}: " in output
        assert f"{number} {label:5}     240 J     0:20\n" in output
    run.stdout.re_match_lines(
        [r".* in all; all processes together: 0:40 metered, 0:10 search, 0:06 warm start"]
    )


@pytest.mark.parametrize("arguments", [(), ("-v",)])
def test_a_terminal_has_one_line_that_comes_and_goes(
    long: pytest.Pytester, arguments: tuple[str, ...]
) -> None:
    written = run_on_terminal(long.path, *arguments)
    assert "\r\x1b[2K[1/2] plain: search, 2 of ~5 evaluations, " in written
    assert "\r\x1b[2K[2/2] amp: train, " in written
    screen = "\n".join(shown_on(80, written))
    assert "/2]" not in screen
    if arguments:
        assert "test_net.py::test_net[amp] PASSED " in screen
    else:
        assert "test_net.py .. " in screen


def test_what_the_test_prints_is_captured_all_the_same(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(AT_ONCE)
    pytester.makepyfile(
        """
        def test_capfd(energy, until_shown, capfd):
            print("own words")
            until_shown()
            assert capfd.readouterr().out == "own words\\n"

        def test_plain(energy, until_shown):
            print("own words")
            until_shown()
            assert False
        """
    )
    run = pytester.runpytest_subprocess()
    run.assert_outcomes(passed=1, failed=1)
    assert run.stdout.str().count("own words\n") == 1
    run.stdout.re_match_lines([r"\[2/2\] test_plain: \d+ s", ".*Captured stdout call.*"])


def test_many_quick_cases_print_nothing_new(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize("number", range(150))
        def test_quick(energy, work, number):
            with energy.measure():
                work(0.01)
        """
    )
    run = suite.runpytest("--no-summary")
    run.assert_outcomes(passed=150)
    written = run.stdout.str()
    dots = written.partition("collected 150 items")[2].partition("=====")[0]
    assert set(dots) - set("test_many_quick_cases_print_nothing_new.py") <= set(" .[1234567890%]\n")
    assert "/150]" not in written
    assert " in all" not in written


@pytest.mark.parametrize("arguments", [("--collect-only",), ("--energy-disable",)])
def test_where_nothing_is_metered_nothing_is_shown(
    long: pytest.Pytester, arguments: tuple[str, ...]
) -> None:
    long.makepyfile(test_net="def test_net(energy):\n    with energy.measure():\n        pass\n")
    run = long.runpytest_subprocess(*arguments)
    assert "[1/1]" not in run.stdout.str()
    assert " in all" not in run.stdout.str()
