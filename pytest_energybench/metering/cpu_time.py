"""CPU seconds: those of this process and all its descendants, and those of the whole machine.

Linux is read directly, since the interval between two edges has to be short: a process's CPU clock
is one system call (`clock_gettime` on the id that `clock_getcpuclockid(3)` would give), precise to
a nanosecond. Elsewhere psutil is asked.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from pytest_energybench.base.system import WINDOWS, tell_after_fork
from pytest_energybench.metering.errors import Problem
from pytest_energybench.metering.proc import Proc, Process, is_readable, reaped_s


class CpuTime(Protocol):
    """Cumulative CPU seconds, never decreasing.

    Attributes:
        step_s: seconds that `tree_s` may lag behind, as its figures come in steps.
        tick_s: the step in which the machine counts what it was busy for, in seconds.
        problem: what isn't counted on this machine, if anything.
    """

    problem: Problem | None

    @property
    def step_s(self) -> float: ...

    @property
    def tick_s(self) -> float: ...

    def tree_s(self) -> float:
        """Of this process and its descendants, gone ones included.

        Raises:
            OSError: the system does not say; so does `busy_s`.
        """

    def busy_s(self) -> float:
        """Of everything that runs on this machine."""


class _Member(NamedTuple):
    """A descendant: parent when last seen, birth (ticks since boot), CPU seconds so far, and those
    of them that lie before it was first seen."""

    parent: int
    born: int
    own_s: float
    reaped_s: float
    past_s: float

    @property
    def seconds(self) -> float:
        return self.own_s + self.reaped_s - self.past_s


class LinuxCpuTime:
    """CPU seconds from the kernel's process clocks and `/proc`.

    The tree's seconds are: this process's own; those of children that came and went, which the
    kernel adds up when they are waited for; those of live descendants; and those of descendants
    that vanished without anybody adding them up (their parent ignores SIGCHLD, or had died).

    A descendant seen once stays in the tree when its parent dies and init adopts it. One that was
    orphaned before it was seen is known by the mark that it inherited; what else init or this
    process adopts is a stranger. A descendant counts from its start, or, where it is older than
    the last look, from the moment when it is first seen. Missed are orphans that ended before
    anybody looked.

    `local_pids` are further processes that work on the same thing without being descendants; their
    trees count as well, but for their orphans.
    """

    step_s = 1e-9
    problem: Problem | None = None

    def __init__(self, local_pids: Sequence[int] = (), *, proc: Proc | None = None) -> None:
        """
        Args:
            local_pids: ids of further processes.
            proc: the processes of this machine.
        """
        self._proc = proc or Proc()
        self.tick_s = self._proc.tick_s
        self._others = {pid: self._proc.look(pid) for pid in local_pids}
        self._base_s = 0.0
        self._last_s = 0.0
        self._begin()
        tell_after_fork(self)

    def _begin(self) -> None:
        self._mutex = threading.Lock()
        self._pid = os.getpid()
        self._live: dict[int, _Member] = {}
        self._reaped_s = self._proc.reaped_s()
        self._unaccounted_s = 0.0
        self._strangers: set[int] = set()
        self._looked: int | None = None
        me = self._proc.look(self._pid)
        self._born = 0 if me is None else me.born
        self._mark = self._proc.mark()
        self._adopters = self._find_adopters()

    def after_fork(self) -> None:
        """In a child: its seconds count on from the parent's, so that they never go back."""
        self._others = {}
        self._begin()
        self._base_s = self._last_s

    def busy_s(self) -> float:
        """Machine-wide CPU seconds spent outside idle and iowait, steal by neighbours included."""
        return self._proc.busy_s()

    def tree_s(self) -> float:
        """CPU seconds of this process and its descendants since it began."""
        with self._mutex:
            return self._tree_s()

    def _tree_s(self) -> float:
        reaped_s = self._proc.reaped_s()
        gained_s = reaped_s - self._reaped_s
        is_parent = bool(self._live or self._others) or gained_s > 0.0 or self._proc.has_children()
        now = self._proc.now()
        live = self._descendants() if is_parent else {}
        if self._live:
            self._unaccounted_s += self._lost_s(live, gained_s)
        self._live = live
        self._reaped_s = reaped_s
        self._looked = now
        total_s = self._base_s + self._proc.own_s() + reaped_s + self._unaccounted_s
        if live:
            total_s += sum(member.seconds for member in live.values())
        self._last_s = max(self._last_s, total_s)
        return self._last_s

    def _lost_s(self, live: Mapping[int, _Member], gained_s: float) -> float:
        """Seconds of descendants that vanished since the last look without anybody adding them up.

        Each is held against what its own heir gained: another process's gain makes up for none.

        Args:
            live: the descendants of now.
            gained_s: what this process gained from children that it waited for.
        """
        gone: dict[int | None, list[float]] = {}
        for pid, before in self._live.items():
            if pid not in live:
                gone.setdefault(self._heir(before, live), []).append(before.seconds)
        lost_s = 0.0
        for heir, seconds in gone.items():
            missing_s = sum(seconds)
            if heir == self._pid:
                missing_s -= gained_s
            elif heir is not None:
                missing_s -= live[heir].reaped_s - self._live[heir].reaped_s
            # Reaped seconds come in whole ticks for descendants: less than a tick each is no loss.
            if heir is None or missing_s > self._proc.tick_s * len(seconds):
                lost_s += missing_s
        return lost_s

    def _heir(self, gone: _Member, live: Mapping[int, _Member]) -> int | None:
        """Who has a vanished descendant's seconds if its parents waited for it: the nearest of them
        that is still there. None for an orphan, whose seconds go out of the tree."""
        parent = gone.parent
        while parent in self._live and parent not in live:
            parent = self._live[parent].parent
        return parent if parent == self._pid or parent in self._live else None

    def _descendants(self) -> dict[int, _Member]:
        found: dict[int, _Member] = {}
        queue = [*self._started(), *self._survivors(), *self._beside()]
        while queue:
            pid = queue.pop()
            if pid not in found and (process := self._proc.look(pid)) is not None:
                found[pid] = self._member(pid, process)
                queue += self._proc.children(pid)
        return found

    def _member(self, pid: int, now: Process) -> _Member:
        before = self._live.get(pid)
        if before is not None and before.born == now.born:
            past_s = before.past_s
        elif self._looked is None or now.born >= self._looked:
            past_s = 0.0
        else:  # nobody knows when it used what it has used
            past_s = now.own_s + now.reaped_s
        return _Member(now.parent, now.born, now.own_s, now.reaped_s, past_s)

    def _beside(self) -> list[int]:
        """The other processes, as far as it is still there."""
        return [
            pid
            for pid, first in self._others.items()
            if first is not None
            and (now := self._proc.look(pid)) is not None
            and now.born == first.born
        ]

    def _survivors(self) -> list[int]:
        """Descendants seen before that are still the same process, whoever their parent is now."""
        return [
            pid
            for pid, before in self._live.items()
            if (now := self._proc.look(pid)) is not None and now.born == before.born
        ]

    def _started(self) -> list[int]:
        """Children, and orphans that an ancestor took over, be it init or a subreaper."""
        children = self._proc.children(self._pid)
        adopted = [pid for each in self._adopters for pid in self._proc.children(each)]
        if self._pid == 1:  # the first process of a container adopts strangers itself
            adopted, children = children, []
        self._strangers.intersection_update(adopted)
        return children + [pid for pid in adopted if pid not in self._strangers and self._own(pid)]

    def _own(self, pid: int) -> bool:
        """Whether an adopted process descends from this one; otherwise it is a stranger."""
        if pid in self._live:
            return True
        process = None if pid == self._pid else self._proc.look(pid)
        if process is not None and process.born >= self._born and self._mark is not None:
            mark = self._proc.mark_of(pid)
            # A child of a container's first process that meters by itself has its own mark.
            if mark == self._mark or (self._pid == 1 and mark is not None):
                return True
        self._strangers.add(pid)
        return False

    def _find_adopters(self) -> list[int]:
        """The ancestors, but for those that carry this one's mark: their children do as well, and
        can't be told from what they adopt."""
        found: list[int] = []
        process = self._proc.look(self._pid)
        while process is not None and process.parent > 0:
            if self._mark is None or self._proc.mark_of(process.parent) != self._mark:
                found.append(process.parent)
            process = self._proc.look(process.parent)
        return found


