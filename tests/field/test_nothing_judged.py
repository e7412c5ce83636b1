"""A session whose gates had nothing to judge, or not all of it, is no passed one without a word."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.field.suites import cases, locks_of_its_own, only_this_plugin, suite  # noqa: F401

pytestmark = pytest.mark.usefixtures("only_this_plugin", "locks_of_its_own")

METERED = """
import pytest

def test_x(energy, work):
    energy(work, 1.0)
"""
LIMITED = """
import pytest

@pytest.mark.energy_budget(max="1 mJ")
def test_x(work):
    work(1.0)
"""
SWALLOWED = """
@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item):
    return True
"""
LATE = """
def pytest_runtest_teardown(item):
    item.add_marker(pytest.mark.energy_budget(max="1 mJ"))
"""


def add_to_conftest(text: str) -> None:
    conftest = Path("conftest.py")
    conftest.write_text(conftest.read_text() + text)


def test_a_comparison_without_a_metered_test_fails_or_is_told(
    suite: pytest.Pytester,  # noqa: F811
) -> None:
    suite.makepyfile(METERED)
    assert suite.runpytest("--energy-save=main").ret == 0
    suite.makepyfile("def test_x(): pass")
    nothing = "nothing was held against main: no test of this run asks for energy"
    for arguments, kind in (
        (["--energy-compare=main"], "gate"),
        (["--energy-compare=main", "--energy-fail-on=more"], "warning"),
        (["-o", "energy_compare=main"], "warning"),
    ):
        result = suite.runpytest(*arguments)
        result.stdout.fnmatch_lines([f"energy {kind}: {nothing}"])
        assert result.ret == (kind == "gate"), arguments
    suite.makepyfile("def test_y(): pass")
    result = suite.runpytest("--energy-compare=main", "--energy-fail-on=stale")
    result.stdout.fnmatch_lines(["energy gate: *::test_x: in main, and no longer metered"])
    assert result.ret == 1
    suite.makepyfile(METERED.replace("def", "@pytest.mark.skip\ndef"))
    result = suite.runpytest("--energy-compare=main")
    result.stdout.fnmatch_lines(["energy warning: nothing was held against main: each was skipped"])
    assert result.ret == 0  # skipped on purpose


def test_a_history_that_holds_nothing_is_no_gate_that_passed(
    suite: pytest.Pytester,  # noqa: F811
) -> None:
    Path(".energy").mkdir(exist_ok=True)
    Path(".energy/history.jsonl").write_text("")
    result = suite.runpytest("--energy-compare=history:5")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    suite.makepyfile(METERED.replace("test_x", "test_earlier"))
    assert suite.runpytest("--energy-history").ret == 0
    suite.makepyfile("def test_x(): pass")
    result = suite.runpytest("--energy-compare=history:5")
    nothing = "nothing was held against history:5: no test of this run asks for energy"
    result.stdout.fnmatch_lines([f"energy gate: {nothing}"])
    assert result.ret == 1
    suite.makepyfile(METERED)
    result = suite.runpytest("--energy-compare=history:5", "--energy-fail-on=missing")
    result.stdout.fnmatch_lines(["*missing from history:5*"])
    assert result.ret == 1


def test_budgets_hold_where_no_test_is_metered(suite: pytest.Pytester) -> None:  # noqa: F811
    suite.makepyfile(test_a="def test_x(): pass")
    named = '[budget."test_a.py::test_x"]\nmax_energy = "1 mJ"\n'
    Path("energy-budgets.toml").write_text(named + '[budget."*"]\nmargin = "5 %"\n')
    idle = "energy-budgets.toml: budget 'test_a.py::test_x' matches no case"
    result = suite.runpytest()
    result.stdout.fnmatch_lines([f"energy warning: {idle}"])
    assert result.ret == 0
    assert "'*'" not in result.stdout.str()  # it is for whatever is metered
    result = suite.runpytest("--energy-strict-budgets")
    result.stdout.fnmatch_lines([f"energy gate: {idle}"])
    assert result.ret == 1


def test_tests_that_a_fixture_skips_are_told_and_leave_the_last_report(
    suite: pytest.Pytester,  # noqa: F811
) -> None:
    suite.makepyfile(test_a=LIMITED.replace("1 mJ", "1 kJ"))
    assert suite.runpytest("--energy-report").ret == 0
    before = {path: path.read_bytes() for path in Path("reports").iterdir()}
    suite.makepyfile(test_a=LIMITED.replace("work(1.0)", "...").replace("work", "lacking"))
    add_to_conftest("\n@pytest.fixture\ndef lacking():\n    pytest.skip('no GPU')\n")
    told = "its budget was not judged: a fixture skipped the test"
    result = suite.runpytest("--energy-report")
    result.stdout.fnmatch_lines(["UNDECIDED*", f"*UNKNOWN*not judged*test_x*{told}"])
    assert result.ret == 0
    result = suite.runpytest("--energy-report", "--energy-strict-budgets")
    result.stdout.fnmatch_lines(["FAILED", f"*FAIL*test_x: {told}"])
    assert result.ret == 1
    assert {path: path.read_bytes() for path in Path("reports").iterdir()} == before


def test_a_metered_test_that_another_plugin_keeps_from_running_fails(
    suite: pytest.Pytester,  # noqa: F811
) -> None:
    suite.makepyfile(LIMITED)
    add_to_conftest(SWALLOWED)
    result = suite.runpytest()
    result.stdout.fnmatch_lines(["energy gate: nothing was heard of *::test_x: it was to run*"])
    assert result.ret == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_program_in_the_place_of_the_session_is_refused(
    suite: pytest.Pytester,  # noqa: F811
) -> None:
    suite.makepyfile(
        """
        import os, posix, sys
        from os import execve

        DONE = [sys.executable, "-S", "-c", ""]

        def test_child(energy, work):
            energy(work, 1.0)
            child = os.fork()
            if child == 0:
                os.execv(DONE[0], DONE)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

        def test_replaced():
            try:
                os.execlpe(*DONE[:1], *DONE, os.environ)
            except Exception:
                pass

        def test_replaced_from_elsewhere():
            posix.execv(DONE[0], DONE)

        def test_replaced_by_name():
            execve(DONE[0], DONE, {})
        """
    )
    result = suite.runpytest_subprocess("--energy-report")
    result.assert_outcomes(passed=1, failed=3)
    result.stdout.fnmatch_lines(["os.execve would end the session before its gates are judged*"])
    assert Path("reports/energy.json").exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows' C library has another name")
def test_a_session_that_c_code_ended_is_told_by_the_next_one(
    suite: pytest.Pytester,  # noqa: F811
) -> None:
    suite.makepyfile(
        """
        import ctypes, os

        def test_a(energy, work):
            energy(work, 1.0)

        def test_leaves():
            os.path.exists("stays") or ctypes.CDLL(None).exit(0)
        """
    )
    assert suite.runpytest_subprocess("--energy-report").ret == 0
    assert Path("reports/energy.journal").exists()
    assert not Path("reports/energy.json").exists()
    Path("stays").touch()
    result = suite.runpytest_subprocess("--energy-report")
    result.stdout.fnmatch_lines(["*a run that was cut short had left a journal*"])
    assert result.ret == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.parametrize("name", ["os._exit", "posix._exit", "_exit"])
def test_leaving_by_os_exit_is_no_passed_gate(
    suite: pytest.Pytester,  # noqa: F811
    name: str,
) -> None:
    suite.makepyfile(
        f"""
        import atexit, os, posix
        from os import _exit

        def test_child(energy, work):
            energy(work, 1.0)
            child = os.fork()
            if child == 0:
                os._exit(0)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

        def test_leaves():
            {name}(0)

        def test_leaves_afterwards():
            atexit.register({name}, 0)
        """
    )
    result = suite.runpytest_subprocess("--energy-report")
    result.stdout.fnmatch_lines(["*os._exit(0) ended the session before its gates were judged"])
    assert result.ret == 1
    assert Path("reports/energy.journal").exists()
    result = suite.runpytest_subprocess(
        "--energy-report", "--energy-resume", "-k", "not leaves or after"
    )
    assert result.ret == 0
    assert not Path("reports/energy.journal").exists()


@pytest.mark.parametrize(
    ("test", "total_j", "late"),
    [
        ("def test_x(request, work):\n    request.getfixturevalue('energy')(work, 1.0)", 12.0, ""),
        ("def test_x(afterwards, energy, work):\n    energy(work, 1e-5)", 1200.00012, ""),
        ("def test_x(energy, work):\n    energy(work, 1.0)", 12.0, LATE),
    ],
    ids=["asked-for-in-the-test", "metered-after-the-test", "added-in-teardown"],
)
def test_what_comes_after_a_test_was_judged_is_judged_too(
    suite: pytest.Pytester,  # noqa: F811
    test: str,
    total_j: float,
    late: str,
) -> None:
    suite.makepyfile(
        test_a=f"""
