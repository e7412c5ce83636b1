"""What ranks tell each other, with a rank in each thread and torch's store in between."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from torch.distributed import HashStore

from pytest_energybench.experiment.training import rank_coordinator as rollcall
from pytest_energybench.experiment.training.rank_coordinator import (
    RankCoordinator,
    RankError,
    RankFailure,
)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollcall, "BEAT_S", 0.05)
    monkeypatch.setattr(rollcall, "SILENCE_S", 0.5)
    monkeypatch.setattr(rollcall, "ENDING_S", 0.2)
    monkeypatch.setattr(rollcall, "LOOK_S", 0.02)


def together(*parts: Callable[[RankCoordinator], Any], hosts: str = "aaaa") -> list[Any]:
    """What each rank's part returns, or the RankError that it ended with."""
    store = HashStore()

    def run(rank: int) -> Any:
        roll = RankCoordinator(store, rank, len(parts), host=hosts[rank])
        try:
            return parts[rank](roll)
        except RankError as error:
            return error
        finally:
            roll._beating.set()  # as if the process had ended

    with ThreadPoolExecutor(len(parts)) as pool:
        return list(pool.map(run, range(len(parts))))


def test_everybody_hears_everybody_in_the_order_of_ranks() -> None:
    def part(roll: RankCoordinator) -> list[list[str]]:
        return [roll.gather(f"{word} {roll.rank}") for word in ("one", "two", "three", "four")]

    heard = together(part, part, part)
    assert heard[0] == heard[1] == heard[2]
    assert heard[0][3] == ["four 0", "four 1", "four 2"]


def test_the_first_rank_of_each_host_meters_it() -> None:
    facts = together(
        *[lambda roll: (roll.meters, len(roll.local_pids), roll.hosts)] * 4, hosts="aabb"
    )
    assert [fact[0] for fact in facts] == [True, False, True, False]
    assert all(fact[1:] == (1, ["a", "b"]) for fact in facts)


def test_hosts_of_one_name_are_told_apart_by_what_runs_on_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kernels = iter(("1111", "2222", "1111"))
    given = threading.local()

    def kernel() -> str:
        with lock:
            given.value = getattr(given, "value", None) or next(kernels)
        return str(given.value)

    lock = threading.Lock()
    monkeypatch.setattr(rollcall, "_running_kernel", kernel)
    monkeypatch.setattr(rollcall.platform, "node", lambda: "localhost.localdomain")
    store = HashStore()
    with ThreadPoolExecutor(3) as pool:
        rolls = list(pool.map(lambda rank: RankCoordinator(store, rank, 3), range(3)))
    for roll in rolls:
        roll._beating.set()
        assert sorted(roll.hosts) == ["localhost", "localhost-2"]
    assert sum(roll.meters for roll in rolls) == 2
    assert sorted(len(roll.local_pids) for roll in rolls) == [0, 1, 1]


def test_a_test_that_went_well_everywhere_is_no_failure() -> None:
    assert together(lambda roll: roll.settle(), lambda roll: roll.settle()) == [None, None]


def test_the_first_failure_is_what_all_hear_and_afterwards_they_go_on() -> None:
    fell = threading.Event()

    def first(roll: RankCoordinator) -> tuple[RankFailure | None, list[int]]:
        assert fell.wait(5)
        return roll.settle("failed", "connection closed"), roll.gather(roll.rank)

    def second(roll: RankCoordinator) -> tuple[RankFailure | None, list[int]]:
        roll._store.add(f"{roll.generation}/failures", 0)
        timer = threading.Timer(0.1, fell.set)
        timer.start()
        return roll.settle("failed", "ValueError: no more images"), roll.gather(roll.rank)

    expected = RankFailure(1, "failed", "ValueError: no more images")
    assert together(first, second) == [(expected, [0, 1])] * 2


def test_a_rank_that_does_something_else_is_named() -> None:
    told = together(
        lambda roll: roll.gather({"token": 1.0}, dict[str, float]), lambda roll: roll.gather(None)
    )
    assert str(told[0]).startswith("rank 1 does something else here than rank 0: what waits for")


def test_nobody_waits_for_a_rank_that_has_failed() -> None:
    def waits(roll: RankCoordinator) -> str:
        with pytest.raises(RankError, match="another rank failed"):
            roll.gather(None)
        failure = roll.settle("failed", "RankError")
        assert failure is not None
        return failure.text

    def fails(roll: RankCoordinator) -> str:
        failure = roll.settle("failed", "at once")
        assert failure is not None
        return failure.text

    assert together(waits, fails) == ["at once", "at once"]


def test_nor_for_one_that_is_through_with_the_test() -> None:
    def waits(roll: RankCoordinator) -> RankFailure | None:
        with pytest.raises(RankError, match="rank 1 was through with this before rank 0"):
            roll.gather(None)
        return roll.settle("failed", "out of step")

    expected = RankFailure(0, "failed", "out of step")
    assert together(waits, lambda roll: roll.settle()) == [expected, expected]


@pytest.fixture
def silence() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


@pytest.mark.parametrize("ending", [False, True], ids=["by itself", "told to end"])
def test_a_rank_without_a_sign_of_life_is_lost(silence: threading.Event, ending: bool) -> None:
    def first(roll: RankCoordinator) -> RankFailure | None:
        roll.ending = ending
        failure = roll.settle()
        silence.set()
        return failure

    def second(roll: RankCoordinator) -> None:
        roll._beating.set()
        assert silence.wait(10)

    failure, _ = together(first, second, hosts="ab")
    assert (failure.rank, failure.kind) == (1, "lost")
    assert "rank 1 (process " in failure.text


def test_one_of_the_same_host_is_lost_as_soon_as_its_process_is_gone(
    silence: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollcall, "SILENCE_S", 60.0)
    gone = subprocess.Popen([sys.executable, "-S", "-c", ""])
    gone.wait()

    def first(roll: RankCoordinator) -> RankFailure | None:
        roll._pids[1] = gone.pid
        failure = roll.settle()
        silence.set()
        return failure

    failure, _ = together(first, lambda _: silence.wait(10))
    text = f"rank 1 (process {gone.pid}) was lost: killed or crashed, no sign of life"
    assert failure == RankFailure(1, "lost", text)


def test_a_slow_rank_is_waited_for_as_long_as_it_lives() -> None:
    def slow(roll: RankCoordinator) -> list[int]:
        threading.Event().wait(1.2)  # more than twice the silence that a lost rank is taken for
        return roll.gather(roll.rank)

    assert together(lambda roll: roll.gather(roll.rank), slow) == [[0, 1], [0, 1]]


def test_the_others_leave_with_the_first_one_s_status() -> None:
    assert together(lambda roll: roll.end(3), lambda roll: roll.ended(), lambda r: r.ended()) == [
        None,
        3,
        3,
    ]
