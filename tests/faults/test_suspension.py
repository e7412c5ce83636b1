"""Time in which nobody looked: the machine slept, or the process was stopped."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time

import pytest

from pytest_energybench.metering.clock import SHORTEST_SLEEP_S, SYSTEM_CLOCK
from pytest_energybench.metering.fake import FakeClock, FakeMeter
from pytest_energybench.metering.meter import Meter
from pytest_energybench.metering.nvidia import GpuSource
from pytest_energybench.metering.nvml import find_gpus
from pytest_energybench.metering.powercap import MOST_WATTS
from pytest_energybench.metering.rapl import RaplSource
from tests.metering.conftest import (  # noqa: F401  # fixtures, found by their names
    RANGE_UJ,
    FakeNvml,
    Tree,
    fake_nvml,
    tree,
)

SLEPT = (
    "the machine was suspended for 3600 s: what it drew meanwhile is in no figure, nor is the time"
)
TURN_S = RANGE_UJ / 1e6 / MOST_WATTS["package"]


def test_a_window_with_a_suspension_in_it_is_flagged() -> None:
    meter = FakeMeter({"cpu:0": 10.0})
    with meter.measure() as outer:
        with meter.measure() as before:
            meter.clock.advance(1.0)
        meter.clock.suspend(3600.0)
        with meter.measure() as after:
            meter.clock.advance(1.0)
    assert outer.flags == [SLEPT]
    assert (before.flags, after.flags) == ([], [])
    assert outer.duration_s == 2.0


def test_a_counter_that_may_have_begun_anew_meanwhile_is_lost(tree: Tree) -> None:  # noqa: F811
    """It would look like a wrap: some 262 kJ that nobody has used."""
    tree.add("intel-rapl:0", "package-0", 9_000_000)
    clock = FakeClock()
    meter = Meter([RaplSource.find(tree.root, clock=clock)], clock=clock)
    with meter.measure() as window:
        clock.suspend(3600.0)
        tree.set("intel-rapl:0", 1_000_000)
    assert window.energy_j == {}
    (error,) = window.errors
    assert error.startswith("cpu:0: lost ")
    assert error.endswith("the machine was suspended for 3600 s")
    clock.suspend(3600.0)
    with meter.measure() as later:  # one between two windows is no concern of theirs
        tree.set("intel-rapl:0", 4_000_000)
    assert later.energy_j == {"cpu:0": 3.0}
    assert not any("suspended" in flag for flag in later.flags)


def test_counters_that_may_have_wrapped_unseen_are_lost(tree: Tree) -> None:  # noqa: F811
    tree.add("intel-rapl:0", "package-0", 0)
    clock = FakeClock()
    source = RaplSource.find(tree.root, clock=clock)
    meter = Meter([source], clock=clock)
    with meter.measure() as window:
        clock.advance(2 * TURN_S)
    assert math.isnan(window.total_j)
    assert window.errors[0].endswith(
        f"not looked at for {2 * TURN_S:.0f} s (a stopped process?): it may have wrapped unseen"
    )
    with meter.measure() as watched:
        for _ in range(8):
            clock.advance(TURN_S / 4)
            tree.grow("intel-rapl:0", 1000.0)
            source.tick()
    assert (watched.flags, watched.errors) == ([], [])


def test_sampled_power_with_a_gap_is_flagged(fake_nvml: FakeNvml) -> None:  # noqa: F811
    fake_nvml.add(energy_mj=None, average_mw=100_000)
    clock = FakeClock()
    source = GpuSource(find_gpus().gpus, clock=clock)
    with Meter([source], clock=clock).measure() as window:
        for seconds in (0.1, 0.1, 12.0, 0.1):
            clock.advance(seconds)
            source.tick()
    assert window.flags[-1:] == [
        "gpu:0: power was not looked at for 12 s (a stopped process?); it is taken to have"
        " changed evenly"
    ]
    assert window.energy_j["gpu:0"] == pytest.approx(1230.0)


def test_the_systems_clock_tells_sleep_from_work() -> None:
    """As far as can be seen on a machine that is awake: working is no sleep."""
    begin = SYSTEM_CLOCK.asleep()
    time.sleep(0.05)
    assert SYSTEM_CLOCK.asleep() - begin == pytest.approx(0.0, abs=SHORTEST_SLEEP_S)


STOPPED = """
import json, sys, time
from pytest_energybench import measure
with measure("stopped") as window:
    end = time.process_time() + 0.1
    while time.process_time() < end: pass
    print("here", flush=True)
    sys.stdin.readline()
print(json.dumps([window.duration_s, window.energy_j["cpu"], window.errors]))
"""


def test_a_process_that_is_stopped_and_goes_on_is_charged_what_it_used() -> None:
    cores = os.cpu_count() or 1
    process = subprocess.Popen(
        [sys.executable, "-c", STOPPED],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={
            **os.environ,
            "ENERGYBENCH_METERS": "estimate",
            "ENERGYBENCH_CPU_WATTS": f"1e-9,{cores},{5 * cores},{10 * cores}",
        },
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "here\n"
    process.send_signal(signal.SIGSTOP)
    time.sleep(0.5)
    process.send_signal(signal.SIGCONT)
    duration_s, joules, errors = json.loads(process.communicate("on\n", timeout=60)[0])
    assert duration_s > 0.6
    assert 0.9 < joules < 0.6 * duration_s * 10.0
    assert errors == []