import pytest

@pytest.fixture
def afterwards(energy, work):
    yield
    with energy.measure():
        work(100.0)

{test}
"""
    )
    if late:
        add_to_conftest(late)
    else:
        Path("energy-budgets.toml").write_text('[budget."*"]\nmax_energy = "1 mJ"\n')
    result = suite.runpytest("--energy-json=run.json")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*FAIL*over budget*test_x*"])
    case = cases("run.json")["test_x"]
    assert case["total_j"] == pytest.approx(total_j)
    (comparison,) = case["comparisons"]
    assert comparison["judged"]["kind"] == "fail"


def test_a_test_without_energy_that_gets_a_budget_at_its_end_fails(
    suite: pytest.Pytester,  # noqa: F811
) -> None:
    suite.makepyfile("def test_x(work): work(1.0)\ndef test_y(): pass")
    add_to_conftest(LATE)
    result = suite.runpytest()
    result.assert_outcomes(passed=2, errors=2)
    result.stdout.fnmatch_lines(["the energy_budget of this test was added after its collection*"])


def test_a_limit_that_its_test_lets_pass_is_not_called_kept(
    suite: pytest.Pytester,  # noqa: F811
) -> None:
    suite.makepyfile(
        """
        import pytest

        def test_x(energy, work):
            energy(work, 1.0)
            with pytest.raises(AssertionError):
                energy.assert_below("1 mJ")
        """
    )
    result = suite.runpytest()
    result.stdout.fnmatch_lines(["PASSED: 1 over a limit, which the test let pass"])
    assert result.ret == 0


RETRIED = """
import pytest

