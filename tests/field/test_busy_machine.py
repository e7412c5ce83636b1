"""Unchanged code beside two busy processes: nothing is found, and the terminal says why."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_energybench.cli.main import main
from tests.session.conftest import (  # noqa: F401  # fixtures, found by their names
    locks_of_its_own,
    only_this_plugin,
    suite,
)

FLAG = "background load: other processes used 8 CPU-s (1.6 of 2 cores; own: 1 CPU-s)"
TEST = f"""
import os, pytest

BUSY = os.environ.get("BUSY")

def test_x(energy, work):
    with energy.measure() as window:
        work(1.5 if BUSY else 1.0)
        if BUSY:
            window.flags.append({FLAG!r})

@pytest.mark.energy_group("g")
@pytest.mark.parametrize("m", [pytest.param("plain", marks=pytest.mark.energy_baseline), "less"])
def test_less(energy, work, m):
    with energy.measure() as window:
        work(1.0 if m == "plain" else 0.5)
        if BUSY and m == "less":
            window.flags.append({FLAG!r})
    energy.assert_below_baseline()
"""
ONE = "test_x.py::test_x"
GATE = ("--energy-rounds=3", "--energy-compare=main", "--energy-fail-on=more")


def test_a_busy_machine_is_a_warning_and_an_assertion_that_nothing_shows_fails(
    suite: pytest.Pytester,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    suite.makepyfile(test_x=TEST)
    stored = suite.runpytest("--energy-rounds=3", "--energy-save=main")
    assert stored.ret == 0
    monkeypatch.setenv("BUSY", "1")
    result = suite.runpytest(*GATE, "--energy-json=busy.json", ONE)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["  UNKNOWN  machine busy  test_x *", f"*{FLAG} in 3 of*"])
    case = json.loads(Path("busy.json").read_text())["cases"][0]
    assert (case["result"]["kind"], case["result"]["reason"]) == ("unknown", "machine busy")
    (stored,) = case["comparisons"]
    assert (stored["finding"], stored["estimate"]) == ("unclear", pytest.approx(0.5))
    assert main(["compare", ".energy/main.json", "busy.json", "--fail-on=more"]) == 0
    assert "machine busy: energy 18.0 J (measured) against main.json's 12.0 J" in (
        said := capsys.readouterr().out
    )
    assert FLAG in said
    # As the reference, such a run shows no saving either.
    assert main(["compare", "busy.json", ".energy/main.json", "--fail-on=machine-busy"]) == 1
    assert "3 of 3 rounds of busy.json" in capsys.readouterr().out

    asserted = suite.runpytest("--energy-rounds=3", "-k", "test_less")
    asserted.stdout.fnmatch_lines([f"*against plain's *caution: {FLAG} in 3 of 3 rounds*"])
    assert asserted.ret == pytest.ExitCode.TESTS_FAILED
