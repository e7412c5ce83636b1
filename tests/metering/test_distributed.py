"""Windows of several processes: together in time, summed over hosts, never too small."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest

from pytest_energybench.metering.distributed import DistributedMeter
from pytest_energybench.metering.errors import Problem
from pytest_energybench.metering.fake import FakeMeter
from pytest_energybench.metering.meter import Meter
from pytest_energybench.metering.window import Window


class Hall:
    """Where threads meet that stand for processes."""

    def __init__(self, hosts: str) -> None:
        self.names = hosts
        self.values: list[Any] = [None] * len(hosts)
        self.barrier = threading.Barrier(len(hosts), timeout=60)


class Place:
    """One of them: `Peers`."""

    def __init__(self, hall: Hall, rank: int) -> None:
        self.rank = rank
        self.host = hall.names[rank]
        self.hosts = list(dict.fromkeys(hall.names))
        self.meters = hall.names.index(self.host) == rank
        self.local_pids: Sequence[int] = ()
        self._hall = hall

    def gather(self, value: Any, kind: Any = Any) -> list[Any]:
        self._hall.values[self.rank] = msgspec.msgpack.encode(value, enc_hook=str)
        self._hall.barrier.wait()
        found = [msgspec.msgpack.decode(each, type=kind) for each in self._hall.values]
        self._hall.barrier.wait()
        return found


def windows(
    hosts: str,
    watts: Mapping[str, Meter],
    body: Callable[[int, Meter], None],
) -> list[Window]:
    """The window of each rank; `hosts` has a letter for each rank's host."""
    hall = Hall(hosts)

    def run(rank: int) -> Window:
        peers = Place(hall, rank)
        own = watts[peers.host] if peers.meters else Meter(())
        meter = DistributedMeter(own, peers)
        window = meter.measure("work")
        try:
            with window:
                body(rank, own)
        except ArithmeticError:
            pass
        return window

    with ThreadPoolExecutor(len(hosts)) as pool:
        return list(pool.map(run, range(len(hosts))))


def ten_seconds(rank: int, own: Meter) -> None:  # noqa: ARG001 - as every body
    if isinstance(own, FakeMeter):
        own.clock.advance(10.0)


def test_one_host_is_metered_once_whatever_the_number_of_its_ranks() -> None:
    for window in windows("aaa", {"a": FakeMeter({"cpu:0": 20.0})}, ten_seconds):
        assert dict(window.energy_j) == {"cpu:0": 200.0}
        assert (window.total_j, window.errors) == (200.0, [])


def test_hosts_add_up_each_under_its_name() -> None:
    meters = {"a": FakeMeter({"gpu:0": 20.0, "cpu:0": 1.0}), "b": FakeMeter({"gpu:0": 30.0})}
    for window in windows("aabb", meters, ten_seconds):
        assert dict(window.energy_j) == {"a/gpu:0": 200.0, "a/cpu:0": 10.0, "b/gpu:0": 300.0}
        assert window.total_j == 510.0
        assert window.provenance == dict.fromkeys(window.energy_j, "measured")
        assert window.errors == []


def test_a_host_without_a_meter_makes_the_sum_unknown_and_not_smaller() -> None:
    meters = {"a": FakeMeter({"gpu:0": 20.0}), "b": Meter(())}
    for window in windows("ab", meters, ten_seconds):
        assert math.isnan(window.total_j)
        assert window.errors == ["b: nothing can be metered there"]


def test_a_domain_lost_on_one_host_is_lost_for_all() -> None:
    other = FakeMeter({"gpu:0": 30.0})

    def lose(rank: int, own: Meter) -> None:
        ten_seconds(rank, own)
        if own is other:
            other.source.lose("gpu:0", why="fell off the bus")

    for window in windows("ab", {"a": FakeMeter({"gpu:0": 20.0}), "b": other}, lose):
        assert math.isnan(window.total_j)
        assert dict(window.energy_j) == {"a/gpu:0": 200.0}
        assert "b/gpu:0: lost" in window.errors[0]
        assert "fell off the bus" in window.errors[0]


def test_a_counter_that_stands_still_on_one_host_is_lost_for_all() -> None:
    meters = {
        "a": FakeMeter({"cpu:0": 20.0}, period_s=0.001),
        "b": FakeMeter({"cpu:0": 0.0}, period_s=0.001),
    }
    for window in windows("ab", meters, ten_seconds):
        assert math.isnan(window.total_j)
        assert window.errors == ["b/cpu:0: lost: its counter stood still for all 10 s"]


def test_work_that_is_broken_off_waits_for_nobody() -> None:
    def fail(rank: int, own: Meter) -> None:
        ten_seconds(rank, own)
        raise ArithmeticError

    for window in windows("ab", {"a": FakeMeter(), "b": FakeMeter()}, fail):
        assert math.isnan(window.total_j)
        assert "broken off" in window.errors[0]
    (one, other) = windows("aa", {"a": FakeMeter()}, fail)
    assert one.total_j == 100.0  # a host's own joules are all there are
    assert math.isnan(other.total_j)


def test_what_is_spent_so_far_is_not_known_of_other_hosts() -> None:
    seen = []

    def look(rank: int, own: Meter) -> None:
        ten_seconds(rank, own)

    hall = Hall("ab")

    def run(rank: int) -> None:
        own = FakeMeter()
        with DistributedMeter(own, Place(hall, rank)).measure() as window:
            look(rank, own)
            seen.append(window.joules_so_far())
        seen.append(window.joules_so_far())

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(run, range(2)))
    assert [math.isnan(joules) for joules in seen].count(True) == 2
    assert seen.count(200.0) == 2


def test_problems_travel_and_name_their_host() -> None:
    hall = Hall("ab")
    problem = Problem("RAPL", "not readable", "ask your administrator")

    def run(rank: int) -> DistributedMeter:
        return DistributedMeter(Meter(FakeMeter().sources, problems=[problem]), Place(hall, rank))

    with ThreadPoolExecutor(2) as pool:
        meters = list(pool.map(run, range(2)))
    assert meters[0].problems == meters[1].problems == (f"a/{problem}", f"b/{problem}")


@pytest.mark.parametrize("rank", [0, 1])
def test_what_follows_from_figures_is_the_first_one_s_word(rank: int) -> None:
    hall = Hall("aa")

    def run(number: int) -> int:
        own = FakeMeter() if number == 0 else Meter(())
        return DistributedMeter(own, Place(hall, number)).agree(7 + number)

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(run, range(2)))[rank] == 7
    assert Meter(()).agree(5) == 5
