"""The windows of one execution of a test: which of them count, and that none stays open."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Set
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING

from pytest_energybench.base.flags import ACROSS_NAMESAKE, INSIDE_CALL, INSIDE_NAMESAKE
from pytest_energybench.measurement import aggregate
from pytest_energybench.measurement.aggregate import Place
from pytest_energybench.measurement.case_builder import MOST_WINDOWS, CaseBuilder
from pytest_energybench.measurement.progress import Phase

if TYPE_CHECKING:
    from pytest_energybench.metering.idle import IdlePower
    from pytest_energybench.metering.machine_state import RoundWatch
    from pytest_energybench.metering.window import Window

__tracebackhide__ = True  # a user's mistake is shown at the user's line

_Metered = tuple[float, float, Set[str]]
"""When what was metered: begin and end in monotonic seconds, and the domains."""

Raised = tuple[type[BaseException] | None, BaseException | None, TracebackType | None]


WAITING = "waiting"
"""The phase before a window opens: another process's window keeps the machine."""


@dataclass(slots=True)
class _Open:
    """A window that is open.

    Attributes:
        place: where its joules go if no other window holds them.
        phase: what the process is shown to do while it is open.
        cover: what meters the time that no window opened earlier does: the window itself, another
            one for the rest of its time, or nothing as long as it lies inside another.
    """

    window: Window
    place: Place
    phase: Phase
    cover: Window | None = None


