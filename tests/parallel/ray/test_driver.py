"""`--energy-ray`: groups as tasks on real Ray, reported as if they had run here."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.parallel.ray.clusters import cluster_of, hosts

ray = pytest.importorskip("ray", reason="needs Ray: pip install 'pytest-energybench[ray]'")

SUITE = """
import pytest, warnings

METHODS = [("slim", 12.0), ("pruned", 5.0)]
PLAIN = pytest.param("plain", 10.0, marks=pytest.mark.energy_baseline)

@pytest.mark.parametrize(("method", "seconds"), [*METHODS, PLAIN])
@pytest.mark.energy_group("A")
def test_it(energy, work, method, seconds):
    with energy.measure():
        work(seconds)
    energy.record(correct=9, total=10)
    energy.assert_accuracy_within_baseline()
    energy.assert_below_baseline()

@pytest.mark.parametrize("i", range(3))
def test_alone(energy, work, i):
    with energy.measure():
        work(i + 1)

@pytest.mark.parametrize("i", range(2))
def test_unmetered(i):
    if i:
        warnings.warn("look at this")

def test_skipped(energy):
    pytest.skip("not today")

@pytest.mark.xfail
def test_expected(energy, work):
    with energy.measure():
        work(1)
    assert False
"""


def figures(path: str) -> dict[str, Any]:
    """A run file without times and hosts."""
    run: dict[str, Any] = json.loads(Path(path).read_text())
    del run["created"], run["hosts"]
    for case in run["cases"]:
        del case["host"]
        for entry in [*case["windows"], *case["rounds"]]:
            del entry["started"]
    return run


@pytest.mark.slow
def test_a_run_here_and_on_a_ray_started_here_are_the_same(suite: pytest.Pytester) -> None:
    suite.makepyfile(SUITE)
    here = suite.runpytest("--energy-json=here.json")
    there = suite.runpytest_subprocess(
        "--energy-ray=local", "--energy-json=there.json", "--junitxml=junit.xml"
    )
    assert there.parseoutcomes() == here.parseoutcomes()
    assert here.parseoutcomes() == {
        "failed": 1,
        "passed": 7,
        "skipped": 1,
        "xfailed": 1,
        "warnings": 1,
    }
    assert there.ret == here.ret == 1
    assert figures("there.json") == figures("here.json")
    assert set(hosts("there.json").values()) == {"host 1"}
    there.stdout.fnmatch_lines(
        [
            "energy: 2 tasks for 1 host",
            "energy: group A runs on host 1",
            "energy: group A ended on host 1 after * s, 1 left",
            "E  *is above plain's*",
            "*UserWarning: look at this*",
        ]
    )
    assert Path("junit.xml").read_text().count("<testcase ") == 10


def test_where_nobody_answers_it_says_so_at_once(suite: pytest.Pytester) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{closed.getsockname()[1]}"
        result = suite.runpytest(f"--energy-ray={address}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: --energy-ray={address}: nobody answers there (*)"])


@pytest.mark.slow
def test_what_answers_and_is_no_ray_is_given_up(suite: pytest.Pytester) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        result = suite.runpytest_subprocess(f"--energy-ray={address}", timeout=60)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: --energy-ray={address}: no Ray cluster answered*"])


@pytest.mark.slow
def test_a_cluster_without_hosts_to_meter_on_is_told_how_to_get_some(
    suite: pytest.Pytester,
) -> None:
    suite.makepyfile(SUITE)
    with cluster_of() as empty:
        result = suite.runpytest_subprocess(f"--energy-ray={empty.address}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: *none of its nodes has the resource energy_host: *start*"])
