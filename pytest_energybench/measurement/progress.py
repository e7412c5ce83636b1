"""What a process is doing, for the status line, and how long its unmetered work took."""

from __future__ import annotations

import math
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from pytest_energybench.metering.clock import SYSTEM_CLOCK

if TYPE_CHECKING:
    from pytest_energybench.metering.window import Window


@dataclass(frozen=True, slots=True, eq=False)
class Phase:
    """What is being done: a window, or named work outside of any (`window` is None)."""

    name: str
    window: Window | None = None


class Doing(NamedTuple):
    """What a process does now.

    Attributes:
        phase: name of the innermost phase.
        words: what was said last in it.
        joules: energy of its window when that was said; None if nothing is known.
        estimated: whether any of it is an estimate.
    """

    phase: str = ""
    words: str = ""
    joules: float | None = None
    estimated: bool = False


class Progress:
    """How far a test is: `energy.progress("epoch 3 of 6")`.

    Attributes:
        every_s: seconds after which new words are wanted; None if nobody looks.
    """

    def __init__(self, clock: Callable[[], float] = SYSTEM_CLOCK.monotonic) -> None:
        self.every_s: float | None = None
        self._clock = clock
        self._mutex = threading.Lock()
        self._phases: list[Phase] = []
        self._doing = Doing()
        self._told = -math.inf
        self._since = clock()
        self._spent: defaultdict[str, float] = defaultdict(float)

    @property
    def due(self) -> bool:
        """Whether new words are wanted. To ask costs nothing, to find the words may."""
        return self.every_s is not None and self._clock() >= self._told + self.every_s

    def __call__(self, words: str) -> None:
        """Say how far the work is; the newest words are shown, nothing is kept."""
        phase = self._phases[-1] if self._phases else Phase("")
        doing = self._doing._replace(phase=phase.name, words=words)
        if self.due:
            self._told = self._clock()
            if phase.window is not None:
                doing = _with_joules(doing, phase.window)
        self._doing = doing

    @property
    def doing(self) -> Doing:
        """What is done now; may be asked by another thread."""
        return self._doing

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Within, `name` is what the process does, and its seconds are booked under it."""
        phase = self.begin(name)
        try:
            yield
        finally:
            self.end(phase)

    def begin(self, name: str, window: Window | None = None) -> Phase:
        """Begin a phase, inside of those that have begun. A window's seconds are not booked: it
        has a record of its own."""
        phase = Phase(name, window)
        with self._mutex:
            self._book()
            self._phases.append(phase)
            self._doing = Doing(name)
        return phase

    def end(self, phase: Phase) -> None:
        """End a phase; nothing if it has ended."""
        with self._mutex:
            self._book()
            if phase in self._phases:
                self._phases.remove(phase)
                self._doing = Doing(self._phases[-1].name) if self._phases else Doing()

    def taken(self) -> dict[str, float]:
        """Seconds of the named work outside of windows, by name, since this was last asked. Every
        moment counts once, for the innermost phase."""
        with self._mutex:
            self._book()
            taken = dict(self._spent)
            self._spent.clear()
        return taken

    def _book(self) -> None:
        now = self._clock()
        if self._phases and all(phase.window is None for phase in self._phases):
            self._spent[self._phases[-1].name] += now - self._since
        self._since = now


def _with_joules(doing: Doing, window: Window) -> Doing:
    joules = window.joules_so_far()
    if not math.isfinite(joules):
        return doing._replace(joules=None)
    return doing._replace(joules=joules, estimated="estimated" in window.provenance.values())
