"""Threads that outlive their test: what they use later is counted in tests without a part in it."""

from __future__ import annotations

import threading
import time

from pytest_energybench.base.system import LINUX

TOLERATED_S = 0.01
"""CPU seconds that a thread may use in another's test unnoticed, as one that mostly sleeps does."""


class LeftThreads:
    """Knows which test left which thread, and tells the tests that these work in."""

    def __init__(self) -> None:
        self._before: set[threading.Thread] = set()
        self._left: dict[threading.Thread, str] = {}
        self._used_s: dict[threading.Thread, float] = {}

    def begin(self) -> None:
        """A test begins."""
        self._before = set(threading.enumerate())
        self._left = {thread: who for thread, who in self._left.items() if thread in self._before}
        self._used_s = {
            thread: seconds for thread in self._left if (seconds := cpu_seconds(thread)) is not None
        }

    def end(self, nodeid: str) -> list[str]:
        """A test has ended: a flag for each thread of an earlier one that worked in it."""
        now = set(threading.enumerate())
        flags = []
        for thread, before_s in self._used_s.items():
            used_s = (cpu_seconds(thread) or 0.0) - before_s if thread in now else 0.0
            if used_s > TOLERATED_S and self._left[thread] != nodeid:
                flags.append(
                    f"thread {thread.name!r}, which {self._left[thread]} left running, used"
                    f" {used_s:.2g} CPU-s in this test"
                )
        for thread in now - self._before:
            if not thread.name.startswith("energybench-"):
                self._left[thread] = nodeid
        return flags


def cpu_seconds(thread: threading.Thread) -> float | None:
    """CPU seconds of a thread so far; None if that can't be told.

    Linux: the clock that `pthread_getcpuclockid(3)` would give, made of the thread's id, since that
    function crashes for a thread that has ended meanwhile.
    """
    if not LINUX or thread.native_id is None:
        return None
    try:
        return time.clock_gettime((~thread.native_id << 3) | 6)
    except OSError:  # it has ended
        return None
