"""Tests that pytest-forked runs in a child each: what was judged there counts, and none is lost."""

from __future__ import annotations

import pytest

from tests.field.suites import cases

pytest.importorskip("pytest_forked", reason="needs pytest-forked: pip install pytest-forked")

OPTIONS = ("-p", "pytest_forked", "--forked", "--energy-meters=estimate", "--energy-json=run.json")

SUITE = """
import os
import signal
import pytest

def test_assertion(energy):
    with energy.measure():
        sum(range(100_000))
    energy.assert_below("1 MJ")

def test_assertion_exceeded(energy):
    with energy.measure():
        sum(range(100_000))
    energy.assert_below("1e-6 J")

@pytest.mark.energy_budget(max="1 MJ")
def test_budget():
    sum(range(100_000))

@pytest.mark.energy_budget(max="1e-6 J")
def test_budget_exceeded():
    sum(range(100_000))

@pytest.mark.energy_budget(max="1e-6 J")
def test_budget_of_windows_exceeded(energy):
    with energy.measure():
        sum(range(100_000))

@pytest.mark.energy_budget(max="1 MJ")
def test_budget_without_a_window(energy):
    pass

@pytest.mark.energy_budget(max="1 MJ")
def test_crash():
    os.kill(os.getpid(), signal.SIGKILL)

def test_crash_in_a_window(energy):
    with energy.measure():
        os._exit(0)

def test_plain():
    pass
"""

FAILED = {
    "test_assertion_exceeded": "failed",
    "test_budget_exceeded": "failed",
    "test_budget_of_windows_exceeded": "failed",
    "test_budget_without_a_window": "failed",
    "test_crash": "error",
    "test_crash_in_a_window": "error",
}
PASSED = {"test_assertion": "passed", "test_budget": "passed"}


@pytest.fixture
def forking(suite: pytest.Pytester) -> pytest.Pytester:
    """A suite of forked tests, where reports reach the parent at all."""
    suite.makepyfile(test_plain="def test_plain(): pass")
    plain = suite.runpytest_subprocess("-p", "pytest_forked", "--forked", "test_plain.py")
    if plain.ret != 0:
        pytest.skip(f"this pytest-forked fails every test on pytest {pytest.__version__}")
    suite.makepyfile(test_it=SUITE)
    return suite


@pytest.mark.parametrize("rounds", [1, 2])
def test_what_a_child_judged_is_the_result(forking: pytest.Pytester, rounds: int) -> None:
    result = forking.runpytest_subprocess(*OPTIONS, f"--energy-rounds={rounds}", "test_it.py")
    assert result.ret == 1
    found = cases("run.json")
    assert {name: case["outcome"] for name, case in found.items()} == FAILED | PASSED
    for name in (*PASSED, "test_assertion_exceeded", "test_budget_exceeded"):
        assert found[name]["total_j"] > 0.0
        assert len(found[name]["rounds"]) == rounds
    assert "CRASHED with signal 9" in found["test_crash"]["errors"][0]
    assert "EXITED with status 0" in found["test_crash_in_a_window"]["errors"][0]
    assert not any(found[name].get("total_j") for name in FAILED if "crash" in name)


@pytest.mark.parametrize("workers", [(), ("-p", "xdist", "-n", "2")], ids=["alone", "workers"])
def test_a_group_is_judged_beside_a_reference_that_another_child_ran(
    forking: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    forking.makeconftest(
        """
        import time

        import pytest
        from pytest_energybench.metering import Meter
        from pytest_energybench.metering.custom import CounterSource

        USED = [0.0]

        def pytest_energy_meter():
            return Meter([CounterSource(lambda: sum(USED), "cpu:0")])

        @pytest.hookimpl(tryfirst=True)
        def pytest_runtest_logreport(report):
            if hasattr(report, "node"):  # a controller that is slow to tell the workers
                time.sleep(0.5)

        @pytest.fixture
        def work():
            return USED.append
        """
    )
    forking.makepyfile(
        test_it="""
        import pytest

        METHODS = [pytest.param("plain", marks=pytest.mark.energy_baseline), "lean", "greedy"]

        @pytest.mark.energy_group("methods")
        @pytest.mark.parametrize("method", METHODS)
        def test_methods(energy, work, method):
            with energy.measure():
                work({"plain": 2.0, "lean": 1.0, "greedy": 3.0}[method])
            energy.assert_below_baseline()
        """
    )
    result = forking.runpytest_subprocess("-p", "pytest_forked", "--forked", *workers, "test_it.py")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*more than plain*test_methods?greedy?*"])
