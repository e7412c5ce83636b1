"""Counters that wrap, vanish, turn unreadable and return rubbish."""

from __future__ import annotations

import math
import os
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_energybench.metering import rapl
from pytest_energybench.metering.fake import FakeClock
from pytest_energybench.metering.meter import Meter
from pytest_energybench.metering.powercap import Counters, Zone
from pytest_energybench.metering.rapl import RaplSource
from tests.metering.conftest import RANGE_UJ, Tree


class QuickClock(FakeClock):
    """A quick machine's. On a busy one a window is long, and what stands still in it is lost."""

    def monotonic(self) -> float:
        """A millisecond after the last look."""
        self.advance(0.001)
        return super().monotonic()


def meter_of(tree: Tree) -> Meter:
    clock = QuickClock()
    return Meter([RaplSource.find(tree.root, clock=clock)], clock=clock)


def test_joules_between_the_edges_of_every_domain(two_packages: Tree) -> None:
    with meter_of(two_packages).measure() as window:
        two_packages.grow("intel-rapl:0", 1.5)
        two_packages.grow("intel-rapl:1", 2.0)
        two_packages.grow("intel-rapl:1:0", 0.25)
    assert window.energy_j == {"cpu:0": 1.5, "cpu:1": 2.0, "dram:0": 0.0, "dram:1": 0.25}
    assert set(window.provenance.values()) == {"measured"}


def test_a_wrap_is_continued(tree: Tree) -> None:
    tree.add("intel-rapl:0", "package-0", RANGE_UJ - 2_000_000)
    with meter_of(tree).measure() as window:
        tree.set("intel-rapl:0", 3_000_000)
    assert window.energy_j["cpu:0"] == pytest.approx(5.0)


def test_ticks_see_the_wraps_of_a_long_window(tree: Tree) -> None:
    tree.add("intel-rapl:0", "package-0", 0)
    clock = FakeClock()
    source = RaplSource.find(tree.root, clock=clock)
    with Meter([source], clock=clock).measure() as window:
        for _ in range(7):
            clock.advance(RANGE_UJ / 1e6 * 0.45 / 900.0)
            tree.grow("intel-rapl:0", RANGE_UJ / 1e6 * 0.45)
            source.tick()
    assert window.total_j == pytest.approx(RANGE_UJ / 1e6 * 0.45 * 7)


def test_ticks_come_twice_per_turn_at_least(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rapl, "LONGEST_TICK_S", math.inf)
    tree.add("intel-rapl:0", "package-0", 0, range_uj=65_532_610_987)
    assert 1.0 < RaplSource.find(tree.root).tick_s <= 65.532610987 / 2


def test_dies_of_one_package_add_up(tree: Tree) -> None:
    tree.add("intel-rapl:0", "package-0-die-0", 0)
    tree.add("intel-rapl:1", "package-0-die-1", 9_000_000_000)
    with meter_of(tree).measure() as window:
        tree.grow("intel-rapl:0", 1.0)
        tree.grow("intel-rapl:1", 2.0)
    assert window.energy_j == {"cpu:0": 3.0}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("garbage\n", "invalid literal"),
        ("", "invalid literal"),
        ("-5\n", "reads -5"),
        (f"{RANGE_UJ + 1}\n", f"its range is 0 to {RANGE_UJ}"),
    ],
)
def test_rubbish_loses_that_domain_only(two_packages: Tree, text: str, why: str) -> None:
    with meter_of(two_packages).measure() as window:
        two_packages.grow("intel-rapl:0", 4.0)
        two_packages.write("intel-rapl:0:0", text)
    (error,) = window.errors
    assert error.startswith("dram:0: lost 0.")
    assert str(two_packages.energy("intel-rapl:0:0")) in error
    assert why in error
    assert window.energy_j == {"cpu:0": 4.0, "cpu:1": 0.0, "dram:1": 0.0}
    assert math.isnan(window.total_j)


def test_a_vanished_counter_is_lost_and_not_frozen(two_packages: Tree) -> None:
    with meter_of(two_packages).measure() as window:
        two_packages.energy("intel-rapl:1").unlink()
    (error,) = window.errors
    assert error.startswith("cpu:1: lost 0.")
    assert "No such file" in error


