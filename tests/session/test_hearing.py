"""Tests that were to be metered, and whether their figures came with their reports."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

METERED = """
import pytest

@pytest.mark.xdist_group("db")
def test_x(energy, work):
    energy(work, 1.0)

@pytest.mark.xdist_group("db")
@pytest.mark.skip
def test_skipped(energy): ...

def test_plain(): ...
"""
XDIST = ("-p", "xdist.plugin", "-n1")


@pytest.mark.parametrize("dist", ["load", "loadgroup"])
def test_one_that_a_mark_skips_is_heard_of_whatever_xdist_calls_it(
    suite: pytest.Pytester, dist: str
) -> None:
    suite.makepyfile(METERED)
    result = suite.runpytest(*XDIST, f"--dist={dist}")
    result.assert_outcomes(passed=2, skipped=1)
    assert result.ret == 0


def test_one_of_a_group_of_xdist_has_its_last_answer_in_every_file(suite: pytest.Pytester) -> None:
    suite.makepyfile(test_it=METERED)
    options = ("--dist=loadgroup", "--junitxml=junit.xml")
    assert suite.runpytest(*XDIST, *options, "--energy-save=main").ret == 0
    suite.makepyfile(test_it=METERED.replace("1.0", "2.0"))
    assert suite.runpytest(*XDIST, *options, "--energy-compare=main").ret == 1
    assert 'name="energy_reason" value="more than main"' in Path("junit.xml").read_text()


def test_one_that_crashes_keeps_its_name(suite: pytest.Pytester) -> None:
    suite.makepyfile(test_it=METERED.replace("energy(work, 1.0)", "__import__('os')._exit(3)"))
    result = suite.runpytest(*XDIST, "--dist=loadgroup", "--energy-json=run.json")
    assert result.ret == 1
    run = json.loads(Path("run.json").read_text())
    assert [case["nodeid"] for case in run["cases"]] == ["test_it.py::test_x"]
    assert not run["failures"]


IN_ITS_OWN_WAY = """
@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item):
    if item.name == "test_x":
        for when in ("setup", "call", "teardown"):
            report = pytest.TestReport(item.nodeid, item.location, {}, "passed", None, when)
            item.ihook.pytest_runtest_logreport(report=report)
        return True
"""
EACH_ONCE = """
SEEN = set()

@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item):
    if item.nodeid in SEEN:
        return True
    SEEN.add(item.nodeid)
"""


@pytest.mark.parametrize(
    ("hook", "rounds"), [(IN_ITS_OWN_WAY, 1), (EACH_ONCE, 2)], ids=["elsewhere", "once"]
)
def test_one_that_passed_without_the_figures_of_all_its_rounds_fails_the_run(
    suite: pytest.Pytester, hook: str, rounds: int
) -> None:
    suite.makepyfile(METERED)
    conftest = Path("conftest.py")
    conftest.write_text(conftest.read_text() + hook)
    result = suite.runpytest(f"--energy-rounds={rounds}", "--energy-json=run.json")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    (line,) = json.loads(Path("run.json").read_text())["failures"]
    assert line.endswith(
        "::test_x are missing, or not of all rounds: another plugin ran the test in its own way"
    )