attempts = []

def test_x(energy, work):
    attempts.append(1)
    energy(work, 1.0 if len(attempts) == 1 else 3.0)
    assert len(attempts) > 1
    energy.assert_below("{limit}")
"""
RETRIES = """
@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if call.when == "call" and report.failed:  # as pytest-retry does, without a report between
        item.ihook.pytest_runtest_teardown(item=item, nextitem=None)
        item._initrequest()
        item.ihook.pytest_runtest_setup(item=item)
        again = pytest.CallInfo.from_call(lambda: item.ihook.pytest_runtest_call(item=item), "call")
        report = pytest.TestReport.from_item_and_call(item, again)
    return report
"""


@pytest.mark.parametrize(("limit", "failed"), [("40 J", 0), ("30 J", 1)])
def test_an_attempt_that_is_repeated_within_one_report_adds_nothing(
    suite: pytest.Pytester,  # noqa: F811
    limit: str,
    failed: int,
) -> None:
    suite.makepyfile(RETRIED.format(limit=limit))
    add_to_conftest(RETRIES)
    result = suite.runpytest("--energy-json=run.json")
    result.assert_outcomes(passed=1 - failed, failed=failed)
    assert cases("run.json")["test_x"]["total_j"] == 36.0


def test_an_option_that_nothing_stands_behind_is_refused(
    suite: pytest.Pytester,  # noqa: F811
) -> None:
    """`--energy-compare=$BASELINE` where the variable isn't set would be a gate that is off."""
    suite.makepyfile(METERED)
    result = suite.runpytest("--energy-compare=")
    result.stderr.fnmatch_lines(["ERROR: --energy-compare=: nothing stands behind it*"])
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert suite.runpytest("-o", "energy_compare=").ret == 0
