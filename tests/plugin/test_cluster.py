"""`--energy-ray`: groups as tasks on real Ray, reported as if they had run here."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

ray = pytest.importorskip("ray", reason="needs Ray: pip install 'pytest-energybench[ray]'")

SUITE = """
import pytest

def case(group, method):
    marks = [pytest.mark.energy_group(group)]
    if method == "plain":
        marks.append(pytest.mark.energy_baseline)
    return pytest.param(group, method, marks=marks, id=f"{group}-{method}")

CASES = [case(group, method) for method in ("slim", "plain", "pruned") for group in "AB"]
SECONDS = {"plain": 10.0, "pruned": 5.0, "slim": 12.0}

@pytest.mark.parametrize(("group", "method"), CASES)
def test_it(energy, work, group, method):
    with energy.measure():
        work(SECONDS[method])
    energy.record(correct=9, total=10)
    energy.assert_accuracy_within_baseline()
    energy.assert_below_baseline()

@pytest.mark.parametrize("i", range(3))
def test_alone(energy, work, i):
    with energy.measure():
        work(i + 1)

@pytest.mark.parametrize("i", range(2))
def test_unmetered(i):
    pass
"""

STORE = 80 * 2**20


def figures(path: str) -> dict[str, Any]:
    """A run file without times and hosts."""
    run: dict[str, Any] = json.loads(Path(path).read_text())
    del run["created"], run["hosts"]
    for case in run["cases"]:
        del case["host"]
        for entry in [*case["windows"], *case["rounds"]]:
            del entry["started"]
    return run


def hosts(path: str) -> dict[str, str]:
    """Name of each case -> its host."""
    return {case["name"]: case["host"] for case in json.loads(Path(path).read_text())["cases"]}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head and two hosts to meter on, all of them in this machine."""
    from ray.cluster_utils import Cluster

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    found = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 0, "object_store_memory": STORE, "include_dashboard": False},
    )
    for _ in range(2):
        found.add_node(num_cpus=2, object_store_memory=STORE, resources={"energy_host": 1})
    found.wait_for_nodes()
    yield found
    found.shutdown()


def test_a_run_here_and_on_a_ray_started_here_are_the_same(suite: pytest.Pytester) -> None:
    suite.makepyfile(SUITE)
    here = suite.runpytest("--energy-json=here.json")
    there = suite.runpytest_subprocess(
        "--energy-ray=local", "--energy-json=there.json", "--junitxml=junit.xml"
    )
    assert there.parseoutcomes() == here.parseoutcomes() == {"failed": 2, "passed": 9}
    assert there.ret == here.ret == 1
    assert figures("there.json") == figures("here.json")
    assert set(hosts("there.json").values()) == {"host 1"}
    there.stdout.fnmatch_lines(
        [
            "energy: 3 tasks for 1 host",
            "energy: group A runs on host 1",
            "energy: group A ended on host 1 after * s, 2 left",
            "E  *is above the baseline's*",
        ]
    )
    assert Path("junit.xml").read_text().count("<testcase ") == 11


@pytest.mark.slow
class TestCluster:
    def test_nothing_is_lost_with_a_host_that_dies(
        self, suite: pytest.Pytester, cluster: Any, tmp_path: Path
    ) -> None:
        """The first process that runs group D waits for its host's death."""
        suite.makepyfile(
            """
            import os, pathlib, time, pytest

            def case(group, method):
                marks = [pytest.mark.energy_group(group)]
                if method == "plain":
                    marks.append(pytest.mark.energy_baseline)
                return pytest.param(group, method, marks=marks, id=f"{group}-{method}")

            CASES = [case(group, method) for group in "ABCDEF" for method in ("plain", "slim")]

            @pytest.mark.parametrize(("group", "method"), CASES)
            def test_it(energy, work, group, method):
                with energy.measure():
                    work(2.0 if method == "plain" else 1.0)
                energy.assert_below_baseline()
                pid = pathlib.Path("pid")
                if (group, method) == ("D", "slim") and not pid.exists():
                    pid.with_suffix(".new").write_text(str(os.getpid()))
                    pid.with_suffix(".new").rename(pid)
                    time.sleep(300)
            """
        )
        doomed = cluster.list_all_nodes()[-1]
        with started(f"--energy-ray={cluster.address}", "--energy-json=run.json") as run:
            waited_for(lambda: Path("pid").exists())
            ancestors = {each.pid for each in psutil.Process(int(Path("pid").read_text())).parents()}
            for node in cluster.list_all_nodes():
                if node.all_processes["raylet"][0].process.pid in ancestors:
                    doomed = node
            child = int(Path("pid").read_text())
            cluster.remove_node(doomed, allow_graceful=False)
            printed, _ = run.communicate(timeout=240)
        cluster.add_node(num_cpus=2, object_store_memory=STORE, resources={"energy_host": 1})
        cluster.wait_for_nodes()
        assert run.returncode == 0, printed
        assert "12 passed" in printed
        assert printed.count("energy: group D runs on host") == 2
        assert not psutil.pid_exists(child)
        ran_on = hosts("run.json")
        assert len(ran_on) == len(json.loads(Path("run.json").read_text())["cases"]) == 12
        for group in "ABCDEF":
            assert ran_on[f"test_it[{group}-plain]"] == ran_on[f"test_it[{group}-slim]"]
        assert set(ran_on.values()) == {"host 1", "host 2"}


def waited_for(condition: Callable[[], object], limit_s: float = 120) -> None:
    """Return when the condition holds."""
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def started(*args: str) -> subprocess.Popen[str]:
    """A pytest of its own process group, as a shell starts it."""
    return subprocess.Popen(
        [sys.executable, "-m", "pytest", *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        process_group=0,
    )
