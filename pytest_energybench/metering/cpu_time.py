"""CPU seconds: those of this process and all its descendants, and those of the whole machine.

Linux is read directly, since the interval between two edges has to be short: a process's CPU clock
is one system call (`clock_gettime` on the id that `clock_getcpuclockid(3)` would give), precise to
a nanosecond. Elsewhere psutil is asked.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from pytest_energybench.metering.fork import tell_after_fork


class CpuTime(Protocol):
    """Cumulative CPU seconds, never decreasing."""

    def tree_s(self) -> float:
        """Of this process and its descendants, gone ones included."""

    def busy_s(self) -> float:
        """Of everything that runs on this machine."""


class _Child(NamedTuple):
    """A live process: parent, session, birth (ticks since boot), its own seconds, and those of the
    children that it waited for."""

    parent: int
    session: int
    born: int
    own_s: float
    reaped_s: float


class LinuxCpuTime:
    """CPU seconds from the kernel's process clocks and `/proc`.

    The tree's seconds are: this process's own; those of children that came and went, which the
    kernel adds up when they are waited for; those of live descendants; and those of descendants
    that vanished without anybody adding them up (their parent ignores SIGCHLD, or had died).

    A descendant seen once stays in the tree when its parent dies and init adopts it. One that was
    orphaned before it was seen is found among init's children by its session. Missed are those that
    left the session on purpose (daemons), and orphans that ended before anybody looked.

    `company` are further processes that work on the same thing without being descendants; their
    trees count as well, but for their orphans.
    """

    def __init__(self, company: Sequence[int] = ()) -> None:
        self._company = {pid: _look(pid, 1.0) for pid in company}
        self._tick_s = 1.0 / os.sysconf("SC_CLK_TCK")
        self._stat = os.open("/proc/stat", os.O_RDONLY)
        self._base_s = 0.0
        self._last_s = 0.0
        self._begin()
        tell_after_fork(self)

    def __del__(self) -> None:
        os.close(self._stat)

    def _begin(self) -> None:
        self._mutex = threading.Lock()
        self._pid = os.getpid()
        self._live: dict[int, _Child] = {}
        self._reaped_s = _reaped_s()
        self._unaccounted_s = 0.0
        self._session, self._born, self._adopters = _family(self._pid)
        self._strangers: set[int] = set()

    def after_fork(self) -> None:
        """In a child: its seconds count on from the parent's, so that they never go back."""
        self._company = {}
        self._begin()
        self._base_s = self._last_s

    def busy_s(self) -> float:
        """Machine-wide CPU seconds spent outside idle and iowait, steal by neighbours included."""
        fields = os.pread(self._stat, 512, 0).split(b"\n", 1)[0].split()[1:9]
        user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, fields)
        return (user + nice + system + irq + softirq + steal) * self._tick_s

    def tree_s(self) -> float:
        """CPU seconds of this process and its descendants since it began."""
        with self._mutex:
            return self._tree_s()

    def _tree_s(self) -> float:
        reaped_s = _reaped_s()
        gained_s = reaped_s - self._reaped_s
        is_parent = bool(self._live or self._company) or gained_s > 0.0 or _has_children()
        live = self._descendants() if is_parent else {}
        gone_s = 0.0
        for pid, before in self._live.items():
            now = live.get(pid)
            if now is None:
                gone_s += before.own_s + before.reaped_s
            else:
                gained_s += now.reaped_s - before.reaped_s
        # Reaped seconds come in whole ticks for descendants, so less than a tick is no loss.
        if gone_s - gained_s > self._tick_s * len(self._live):
            self._unaccounted_s += gone_s - gained_s
        self._live = live
        self._reaped_s = reaped_s
        total_s = self._base_s + time.process_time() + reaped_s + self._unaccounted_s
        for child in live.values():
            total_s += child.own_s + child.reaped_s
        self._last_s = max(self._last_s, total_s)
        return self._last_s

    def _descendants(self) -> dict[int, _Child]:
        found: dict[int, _Child] = {}
        queue = [*_children(self._pid), *self._survivors(), *self._orphans(), *self._beside()]
        while queue:
            pid = queue.pop()
            if pid not in found and (child := _look(pid, self._tick_s)) is not None:
                found[pid] = child
                queue += _children(pid)
        return found

    def _beside(self) -> list[int]:
        """The company, as far as it is still there."""
        return [
            pid
            for pid, first in self._company.items()
            if first is not None
            and (now := _look(pid, self._tick_s)) is not None
            and now.born == first.born
        ]

    def _survivors(self) -> list[int]:
        """Descendants seen before that are still the same process, whoever their parent is now."""
        return [
            pid
            for pid, before in self._live.items()
            if (now := _look(pid, self._tick_s)) is not None and now.born == before.born
        ]

    def _orphans(self) -> list[int]:
        """Processes of our session, younger than we are, that init or a subreaper took over."""
        found = []
        for adopter in self._adopters:
            children = set(_children(adopter))
            for pid in children - self._strangers:
                child = _look(pid, self._tick_s)
                if child is None or child.session != self._session or child.born < self._born:
                    self._strangers.add(pid)
                else:
                    found.append(pid)
        return found


