"""Runs on a part of the processor: their figures aren't those of the whole."""

from __future__ import annotations

import os

import pytest

pytestmark = pytest.mark.usefixtures("only_named_plugins")


PINNED = """
    import os
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
"""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs affinities")
@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one CPU can't be divided")
def test_runs_with_other_affinities_are_not_compared(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(energy):\n    with energy.measure():\n        sum(range(999))")
    common = ("-q", "--energy-report", "--energy-report-dir=report")
    assert pytester.runpytest_subprocess(*common).ret == 0
    (pytester.path / "report/energy.json").rename(pytester.path / "before.json")
    pytester.makeconftest(PINNED)
    result = pytester.runpytest_subprocess(*common, "--energy-compare=before.json")
    result.stdout.fnmatch_lines(["*allowed_cpus is 1 here and not set there*"])