def test_a_counter_that_fails_to_read_is_lost(
    two_packages: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    meter = meter_of(two_packages)
    pread = os.pread

    def failing(fd: int, size: int, offset: int) -> bytes:
        if os.readlink(f"/proc/self/fd/{fd}") == str(two_packages.energy("intel-rapl:0")):
            raise OSError(19, "No such device")
        return pread(fd, size, offset)

    with meter.measure() as window:
        monkeypatch.setattr(os, "pread", failing)
    assert "cpu:0" not in window.energy_j
    assert "No such device" in window.errors[0]


def test_a_replaced_file_is_followed(tree: Tree) -> None:
    energy = tree.add("intel-rapl:0", "package-0", 1_000_000)
    with meter_of(tree).measure() as window:
        fresh = energy.with_name("fresh")
        fresh.write_text("3500000\n")
        fresh.replace(energy)
    assert window.energy_j == {"cpu:0": 2.5}


def test_a_lost_domain_comes_back_with_the_next_first_window(two_packages: Tree) -> None:
    meter = meter_of(two_packages)
    with meter.measure() as broken:
        two_packages.write("intel-rapl:0", "garbage")
    two_packages.set("intel-rapl:0", 10_000_000)
    with meter.measure() as mended:
        two_packages.grow("intel-rapl:0", 2.0)
    assert broken.errors
    assert mended.errors == []
    assert mended.total_j == pytest.approx(2.0)


def test_a_domain_lost_before_the_window_says_so(two_packages: Tree) -> None:
    meter = meter_of(two_packages)
    with meter.measure():
        two_packages.write("intel-rapl:0", "garbage")
        with meter.measure():
            pass
        with meter.measure() as late:
            pass
    assert late.errors[0].startswith("cpu:0: lost before the window opened")


def test_without_a_known_range_it_works_until_it_goes_back(tree: Tree) -> None:
    tree.add("intel-rapl:0", "package-0", 1_000_000, range_uj=None)
    meter = meter_of(tree)
    with meter.measure() as forward:
        tree.set("intel-rapl:0", 2_000_000)
    with meter.measure() as back:
        tree.set("intel-rapl:0", 500_000)
    assert forward.total_j == 1.0
    assert math.isnan(back.total_j)
    assert "max_energy_range_uj is missing" in back.errors[0]


@given(
    steps=st.lists(st.floats(1.0, RANGE_UJ / 1e6 * 0.49), min_size=1, max_size=12),
    start=st.integers(0, RANGE_UJ - 1),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_energy_is_the_sum_of_the_steps(tmp_path: Path, steps: list[float], start: int) -> None:
    tree = Tree(tmp_path)
    zone = "intel-rapl:0"
    if not (tmp_path / zone).exists():
        tree.add(zone, "package-0")
    tree.set(zone, start)
    clock = FakeClock()
    meter = Meter([RaplSource.find(tree.root, clock=clock)], clock=clock)
    parts = []
    with meter.measure() as whole:
        for step in steps:
            with meter.measure() as part:
                clock.advance(step / 900.0)
                tree.grow(zone, step)
            parts.append(part.total_j)
    assert min(parts) >= 0.0
    assert whole.total_j == pytest.approx(sum(steps), rel=1e-3, abs=1e-5)
    assert whole.total_j == pytest.approx(sum(parts), abs=1e-5)


def test_readers_in_several_threads_lose_nothing(tree: Tree) -> None:
    tree.add("intel-rapl:0", "package-0", RANGE_UJ - 500_000)
    source = RaplSource.find(tree.root, clock=FakeClock())
    begin = source.read().joules["cpu:0"]
    stop = threading.Event()

    def keep_reading() -> None:
        while not stop.is_set():
            source.tick()

    readers = [threading.Thread(target=keep_reading) for _ in range(3)]
    for reader in readers:
        reader.start()
    value = RANGE_UJ - 500_000
    for _ in range(300):
        value = (value + 10_000) % RANGE_UJ
        fresh = tree.energy("intel-rapl:0").with_name("fresh")  # never seen half written
        fresh.write_text(f"{value:012d}\n")
        fresh.replace(tree.energy("intel-rapl:0"))
    stop.set()
    for reader in readers:
        reader.join()
    assert source.read().joules["cpu:0"] - begin == pytest.approx(3.0)


def test_no_file_descriptor_is_left_by_lost_counters(tree: Tree) -> None:
    zone = Zone("intel-rapl:0", "package-0", tree.root / "missing", None)
    before = len(os.listdir("/proc/self/fd"))
    source = RaplSource(Counters({"cpu:0": (zone,)}))
    for _ in range(5):
        source.open()
    assert "cpu:0" in source.read().lost
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_counter_removed_between_two_quick_windows_is_lost(two_packages: Tree) -> None:
    meter = meter_of(two_packages)
    with meter.measure() as first:
        pass
    two_packages.energy("intel-rapl:0").unlink()
    with meter.measure() as second:
        pass
    assert first.errors == []
    assert second.errors[0].startswith("cpu:0: lost")
