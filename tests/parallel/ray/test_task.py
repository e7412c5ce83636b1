"""A unit's own pytest, as a Ray task runs it: here without Ray."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from pytest_energybench.parallel.ray.task import TaskResult, TaskSpec, run_task
from pytest_energybench.parallel.ray.work_units import units_of
from pytest_energybench.parallel.ray.worker_log import read_log, why_missing
from pytest_energybench.results.journal import parse_journal

GROUP = """
import os, pytest

METHODS = [pytest.param("plain", marks=pytest.mark.energy_baseline), "crash", "slim"]

@pytest.mark.parametrize("method", METHODS)
@pytest.mark.energy_group("net")
def test_it(energy, work, method):
    with energy.measure():
        work(10.0)
    if method == "crash":
        print("last words", flush=True)
        os.kill(os.getpid(), 9)
"""


def job(*nodeids: str, arguments: tuple[str, ...] = (), folder: Path | None = None) -> TaskSpec:
    """The job of running some tests of the project in the current folder."""
    here = Path.cwd()
    files = dict.fromkeys(str(here / nodeid.partition("::")[0]) for nodeid in nodeids)
    return TaskSpec(
        arguments=arguments,
        folder=str(folder or here),
        files=tuple(files),
        nodeids=nodeids,
        environment={},
        safe_path=True,
        basetemp="energy-0",
    )


def ran(answer: TaskResult) -> list[str]:
    return [executed.nodeid for executed in read_log(answer.log).finished]


def test_the_tests_of_the_unit_run_and_no_other(suite: pytest.Pytester) -> None:
    """Whatever their names: no command line has to carry them."""
    ids = ["a b", "x::y", "[z]", "ü/ö", "new\nline", "a@b", "-k", "'\""]
    suite.makepyfile(
        test_odd=f"""
        import pytest

        @pytest.mark.parametrize("name", {ids!r})
        def test_odd(energy, work, name):
            with energy.measure():
                work(1)

        def test_other(energy): pass
        """
    )
    collected, _ = suite.inline_genitems("test_odd.py")
    nodeids = [item.nodeid for item in collected if "test_other" not in item.nodeid]
    answer = run_task(job(*nodeids), "node")
    assert answer.status == 0, answer.printed
    assert ran(answer) == nodeids
    cases = parse_journal("journal", answer.journal).run.cases
    assert [(case.nodeid, case.total_j) for case in cases] == [(each, 12.0) for each in nodeids]


def test_a_crash_ends_the_unit_and_what_was_finished_stays(suite: pytest.Pytester) -> None:
    suite.makepyfile(test_it=GROUP)
    plain, crash, slim = (f"test_it.py::test_it[{name}]" for name in ("plain", "crash", "slim"))
    answer = run_task(job(plain, crash, slim), "node")
    assert answer.status == -signal.SIGKILL
    account = read_log(answer.log)
    assert (ran(answer), account.in_flight) == ([plain], crash)
    assert [case.nodeid for case in parse_journal("journal", answer.journal).run.cases] == [plain]
    lines = why_missing(crash, answer, account, " on host 2").splitlines()
    assert lines[0] == "pytest on host 2 was ended by SIGKILL while this test ran"
    assert why_missing(slim, answer, account, "").startswith(
        f"did not run: pytest was ended by SIGKILL during {crash}\n"
    )


def test_a_baseline_that_was_deselected_comes_back_in_the_unit(suite: pytest.Pytester) -> None:
    suite.makepyfile(test_it=GROUP)
    plain, slim = "test_it.py::test_it[plain]", "test_it.py::test_it[slim]"
    answer = run_task(job(plain, slim, arguments=("-k", "slim", "--energy-rounds=2")), "node")
    assert ran(answer) == [slim, plain, plain, slim]
    cases = parse_journal("journal", answer.journal).run.cases
    assert [(case.name, case.implicit, len(case.rounds)) for case in cases] == [
        ("test_it[plain]", True, 2),
        ("test_it[slim]", False, 2),
    ]


def test_what_the_driver_does_is_left_to_it(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", "--energy-ray=local --energy-shard=2/2 --lf")
    suite.makepyfile("def test_a(energy): pass")
    suite.makeini(
        "[pytest]\nenergy_report = true\nenergy_save = main\nenergy_fail_on = more\n"
        "energy_strict_budgets = true\n"
    )
    name = "test_what_the_driver_does_is_left_to_it.py::test_a"
    own = ("--energy-json=run.json", "--junitxml=junit.xml", "--energy-overwrite")
    answer = run_task(job(name, arguments=own), "node")
    assert (answer.status, ran(answer)) == (0, [name]), answer.printed
    assert not {"run.json", "junit.xml", "reports", ".energy"} & set(os.listdir())


def test_a_host_without_the_project_says_so(tmp_path: Path) -> None:
    answer = run_task(job("test_a.py::test_a", folder=tmp_path / "absent"), "node")
    assert answer.problem.startswith(f"there is no folder {tmp_path / 'absent'} on this host")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda: Path("test_it.py").unlink(), "ERROR: file or directory not found"),
        (lambda: Path("test_it.py").write_text("def test_new(): pass"), "1 deselected"),
        (lambda: Path("conftest.py").write_text("import nothing_there"), "No module named"),
    ],
    ids=["file missing", "other tests", "conftest fails"],
)
def test_a_host_with_other_files_tells_why_nothing_ran(
    suite: pytest.Pytester, change: object, told: str
) -> None:
    suite.makepyfile(test_it=GROUP)
    assert callable(change)
    change()
    answer = run_task(job("test_it.py::test_it[plain]"), "node")
    assert ran(answer) == []
    why = why_missing("test_it.py::test_it[plain]", answer, read_log(answer.log), " on host 1")
    assert why.startswith(f"did not run: pytest on host 1 ended with status {answer.status}")
    assert told in why


def test_what_a_unit_leaves_running_ends_with_it(suite: pytest.Pytester) -> None:
    """It would be metered with the next unit otherwise."""
    suite.makepyfile(
        test_it="""
        import subprocess, sys
        def test_it():
            left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
            open("left", "w").write(str(left.pid))
        """
    )
    assert run_task(job("test_it.py::test_it"), "node").status == 0
    pid = int(Path("left").read_text())
    waited_for(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie")


def test_a_unit_ends_with_the_process_that_waits_for_it(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        test_it="""
        import os, time
        def test_it():
            with open("pid.new", "w") as file:
                file.write(str(os.getpid()))
            os.rename("pid.new", "pid")
            time.sleep(60)
        """
    )
    script = (
        "from pytest_energybench.parallel.ray.task import TaskSpec, run_task;"
        f"from pathlib import Path; run_task({job('test_it.py::test_it')!r}, 'node')"
    )
    waiter = subprocess.Popen([sys.executable, "-c", script])
    waited_for(lambda: Path("pid").exists())
    waiter.kill()
    waiter.wait()
    pid = int(Path("pid").read_text())
    waited_for(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie")


def waited_for(condition: object, limit_s: float = 30) -> None:
    deadline = time.monotonic() + limit_s
    assert callable(condition)
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


class TestUnits:
    def test_groups_stay_whole_and_other_tests_are_dealt_by_file(
        self, pytester: pytest.Pytester
    ) -> None:
        pytester.makepyfile(
            test_a="""
            import pytest
            @pytest.mark.energy_group("g", num_cpus=2)
            def test_g1(energy): pass
            @pytest.mark.parametrize("i", range(5))
            def test_alone(i): pass
            """,
            test_b="""
            import pytest
            @pytest.mark.energy_group("g", num_cpus=1, num_gpus=0.5)
            def test_g2(energy): pass
            def test_b(energy): pass
            """,
        )
        items, _ = pytester.inline_genitems(pytester.path)
        found = units_of(items, hosts=2)
        assert [(unit.label, len(unit.nodeids), len(unit.files)) for unit in found] == [
            ("group g", 2, 2),
            ("test_a.py (1 of 2)", 3, 1),
            ("test_a.py (2 of 2)", 2, 1),
            ("test_b.py", 1, 1),
        ]
        assert (found[0].num_cpus, found[0].num_gpus) == (2, 0.5)
        assert (found[1].num_cpus, found[1].num_gpus) == (1, 0)

    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            ("num_gpu=1", "takes one name, num_cpus= and num_gpus=, not num_gpu"),
            ("num_gpus='1'", "num_gpus='1': a number of 0 or more"),
            ("num_cpus=-1", "num_cpus=-1: a number of 0 or more"),
        ],
    )
    def test_a_wish_that_is_none_is_refused_by_name(
        self, pytester: pytest.Pytester, arguments: str, told: str
    ) -> None:
        pytester.makepyfile(
            f"""
            import pytest
            @pytest.mark.energy_group("g", {arguments})
            def test_it(energy): pass
            """
        )
        result = pytester.runpytest()
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines([f"ERROR: *::test_it: energy_group {told}"])


class TestRefusals:
    def test_without_ray_it_says_how_to_get_it(
        self, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "ray", None)
        result = pytester.runpytest("--energy-ray=local")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(["ERROR: --energy-ray: *pip install 'pytest-energybench?ray?'"])

    def test_with_xdist_it_says_which_to_leave(self, pytester: pytest.Pytester) -> None:
        result = pytester.runpytest_subprocess("-p", "xdist.plugin", "-n2", "--energy-ray=local")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(["ERROR: --energy-ray and pytest-xdist both*-n 0"])

    def test_collecting_needs_no_cluster(self, pytester: pytest.Pytester) -> None:
        pytester.makepyfile("def test_a(energy): pass")
        result = pytester.runpytest("--energy-ray=127.0.0.1:9", "--collect-only", "-q")
        assert result.ret == 0
        result.stdout.fnmatch_lines(["*::test_a"])


def test_a_log_that_was_cut_short_is_read_up_to_there() -> None:
    log = b'{"start": "a"}\n{"finish": "a"}\n{"start": "b"}\n{"repo'
    account = read_log(log)
    assert [executed.nodeid for executed in account.finished] == ["a"]
    assert account.in_flight == "b"
