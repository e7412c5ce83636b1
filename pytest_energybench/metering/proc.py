"""What Linux's `/proc` says of processes: whose child each is, its CPU seconds, and its mark.

A process that was orphaned before anybody saw it looks like any other child of init. So a process
that meters marks itself with what every descendant inherits, whatever happens to its environment,
session or parent: a number as soft limit of file locks. The kernel keeps that limit for each
process and uses it for nothing since Linux 2.4.25 (getrlimit(2)).
"""

from __future__ import annotations

import os
from functools import cache
from typing import Any, NamedTuple

from pytest_energybench.base.system import LINUX, open_flags
from pytest_energybench.metering.clock import SYSTEM_CLOCK

_resource: Any
try:
    import resource as _resource
except ImportError:  # Windows
    _resource = None

LOCKS = 10
"""RLIMIT_LOCKS, the same on every architecture; the `resource` module has no name for it."""


_CALLS = ("waitid", "pread", "sysconf")


def is_readable() -> bool:
    """Whether this Python can ask for all that is read here; some builds for Linux lack a part."""
    return (
        LINUX
        and _resource is not None
        and all(hasattr(os, name) for name in _CALLS)
        and os.access("/proc/self/stat", os.R_OK)
    )


def reaped_s() -> float:
    """CPU seconds of children that were waited for, theirs included; 0.0 on Windows, which doesn't
    keep them."""
    if _resource is None:
        return 0.0
    usage = _resource.getrusage(_resource.RUSAGE_CHILDREN)
    return float(usage.ru_utime + usage.ru_stime)


class Process(NamedTuple):
    """A live process or zombie.

    Attributes:
        parent: process id.
        born: ticks since boot.
        own_s: CPU seconds of its own.
        reaped_s: those of the children that it waited for.
    """

    parent: int
    born: int
    own_s: float
    reaped_s: float


class Proc:
    """`/proc` and the clocks of the processes in it.

    Attributes:
        tick_s: the step in which the kernel counts what isn't a clock of a process, in seconds.
    """

    def __init__(self) -> None:
        self.tick_s = 1.0 / os.sysconf("SC_CLK_TCK")
        self._exited = os.WEXITED | os.WNOHANG | os.WNOWAIT
        self._stat = os.open("/proc/stat", os.O_RDONLY | open_flags("O_CLOEXEC"))

    def __del__(self) -> None:
        if hasattr(self, "_stat"):
            os.close(self._stat)

    def now(self) -> int:
        """Ticks since boot, as births are counted."""
        return int(SYSTEM_CLOCK.since_boot() / self.tick_s)

    def busy_s(self) -> float:
        """Machine-wide CPU seconds spent outside idle and iowait, steal by neighbours included."""
        fields = os.pread(self._stat, 512, 0).split(b"\n", 1)[0].split()[1:9]
        user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, fields)
        return (user + nice + system + irq + softirq + steal) * self.tick_s

    def look(self, pid: int) -> Process | None:
        """A process by its id; None when it has ended."""
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
            own_s = SYSTEM_CLOCK.worked_by(pid)
        except OSError:
            return None
        # proc_pid_stat(5), counted from field 3: 4 ppid, 16 cutime, 17 cstime, 22 starttime.
        parent, cutime, cstime, born = (int(fields[i - 3]) for i in (4, 16, 17, 22))
        return Process(parent, born, own_s, (cutime + cstime) * self.tick_s)

    def children(self, pid: int) -> list[int]:
        """Direct children of `pid`, whichever of its threads started them."""
        found: list[int] = []
        try:
            for thread in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                    found += map(int, file.read().split())
        except OSError:  # it ended just now
            return found
        return found

    def has_children(self) -> bool:
        """Whether this process has a child, alive or not yet waited for; reaps nothing."""
        try:
            os.waitid(os.P_ALL, 0, self._exited)
        except ChildProcessError:
            return False
        return True

    own_s = staticmethod(SYSTEM_CLOCK.worked)
    """CPU seconds of this process, all its threads."""
    reaped_s = staticmethod(reaped_s)

    def mark(self) -> int | None:
        """Mark this process and all that will descend from it; None if that is forbidden.

        A forked child keeps its parent's mark: what descends from it descends from both.
        """
        return _mark()

    def mark_of(self, pid: int) -> int | None:
        """The mark that a process carries; None if it has none, or can't be looked at."""
        try:
            with open(f"/proc/{pid}/limits", "rb") as file:
                line = file.read().partition(b"Max file locks")[2]
        except OSError:
            return None
        soft = line.split(None, 1)[0] if line.split() else b""
        return int(soft) if soft.isdigit() else None


@cache
def _mark() -> int | None:
    number = int.from_bytes(os.urandom(7), "big")
    try:
        _resource.setrlimit(LOCKS, (number, _resource.getrlimit(LOCKS)[1]))
    except (OSError, ValueError):  # a sandbox, or a hard limit below the number
        return None
    return number