class PortableCpuTime:
    """CPU seconds if there is no `/proc`, by psutil; coarser and slower.

    Windows counts in steps of a 64th of a second, others in hundredths. Of processes that ended,
    those count that were waited for; on Windows all that this process has started since.
    """

    step_s = tick_s = 1 / 64
    problem: Problem | None = None

    def __init__(self, local_pids: Sequence[int] = ()) -> None:
        import psutil

        self._psutil = psutil
        self._beside = [psutil.Process(pid) for pid in local_pids]
        self._last_s = 0.0
        me = psutil.Process()
        self._own_tree_s: Callable[[], float] = lambda: self._tree_of(me) + reaped_s()
        if WINDOWS:
            from pytest_energybench.metering.windows_job import job_time

            job = job_time()
            if isinstance(job, Problem):
                self.problem = job
            else:
                self._own_tree_s = job

    def busy_s(self) -> float:
        """Machine-wide CPU seconds outside idle."""
        times = self._psutil.cpu_times()
        return float(sum(times) - times.idle - getattr(times, "iowait", 0.0))

    def tree_s(self) -> float:
        """CPU seconds of this process, its live descendants and the children it waited for."""
        total_s = self._own_tree_s() + sum(map(self._tree_of, self._beside))
        self._last_s = max(self._last_s, total_s)
        return self._last_s

    def _tree_of(self, process: Any) -> float:
        total = 0.0
        try:
            own = process.cpu_times()
            total += own.user + own.system
            children = process.children(recursive=True)
        except self._psutil.Error:  # it ended just now
            return total
        for child in children:
            try:
                times = child.cpu_times()
            except self._psutil.Error:
                continue
            total += times.user + times.system
        return float(total)


def cpu_time(local_pids: Sequence[int] = ()) -> CpuTime:
    """The best reader of CPU seconds that this system has.

    Args:
        local_pids: ids of processes whose trees count beside this one's.
    """
    return LinuxCpuTime(local_pids) if is_readable() else PortableCpuTime(local_pids)
