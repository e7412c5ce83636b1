"""The energy rule of each method, in a suite whose joules are known."""

from __future__ import annotations

import pytest

from pytest_energybench.experiment.compression import registry

SUITE = """
import pytest
from pytest_energybench.metering.fake import FakeMeter
from pytest_energybench.experiment.experiment import assert_saves_energy
from pytest_energybench.experiment.compression.registry import baseline
from pytest_energybench.experiment.compression.registry import Stage, register

register("fewer-bits-of-my-own", baseline, Stage.NUMBERS)
register("fewer-layers-of-my-own", baseline, Stage.STRUCTURE)
METER = FakeMeter({"cpu:0": 10.0})

@pytest.fixture(autouse=True)
def meter():
    return METER

@pytest.mark.energy_group("m")
@pytest.mark.parametrize(
    ("method", "seconds", "lacks"),
    [
        pytest.param("baseline", 10, None, marks=pytest.mark.energy_baseline),
        ("steganographic", 8, None),
        ("steganographic", 12, None),
        ("steganographic", 8, "no narrow type"),
        ("steganographic", 12, "no narrow type"),
        ("steganographic", 0, "no narrow type"),
        ("steganographic+pruning", 12, "no narrow type"),
        ("steganographic+channel", 12, "no narrow type"),
        ("pruning", 8, None),
        ("pruning", 12, None),
        ("lowrank", 12, None),
        ("fewer-bits-of-my-own", 12, None),
        ("fewer-bits-of-my-own", 12, "no narrow type"),
        ("fewer-layers-of-my-own", 12, "no narrow type"),
    ],
)
def test_method(energy, method, seconds, lacks):
    with energy.measure("train"):
        METER.clock.advance(seconds)
    assert_saves_energy(energy, method, lacks)
"""


def test_a_missed_saving_is_expected_where_the_paper_found_none_or_the_device_lacks_what_it_takes(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "_METHODS", dict(registry._METHODS))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_PLUGINS", "pytest_energybench.plugin")
    pytester.makeconftest(
        "def pytest_energy_meter(config):\n    import suite\n    return suite.METER"
    )
    pytester.makepyfile(suite=SUITE)
    result = pytester.runpytest_inprocess("suite.py", "-rx", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=4, failed=5, xfailed=5)
    result.stdout.fnmatch_lines_random(
        [
            "*suite.py::test_method?pruning-12-None? - paper, Sections 3.3 and 3.5*",
            "*suite.py::test_method?lowrank-12-None? - paper, Sections 3.4 and 3.5*",
            "*suite.py::test_method?steganographic-12-no narrow type? - no narrow type*",
            "*suite.py::test_method?steganographic+pruning-12-no narrow type? - no narrow type*",
            "*suite.py::test_method?fewer-bits-of-my-own-12-no narrow type? - no narrow type*",
            "*energy is 0 J in a round, below what the meter resolves*",
            "*is above baseline's 100 J*",
        ]
    )
