"""Whose CPU seconds: played processes that start, end, are orphaned and adopted."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_energybench.metering.cpu_time import LinuxCpuTime
from pytest_energybench.metering.proc import Process

ME, INIT, SHELL = os.getpid(), 1, 2
OURS, OTHER = 77, 88


@dataclass
class Played:
    """One played process."""

    parent: int
    born: int
    mark: int | None
    own_s: float = 0.0
    reaped_s: float = 0.0


class World:
    """A machine whose processes a test moves; ticks are hundredths of a second."""

    tick_s = 0.01

    def __init__(self) -> None:
        self.ticks = 1000
        self.all = {
            INIT: Played(0, 0, None),
            SHELL: Played(INIT, 100, None),
            ME: Played(SHELL, 900, OURS),
        }
        self.true_s = 0.0
        self._next = 1_000_000_000  # no real process has such an id

    def start(self, parent: int, mark: int | None = None) -> int:
        """A child of `parent` with its mark."""
        self._next += 1
        self.ticks += 1
        inherited = self.all[parent].mark if mark is None else mark
        self.all[self._next] = Played(parent, self.ticks, inherited)
        return self._next

    def use(self, pid: int, seconds: float) -> None:
        self.ticks += 1
        self.all[pid].own_s += seconds

    def die(self, pid: int, *, waited: bool = True) -> None:
        """It ends; its children go to init."""
        dead = self.all.pop(pid)
        for process in self.all.values():
            if process.parent == pid:
                process.parent = INIT
        if waited:
            self.all[dead.parent].reaped_s += dead.own_s + dead.reaped_s

    def now(self) -> int:
        return self.ticks

    def busy_s(self) -> float:
        return 0.0

    def look(self, pid: int) -> Process | None:
        played = self.all.get(pid)
        if played is None:
            return None
        return Process(played.parent, played.born, played.own_s, played.reaped_s)

    def children(self, pid: int) -> list[int]:
        return [child for child, process in self.all.items() if process.parent == pid]

    def has_children(self) -> bool:
        return bool(self.children(ME))

    def own_s(self) -> float:
        return self.all[ME].own_s

    def reaped_s(self) -> float:
        return self.all[ME].reaped_s

    def mark(self) -> int | None:
        return self.all[ME].mark

    def mark_of(self, pid: int) -> int | None:
        return self.all[pid].mark if pid in self.all else None


def watched() -> tuple[World, LinuxCpuTime]:
    world = World()
    cpu = LinuxCpuTime(proc=world)  # type: ignore[arg-type]
    cpu.tree_s()
    return world, cpu


def test_what_one_process_gains_makes_up_for_none_that_another_lost() -> None:
    """An orphan ends, which nobody of the tree waits for, while a child comes and goes unseen."""
    world, cpu = watched()
    child = world.start(ME)
    orphan = world.start(child)
    world.use(child, 0.1)
    world.use(orphan, 0.2)
    world.die(child)
    assert cpu.tree_s() == pytest.approx(0.3)
    world.die(orphan)
    unseen = world.start(ME)
    world.use(unseen, 0.2)
    world.die(unseen)
    assert cpu.tree_s() == pytest.approx(0.5)


def test_what_a_child_hands_up_with_its_end_is_not_lost_as_well() -> None:
    world, cpu = watched()
    child = world.start(ME)
    grandchild = world.start(child)
    world.use(child, 0.1)
    world.use(grandchild, 0.2)
    assert cpu.tree_s() == pytest.approx(0.3)
    world.die(grandchild)
    world.die(child)
    assert cpu.tree_s() == pytest.approx(0.3)


def test_a_neighbour_that_init_adopts_is_no_part_of_the_tree() -> None:
    """A background job of the same terminal, whose shell ends while a window is open."""
    world, cpu = watched()
    shell = world.start(SHELL)
    job = world.start(shell)
    world.use(job, 117.0)
    child = world.start(ME)  # so that somebody looks for orphans
    begin = cpu.tree_s()
    world.die(shell)
    world.use(job, 5.0)
    world.use(child, 0.25)
    assert cpu.tree_s() - begin == pytest.approx(0.25)


def test_an_orphan_that_nobody_saw_is_known_by_its_mark() -> None:
    world, cpu = watched()
    begin = cpu.tree_s()
    child = world.start(ME)
    grandchild = world.start(child)
    world.use(child, 0.125)
    world.use(grandchild, 0.5)
    world.die(child)
    assert cpu.tree_s() - begin == pytest.approx(0.625)


def test_an_orphan_that_was_seen_stays_whatever_its_mark() -> None:
    world, cpu = watched()
    child = world.start(ME)
    grandchild = world.start(child, mark=OTHER)  # it meters by itself
    begin = cpu.tree_s()
    world.die(child)
    world.use(grandchild, 0.5)
    assert cpu.tree_s() - begin == pytest.approx(0.5)


def test_orphans_of_another_run_are_strangers() -> None:
    world, cpu = watched()
    run = world.start(SHELL, mark=OTHER)
    theirs = world.start(run)
    world.start(ME)
    begin = cpu.tree_s()
    world.die(run)
    world.use(theirs, 5.0)
    assert cpu.tree_s() == begin


def test_a_descendant_found_late_counts_from_then_on() -> None:
    world, cpu = watched()
    child = world.start(ME)
    late = world.start(ME)
    world.use(late, 50.0)
    seen = world.children
    world.children = lambda pid: [p for p in seen(pid) if p != late]  # type: ignore[method-assign]
    begin = cpu.tree_s()
    world.children = seen  # type: ignore[method-assign]
    world.use(child, 0.25)
    assert cpu.tree_s() - begin == pytest.approx(0.25)
    world.use(late, 0.5)
    assert cpu.tree_s() - begin == pytest.approx(0.75)


def test_without_a_mark_only_what_was_seen_counts() -> None:
    world = World()
    world.all[ME].mark = None
    cpu = LinuxCpuTime(proc=world)  # type: ignore[arg-type]
    begin = cpu.tree_s()
    child = world.start(ME)
    grandchild = world.start(child)
    world.die(child)
    world.use(grandchild, 0.5)
    assert cpu.tree_s() == begin


def test_the_first_process_of_a_container_adopts_strangers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    world.all[ME].parent = 0
    del world.all[INIT], world.all[SHELL]
    monkeypatch.setattr(sys.modules[__name__], "INIT", ME)
    cpu = LinuxCpuTime(proc=world)  # type: ignore[arg-type]
    cpu._pid = 1
    world.all[1] = world.all.pop(ME)
    monkeypatch.setattr(sys.modules[__name__], "ME", 1)
    begin = cpu.tree_s()
    stranger, own = world.start(1, mark=None), world.start(1)
    world.all[stranger].mark = None
    inner = world.start(1, mark=OTHER)
    for pid, seconds in ((stranger, 50.0), (own, 0.5), (inner, 0.25)):
        world.use(pid, seconds)
    assert cpu.tree_s() - begin == pytest.approx(0.75)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["start", "start beside", "use", "die", "die unwaited", "look"]),
        st.integers(0, 50),
        st.floats(0.02, 2.0),
    ),
    max_size=40,
)


@given(STEPS, st.booleans())
def test_the_tree_is_what_descends_from_this_process_and_nothing_else(
    steps: list[tuple[str, int, float]], always_looks: bool
) -> None:
    """Whatever starts, ends and is adopted: never a second of a neighbour's, never one twice, and
    none is lost where somebody looks often enough."""
    world, cpu = watched()
    begin = last = cpu.tree_s()
    ours, used_s, deaths = {ME}, 0.0, 0
    for what, which, seconds in steps:
        pids = sorted(world.all.keys() - {INIT, SHELL})
        pid = pids[which % len(pids)]
        if what == "start":
            child = world.start(pid)
            if pid in ours:
                ours.add(child)
        elif what == "start beside":
            world.start(SHELL)
        elif what == "use":
            world.use(pid, seconds)
            used_s += seconds if pid in ours else 0.0
        elif what != "look" and pid != ME:
            deaths += 1
            world.die(pid, waited=what == "die")
        if always_looks or what == "look":
            now = cpu.tree_s()
            assert now >= last
            last = now
    end_s = cpu.tree_s() - begin
    assert end_s <= used_s + 1e-6
    if always_looks:
        assert end_s >= used_s - deaths * world.tick_s - 1e-6


ADOPTED = textwrap.dedent("""
    import os, subprocess, sys, time
    from pytest_energybench.metering.cpu_time import LinuxCpuTime

    def launch(code):
        "A process whose parent has ended; its id."
        middle = "import subprocess, sys; print(subprocess.Popen([sys.executable, '-S', '-c', %r],"
        middle += " stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={}).pid)"
        out = subprocess.run([sys.executable, "-S", "-c", middle % code], capture_output=True)
        return int(out.stdout)

    burn = "import time\\nwhile time.process_time() < 0.3: pass\\ntime.sleep(60)"
    stranger = launch(burn)
    clock = lambda pid: time.clock_gettime((~pid << 3) | 2)
    while clock(stranger) < 0.3: time.sleep(0.01)
    cpu = LinuxCpuTime()
    cpu.tree_s()
    own = launch(burn)
    begin = cpu.tree_s(), time.process_time(), clock(own)
    while clock(own) < 0.3: time.sleep(0.01)
    end = cpu.tree_s(), time.process_time(), clock(own)
    os.kill(own, 9), os.kill(stranger, 9)
    print(end[0] - begin[0] - (end[1] - begin[1]), end[2] - begin[2])
""")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_real_orphan_with_an_empty_environment_counts_and_an_earlier_one_does_not() -> None:
    run = subprocess.run(
        [sys.executable, "-c", ADOPTED], capture_output=True, text=True, check=True, timeout=60
    )
    counted, used = map(float, run.stdout.split())
    assert counted == pytest.approx(used, abs=0.05)