def _look(pid: int, tick_s: float) -> _Child | None:
    """What `/proc` and the process's own clock say about `pid`; None when it has ended."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        own_s = time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return None
    # proc_pid_stat(5), counted from field 3: 4 ppid, 6 session, 16 cutime, 17 cstime, 22 starttime.
    parent, session, cutime, cstime, born = (int(fields[i - 3]) for i in (4, 6, 16, 17, 22))
    return _Child(parent, session, born, own_s, (cutime + cstime) * tick_s)


def _family(pid: int) -> tuple[int, int, list[int]]:
    """Session and birth of a process, and the ancestors outside its session: they adopt orphans.

    Ancestors inside the session are left out, since their other children can't be told from
    adopted ones.
    """
    me = _look(pid, 1.0)
    if me is None:  # no /proc
        return 0, 0, []
    adopters = []
    parent = me.parent
    while parent > 0 and (ancestor := _look(parent, 1.0)) is not None:
        if ancestor.session != me.session:
            adopters.append(parent)
        parent = ancestor.parent
    return me.session, me.born, adopters


def _has_children() -> bool:
    """Whether this process has a child, alive or not yet waited for; reaps nothing."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _reaped_s() -> float:
    """CPU seconds of children that were waited for, theirs included."""
    import resource

    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _children(pid: int) -> list[int]:
    """Direct children of `pid`, whichever of its threads started them."""
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                found += map(int, file.read().split())
    except OSError:  # it ended just now
        return found
    return found


class PortableCpuTime:
    """CPU seconds where there is no `/proc`, by psutil; coarser and slower."""

    def __init__(self, company: Sequence[int] = ()) -> None:
        import psutil

        self._psutil = psutil
        self._processes = [psutil.Process(), *map(psutil.Process, company)]
        self._last_s = 0.0

    def busy_s(self) -> float:
        """Machine-wide CPU seconds outside idle."""
        times = self._psutil.cpu_times()
        return float(sum(times) - times.idle - getattr(times, "iowait", 0.0))

    def tree_s(self) -> float:
        """CPU seconds of this process, its live descendants and the children it waited for."""
        self._last_s = max(self._last_s, sum(map(self._tree_of, self._processes)))
        return self._last_s

    def _tree_of(self, process: Any) -> float:
        total = 0.0
        try:
            own = process.cpu_times()
            total += own.user + own.system
            total += getattr(own, "children_user", 0.0) + getattr(own, "children_system", 0.0)
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


def cpu_time(company: Sequence[int] = ()) -> CpuTime:
    """The best reader of CPU seconds that this system has.

    Args:
        company: ids of processes whose trees count beside this one's.
    """
    return LinuxCpuTime(company) if sys.platform == "linux" else PortableCpuTime(company)
