"""Ten defects reproduced in tools that people use: none of them may happen here.

What is met in more detail elsewhere in this folder is met here once more from end to end, through
`discover` and a window, so that the list can be read in one place.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pytest_energybench.metering.cpu_estimate import CpuEstimate
from pytest_energybench.metering.discovery import discover
from pytest_energybench.metering.idle import measure_idle, subtract_idle
from pytest_energybench.metering.meter import Meter
from pytest_energybench.metering.proc import LOCKS
from pytest_energybench.metering.rapl import RaplSource
from tests.metering.conftest import RANGE_UJ, Tree
from tests.metering.test_cpu_estimate import linear

BUSY = [sys.executable, "-S", "-c", "while True: pass"]


@pytest.mark.parametrize("seconds", [0.0, 0.002, 0.05])
def test_short_windows_keep_all_of_their_energy(two_packages: Tree, seconds: float) -> None:
    with discover("rapl").measure() as window:
        two_packages.grow("intel-rapl:0", 0.5)
        two_packages.grow("intel-rapl:0:0", 0.125)
        time.sleep(seconds)
    assert window.energy_j["cpu:0"] == 0.5
    assert window.energy_j["dram:0"] == 0.125
    assert window.duration_s >= seconds
    is_short = window.duration_s < 0.02
    assert any("too short for this counter" in flag for flag in window.flags) == is_short


def test_a_wrap_is_neither_negative_nor_zero(two_packages: Tree) -> None:
    two_packages.set("intel-rapl:0", RANGE_UJ - 7_000_000)
    with discover("rapl").measure() as window:
        two_packages.grow("intel-rapl:0", 30.0)
    assert int(two_packages.energy("intel-rapl:0").read_text()) < 30_000_000
    assert window.total_j == pytest.approx(30.0, rel=1e-3)


def test_a_failed_read_is_an_error_and_no_wrap(two_packages: Tree) -> None:
    with discover("rapl").measure() as window:
        two_packages.grow("intel-rapl:1", 30.0)
        two_packages.write("intel-rapl:0", "")
        time.sleep(0.01)
    assert math.isnan(window.total_j)
    assert not window.total_j < 1e9
    assert window.energy_j["cpu:1"] == 30.0
    assert window.errors[0].startswith("cpu:0: lost 0.0")


def test_joules_of_memory_are_in_the_sum(two_packages: Tree) -> None:
    with discover("rapl").measure() as window:
        two_packages.grow("intel-rapl:0", 10.0)
        two_packages.grow("intel-rapl:0:0", 100.0)
    assert window.total_j == pytest.approx(110.0)


def test_no_joule_is_counted_twice(tree: Tree) -> None:
    tree.add("intel-rapl:0", "package-0-die-0", 9_000_000_000)
    tree.add("intel-rapl:1", "package-0-die-1", 9_000_000_000)
    tree.add("intel-rapl:2", "psys", 1_000)
    tree.add("intel-rapl-mmio:0", "package-0", 77_000_000)
    with discover("rapl").measure() as window:
        for zone in ("intel-rapl:0", "intel-rapl:1", "intel-rapl:2", "intel-rapl-mmio:0"):
            tree.grow(zone, 25.0)
    assert window.energy_j == {"cpu:0": 25.0}


def test_busy_neighbours_do_not_cost_a_sleep_anything_but_are_flagged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The neighbour is started by a process that ends, in a session of its own, and carries no mark
    of ours, which it would inherit where this process metered before: it is a stranger."""
    launch = (
        "from resource import getrlimit, setrlimit\n"
        "from subprocess import DEVNULL, Popen\n"
        f"setrlimit({LOCKS}, (getrlimit({LOCKS})[1],) * 2)\n"
        f"print(Popen({BUSY!r}, start_new_session=True, stdout=DEVNULL, stderr=DEVNULL).pid)"
    )
    run = subprocess.run([sys.executable, "-c", launch], capture_output=True, text=True, check=True)
    neighbour = int(run.stdout)
    try:
        cores = os.cpu_count() or 1
        monkeypatch.setenv("ENERGYBENCH_CPU_WATTS", f"1e-9,{cores / 10},{cores / 2},{cores}")
        meter = discover("estimate")
        begin, before = time.process_time(), time.clock_gettime((~neighbour << 3) | 2)
        with meter.measure() as window:
            while (used_s := time.clock_gettime((~neighbour << 3) | 2) - before) < 0.5:
                time.sleep(0.05)
    finally:
        os.kill(neighbour, 9)
    own_s = time.process_time() - begin
    assert window.energy_j["cpu"] <= own_s + 0.02
    (flag,) = [flag for flag in window.flags if flag.startswith("background load: ")]
    assert float(flag.split()[5]) >= 0.5 * used_s


