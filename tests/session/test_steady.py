"""Rounds on a machine that changes under them, and rests between them."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_energybench.gates.figures import disturbances
from pytest_energybench.metering.clock import SystemClock
from pytest_energybench.results.run_file import read_run

WATCHED = """
from pathlib import Path
from pytest_energybench.metering.machine_state import MachineWatch

GOVERNOR = Path("sys/devices/system/cpu/cpufreq/policy0/scaling_governor").absolute()
GOVERNOR.parent.mkdir(parents=True)
GOVERNOR.write_text("powersave")
METER.watch = MachineWatch(root=Path().absolute(), clock=METER.clock)

@pytest.fixture
def change():
    yield lambda: GOVERNOR.write_text("performance")
    GOVERNOR.write_text("powersave")
"""

SUITE = """
import pytest

@pytest.mark.energy_group("g")
@pytest.mark.parametrize("joules", [pytest.param(24, marks=pytest.mark.energy_baseline), 12])
def test_windows(energy, work, change, joules):
    for _ in range(2):
        with energy.measure():
            work(joules / 24)
    if energy.round == 1 and joules == 12:
        change()
    energy.assert_below_baseline()

def test_calls(energy, work, change):
    energy(lambda: (work(1.0), change()), rounds=2, iterations=1)
    energy.assert_below("13 J")

def test_functions(energy, work, change):
    def candidate():
        work(0.5)
        change()
    energy.compare(candidate, lambda: work(1.0), rounds=2, warmup=0).assert_lower()
"""
FLAG = "machine changed: cpu governor powersave → performance since the run began"


def test_a_round_in_which_the_machine_changed_decides_nothing(suite: pytest.Pytester) -> None:
    Path("conftest.py").write_text(Path("conftest.py").read_text() + WATCHED)
    suite.makepyfile(test_it=SUITE)
    result = suite.runpytest("--energy-rounds=3", "--energy-json=r.json")
    result.assert_outcomes(passed=2, failed=2)
    cases = {case.name: case for case in read_run("r.json").cases}
    windows = cases["test_windows[12]"]
    assert [FLAG in each.flags for each in windows.rounds] == [False, True, False]
    assert windows.result is not None
    assert (windows.result.kind, windows.result.reason) == ("fail", "machine busy")
    assert f"caution: {FLAG} in 1 of 3 rounds" in windows.result.text
    calls = cases["test_calls"]  # a busy machine only adds, so that what is within stays so
    assert [word.word for word in disturbances([each.flags for each in calls.rounds])]
    assert calls.result is not None
    assert calls.result.kind == "pass"
    assert cases["test_functions"].result is not None
    assert cases["test_functions"].result.reason == "machine busy"


@pytest.mark.parametrize("given", ["-o", "--"])
def test_the_machine_cools_down_between_rounds_and_never_in_a_window(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(SystemClock, "sleep", staticmethod(slept.append))
    suite.makepyfile(
        test_it="""
        def test_windows(energy, work):
            for _ in range(2):
                with energy.measure():
                    work(1.0)

        def test_calls(energy, work):
            def inner():
                with energy.measure("inner"):
                    work(1.0)
            energy(inner, rounds=2, iterations=1)
        """
    )
    option = {"-o": ["-o", "energy_cooldown=1.5 min"], "--": ["--energy-cooldown=1.5 min"]}[given]
    result = suite.runpytest(*option, "--energy-rounds=3", "--energy-json=r.json")
    result.assert_outcomes(passed=2)
    assert slept == [90.0] * (3 + 3 * 2 - 1)
    run = read_run("r.json")
    assert [case.total_j for case in run.cases] == [24.0, 12.0]
    assert run.settings["cooldown_s"] == 90.0
