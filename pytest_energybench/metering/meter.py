"""A set of sources read together, and the windows that are opened on it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence

from pytest_energybench.metering.clock import SYSTEM_CLOCK, Clock
from pytest_energybench.metering.errors import MeterError
from pytest_energybench.metering.source import (
    Domain,
    Judging,
    Provenance,
    Reading,
    Sampling,
    Source,
    Ticking,
)
from pytest_energybench.metering.window import MIN_UPDATES, Window


class Meter:
    """Reads a set of sources; one per process is enough, and windows on it may nest.

    Attributes:
        sources: what is read, in order.
        domains: every domain of every source.
        provenance: domain name -> `measured`, `integrated` or `estimated`.
        problems: what can't be metered here, why, and the remedy; one line each.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        *,
        clock: Clock = SYSTEM_CLOCK,
        problems: Sequence[str] = (),
    ) -> None:
        """
        Args:
            sources: their domains must have different names.
            clock: where durations come from.
            problems: what discovery could not offer.

        Raises:
            MeterError: two sources claim one domain, so it would be counted twice.
        """
        self.sources = tuple(sources)
        self.domains: tuple[Domain, ...] = tuple(d for s in self.sources for d in s.domains)
        self.provenance: Mapping[str, Provenance] = {d.name: d.provenance for d in self.domains}
        self.problems = tuple(problems)
        if len(self.provenance) < len(self.domains):
            names = [d.name for d in self.domains]
            twice = next(name for name in names if names.count(name) > 1)
            raise MeterError(f"domain {twice!r} comes from two meters; it would be counted twice")
        self._clock = clock
        self._readers = tuple(source.read for source in self.sources)
        self._judges = tuple(s for s in self.sources if isinstance(s, Judging))
        self._samplers = tuple(s for s in self.sources if isinstance(s, Sampling))
        self._tickers = tuple(s for s in self.sources if isinstance(s, Ticking))
        self._periods = tuple((d.name, d.period_s) for d in self.domains if d.period_s)
        self._longest_period = max((period for _, period in self._periods), default=0.0)
        self._mutex = threading.Lock()
        self._open = 0

    @classmethod
    def discover(cls, selection: str | None = None) -> Meter:
        """What this machine can measure; see `discovery.discover`."""
        from pytest_energybench.metering.discovery import discover

        return discover(selection)

    def measure(self, name: str = "") -> Window:
        """A window on this meter: `with meter.measure("train") as window: ...`."""
        return Window(self, name)

    def read(self) -> list[Reading]:
        """One reading per source, in the order of `sources`."""
        return [read() for read in self._readers]

    def enter(self) -> tuple[float, list[Reading]]:
        """A window opens: its first edge, as monotonic seconds and a reading per source."""
        with self._mutex:
            if not self._open:
                for source in self.sources:
                    source.open()
            self._open += 1
        return self._clock.monotonic(), self.read()

    def leave(self) -> tuple[float, list[Reading]]:
        """A window closes: its last edge."""
        edge = self._clock.monotonic(), self.read()
        with self._mutex:
            self._open -= 1
            if not self._open:
                for source in self.sources:
                    source.close()
        return edge

    def judge(self, window: Window, begin: float, end: float) -> None:
        """Add to `window` what a reader of its figures should know, and its power curve."""
        if end - begin < MIN_UPDATES * self._longest_period:
            for name, period in self._periods:
                if end - begin < MIN_UPDATES * period:
                    window.flags.append(too_short(name, end - begin, period))
        for judge in self._judges:
            window.flags.extend(judge.judge(begin, end))
        if self._samplers:
            window.samples = {
                name: points
                for source in self._samplers
                for name, points in source.samples(begin, end).items()
            }


def too_short(name: str, seconds: float, period_s: float) -> str:
    """The flag of a window that spans fewer than 20 updates of a counter."""
    return (
        f"{name}: too short for this counter: {seconds:.3g} s of at least "
        f"{MIN_UPDATES * period_s:.3g} s (it updates every {period_s:.3g} s)"
    )


_default: Meter | None = None
_default_mutex = threading.Lock()


def default_meter() -> Meter:
    """The process's own meter, discovered at first use."""
    global _default
    with _default_mutex:
        if _default is None:
            _default = Meter.discover(os.environ.get("ENERGYBENCH_METERS"))
        return _default


def _forget_default() -> None:
    """A forked child finds its own meter: the parent's open windows aren't the child's."""
    global _default, _default_mutex
    _default = None
    _default_mutex = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_default)


def measure(
    name: str = "", *, meters: Sequence[Source | Callable[[], float]] | None = None
) -> Window:
    """Joules of a `with` block, outside pytest as well.

    Args:
        name: a label for people.
        meters: read these instead of what the machine offers: sources, or plain functions that
            return joules so far (the function's name becomes the domain).

    Returns:
        A window to be entered with `with`.

    Raises:
        MeterError: no source can be read, or two of `meters` claim one domain.
    """
    if meters is None:
        return default_meter().measure(name)
    from pytest_energybench.metering.custom import as_source

    return Meter([as_source(meter) for meter in meters]).measure(name)
