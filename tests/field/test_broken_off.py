"""A session that is left in its midst is no passed one while metered tests have no figures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.field.suites import locks_of_its_own, only_this_plugin, suite  # noqa: F401

LEAVES = """
import pytest

def test_first(energy):
    with energy.measure():
        sum(range(10_000))

def test_leaves(energy):
    with energy.measure():
        pytest.exit("enough", returncode=0)

@pytest.mark.energy_budget(max="0.001 J")
def test_never_judged():
    sum(range(10_000))
"""


def test_an_exit_status_that_was_asked_for_passes_no_budget(suite: pytest.Pytester) -> None:  # noqa: F811
    suite.makepyfile(LEAVES)
    result = suite.runpytest("--energy-json=run.json")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    (error,) = json.loads(Path("run.json").read_text())["errors"]
    assert error.startswith("the run was cut short: 2 of its 3 metered tests have no figures")


LEAVES_AT_THE_END = """
import os
import pytest

def test_metered(energy, work):
    with energy.measure():
        work(float(os.environ.get("SECONDS", "1")))
    energy.assert_below("24 J")

def test_leaves():
    pytest.exit("enough", returncode=0)
"""


def test_one_that_leaves_after_the_last_metered_test_keeps_its_status(
    suite: pytest.Pytester,  # noqa: F811
) -> None:
    suite.makepyfile(LEAVES_AT_THE_END)
    assert suite.runpytest().ret == 0


@pytest.mark.parametrize(
    ("seconds", "says"), [("2", "*more than main*"), ("3", "*is above the budget of*")]
)
def test_one_that_leaves_at_the_end_passes_nothing_that_fails(
    suite: pytest.Pytester,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    seconds: str,
    says: str,
) -> None:
    suite.makepyfile(LEAVES_AT_THE_END)
    assert suite.runpytest("--energy-save=main", "-k", "metered").ret == 0
    monkeypatch.setenv("SECONDS", seconds)
    result = suite.runpytest("--energy-compare=main")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines([says])
