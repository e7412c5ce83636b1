"""The thread that reads sources between the edges of a long window."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from pytest_energybench.base.system import tell_after_fork
from pytest_energybench.metering.clock import SYSTEM_CLOCK
from pytest_energybench.metering.source import Ticking

LINGER_S = 1.0
"""Seconds that the thread stays after its last window, and serves windows that open until then.
Starting and stopping it would take longer than a short window."""


class SamplerThread:
    """Calls `tick` of its sources while a window is open."""

    def __init__(self, sources: Sequence[Ticking], *, linger_s: float = LINGER_S) -> None:
        """
        Args:
            sources: each is called every `tick_s` seconds of its own.
            linger_s: how long the thread outlives a short window at most.
        """
        self._sources = tuple(sources)
        self._linger_s = linger_s
        self._reset()
        tell_after_fork(self)

    def _reset(self) -> None:
        self._mutex = threading.Lock()
        self._changed = threading.Condition(self._mutex)
        self._thread: threading.Thread | None = None
        self._open = False
        self._settled = False

    after_fork = _reset

    @property
    def is_running(self) -> bool:
        """Whether there is a thread at this moment."""
        return self._thread is not None

    def start(self) -> None:
        """The first window opens."""
        with self._mutex:
            self._open = True
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="energybench-sampler", daemon=True
                )
                self._thread.start()

    def stop(self) -> None:
        """The last window closed. Returns at once; the thread ends later."""
        with self._mutex:
            self._open = False
            if self._settled:
                self._changed.notify()

    def _run(self) -> None:
        try:
            self._tick_while_open()
        finally:  # also when a user's source raises: the next window gets a new thread
            with self._mutex:
                self._thread = None
                self._settled = False

    def _tick_while_open(self) -> None:
        now = SYSTEM_CLOCK.monotonic()
        settles = now + self._linger_s
        due = [now + source.tick_s for source in self._sources]
        while self._wait(min(due), settles):
            now = SYSTEM_CLOCK.monotonic()
            for i, source in enumerate(self._sources):
                if due[i] <= now:
                    source.tick()
                    due[i] = max(due[i] + source.tick_s, now)

    def _wait(self, nearest: float, settles: float) -> bool:
        """Sleep until a tick is due; False when no window is open and none is likely to come.

        Up to `settles` the thread sleeps through the end of a window; later it is woken by it.
        """
        with self._mutex:
            while True:
                now = SYSTEM_CLOCK.monotonic()
                self._settled = now >= settles
                if self._settled and not self._open:
                    return False
                if now >= nearest and self._open:
                    return True
                until = nearest if self._settled else settles
                if self._open:
                    until = min(until, nearest)
                self._changed.wait(max(0.0, until - now))