class OpenWindows:
    """Opens and closes windows so that every joule counts once, however they overlap.

    A window inside another is `inner`. Where two overlap without nesting (two tasks, two threads),
    the earlier one counts, and of the later one what comes after it.

    Attributes:
        raised: what ended a window's body last, None if nothing did.
    """

    def __init__(
        self,
        builder: CaseBuilder,
        idle: Callable[[], IdlePower | None],
        begin_round: Callable[[], RoundWatch | None],
    ) -> None:
        """
        Args:
            builder: gets a record of each window that was left; its progress hears what is open.
            idle: power of the idle machine, None if it isn't to be subtracted.
            begin_round: called before the first window; `Meter.begin_round`.
        """
        self._builder = builder
        self._idle = idle
        self._begin_round = begin_round
        self._has_begun = False
        self._progress = builder.progress
        self._mutex = threading.Lock()
        self._open: list[_Open] = []
        self._counted: list[_Metered] = []
        self._unentered: dict[int, Window] = {}
        self._calls = 0
        self.raised: BaseException | None = None

    def __bool__(self) -> bool:
        """Whether any window is open."""
        return bool(self._open)

    def bracket(self, window: Window, place: Place) -> AbstractContextManager[Window]:
        """The window as what a `with` statement takes."""
        self._unentered[id(window)] = window
        return _Bracket(self, window, place)

    @property
    def open_name(self) -> str | None:
        """The name of the window that was opened first and still is; None if none is."""
        return self._open[0].window.name if self._open else None

    @property
    def missing(self) -> str | None:
        """Why the test's energy is not known, as far as that is the test's own doing."""
        for window in self._unentered.values():
            return f"energy.measure({window.name!r}) was never entered: write `with`"
        if not self._builder.metered:
            return (
                "nothing was metered in this test; put the work into `with energy.measure():`"
                " or call it through `energy(function)`"
            )
        return None

    @contextmanager
    def unmetered(self, name: str, work: AbstractContextManager[None]) -> Iterator[None]:
        """Work in no window, whose seconds are booked under `name`."""
        with ExitStack() as stack:
            with self._progress.phase(WAITING):
                stack.enter_context(work)
            stack.enter_context(self._progress.phase(name))
            yield

    def refuse_in_call(self, what: str) -> None:
        """Raise RuntimeError while a measured call runs."""
        if self._calls:
            raise RuntimeError(
                f"{what} inside a measured call, which may be repeated: say it after the call, with"
                " the count of one call"
            )

    def around_call(self, what: str) -> AbstractContextManager[None]:
        """A measured call opens its own windows; windows that its function opens are inside them.

        Raises:
            RuntimeError: it is made inside a window or another call, so it would count twice.
        """
        if self._open or self._calls:
            place = f"the window {self._open[0].window.name!r}" if self._open else "another call"
            raise RuntimeError(
                f"{what} inside {place}: its joules would count twice; call it outside, or call"
                " the function itself inside"
            )
        return self._calling()

    @contextmanager
    def _calling(self) -> Iterator[None]:
        self._calls += 1
        try:
            yield
        finally:
            self._calls -= 1

    def include(self, window: Window) -> None:
        """Record a window that was opened elsewhere, and is closed.

        Raises:
            RuntimeError: a window here metered the time already, an earlier round has included it,
                or a measured call is running.
        """
        self.refuse_in_call("energy.include(...)")
        if self._builder.has_included(window):
            raise RuntimeError(
                f"energy.include({window.name!r}): an earlier round included it, and it is one"
                " measurement: include one of a function-scoped fixture, or use one round"
            )
        begin, end, domains = _metered(window)
        for since, until, metered in [
            *self._counted,
            *(_metered(each.window) for each in self._open),
        ]:
            if begin < until and since < end and not domains.isdisjoint(metered):
                raise RuntimeError(
                    f"energy.include({window.name!r}): a window of this test metered that time"
                    " already, so its joules would count twice"
                )
        self._builder.included.append(window)
        self._add(window, "counted")

    def enter(self, window: Window, place: Place) -> None:
        """Open a window.

        Raises:
            LockTimeoutError: another process kept the machine for too long.
        """
        self._idle()  # measured at first use, which can't be while a window is open
        self._unentered.pop(id(window), None)
        self._builder.see_tracers()
        with self._progress.phase(WAITING):
            if not (self._has_begun or self._calls):  # a call begins its rounds itself
                self._has_begun = True
                self._builder.watch = self._begin_round()
            window.__enter__()
        entry = _Open(window, place, self._progress.begin(window.name, window))
        with self._mutex:
            if not self._open and not self._calls:
                entry.cover = window
            self._open.append(entry)

    def leave(self, window: Window, *raised: *Raised) -> None:
        """Close a window and record it; nothing if the test has ended in the meantime.

        Args:
            raised: what its body raised, as `__exit__` is told it.

        Raises:
            RuntimeError: it was never entered, or was left before.
        """
        if raised[1] is not None:
            self.raised = raised[1]
        try:
            window.__exit__(*raised)
        finally:
            with self._mutex:
                entry = next((each for each in self._open if each.window is window), None)
                if entry is not None:
                    self._progress.end(entry.phase)
                    self._flag_namesakes(entry)
                    self._open.remove(entry)
                    self._record(entry)
                    if entry.cover is not None:
                        self._cover_rest(after=window)

    def end(self) -> None:
        """The test is over: close what is still open; its joules are not known."""
        with self._mutex:
            for entry in self._open:
                for window in {entry.window, entry.cover or entry.window}:
                    window.abandon("it was still open when its test ended")
                self._progress.end(entry.phase)
                self._record(entry)
            self._open.clear()

    def _flag_namesakes(self, entry: _Open) -> None:
        """Windows of one name add up, but not where one holds joules of another."""
        place = self._open.index(entry)
        for others, flag in (
            (self._open[:place], INSIDE_NAMESAKE),
            (self._open[place + 1 :], ACROSS_NAMESAKE),
        ):
            if any(each.window.name == entry.window.name for each in others):
                entry.window.flags.append(flag)
                return

    def _cover_rest(self, after: Window) -> None:
        """The window that covered the time is closed: the next one takes over from here."""
        if not self._open:
            return
        entry = self._open[0]
        entry.cover = entry.window.another(f"{entry.window.name} (after {after.name})")
        entry.cover.__enter__()

    def _record(self, entry: _Open) -> None:
        covers = entry.cover is entry.window
        self._add(entry.window, entry.place if covers else "inner")
        if entry.cover is not None and not covers:
            entry.cover.__exit__(None, None, None)
            self._add(entry.cover, entry.place)

    def _add(self, window: Window, place: Place) -> None:
        record = aggregate.window_record(window, place=place, idle=self._idle())
        if self._calls:
            record.flags.append(INSIDE_CALL)
        self._builder.add_window(record)
        if place == "counted":
            self._note(*_metered(window))
        self._builder.add_series(aggregate.power_series(window))

    def _note(self, begin: float, end: float, domains: Set[str]) -> None:
        """Keep when energy was counted; of more than `MOST_WINDOWS` windows not each by itself."""
        if len(self._counted) > MOST_WINDOWS:
            since, _, others = self._counted.pop()
            begin, domains = min(begin, since), {*domains, *others}
        self._counted.append((begin, end, domains))


def _metered(window: Window) -> _Metered:
    begin, end = window.span or (0.0, 0.0)
    return begin, end, window.provenance.keys()


class _Bracket(AbstractContextManager["Window"]):
    """One window in one `with` statement.

    Not a generator: Python ends an abandoned generator, which would hide that a window was never
    left.
    """

    def __init__(self, windows: OpenWindows, window: Window, place: Place) -> None:
        self._windows = windows
        self._window = window
        self._place = place

    def __enter__(self) -> Window:
        self._windows.enter(self._window, self._place)
        return self._window

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # A window that ranks share must not wait for the others where its body has raised.
        self._windows.leave(self._window, kind, error, traceback)
