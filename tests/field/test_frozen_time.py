"""Tests that freeze time or travel in it: durations and figures are the machine's own."""

from __future__ import annotations

import json
from importlib.util import find_spec

import pytest

pytestmark = pytest.mark.usefixtures("only_named_plugins")


FREEZEGUN = """
    from freezegun import freeze_time
    from part import work

    @freeze_time("2020-01-01")
    def test_frozen_from_the_start(energy):
        with energy.measure():
            work()
        energy.assert_below("1 MJ")

    def test_frozen_inside(energy):
        with energy.measure():
            with freeze_time("2020-01-01"):
                work()
        energy.assert_below("1 MJ")

    def test_other_dates_at_both_edges(energy):
        frozen = freeze_time("2020-01-01")
        frozen.start()
        try:
            with energy.measure():
                frozen.stop()
                work()
                frozen = freeze_time("2031-01-01")
                frozen.start()
        finally:
            frozen.stop()
        energy.assert_below("1 MJ")
"""

TIME_MACHINE = """
    import time_machine
    from part import work

    @time_machine.travel("2020-01-01", tick=False)
    def test_frozen_from_the_start(energy):
        with energy.measure():
            work()
        energy.assert_below("1 MJ")

    def test_travelling_inside(energy):
        with energy.measure():
            with time_machine.travel("2031-01-01", tick=False):
                work()
        energy.assert_below("1 MJ")
"""

PATCHED = """
    import time
    from part import work

    def test_patched_clocks(energy, monkeypatch):
        monkeypatch.setattr(time, "monotonic", lambda: 0.0)
        monkeypatch.setattr(time, "time", lambda: 0.0)
        monkeypatch.setattr(time, "sleep", lambda seconds: None)
        with energy.measure():
            work()
        energy.assert_below("1 MJ")
"""


SUITES = {"freezegun": FREEZEGUN, "time_machine": TIME_MACHINE, "time": PATCHED}


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize("meters", ["rapl", "estimate"])
def test_windows_take_their_seconds_from_the_real_clock(
    pytester: pytest.Pytester, meters: str
) -> None:
    suites = {f"test_{name}": suite for name, suite in SUITES.items() if find_spec(name)}
    pytester.makepyfile(**suites)
    result = pytester.runpytest_subprocess(
        "-q", "--energy-report", "--energy-report-dir=report", f"--energy-meters={meters}"
    )
    assert result.ret == 0, result.outlines
    (path,) = pytester.path.glob("report/*.json")
    cases = json.loads(path.read_bytes())["cases"]
    assert len(cases) == sum(suite.count("def test_") for suite in suites.values())
    for case in cases:
        (window,) = case["windows"]
        assert case["total_j"] is not None
        assert window["duration_s"] >= 0.05
        assert window["started"][:4] not in {"1970", "2020", "2031"}
        assert not [flag for flag in case["flags"] + window["flags"] if "suspended" in flag]
