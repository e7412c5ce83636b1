"""The one thread that looks at sources between the edges of a long window."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from pytest_energybench.metering.fork import tell_after_fork
from pytest_energybench.metering.source import Ticking

LINGER_S = 1.0
"""The thread of a window that turns out to be short is neither woken nor waited for: it finds out
by itself within this time, and serves the windows that come until then. Starting and stopping it
for each of them would take longer than they do."""


class Keeper:
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
        self._changed = threading.Condition()
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
        with self._changed:
            self._open = True
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(
                    target=self._run, name="energybench-keeper", daemon=True
                )
                self._thread.start()

    def stop(self) -> None:
        """The last window closed. Returns at once; the thread ends by itself."""
        with self._changed:
            self._open = False
            if self._settled:
                self._changed.notify()

    def _run(self) -> None:
        now = time.monotonic()
        settles = now + self._linger_s
        due = [(now + source.tick_s, source) for source in self._sources]
        while True:
            nearest = min(at for at, _ in due)
            with self._changed:
                self._settled = now >= settles
                until = nearest if self._settled else min(nearest, settles)
                if self._open or not self._settled:
                    self._changed.wait(max(0.0, until - time.monotonic()))
                now = time.monotonic()
                if not self._open and (self._settled or now >= settles):
                    self._thread = None
                    self._settled = False
                    return
                is_open = self._open
            for i, (at, source) in enumerate(due):
                if at <= now:
                    if is_open:
                        source.tick()
                    following = at + source.tick_s
                    due[i] = (following if following > now else now + source.tick_s, source)
