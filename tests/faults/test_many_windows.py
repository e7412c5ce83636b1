"""A loop that opens a window at every step: its time, memory and file stay bounded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_energybench.measurement.case_builder import MOST_SERIES, MOST_WINDOWS, CaseBuilder
from pytest_energybench.results.model import Case, Series, Window

MANY = """
import time
from tests.processes import peak_bytes

def test_many(energy, work):
    before, seconds = peak_bytes(), []
    for step in range(10_000):
        if step % 5_000 == 0:
            seconds.append(time.process_time())
        with energy.measure(f"step {step}", counted=step % 4 > 0):
            work(0.25 + step / 2**14)
    begin, half, end = *seconds, time.process_time()
    energy.record(slower=(end - half) / (half - begin), bytes=peak_bytes() - before)
"""


def test_ten_thousand_windows_are_a_thousand_and_a_sum(
    suite: pytest.Pytester, cases: Callable[..., dict[str, dict[str, Any]]]
) -> None:
    suite.makepyfile(test_many=MANY)
    suite.runpytest("--energy-report").assert_outcomes(passed=1)
    case = cases()["test_many"]
    seconds = [0.25 + step / 2**14 for step in range(10_000)]
    counted = sum(each for step, each in enumerate(seconds) if step % 4)
    assert case["total_j"] == pytest.approx(12.0 * counted, rel=1e-9)
    assert case["duration_s"] == pytest.approx(counted, rel=1e-9)
    assert sum(w["total_j"] for w in case["windows"]) == pytest.approx(12.0 * sum(seconds))
    assert len(case["windows"]) == MOST_WINDOWS + 2
    assert case["flags"] == ["9,000 windows after the first 1,000 are kept as their sum"]
    assert case["metrics"]["slower"] < 3.0  # the later half than the first
    assert case["metrics"]["bytes"] < 50e6
    assert Path("reports/energy.json").stat().st_size < 1e6
    assert Path("reports/energy.html").stat().st_size < 1e6


def test_flags_that_are_all_different_are_cut_short(suite: pytest.Pytester) -> None:
    suite.makeconftest(Path("conftest.py").read_text().replace("2.0})", "2.0}, period_s=0.1)"))
    suite.makepyfile(
        """
        def test_short(energy, work):
            for step in range(100):
                with energy.measure():
                    work(0.5 + step / 1000)
            assert len(energy.case().flags) == 31
            assert energy.case().flags[0].startswith("too short for this counter (cpu:0, dram:0)")
            assert energy.case().flags[-1] == "and more of this kind"
        """
    )
    suite.runpytest().assert_outcomes(passed=1)


def window(place: Any, total_j: float | None = 1.0) -> Window:
    return Window(
        name="w",
        started="",
        duration_s=1.0,
        energy_j={} if total_j is None else {"cpu": total_j},
        total_j=total_j,
        provenance={"cpu": "measured"},
        place=place,
        errors=[] if total_j is not None else ["lost"],
    )


def test_one_unknown_window_among_many_leaves_no_total() -> None:
    builder = CaseBuilder(Case(nodeid="a", name="a"))
    for number in range(3 * MOST_WINDOWS):
        builder.add_window(window("counted", None if number == 2 * MOST_WINDOWS else 1.0))
    case = builder.finished(None)
    assert case.total_j is None
    assert case.errors == ["lost"]


def test_curves_of_the_first_windows_only() -> None:
    builder = CaseBuilder(Case(nodeid="a", name="a"))
    for _ in range(2 * MOST_SERIES):
        builder.add_series([Series(name="power", x="s", points=[]) for _ in range(3)])
    assert len(builder.series) == MOST_SERIES