def test_a_part_never_exceeds_the_whole() -> None:
    cores = os.cpu_count() or 1
    code = "import time\nwhile time.process_time() < 0.1: pass\nprint(flush=True)\nwhile True: pass"
    busy = [sys.executable, "-S", "-c", code]
    with Meter([CpuEstimate(linear(1.0, cores))]).measure() as window:
        children = [subprocess.Popen(busy, stdout=subprocess.PIPE) for _ in range(cores + 2)]
        for child in children:
            assert child.stdout is not None
            child.stdout.readline()
        for child in children:
            child.kill()
            child.communicate()
    ticks_j = 0.01 * len(children)  # in which the seconds of children come
    assert 0.1 * len(children) - ticks_j <= window.total_j <= cores * window.duration_s + 1e-6


def test_no_permission_is_said_and_no_estimate_is_called_measured(
    two_packages: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(path: Path) -> bytes:
        if path.name == "name" or path.name.startswith("max"):
            return path.read_bytes()
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("pytest_energybench.metering.powercap.read_plain", denied)
    denied_meter = discover()
    assert "estimated" not in denied_meter.provenance.values()
    assert sum("permission denied" in problem for problem in denied_meter.problems) == 1
    assert str(two_packages.energy("intel-rapl:0")) in denied_meter.problems[0]
    meter = discover("estimate")
    assert meter.provenance == {"cpu": "estimated", "ram": "estimated"}
    begin = time.process_time()
    with meter.measure() as idle:
        time.sleep(0.2)
    with meter.measure() as busy:
        while time.process_time() - begin < 0.3:
            pass
    assert busy.energy_j["cpu"] > 5 * idle.energy_j["cpu"]


def test_metering_is_cheap(two_packages: Tree) -> None:
    """No busy poll and no process per domain: a sleeping window uses next to no CPU time."""
    meter = discover("rapl")
    before = len(os.listdir("/proc/self/task"))
    processes = subprocess.run(["ps", "--ppid", str(os.getpid())], capture_output=True).stdout
    begin = time.process_time()
    with meter.measure():
        time.sleep(1.0)
        assert threading.active_count() <= before + 1
        during = subprocess.run(["ps", "--ppid", str(os.getpid())], capture_output=True).stdout
    assert time.process_time() - begin < 0.1
    assert len(during.splitlines()) == len(processes.splitlines())
    assert two_packages.root.exists()


def test_durations_are_monotonic(two_packages: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    began = time.monotonic()
    with discover("rapl").measure() as window:
        monkeypatch.setattr(time, "time", lambda: 0.0)
        two_packages.grow("intel-rapl:0", 1.0)
    assert 0.0 < window.duration_s <= time.monotonic() - began


def test_idle_power_is_of_the_right_size(two_packages: Tree) -> None:
    meter = Meter([RaplSource.find(two_packages.root)])  # knows of no other load on this machine
    idle = measure_idle(
        meter, 0.2, sleep=lambda s: (two_packages.grow("intel-rapl:0", 2.0), time.sleep(s))[1]
    )
    assert idle.watts["cpu:0"] == pytest.approx(2.0 / idle.duration_s)
    net = subtract_idle({"cpu:0": 100.0}, 1.0, idle)
    assert net.gross_j["cpu:0"] == 100.0
    assert net.net_j["cpu:0"] == pytest.approx(100.0 - idle.watts["cpu:0"])
