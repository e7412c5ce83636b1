"""The processor's estimate: a part never exceeds the whole."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_energybench.metering.cpu import CpuEstimate
from pytest_energybench.metering.cpu_power import CorePower
from pytest_energybench.metering.fake import FakeClock
from pytest_energybench.metering.meter import Meter


class Seconds:
    """CPU seconds that a test sets."""

    def __init__(self) -> None:
        self.tree = 100.0

    def tree_s(self) -> float:
        return self.tree

    def busy_s(self) -> float:
        return self.tree


def estimate(cores: int = 4) -> tuple[Meter, Seconds, FakeClock]:
    cpu, clock = Seconds(), FakeClock()
    source = CpuEstimate(CorePower(2.5, 0.3, "a test"), cpu=cpu, cores=cores, clock=clock)
    return Meter([source], clock=clock), cpu, clock


def test_joules_are_cpu_seconds_times_watts() -> None:
    meter, cpu, clock = estimate()
    with meter.measure() as window:
        cpu.tree += 6.0
        clock.advance(2.0)
    assert window.energy_j == {"cpu": pytest.approx(15.0)}
    assert window.provenance == {"cpu": "estimated"}
    assert window.error_j == {"cpu": pytest.approx(4.5)}


def test_idle_time_costs_nothing() -> None:
    meter, _, clock = estimate()
    with meter.measure() as window:
        clock.advance(3600.0)
    assert window.total_j == 0.0


def test_seconds_that_come_in_a_lump_are_spread() -> None:
    meter, cpu, clock = estimate(cores=2)
    with meter.measure() as first:
        cpu.tree += 10.0
        clock.advance(2.0)
    with meter.measure() as second:
        clock.advance(4.0)
    assert first.total_j == pytest.approx(2 * 2.0 * 2.5)
    assert second.total_j == pytest.approx(6.0 * 2.5)


@given(
    steps=st.lists(st.tuples(st.floats(0.0, 5.0), st.floats(0.0, 60.0)), min_size=1),
    cores=st.integers(1, 8),
)
def test_never_more_than_all_cores(steps: list[tuple[float, float]], cores: int) -> None:
    meter, cpu, clock = estimate(cores)
    used = 0.0
    with meter.measure() as whole:
        parts = []
        for seconds, cpu_seconds in steps:
            with meter.measure() as part:
                cpu.tree += cpu_seconds
                used += cpu_seconds
                clock.advance(seconds)
            parts.append(part)
    for part in parts:
        assert -1e-9 <= part.total_j <= part.duration_s * cores * 2.5 + 1e-6
    assert whole.total_j <= used * 2.5 + 1e-6
    assert whole.total_j == pytest.approx(sum(part.total_j for part in parts), abs=1e-6)


def test_its_note_has_the_model() -> None:
    meter, _, _ = estimate()
    (domain,) = meter.domains
    assert domain.note == "CPU seconds of the process tree x 2.5 W (a test)"
    assert domain.error == 0.3
