"""Other processes' load is measured and flagged."""

from __future__ import annotations

import os
import resource
import subprocess
import sys

import pytest

from pytest_energybench.base.flags import BUSY, spoils
from pytest_energybench.metering.cpu_time import LinuxCpuTime
from pytest_energybench.metering.fake import FakeClock
from pytest_energybench.metering.load_monitor import (
    FRESH_S,
    SERIES_S,
    SHORTEST_S,
    CpuSample,
    LoadMonitor,
    foreign_load,
    impossible,
)
from tests.metering.conftest import Seconds


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
    flag = foreign_load(
        CpuSample(5.0, 7.0, 3.0), CpuSample(5.0 + seconds, 7.0 + busy_s, 3.0 + own_s), 2
    )
    assert (flag is not None) == flagged


def test_the_flag_has_the_figures() -> None:
    flag = foreign_load(CpuSample(0.0, 0.0, 0.0), CpuSample(10.0, 15.0, 10.0), 2)
    assert flag == ("background load: other processes used 5 CPU-s (0.5 of 2 cores; own: 10 CPU-s)")


def test_a_series_of_short_windows_looks_once() -> None:
    cpu, clock = Seconds(), FakeClock()
    watch = LoadMonitor(cpu, cores=2, clock=clock)
    for _ in range(10):
        begin = watch.begin()
        clock.advance(FRESH_S / 100)
        assert watch.end(begin) is None
    assert cpu.looks == 1


def test_a_long_window_is_judged_by_its_own_looks() -> None:
    cpu, clock = Seconds(), FakeClock()
    watch = LoadMonitor(cpu, cores=2, clock=clock)
    cpu.busy += 1000.0  # before the window
    clock.advance(60.0)
    begin = watch.begin()
    clock.advance(10.0)
    assert watch.end(begin) is None
    begin = watch.begin()
    clock.advance(10.0)
    cpu.busy += 8.0
    assert "other processes used 8 CPU-s" in str(watch.end(begin))


def test_short_windows_are_judged_by_the_time_since_their_series_began() -> None:
    cpu, clock = Seconds(), FakeClock()
    watch = LoadMonitor(cpu, cores=2, clock=clock)
    clock.advance(60.0)
    cpu.busy += 50.0  # long before the first
    found = []
    for _ in range(6):
        begin = watch.begin()
        clock.advance(SHORTEST_S / 2)
        cpu.busy += SHORTEST_S / 2  # one core
        found.append(watch.end(begin))
        clock.advance(0.01)
        cpu.busy += 0.01
    assert found[0] is None
    assert "1 of 2 cores" in str(found[1])
    assert sum(each is not None for each in found) == 3


def test_load_in_a_long_pause_between_two_short_windows_is_not_theirs() -> None:
    cpu, clock = Seconds(), FakeClock()
    watch = LoadMonitor(cpu, cores=2, clock=clock)
    for _ in range(4):
        clock.advance(2 * SERIES_S)
        cpu.busy += 2.0
        begin = watch.begin()
        clock.advance(SHORTEST_S / 2)
        assert watch.end(begin) is None


def test_where_the_kernel_counts_nothing_nobody_knows_of_neighbours() -> None:
    flag = foreign_load(CpuSample(0.0, 0.0, 1.0), CpuSample(2.0, 0.0, 3.0), 2)
    assert flag is not None
    assert spoils(flag) == BUSY
    assert "is not known" in flag


def test_a_real_child_is_no_neighbour() -> None:
    code = "import time\nwhile time.process_time() < 0.3: pass"
    cpu = LinuxCpuTime()
    watch = LoadMonitor(cpu)
    begin = watch.begin()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-S", "-c", code], check=True)
    end, now = watch._look(), resource.getrusage(resource.RUSAGE_CHILDREN)
    child_s = now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime
    assert end.own_s - begin.own_s >= child_s >= 0.3 - 0.02
    assert impossible(begin, end, os.cpu_count() or 1, cpu.tick_s) is None
