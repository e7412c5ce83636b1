"""The processor's estimate: a part never exceeds the whole."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_energybench.metering.cpu_estimate import CpuEstimate
from pytest_energybench.metering.cpu_power import CpuPower
from pytest_energybench.metering.cpu_rows import VERSION
from pytest_energybench.metering.fake import FakeClock
from pytest_energybench.metering.idle import measure_idle, subtract_idle
from pytest_energybench.metering.load_monitor import CpuSample, impossible
from pytest_energybench.metering.meter import Meter
from tests.metering.conftest import Seconds


def linear(watts: float, cores: int, idle_w: float = 0.0) -> CpuPower:
    """So many watts for each busy thread, beside idle power."""
    a, b, c, d = (idle_w + share * cores * watts for share in (0.0, 0.1, 0.5, 1.0))
    return CpuPower((a, b, c, d), cores, cores, cores, 0.3, "a test")


CONCAVE = CpuPower((10.0, 20.0, 40.0, 50.0), 10, 10, 10, 0.3, "a test")


def estimate(cores: int = 4, power: CpuPower | None = None) -> tuple[Meter, Seconds, FakeClock]:
    cpu, clock = Seconds(), FakeClock()
    source = CpuEstimate(power or linear(2.5, cores), cpu=cpu, cores=cores, clock=clock)
    return Meter([source], clock=clock), cpu, clock


def test_joules_are_cpu_seconds_times_watts() -> None:
    meter, cpu, clock = estimate()
    with meter.measure() as window:
        cpu.tree += 6.0
        clock.advance(2.0)
    assert window.energy_j == {"cpu": pytest.approx(15.0)}
    assert window.provenance == {"cpu": "estimated"}
    assert window.error_j == {"cpu": pytest.approx(4.5)}


def test_idle_time_costs_the_idle_share() -> None:
    meter, _, clock = estimate(power=linear(2.5, 4, idle_w=3.0))
    with meter.measure() as window:
        clock.advance(10.0)
    assert window.total_j == pytest.approx(30.0)
    assert meter.domains[0].idle_w == 3.0


def test_idle_power_that_is_subtracted_leaves_what_the_work_is_above_it() -> None:
    meter, cpu, clock = estimate(10, CONCAVE)

    def sleep_and_work(seconds: float) -> None:  # which is no idle power
        cpu.tree += 1.0
        clock.advance(seconds)

    idle = measure_idle(meter, 5.0, sleep=sleep_and_work)
    assert idle.watts == {"cpu": 10.0}
    with meter.measure() as window:
        cpu.tree += 10.0
        clock.advance(2.0)
    assert window.total_j == pytest.approx(80.0)
    net = subtract_idle(window.energy_j, window.duration_s, idle)
    assert net.net_j == {"cpu": pytest.approx(60.0)}


def test_the_more_threads_are_busy_the_less_each_costs() -> None:
    used = {}
    for threads in (1, 10):
        meter, cpu, clock = estimate(10, CONCAVE)
        with meter.measure() as window:
            cpu.tree += 10.0
            clock.advance(10.0 / threads)
        used[threads] = window.total_j
    assert used == {1: pytest.approx(200.0), 10: pytest.approx(50.0)}


def test_phases_are_charged_one_by_one_and_not_at_their_mean_load() -> None:
    meter, cpu, clock = estimate(10, CONCAVE)
    (source,) = meter.sources
    with meter.measure() as window:
        cpu.tree += 1.0
        clock.advance(1.0)
        source.tick()  # type: ignore[attr-defined]  # as the sampler's thread does
        cpu.tree += 10.0
        clock.advance(1.0)
    assert window.total_j == pytest.approx(20.0 + 50.0)


def test_others_work_is_theirs_and_makes_ours_cheaper() -> None:
    meter, cpu, clock = estimate(10, CONCAVE)
    with meter.measure() as window:
        cpu.tree += 5.0
        cpu.busy += 5.0
        clock.advance(1.0)
    assert window.total_j == pytest.approx(10.0 + 40.0 / 2)


def test_a_stranger_in_the_tree_costs_the_figure_and_both_figures_are_told() -> None:
    """117 s of somebody's past come into the tree, while the machine was busy for 0.4 s."""
    meter, cpu, clock = estimate(cores=2)
    with meter.measure() as window:
        cpu.tree += 117.0
        cpu.busy -= 116.6
        clock.advance(0.2)
    assert math.isnan(window.total_j)
    assert window.errors == [
        "cpu: lost 0.200 s into the window: this process and its descendants show 117 CPU-s, but"
        " the machine's 2 cores were busy for 0.4 CPU-s at most in these 0.2 s"
    ]


