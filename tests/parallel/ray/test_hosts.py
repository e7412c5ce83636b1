"""`--energy-ray` on several hosts: lost ones, unlike ones, interrupted runs."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.parallel.ray.clusters import (
    cluster_of,
    ended,
    hosts,
    started,
    waited_for,
    waiting_child,
)

ray = pytest.importorskip("ray", reason="needs Ray: pip install 'pytest-energybench[ray]'")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head that meters nothing and two hosts that do, unlike ones; all in this machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("OMP_NUM_THREADS", raising=False)  # set for these tests, not for Ray's tasks
        with cluster_of(
            {"env_vars": {"HOST_KIND": "a"}, "num_gpus": 1}, {"env_vars": {"HOST_KIND": "b"}}
        ) as found:
            yield found


SIX_GROUPS = """
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
    time.sleep(float(os.environ.get("PAUSE", 0.5)))
    with pathlib.Path("runs").open("a") as runs:
        runs.write(f"{group}-{method} ")
    pid = pathlib.Path("pid")
    if (group, method) == ("D", "slim") and not pid.exists():
        pid.with_suffix(".new").write_text(str(os.getpid()))
        pid.with_suffix(".new").rename(pid)
        time.sleep(300)
"""
"""Group D waits for its death, once."""


@pytest.mark.slow
class TestCluster:
    def test_nothing_is_lost_with_a_host_that_dies(self, suite: pytest.Pytester) -> None:
        suite.makepyfile(SIX_GROUPS)
        with (
            cluster_of({}, {}) as cluster,
            started(f"--energy-ray={cluster.address}", "--energy-json=run.json") as run,
        ):
            child = waiting_child()
            ancestors = {each.pid for each in child.parents()}
            (doomed,) = (
                node
                for node in cluster.list_all_nodes()
                if node.all_processes["raylet"][0].process.pid in ancestors
            )
            cluster.remove_node(doomed, allow_graceful=False)
            printed, _ = run.communicate(timeout=240)
        assert run.returncode == 0, printed
        assert "12 passed" in printed
        assert "energy: group D runs on host" in printed
        assert Path("runs").read_text().split().count("D-slim") == 2
        assert ended(child)
        cases = json.loads(Path("run.json").read_text())["cases"]
        assert len(cases) == len({case["nodeid"] for case in cases}) == 12
        assert {case["outcome"] for case in cases} == {"passed"}
        ran_on = hosts("run.json")
        for group in "ABCDEF":
            assert ran_on[f"test_it[{group}-plain]"] == ran_on[f"test_it[{group}-slim]"]
        assert set(ran_on.values()) == {"host 1", "host 2"}

    def test_a_group_that_no_host_is_left_for_is_an_error(self, suite: pytest.Pytester) -> None:
        suite.makepyfile(SIX_GROUPS.replace('"ABCDEF"', '"CD"'))
        with Path("conftest.py").open("a") as conftest:
            conftest.write("\nfrom pytest_energybench.parallel.ray import cluster\n")
            conftest.write("cluster.STRANDED_S = 3.0\n")
        with (
            cluster_of({}) as cluster,
            started(f"--energy-ray={cluster.address}", "--energy-json=run.json") as run,
        ):
            waiting_child()
            cluster.remove_node(cluster.list_all_nodes()[-1], allow_graceful=False)
            printed, _ = run.communicate(timeout=240)
        assert run.returncode == 1, printed
        assert "2 passed, 2 errors" in printed
        assert "did not run: no host is left that has num_cpus=1 and num_gpus=0" in printed
        cases = json.loads(Path("run.json").read_text())["cases"]
        assert [(case["outcome"], case["host"]) for case in cases] == [
            ("passed", "host 1"),
            ("passed", "host 1"),
            ("error", None),
            ("error", None),
        ]

    def test_an_interrupted_run_ends_its_processes_and_can_be_resumed(
        self, suite: pytest.Pytester, cluster: Any
    ) -> None:
        suite.makepyfile(SIX_GROUPS)
        with Path("conftest.py").open("a") as conftest:
            conftest.write(
                "\n@pytest.fixture(autouse=True)\n"
                "def tear_down():\n"
                "    import os\n"
                "    yield\n"
                "    open(f'torn_down_{os.getpid()}', 'w').close()\n"
            )
        arguments = (f"--energy-ray={cluster.address}", "--energy-report", "--energy-resume")
        with started(*arguments) as run:
            child = waiting_child()
            journal = Path("reports/energy.journal")
            waited_for(lambda: journal.exists() and journal.read_bytes().count(b'{"case"') >= 4)
            os.killpg(run.pid, signal.SIGINT)
            printed, _ = run.communicate(timeout=240)
        if run.returncode == -signal.SIGABRT and "a bug in Ray" in printed:
            pytest.skip("needs a Ray that does not abort the process that cancels its tasks")
        assert run.returncode == pytest.ExitCode.INTERRUPTED, printed
        assert "KeyboardInterrupt" in printed
        assert ended(child)
        assert Path(f"torn_down_{child.pid}").exists()
        finished = journal.read_bytes().count(b'{"case"')
        result = suite.runpytest_subprocess(*arguments)
        result.assert_outcomes(passed=12 - finished, deselected=finished)
        ran_on = hosts("reports/energy.json")
        assert len(ran_on) == 12
        assert None not in ran_on.values()
        page = Path("reports/energy.html").read_text()
        assert "each case says on which it ran" in page
        assert f"· on {ran_on['test_it[D-slim]']}" in page

    def test_figures_of_unlike_hosts_are_not_compared(
        self, suite: pytest.Pytester, cluster: Any
    ) -> None:
        conftest = Path("conftest.py")
        conftest.write_text(
            conftest.read_text()
            .replace(
                "METER =",
                "import os\nDRAM = {'b': 'dram:1'}.get(os.environ.get('HOST_KIND'), 'dram:0')\n"
                "METER =",
            )
            .replace('"dram:0": 2.0', "DRAM: 2.0")
        )
        suite.makepyfile(SIX_GROUPS.replace("time.sleep(300)", "pass"))
        suite.runpytest_subprocess("--energy-save=main")
        result = suite.runpytest_subprocess(
            f"--energy-ray={cluster.address}",
            "--energy-compare=main",
            "--energy-fail-on=not-comparable",
            "--energy-json=run.json",
        )
        result.assert_outcomes(passed=12)
        assert result.ret == 1
        run = json.loads(Path("run.json").read_text())
        domains = {host["name"]: host["meters"][1]["domain"] for host in run["hosts"]}
        assert sorted(domains.values()) == ["dram:0", "dram:1"]
        for case in run["cases"]:
            (stored,) = (each for each in case["comparisons"] if each["reference"] == "stored")
            unlike = domains[case["host"]] == "dram:1"
            assert (stored["judged"]["reason"] == "not comparable") is unlike
            assert (stored["finding"] == "same") is not unlike
        result.stdout.fnmatch_lines(["*not comparable*main*host ?: dram:*"])

    def test_a_group_runs_where_there_is_what_it_asks_for(
        self, suite: pytest.Pytester, cluster: Any
    ) -> None:
        suite.makepyfile(
            """
            import os, pytest

            @pytest.mark.parametrize("i", range(3))
            @pytest.mark.energy_group("gpu", num_gpus=1, num_cpus=2)
            def test_gpu(energy, work, i):
                assert os.environ["CUDA_VISIBLE_DEVICES"] == "0"
                assert os.environ["HOST_KIND"] == "a"
                assert os.environ["OMP_NUM_THREADS"] == "2"

            def test_cpu():
                assert not os.environ.get("CUDA_VISIBLE_DEVICES")
                assert "OMP_NUM_THREADS" not in os.environ
            """
        )
        result = suite.runpytest_subprocess(f"--energy-ray={cluster.address}")
        result.assert_outcomes(passed=4)
        result = suite.runpytest_subprocess(f"--energy-ray={cluster.address}", "-k", "cpu", "-x")
        suite.makepyfile(
            """
            import pytest
            @pytest.mark.energy_group("big", num_gpus=8)
            def test_big(energy): pass
            """
        )
        Path("run.json").write_text("kept")
        result = suite.runpytest_subprocess(
            f"--energy-ray={cluster.address}", "--energy-json=run.json", "-k", "big"
        )
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(
            ["ERROR: --energy-ray: group big asks for *num_gpus=8*no host*"]
        )
        assert Path("run.json").read_text() == "kept"

    def test_a_crash_and_a_host_with_other_files_are_errors_of_their_tests(
        self, suite: pytest.Pytester, cluster: Any
    ) -> None:
        """From a folder other than the project's, with a space in its name."""
        project = Path("a project")
        project.mkdir()
        Path("conftest.py").rename(project / "conftest.py")
        (project / "pytest.ini").write_text("[pytest]")
        (project / "test_crash.py").write_text(
            "import os, pytest\n"
            "PLAIN = pytest.param('plain', marks=pytest.mark.energy_baseline)\n"
            "@pytest.mark.parametrize('method', [PLAIN, 'crash', 'slim'])\n"
            "@pytest.mark.energy_group('net')\n"
            "def test_it(energy, work, method):\n"
            "    with energy.measure():\n"
            "        work(1)\n"
            "    if method == 'crash':\n"
            "        os._exit(3)\n"
        )
        (project / "test_other.py").write_text(
            "import sys\n"
            "if any('worker.py' in each for each in sys.orig_argv):\n"
            "    raise RuntimeError('not so here')\n"
            "def test_other(energy): pass\n"
        )
        result = suite.runpytest_subprocess(
            "a project", f"--energy-ray={cluster.address}", "--energy-json=run.json"
        )
        result.assert_outcomes(passed=1, errors=3)
        assert result.ret == 1
        result.stdout.fnmatch_lines(
            [
                "pytest on host ? ended with status 3 while this test ran",
                "did not run: pytest on host ? ended with status 3 during test_crash.py::*",
            ]
        )
        result.stdout.fnmatch_lines(["*RuntimeError: not so here"])
        cases = json.loads(Path("run.json").read_text())["cases"]
        assert {case["name"]: case["outcome"] for case in cases} == {
            "test_it[plain]": "passed",
            "test_it[crash]": "error",
            "test_it[slim]": "error",
            "test_other": "error",
        }
        assert cases[0]["total_j"] == 12.0
