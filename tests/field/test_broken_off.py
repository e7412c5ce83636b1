"""A session that is left in its midst is no passed one while metered tests have no figures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

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


def test_an_exit_status_that_was_asked_for_passes_no_budget(suite: pytest.Pytester) -> None:
    suite.makepyfile(LEAVES)
    result = suite.runpytest("--energy-meters=estimate", "--energy-json=run.json")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    (error,) = json.loads(Path("run.json").read_text())["errors"]
    assert error.startswith("the run was cut short: 2 of its 3 metered tests have no figures")


def test_one_that_leaves_after_the_last_metered_test_keeps_its_status(
    suite: pytest.Pytester,
) -> None:
    suite.makepyfile(
        """
        import pytest

        def test_metered(energy):
            with energy.measure():
                sum(range(10_000))

        def test_leaves():
            pytest.exit("enough", returncode=0)
        """
    )
    assert suite.runpytest("--energy-meters=estimate").ret == 0