def test_a_lost_estimate_is_tried_again_in_the_next_window() -> None:
    meter, cpu, clock = estimate(cores=2)
    with meter.measure() as first:
        cpu.tree += 117.0
        clock.advance(0.2)
    cpu.tree += 50.0  # between windows: nobody's
    with meter.measure() as second:
        cpu.tree += 1.0
        clock.advance(1.0)
    assert math.isnan(first.total_j)
    assert second.energy_j == {"cpu": pytest.approx(2.5)}


def test_where_the_kernel_counts_nothing_the_cores_are_the_limit() -> None:
    for seconds, is_possible in ((3.9, True), (5.0, False)):
        why = impossible(CpuSample(0.0, 0.0, 1.0), CpuSample(2.0, 0.0, 1.0 + seconds), 2, 0.01)
        assert (why is None) == is_possible


@given(
    used_s=st.floats(0.0, 1000.0),
    others_s=st.floats(0.0, 1000.0),
    cores=st.integers(1, 64),
    error=st.floats(-3.0, 3.0),
)
def test_work_that_was_done_is_never_taken_for_a_strangers(
    used_s: float, others_s: float, cores: int, error: float
) -> None:
    """The kernel's count comes in whole ticks, off by about the root of their number."""
    seconds = (used_s + others_s) / cores
    busy_s = used_s + others_s + error * math.sqrt(0.01 * used_s)
    whole_s = max(0.0, math.floor(busy_s * 100) / 100)
    assert (
        impossible(CpuSample(0.0, 1e6, 0.0), CpuSample(seconds, 1e6 + whole_s, used_s), cores, 0.01)
        is None
    )


@given(st.floats(0.0, 100.0), st.floats(10.0, 1000.0), st.integers(1, 16))
def test_many_seconds_more_than_the_machine_was_busy_for_are_seen(
    busy_s: float, more_s: float, cores: int
) -> None:
    end = CpuSample(1000.0, 1e6 + busy_s, 2 * busy_s + more_s)
    assert impossible(CpuSample(0.0, 1e6, 0.0), end, cores, 0.01) is not None


@given(
    steps=st.lists(st.tuples(st.floats(0.0, 5.0), st.floats(0.0, 1.0)), min_size=1),
    cores=st.integers(1, 8),
)
def test_never_more_than_all_cores(steps: list[tuple[float, float]], cores: int) -> None:
    meter, cpu, clock = estimate(cores)
    used = 0.0
    with meter.measure() as whole:
        parts = []
        for seconds, share in steps:
            with meter.measure() as part:
                cpu.tree += share * seconds * cores + 0.01  # a tick too many
                used += share * seconds * cores + 0.01
                clock.advance(seconds)
            parts.append(part)
    for part in parts:
        assert -1e-9 <= part.total_j <= part.duration_s * cores * 2.5 + 1e-6
    assert whole.total_j <= used * 2.5 + 1e-6
    assert whole.total_j == pytest.approx(sum(part.total_j for part in parts), abs=1e-6)


@pytest.mark.parametrize(("seconds", "is_short"), [(139e-6, True), (0.049, True), (0.05, False)])
def test_a_window_too_short_for_the_estimate_is_flagged(seconds: float, is_short: bool) -> None:
    meter, cpu, clock = estimate()
    with meter.measure() as window:
        cpu.tree += seconds
        clock.advance(seconds)
    flag = f"too short for this estimate (cpu): {seconds:.3g} s of at least 0.05 s"
    assert window.flags == ([flag] if is_short else [])


def test_seconds_that_come_in_steps_need_twenty_of_them() -> None:
    cpu = Seconds()
    cpu.step_s = 1 / 64
    (domain,) = CpuEstimate(linear(2.5, 4), cpu=cpu).domains
    assert domain.least_s == pytest.approx(20 / 64)


def test_its_note_has_the_model() -> None:
    meter, _, _ = estimate()
    (domain,) = meter.domains
    assert domain.note == (
        "idle share 0 W + 2.5 W for one busy thread, 10 W for 4; the whole draws 0 1 5 10 W with"
        " 0, 10, 50 and 100 % of 4 threads busy (a test)"
    )
    assert (domain.error, domain.estimate_version) == (0.3, VERSION)
