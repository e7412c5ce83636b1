"""What the doctor finds on made machines and on this one."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from pytest_energybench.metering.diagnosis import diagnose, update_periods
from pytest_energybench.metering.discovery import discover
from pytest_energybench.metering.errors import Problem
from pytest_energybench.metering.fake import FakeMeter
from pytest_energybench.metering.rapl import RaplSource
from pytest_energybench.metering.source import Reading
from tests.metering.conftest import FakeNvml, Tree


@pytest.fixture
def ticking_tree(tree: Tree) -> Iterator[Tree]:
    """A package whose counter moves every 10 ms."""
    tree.add("intel-rapl:0", "package-0", 100_000_000_000)
    stop = threading.Event()

    def count() -> None:
        value = 100_000_000_000
        while not stop.wait(0.01):
            value += 100_000
            fresh = tree.energy("intel-rapl:0").with_name("fresh")
            fresh.write_text(f"{value}\n")
            fresh.replace(tree.energy("intel-rapl:0"))

    thread = threading.Thread(target=count)
    thread.start()
    yield tree
    stop.set()
    thread.join()


class Moving(RaplSource):
    """Counters that move between two readings where 10 ms have passed, and when they did."""

    tree: Tree
    moved: list[float]

    def read(self) -> Reading:
        moves = not self.moved or time.monotonic() - self.moved[-1] >= 0.01
        if moves:
            self.tree.grow("intel-rapl:0", 0.1)
        reading = super().read()
        if moves:
            self.moved.append(time.monotonic())
        return reading


def test_the_update_period_is_seen_on_the_spot(tree: Tree) -> None:
    tree.add("intel-rapl:0", "package-0", 100_000_000_000)
    Moving.tree, Moving.moved = tree, []
    periods = update_periods(Moving.find(tree.root), 60.0)
    moved = Moving.moved[1:]  # the first reading has nothing to compare with
    assert periods["cpu:0"] == pytest.approx(
        statistics.median(after - before for before, after in pairwise(moved)), rel=0.5
    )


def test_a_counter_that_stands_still_has_no_period(two_packages: Tree) -> None:
    start = time.monotonic()
    periods = update_periods(RaplSource.find(two_packages.root), 0.1)
    assert set(periods.values()) == {None}
    assert 0.1 <= time.monotonic() - start < 1.0


def test_counters_without_memory_get_an_estimate(ticking_tree: Tree) -> None:
    ticking_tree.add("intel-rapl:0:0", "dram")
    ticking_tree.energy("intel-rapl:0:0").unlink()
    diagnosis = diagnose(quick=True)
    assert [domain.name for domain in diagnosis.domains] == ["cpu:0", "ram"]
    assert (diagnosis.uncovered, diagnosis.lost) == ((), ())
    assert diagnosis.exit_status == 0
    assert diagnosis.self_test_s == 0.0
    assert diagnosis.domains[0].idle_w is None


def test_a_domain_that_no_gate_could_judge_with_is_lost(two_packages: Tree) -> None:
    two_packages.energy("intel-rapl:1").unlink()
    diagnosis = diagnose(quick=True)
    assert [line.split(": ")[0] for line in diagnosis.lost] == [
        "cpu:1",
        "cpu:0",
        "dram:0",
        "dram:1",
    ]
    assert "No such file" in diagnosis.lost[0]
    assert diagnosis.lost[1] == "cpu:0: its counter stood still for 0.3 s"
    assert diagnosis.exit_status == 1


def test_what_is_left_out_is_told(tree: Tree) -> None:
    tree.add("intel-rapl:0", "package-0", 5)
    tree.add("intel-rapl-mmio:0", "package-0", 5)
    tree.add("intel-rapl:1", "psys", 5)
    assert diagnose(quick=True).left_out == (
        "intel-rapl-mmio:0 (package-0): repeats intel-rapl:0",
        "intel-rapl:1 (psys): contains the packages",
    )


def test_what_is_missing_has_its_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENERGYBENCH_POWERCAP_ROOT", str(tmp_path / "nowhere"))
    rapl = diagnose(quick=True).missing[0]
    assert (rapl.what, rapl.remedy) == ("RAPL", "check ENERGYBENCH_POWERCAP_ROOT")
    assert "doesn't exist" in rapl.why


def test_a_gpu_that_is_not_metered_is_uncovered(fake_nvml: FakeNvml) -> None:
    fake_nvml.add(name="NVIDIA A100", mig=(1, 1))
    diagnosis = diagnose(quick=True)
    assert diagnosis.uncovered == ("GPU 0 (NVIDIA A100)",)
    assert diagnosis.exit_status == 1


def test_a_machine_without_cpu_and_memory_domains_is_uncovered() -> None:
    diagnosis = diagnose(quick=True, meter=FakeMeter({"gpu:0": 1.0}))
    assert diagnosis.uncovered == ("cpu", "ram")


def test_the_self_test_sees_the_load() -> None:
    diagnosis = diagnose(meter=discover("estimate"), seconds=1.0)
    cpu, ram = diagnosis.domains
    assert cpu.idle_w is not None
    assert cpu.load_w is not None
    assert cpu.load_w > cpu.idle_w
    assert ram.load_w == pytest.approx(ram.idle_w, rel=0.05)
    assert diagnosis.findings == ()
    assert diagnosis.self_test_s == 1.0


def test_a_figure_that_ignores_the_load_is_not_trusted() -> None:
    """A constant whatever the load, as one tool reports without a word."""
    meter = FakeMeter({"cpu:0": 50.0, "dram:0": 0.0})

    def sleep(seconds: float) -> None:
        meter.clock.advance(seconds)

    diagnosis = diagnose(meter=meter, seconds=2.0, sleep=sleep)
    assert diagnosis.findings == ("cpu:0: no more watts under load than when idle; don't trust it",)
    assert diagnosis.lost == ("dram:0: its counter stood still under load; don't trust it",)
    assert diagnosis.exit_status == 1


def test_a_problem_is_a_line_with_parts() -> None:
    problem = Problem("RAPL", "permission denied: /x", "run `chmod`")
    assert problem == "RAPL: permission denied: /x; run `chmod`"
    assert (problem.what, problem.why, problem.remedy) == (
        "RAPL",
        "permission denied: /x",
        "run `chmod`",
    )
    assert Problem("NVML", "no driver") == "NVML: no driver"
