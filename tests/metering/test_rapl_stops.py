"""RAPL counters that stop for a while: lost once that is seen."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pytest_energybench.metering.fake import FakeClock
from pytest_energybench.metering.meter import Meter
from pytest_energybench.metering.powercap import HEADROOM
from pytest_energybench.metering.rapl import LONGEST_TICK_S, PERIOD_S, STILL_S, RaplSource
from pytest_energybench.metering.window import Window
from tests.metering.conftest import RANGE_UJ, Tree

ZONE = "intel-rapl:0"
MOST_W = 250.0
ALWAYS_SEEN_S = STILL_S + 2 * LONGEST_TICK_S


class Stop(NamedTuple):
    """Seconds into the window from which the counter stands still, and when it goes on.

    Attributes:
        catches_up: what it missed comes with its next update.
    """

    begin: float
    end: float
    catches_up: bool


class Machine:
    """A package that follows a power trace; its counter is updated once in a millisecond."""

    def __init__(self, root: Path, levels: list[float], stop: Stop | None) -> None:
        self.tree = Tree(root)
        if not self.tree.energy(ZONE).exists():
            self.tree.add(ZONE, "package-0")
            limit = root / ZONE / "constraint_0_power_limit_uw"
            limit.write_text(f"{MOST_W / HEADROOM * 1e6:.0f}\n")
        self.levels = levels
        self.stop = stop
        self.clock = FakeClock()
        self.true_j = self.shown_j = self.missed_j = 0.0
        self.show()
        self.source = RaplSource.find(root, clock=self.clock)

    def show(self) -> None:
        self.tree.set(ZONE, (RANGE_UJ - 5_000_000 + round(self.shown_j * 1e6)) % RANGE_UJ)

    def run(self, seconds: float, tick_s: float = LONGEST_TICK_S) -> None:
        """Let time pass; the reader looks every `tick_s`."""
        for _ in range(round(seconds / PERIOD_S)):
            now = self.clock.monotonic()
            joules = self.levels[int(now / 0.05) % len(self.levels)] * PERIOD_S
            self.clock.advance(PERIOD_S)
            self.true_j += joules
            if self.stop and self.stop.begin <= now < self.stop.end:
                self.missed_j += joules if self.stop.catches_up else 0.0
            else:
                self.shown_j += joules + self.missed_j
                self.missed_j = 0.0
            if int(self.clock.monotonic() / tick_s) > int(now / tick_s):
                self.show()
                self.source.tick()
        self.show()

    def measure(self) -> Window:
        return Meter([self.source], clock=self.clock).measure()


def check(window: Window, true_j: float, stop: Stop | None, tick_s: float) -> None:
    """Without a stop a figure holds within its error; a stop may hide until it is surely seen."""
    hidden_s = min(stop.end - stop.begin, STILL_S + 2 * tick_s) if stop else 0.0
    if not math.isnan(window.total_j):
        assert abs(window.total_j - true_j) <= window.error_j["cpu:0"] + hidden_s * MOST_W


LEVELS = st.lists(st.floats(1.0, MOST_W), min_size=1, max_size=30)
STOPS = st.builds(
    lambda begin, seconds, catches_up: Stop(begin, begin + seconds, catches_up),
    st.floats(0.0, 1.5),
    st.one_of(st.floats(0.001, 2.0), st.just(math.inf)),
    st.booleans(),
)


@example(levels=[MOST_W], stop=Stop(0.31, 0.69, False), seconds=1.0, inner=0.0, tick_s=0.1)
@example(levels=[MOST_W], stop=Stop(0.31, 0.69, True), seconds=1.0, inner=0.65, tick_s=0.1)
@given(
    levels=LEVELS,
    stop=st.none() | STOPS,
    seconds=st.floats(0.001, 3.0),
    inner=st.floats(0.0, 1.0),
    tick_s=st.sampled_from([LONGEST_TICK_S, 0.13, 0.5, 5.0]),
)
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None
)
def test_a_total_is_what_was_drawn_within_its_error_but_for_what_hides_between_two_looks(
    tmp_path: Path,
    levels: list[float],
    stop: Stop | None,
    seconds: float,
    inner: float,
    tick_s: float,
) -> None:
    machine = Machine(tmp_path, levels, stop)
    with machine.measure() as whole:
        machine.run(seconds * inner, tick_s)
        before_j = machine.true_j
        with whole.another("inner") as part:
            machine.run(seconds * (1.0 - inner), tick_s)
    check(whole, machine.true_j, stop, tick_s)
    check(part, machine.true_j - before_j, stop, tick_s)
    if stop is None and seconds > 0.01:
        assert not whole.errors


@pytest.mark.parametrize("stopped_s", [0.0, 0.35, 0.9])
def test_the_error_holds_what_a_stop_that_was_seen_has_taken(
    tmp_path: Path, stopped_s: float
) -> None:
    watts = 20.0
    machine = Machine(tmp_path, [watts], Stop(0.31, 0.31 + stopped_s, False))
    with machine.measure() as window:
        machine.run(2.0)
    missed_j = machine.true_j - window.total_j
    assert missed_j == pytest.approx(watts * stopped_s, abs=watts * 2 * PERIOD_S)
    # A tick before and after the stop may be part of it, and those of the bound are as long.
    least_s, most_s = stopped_s, stopped_s + 5 * LONGEST_TICK_S if stopped_s else 3 * PERIOD_S
    assert watts * least_s <= window.error_j["cpu:0"] <= watts * most_s


@pytest.mark.parametrize("seconds", [1.3, 1.8, 3.0])
@pytest.mark.parametrize("begin", [0.05, 0.1, 0.149])
def test_a_stop_is_seen_whatever_the_window(tmp_path: Path, begin: float, seconds: float) -> None:
    machine = Machine(tmp_path, [20.0], Stop(begin, begin + ALWAYS_SEEN_S + PERIOD_S, True))
    with machine.measure() as window:
        machine.run(seconds + begin)
    assert "stood still at" in window.errors[0]
    assert math.isnan(window.total_j)


def test_short_stops_add_up_to_a_loss_where_they_are_many(
    tmp_path: Path,
) -> None:
    machine = Machine(tmp_path, [20.0], None)
    with machine.measure() as window:
        for _ in range(12):
            now = machine.clock.monotonic()
            machine.stop = Stop(now, now + 0.25, False)
            machine.run(0.4)
    assert "stood still at" in window.errors[0]


def test_quick_looks_between_two_updates_lose_nothing(tmp_path: Path) -> None:
    machine = Machine(tmp_path, [20.0], None)
    with machine.measure() as window:
        for _ in range(500):
            machine.run(PERIOD_S)
            for _ in range(5):
                machine.clock.advance(PERIOD_S / 5)
                with window.another("short"):
                    pass
    assert window.errors == []
    assert window.total_j == pytest.approx(machine.true_j)


def test_a_counter_may_rest_while_its_process_waits(tmp_path: Path) -> None:
    machine = Machine(tmp_path, [20.0], None)
    machine.clock.worked = lambda: 0.0  # type: ignore[method-assign]
    with machine.measure() as window:
        for _ in range(10):
            machine.clock.advance(LONGEST_TICK_S)
            machine.source.tick()
        machine.shown_j += 20.0
        machine.show()
    assert window.total_j == pytest.approx(20.0)
    with machine.measure() as window:
        for _ in range(25):
            machine.clock.advance(LONGEST_TICK_S)
            machine.source.tick()
    assert "stood still at" in window.errors[0]
