"""`pytest_energy_case`: a project hears of each case when all is judged and written."""

from __future__ import annotations

from pathlib import Path

import pytest

HOOK = """
from pathlib import Path

def pytest_energy_case(case, numbers):
    with open("told.txt", "a") as file:
        print(case.name, case.result.kind, numbers, Path("run.json").exists(), file=file)
    {then}
"""


def test_each_case_is_told_with_what_is_known_of_it_and_a_hook_that_raises_is_said(
    suite: pytest.Pytester,
) -> None:
    suite.makepyfile(
        """
        def test_a(energy, work):
            with energy.measure():
                work(2.0)
            energy.per(token=12)
            energy.record(accuracy=0.5, note="x")

        def test_lost(energy, work, lose):
            with energy.measure():
                work(1.0)
                lose("cpu:0")
                work(1.0)
        """
    )
    conftest = Path("conftest.py").read_text()
    Path("conftest.py").write_text(conftest + HOOK.format(then=""))
    assert suite.runpytest("--energy-json=run.json").ret == 0
    numbers = {"energy_j": 24.0, "duration_s": 2.0, "energy_per_token_j": 2.0, "accuracy": 0.5}
    assert Path("told.txt").read_text().splitlines() == [
        f"test_a pass {numbers} True",
        "test_lost unknown {'duration_s': 2.0} True",
    ]
    Path("conftest.py").write_text(conftest + HOOK.format(then='raise OSError("is away")'))
    result = suite.runpytest("--energy-json=run.json")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stdout.fnmatch_lines(["energy: pytest_energy_case raised OSError: is away"])
    assert "INTERNALERROR" not in result.stdout.str()
    for what in ("fail", "skip"):
        Path("conftest.py").write_text(conftest + HOOK.format(then=f'pytest.{what}("away")'))
        result = suite.runpytest_subprocess("--energy-json=run.json")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stdout.fnmatch_lines(["energy: pytest_energy_case raised *: away"])
        result.stderr.no_fnmatch_line("Traceback*")
