"""Other processes' load is measured and flagged."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from pytest_energybench.metering.fake import FakeClock
from pytest_energybench.metering.load import FRESH_S, LoadWatch, Look, foreign_load


class Seconds:
    """CPU seconds that a test sets, and a count of how often they were asked for."""

    def __init__(self) -> None:
        self.tree, self.busy, self.looks = 0.0, 0.0, 0

    def tree_s(self) -> float:
        self.looks += 1
        return self.tree

    def busy_s(self) -> float:
        return self.busy


@pytest.mark.parametrize(
    ("seconds", "busy_s", "own_s", "flagged"),
    [
        (10.0, 0.0, 0.0, False),
        (10.0, 10.3, 10.0, False),
        (10.0, 0.5, 0.0, False),  # an idle machine's own noise
        (10.0, 2.0, 0.0, True),
        (10.0, 15.0, 10.0, True),
        (100.0, 208.0, 200.0, False),  # a twentieth of ours
        (0.3, 0.35, 0.3, False),
        (10.0, 9.0, 10.0, False),
    ],
)
def test_what_counts_as_load(seconds: float, busy_s: float, own_s: float, flagged: bool) -> None:
    flag = foreign_load(Look(5.0, 7.0, 3.0), Look(5.0 + seconds, 7.0 + busy_s, 3.0 + own_s), 2)
    assert (flag is not None) == flagged


def test_the_flag_has_the_figures() -> None:
    flag = foreign_load(Look(0.0, 0.0, 0.0), Look(10.0, 15.0, 10.0), 2)
    assert flag == ("foreign load: other processes used 5 CPU-s (0.5 of 2 cores; own: 10 CPU-s)")


def test_a_series_of_short_windows_looks_once() -> None:
    cpu, clock = Seconds(), FakeClock()
    watch = LoadWatch(cpu, cores=2, clock=clock)
    for _ in range(10):
        begin = watch.begin()
        clock.advance(FRESH_S / 100)
        assert watch.end(begin) is None
    assert cpu.looks == 1


def test_a_long_window_is_judged_by_its_own_looks() -> None:
    cpu, clock = Seconds(), FakeClock()
    watch = LoadWatch(cpu, cores=2, clock=clock)
    cpu.busy = 1000.0  # before the window
    clock.advance(60.0)
    begin = watch.begin()
    clock.advance(10.0)
    assert watch.end(begin) is None
    begin = watch.begin()
    clock.advance(10.0)
    cpu.busy += 8.0
    assert "other processes used 8 CPU-s" in str(watch.end(begin))


def test_a_real_neighbour_is_seen_and_a_child_is_not() -> None:
    code = "import time\nend = time.monotonic() + 0.7\nwhile time.monotonic() < end: pass"
    watch = LoadWatch()
    begin = watch.begin()
    subprocess.run([sys.executable, "-S", "-c", code], check=True)
    time.sleep(0.05)
    end = watch._look()
    busy_s, own_s = end.busy_s - begin.busy_s, end.own_s - begin.own_s
    assert own_s > 0.2  # the child's
    assert busy_s > own_s - 0.1
