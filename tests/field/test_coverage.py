"""Coverage, a profiler or `-O` in one of two runs only: the joules are not comparable."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_energybench.base.flags import BUSY, spoils
from pytest_energybench.results.run_file import read_run
from tests.session.conftest import (  # noqa: F401  # fixtures, found by their names
    locks_of_its_own,
    only_this_plugin,
    suite,
)

TEST = "def test_x(energy, work):\n    with energy.measure(): work(1.0)\n"
TRACED = "import sys\nsys.settrace(lambda *_: None)\n"


def test_a_tracer_in_one_run_only_is_named_and_nothing_is_compared(
    suite: pytest.Pytester,  # noqa: F811
) -> None:
    suite.makepyfile(test_x=TEST)
    assert suite.runpytest_subprocess("--energy-save=main").ret == 0
    conftest = Path("conftest.py")
    conftest.write_text(TRACED + conftest.read_text())
    gate = ("--energy-compare=main", "--energy-fail-on=more,not-comparable")
    result = suite.runpytest_subprocess(*gate, "--energy-json=run.json")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*not comparable*tracer is conftest here and not set there*"])
    run = json.loads(Path("run.json").read_text())
    assert run["settings"]["tracer"] == "conftest"
    assert run["cases"][0]["result"]["reason"] == "not comparable"


def test_a_tracer_that_a_test_starts_spoils_its_rounds(suite: pytest.Pytester) -> None:  # noqa: F811
    suite.makepyfile(
        """
        import sys
        import pytest

        @pytest.fixture(autouse=True)
        def again():
            yield
            sys.setprofile(None)

        def test_before(energy, work):
            sys.setprofile(lambda *_: None)
            with energy.measure():
                work(1.0)
                sys.setprofile(None)

        def test_inside(energy, work):
            with energy.measure():
                sys.setprofile(lambda *_: None)
                work(1.0)

        def test_call(energy, work):
            sys.setprofile(lambda *_: None)
            energy(work, 1.0)

        def test_not(energy, work):
            with energy.measure():
                work(1.0)
        """
    )
    suite.runpytest("--energy-json=run.json").assert_outcomes(passed=4)
    run = read_run("run.json")
    flags = [case.rounds[0].flags for case in run.cases]
    assert [list(map(spoils, each)) for each in flags] == [[BUSY], [BUSY], [BUSY], []]
    assert flags[0][0].startswith("traced by test_a_tracer_that_a_test_starts")


def test_coverage_itself(suite: pytest.Pytester) -> None:  # noqa: F811
    pytest.importorskip("coverage")
    suite.makepyfile(test_x=TEST)
    for flags in ([], ["-m", "coverage", "run"]):
        command = [sys.executable, *flags, "-m", "pytest", "-q", f"--energy-json={len(flags)}.json"]
        environ = {key: text for key, text in os.environ.items() if "COVERAGE" not in key}
        subprocess.run(command, check=True, env=environ, stdout=subprocess.DEVNULL)
    tracer = [json.loads(Path(f"{n}.json").read_text())["settings"].get("tracer") for n in (0, 3)]
    assert tracer[1] == "coverage"
    assert tracer[0] != "coverage"
