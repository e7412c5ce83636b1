"""The one thread of long windows."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

import pytest

from pytest_energybench.metering.meter import Meter
from pytest_energybench.metering.sampler import SamplerThread
from pytest_energybench.metering.source import Domain, Reading


class Ticked:
    """A source that counts its ticks."""

    domains = (Domain("cpu:0", "test", "measured"),)

    def __init__(self, tick_s: float) -> None:
        self.tick_s = tick_s
        self.ticks: list[float] = []

    def tick(self) -> None:
        self.ticks.append(time.monotonic())

    def open(self) -> None: ...

    def close(self) -> None: ...

    def read(self) -> Reading:
        return Reading({"cpu:0": 0.0})


def until(condition: Callable[[], bool], limit_s: float = 60.0) -> bool:
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.005)
    return False


def threads() -> int:
    return sum(thread.name == "energybench-sampler" for thread in threading.enumerate())


def test_ticks_come_at_each_source_own_pace() -> None:
    fast, slow = Ticked(0.03), Ticked(0.3)
    keeper = SamplerThread([fast, slow])
    began = time.monotonic()
    keeper.start()
    assert until(lambda: len(slow.ticks) >= 2)
    keeper.stop()
    for source in (fast, slow):
        assert len(source.ticks) <= (time.monotonic() - began) / source.tick_s
    assert len(fast.ticks) > len(slow.ticks)


def test_one_thread_for_all_windows_and_none_afterwards() -> None:
    before = threads()
    keeper = SamplerThread([Ticked(0.02), Ticked(60.0)], linger_s=0.1)
    for _ in range(3):
        keeper.start()
        assert threads() == before + 1
        keeper.stop()
    assert until(lambda: not keeper.is_running)
    assert until(lambda: threads() == before)


def test_a_long_wait_ends_with_the_window() -> None:
    keeper = SamplerThread([Ticked(3600.0)], linger_s=0.05)
    keeper.start()
    time.sleep(0.2)
    assert keeper.is_running
    keeper.stop()
    assert until(lambda: not keeper.is_running)


def test_no_tick_comes_when_no_window_is_open() -> None:
    source = Ticked(0.01)
    keeper = SamplerThread([source], linger_s=0.2)
    keeper.start()
    keeper.stop()
    seen = len(source.ticks)
    time.sleep(0.1)
    assert len(source.ticks) - seen <= 1


def test_it_starts_again() -> None:
    source = Ticked(0.01)
    keeper = SamplerThread([source], linger_s=0.01)
    for _ in range(2):
        source.ticks.clear()
        keeper.start()
        assert until(lambda: len(source.ticks) >= 2)
        keeper.stop()
        assert until(lambda: not keeper.is_running)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_source_that_raises_spoils_only_its_window() -> None:
    class Failing(Ticked):
        def tick(self) -> None:
            super().tick()
            raise OSError("unplugged")

    source = Failing(0.01)
    keeper = SamplerThread([source])
    for _ in range(2):
        source.ticks.clear()
        keeper.start()
        assert until(lambda: len(source.ticks) == 1 and not keeper.is_running)
        keeper.stop()


def test_a_meter_runs_it_while_a_window_is_open() -> None:
    source = Ticked(0.01)
    meter = Meter([source])
    with meter.measure(), meter.measure():
        assert until(lambda: len(source.ticks) >= 3)
    seen = len(source.ticks)
    time.sleep(0.1)
    assert len(source.ticks) - seen <= 1


def test_sources_that_do_not_tick_need_no_thread() -> None:
    class Quiet:
        domains = Ticked.domains
        open = close = Ticked.open
        read = Ticked.read

    before = threads()
    with Meter([Quiet()]).measure():
        assert threads() == before


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_has_its_own() -> None:
    source = Ticked(0.01)
    keeper = SamplerThread([source])
    keeper.start()
    pid = os.fork()
    if pid == 0:
        source.ticks.clear()
        time.sleep(0.05)
        alone = not source.ticks
        keeper.start()
        os._exit(11 if alone and until(lambda: len(source.ticks) >= 2) else 12)
    keeper.stop()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 11
