"""GPU joules by counter and by sampled power."""

from __future__ import annotations

import math
import time

import pytest

from pytest_energybench.metering.fake import FakeClock
from pytest_energybench.metering.meter import Meter
from pytest_energybench.metering.nvidia import SAMPLE_S, GpuSource
from pytest_energybench.metering.nvml import find_gpus
from tests.metering.conftest import FakeNvml


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(1000.0)


def play(source: GpuSource, clock: FakeClock, seconds: float) -> None:
    """Let time pass with the ticks that a window's keeper would make."""
    for _ in range(round(seconds / SAMPLE_S)):
        clock.advance(SAMPLE_S)
        source.tick()


def test_the_counter_is_read_at_both_edges(fake_nvml: FakeNvml, clock: FakeClock) -> None:
    first, second = fake_nvml.add(), fake_nvml.add(energy_mj=5)
    meter = Meter([GpuSource(find_gpus().gpus, clock=clock)], clock=clock)
    with meter.measure() as window:
        first["energy_mj"] += 2500
        second["energy_mj"] += 125
    assert window.energy_j == {"gpu:0": 2.5, "gpu:1": pytest.approx(0.125)}
    assert set(window.provenance.values()) == {"measured"}


def test_without_a_counter_power_is_integrated(fake_nvml: FakeNvml, clock: FakeClock) -> None:
    device = fake_nvml.add(energy_mj=None, average_mw=None, instant_mw=100_000)
    source = GpuSource(find_gpus().gpus, clock=clock)
    with Meter([source], clock=clock).measure() as window:
        play(source, clock, 5.0)
        device["instant_mw"] = 200_000
        play(source, clock, 5.0)
    assert window.provenance == {"gpu:0": "integrated"}
    assert window.total_j == pytest.approx(1500.0, rel=0.01)
    assert abs(window.total_j - 1500.0) <= window.error_j["gpu:0"]
    assert window.samples["gpu:0"][0] == (0.0, 100.0)
    assert window.samples["gpu:0"][-1] == (pytest.approx(10.0), 200.0)
    assert window.flags == []


@pytest.mark.parametrize(
    ("capability", "unseen"), [((8, 0), 0.75), ((9, 0), 0.75), ((8, 6), 0.0), (None, 0.0)]
)
@pytest.mark.parametrize("counts", [True, False])
def test_what_a_sensor_does_not_look_at_is_in_the_error(
    fake_nvml: FakeNvml,
    clock: FakeClock,
    capability: tuple[int, int] | None,
    unseen: float,
    *,
    counts: bool,
) -> None:
    device = fake_nvml.add(
        energy_mj=0 if counts else None, instant_mw=100_000, capability=capability
    )
    source = GpuSource(find_gpus().gpus, clock=clock)
    with Meter([source], clock=clock).measure() as window:
        for watts in (100, 100, 100, 300) * 10:
            device["instant_mw"] = watts * 1000
            if counts:
                device["energy_mj"] += round(watts * SAMPLE_S * 1000)
            play(source, clock, SAMPLE_S)
    # Nineteen changes by 200 W within a sample's length, and one burst that hides between two.
    sampled_j = 0.0 if counts else SAMPLE_S * (19 * 200.0 / 2 + 200.0)
    missed_j = window.bounds_j.get("gpu:0", 0.0)
    assert ("gpu:0" in window.bounds_j) == (not counts or unseen > 0)
    # A mean of some 150 W over 4 s: unseen, it may have been 300 W.
    assert missed_j == pytest.approx(unseen * 4.0 * 150.0 + sampled_j, rel=0.02, abs=1e-9)
    assert window.error_j["gpu:0"] == pytest.approx(0.05 * window.total_j + missed_j)
    assert ("looks at 25 % of the time" in source.domains[0].note) == (unseen > 0)


def test_steady_work_loses_nothing_to_a_sensor_that_looks_part_of_the_time(
    fake_nvml: FakeNvml, clock: FakeClock
) -> None:
    fake_nvml.add(energy_mj=None, capability=(8, 0))
    dark = fake_nvml.add(capability=(8, 0), average_mw=None, limit_mw=400_000)
    source = GpuSource(find_gpus().gpus, clock=clock)
    with Meter([source], clock=clock).measure() as window:
        for _ in range(20):
            dark["energy_mj"] += 10_000
            play(source, clock, SAMPLE_S)
    assert window.bounds_j["gpu:0"] == pytest.approx(SAMPLE_S * 200.0)  # a burst, as everywhere
    assert window.bounds_j["gpu:1"] == pytest.approx(0.75 * 2.0 * 800.0)  # nobody saw its power


def test_time_between_windows_is_not_integrated(fake_nvml: FakeNvml, clock: FakeClock) -> None:
    fake_nvml.add(energy_mj=None)
    source = GpuSource(find_gpus().gpus, clock=clock)
    meter = Meter([source], clock=clock)
    for _ in range(2):
        clock.advance(3600.0)
        with meter.measure() as window:
            play(source, clock, 3.0)
        assert window.total_j == pytest.approx(300.0)


def test_a_gpu_that_falls_off_is_lost_with_its_time(fake_nvml: FakeNvml, clock: FakeClock) -> None:
    staying = fake_nvml.add(name="staying")
    leaving = fake_nvml.add(name="leaving")
    source = GpuSource(find_gpus().gpus, clock=clock)
    with Meter([source], clock=clock).measure() as window:
        play(source, clock, 1.0)
        leaving["gone"] = True
        for _ in range(20):
            staying["energy_mj"] += 10_000
            play(source, clock, SAMPLE_S)
    assert "gpu:1" not in window.energy_j
    assert "gpu:0" in window.energy_j
    assert math.isnan(window.total_j)
    (error,) = window.errors
    assert error.startswith("gpu:1: lost 1.100 s into the window: leaving: ")


def test_a_counter_that_goes_back_is_lost(fake_nvml: FakeNvml, clock: FakeClock) -> None:
    device = fake_nvml.add()
    meter = Meter([GpuSource(find_gpus().gpus, clock=clock)], clock=clock)
    with meter.measure() as window:
        device["energy_mj"] = 10
    assert "went back" in window.errors[0]


@pytest.mark.parametrize(("counted_w", "flagged"), [(100, False), (95, False), (60, True)])
def test_counter_and_power_are_cross_checked(
    fake_nvml: FakeNvml, clock: FakeClock, counted_w: int, flagged: bool
) -> None:
    device = fake_nvml.add(instant_mw=100_000)
    source = GpuSource(find_gpus().gpus, clock=clock)
    with Meter([source], clock=clock).measure() as window:
        for _ in range(100):
            device["energy_mj"] += counted_w * 100
            play(source, clock, SAMPLE_S)
    assert window.total_j == pytest.approx(counted_w * 10.0)
    assert ["disagree" in flag for flag in window.flags] == [True] * flagged


def test_a_short_window_does_not_judge_the_counter(fake_nvml: FakeNvml, clock: FakeClock) -> None:
    fake_nvml.add(instant_mw=100_000)
    source = GpuSource(find_gpus().gpus, clock=clock)
    with Meter([source], clock=clock).measure() as window:
        play(source, clock, 1.0)
    assert ["too short" in flag for flag in window.flags] == [True]


def test_samples_come_by_themselves_in_real_time(fake_nvml: FakeNvml) -> None:
    fake_nvml.add(energy_mj=None)
    meter = Meter([GpuSource(find_gpus().gpus)])
    with meter.measure() as window:
        time.sleep(0.45)
    assert len(window.samples["gpu:0"]) >= 4
    assert window.total_j == pytest.approx(100.0 * window.duration_s, rel=0.02)
