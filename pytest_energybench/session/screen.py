"""Progress of a process while a test runs, and where it is written."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Any

import pytest

from pytest_energybench.measurement.progress import Progress
from pytest_energybench.report.encoding import fitting

ERASE = "\r\x1b[2K"
UP = "\x1b[A"

progress_key = pytest.StashKey[Progress]()
screen_key = pytest.StashKey["Screen"]()


def progress_of(config: pytest.Config) -> Progress:
    """What this process is doing; `with progress_of(config).phase("imports"):` books seconds."""
    return config.stash.setdefault(progress_key, Progress())


def aside(config: pytest.Config) -> AbstractContextManager[None]:
    """Within, others may write to the terminal."""
    screen = config.stash.get(screen_key, None)
    return nullcontext() if screen is None else screen.aside()


class Screen:
    """What pytest's terminal reporter writes to, also while a test's output is captured.

    Attributes:
        lock: held by whoever writes.
        quiet_since: when something was written last, in seconds of the clock.
    """

    def __init__(self, reporter: Any, clock: Callable[[], float]) -> None:
        """Made while nothing is captured: the descriptor is the terminal's or the pipe's."""
        self._tw = reporter._tw
        self._clock = clock
        self.lock = threading.RLock()
        self._descriptor: int | None = None
        with suppress(OSError, ValueError, AttributeError):  # a file in memory has none
            self._descriptor = os.dup(self._tw._file.fileno())
        self._shown = False
        self._came_from = 0
        self._at_start = False
        self.quiet_since = clock()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Within, pytest may write: the status line is away, and nothing else is written."""
        with self.lock:
            self._hide()
            yield
            self._at_start = False
            self.quiet_since = self._clock()

    def line(self, text: str) -> None:
        """Write a line of its own."""
        with self.lock:
            begun = self._tw.width_of_current_line and not self._at_start
            self._write("\n" * bool(begun) + text + "\n")
            self._at_start = True
            self.quiet_since = self._clock()

    def show(self, text: str) -> None:
        """Write or rewrite the status line, which stands below the line that pytest is in."""
        with self.lock:
            if not self._shown:
                self._shown = True
                self._came_from = self._tw.width_of_current_line
                if self._came_from:
                    self._write("\n")
            self._write(ERASE + text)

    def close(self) -> None:
        """Nothing more is written."""
        with self.lock:
            self._hide()
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None

    def _hide(self) -> None:
        """Remove the status line and put the cursor back."""
        if not self._shown:
            return
        self._shown = False
        column = self._came_from % self._tw.fullwidth
        # At 0 nothing was written before, or full lines: what comes next belongs here.
        self._write(ERASE + (f"{UP}\x1b[{column + 1}G" if column else ""))

    def fitting(self, text: str) -> str:
        """The text in characters that the terminal or log can show."""
        return fitting(text, getattr(self._tw._file, "encoding", None))

    def _write(self, text: str) -> None:
        text = self.fitting(text)
        if self._descriptor is None:
            self._tw._file.write(text)
            self._tw._file.flush()
            return
        encoding = getattr(self._tw._file, "encoding", None) or "utf-8"
        with suppress(OSError):  # nobody reads any more, which pytest itself finds out
            os.write(self._descriptor, text.encode(encoding, "replace"))
