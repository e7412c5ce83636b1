"""The energy rule of each method, in a suite whose joules are known."""

from __future__ import annotations

from pathlib import Path

import pytest

SUITE = """
import pytest
from pytest_energybench.metering.fake import FakeMeter
from bench_cases.judging import assert_saves_energy

METER = FakeMeter({"cpu:0": 10.0})

@pytest.fixture(autouse=True)
def meter():
    return METER

@pytest.mark.energy_group("m")
@pytest.mark.parametrize(
    ("method", "seconds"),
    [
        pytest.param("baseline", 10, marks=pytest.mark.energy_baseline),
        ("steganographic", 8),
        ("steganographic", 12),
        ("pruning", 8),
        ("pruning", 12),
        ("lowrank", 12),
        ("one-of-my-own", 12),
    ],
)
def test_method(energy, method, seconds):
    with energy.measure("train"):
        METER.clock.advance(seconds)
    assert_saves_energy(energy, method)
"""


def test_only_where_the_paper_found_no_saving_a_missed_one_is_expected(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_PLUGINS", "pytest_energybench.plugin")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    pytester.makeconftest(
        "def pytest_energy_meter(config):\n    import suite\n    return suite.METER"
    )
    pytester.makepyfile(suite=SUITE)
    result = pytester.runpytest_subprocess("suite.py", "-rx", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=3, failed=2, xfailed=2)
    result.stdout.fnmatch_lines_random(
        [
            "*suite.py::test_method?pruning-12? - paper, Sections 3.3 and 3.5*",
            "*suite.py::test_method?lowrank-12? - paper, Sections 3.4 and 3.5*",
            "*is above the baseline's 100 J*",
        ]
    )
