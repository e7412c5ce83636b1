"""`--energy-rounds`: whole tests again, interleaved within the group, as one case."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

GROUP = """
import pytest

LOG = []

@pytest.fixture
def fresh():
    LOG.append("setup")
    return []

@pytest.mark.parametrize("method", [pytest.param("a", marks=pytest.mark.energy_baseline), "b"])
@pytest.mark.energy_group("net")
def test_it(energy, work, fresh, method):
    assert fresh == []
    fresh.append(method)
    LOG.append(method)
    with energy.measure():
        work({"a": 10.0, "b": 9.0}[method] + 0.01 * len(LOG))
    energy.record(accuracy=0.9)
    energy.assert_below_baseline()
    energy.assert_accuracy_within_baseline()

def test_plain():
    LOG.append("plain")

def test_log():
    print("LOG", "".join(entry for entry in LOG if entry in "ab"), LOG.count("plain"))
"""


@pytest.mark.parametrize(("rounds", "order"), [(1, "ab"), (2, "baab"), (3, "abbaab")])
def test_a_group_runs_forwards_and_backwards_in_turn(
    suite: pytest.Pytester, rounds: int, order: str
) -> None:
    suite.makepyfile(GROUP)
    result = suite.runpytest("-s", f"--energy-rounds={rounds}")
    result.stdout.fnmatch_lines([f"*LOG {order} 1*"])
    assert result.ret == 0


def test_rounds_are_one_case_judged_in_pairs(suite: pytest.Pytester) -> None:
    suite.makepyfile(GROUP)
    suite.runpytest("--energy-rounds=4", "--energy-json=run.json")
    a, b = json.loads(Path("run.json").read_text())["cases"]
    assert (len(a["rounds"]), len(b["rounds"])) == (4, 4)
    (verdict,) = [c["verdict"] for c in b["comparisons"] if c["quantity"] == "energy"]
    assert (verdict["kind"], verdict["method"], verdict["n"]) == ("improved", "paired", 4)
    assert verdict["interval"][0] < verdict["delta"] < verdict["interval"][1]


def test_a_rerun_adds_to_the_sample(suite: pytest.Pytester) -> None:
    """A second execution never replaces the first: no best of N."""
    suite.makepyfile(
        """
        SECONDS = [30.0, 10.0]

        def test_it(energy, work):
            with energy.measure():
                work(SECONDS.pop(0))
            assert not SECONDS
            energy.assert_below("240 J")
        """
    )
    result = suite.runpytest("-p", "pytest_rerunfailures", "--reruns=1", "--energy-json=run.json")
    assert result.ret == 0
    (case,) = json.loads(Path("run.json").read_text())["cases"]
    assert [entry["total_j"] for entry in case["rounds"]] == [360.0, 120.0]
    assert (case["total_j"], case["outcome"]) == (240.0, "passed")


def test_a_case_that_is_run_twice_is_one_case_with_both_rounds(suite: pytest.Pytester) -> None:
    path = suite.makepyfile("def test_it(energy, work):\n    energy(work, 1.0)")
    result = suite.runpytest("--keep-duplicates", path.name, path.name, "--energy-json=run.json")
    result.assert_outcomes(passed=2)
    (case,) = json.loads(Path("run.json").read_text())["cases"]
    assert [entry["total_j"] for entry in case["rounds"]] == [12.0, 12.0]
