"""A window: reads its meter at both edges, subtracts, and says how far to trust the difference."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, Protocol

from pytest_energybench.base.flags import WITHOUT
from pytest_energybench.metering.clock import SYSTEM_CLOCK
from pytest_energybench.metering.source import Domain, Loss, Provenance, Reading, Samples

if TYPE_CHECKING:
    from pytest_energybench.metering.load_monitor import CpuSample

__tracebackhide__ = True  # a user's mistake is shown at the user's line


class Edge(NamedTuple):
    """One edge of a window.

    Attributes:
        at: monotonic seconds.
        readings: one per source, read right after `at`.
        look: the machine's CPU time at the first edge, where it is watched.
        gpu_error: why GPU work in flight failed, where it did.
        asleep: seconds that the machine was suspended so far.
    """

    at: float
    readings: Sequence[Reading]
    look: CpuSample | None
    gpu_error: str | None
    asleep: float


class Metering(Protocol):
    """What a window asks of its meter; see `Meter`."""

    @property
    def domains(self) -> Sequence[Domain]: ...
    @property
    def provenance(self) -> Mapping[str, Provenance]: ...
    @property
    def allow_missing(self) -> frozenset[str]: ...
    @property
    def still_after_s(self) -> Mapping[str, float]: ...
    def measure(self, name: str = "") -> Window: ...
    def read(self) -> Sequence[Reading]: ...
    def enter(self, window: Window) -> Edge: ...
    def leave(self, window: Window, begin: Edge) -> Edge: ...


class Window:
    """The joules of a `with` block.

    Use it once, as a context manager. It closes when the body raises, too, and swallows nothing.

    Attributes:
        name: what the user called it.
        duration_s: seconds of monotonic time between the edges; 0.0 while open.
        energy_j: domain -> joules, without the domains that were lost.
        total_j: sum over the domains in joules; `math.nan` as soon as one was lost, and while the
            window is open. nan fails every comparison, so an unknown figure never passes a budget.
        provenance: domain -> `measured`, `integrated` or `estimated`; lost domains included, those
            of `left_out` not.
        left_out: domains that were lost and may be, by the meter's `allow_missing`: the total is
            that of the others.
        flags: what a reader of the figure should know, one line each.
        errors: what was lost, and when.
        samples: domain -> (seconds into the window, watts), for sources that sample power.
        bounds_j: domain -> joules that looking now and then may have missed; part of `error_j`.
    """

    __slots__ = (
        "_begin",
        "_is_abandoned",
        "_is_open",
        "_meter",
        "_started",
        "bounds_j",
        "duration_s",
        "energy_j",
        "errors",
        "flags",
        "left_out",
        "name",
        "provenance",
        "samples",
        "total_j",
    )

    def __init__(self, meter: Metering, name: str = "") -> None:
        self._meter = meter
        self._begin: Edge | None = None
        self._is_open = False
        self._is_abandoned = False
        self._started = 0.0
        self.name = name
        self.duration_s = 0.0
        self.energy_j: Mapping[str, float] = {}
        self.total_j = math.nan
        self.provenance: Mapping[str, Provenance] = meter.provenance
        self.flags: list[str] = []
        self.errors: list[str] = []
        self.left_out: list[str] = []
        self.samples: Samples = {}
        self.bounds_j: Mapping[str, float] = {}

    @property
    def started(self) -> str:
        """Wall-clock time of the start, UTC in ISO 8601. A label: durations don't come from it."""
        from datetime import UTC, datetime  # not needed before somebody asks

        return datetime.fromtimestamp(self._started, UTC).isoformat(timespec="milliseconds")

    @property
    def span(self) -> tuple[float, float] | None:
        """Its edges in monotonic seconds, the second infinite while it is open; None before."""
        if self._begin is None:
            return None
        return self._begin.at, math.inf if self._is_open else self._begin.at + self.duration_s

    def another(self, name: str) -> Window:
        """A new window on the same meter."""
        return self._meter.measure(name)

    @property
    def error_j(self) -> dict[str, float]:
        """Domain -> how far its joules may be off either way, if that can be stated."""
        relative = {domain.name: domain.error for domain in self._meter.domains}
        return {
            name: joules * (relative[name] or 0.0) + self.bounds_j.get(name, 0.0)
            for name, joules in self.energy_j.items()
            if relative[name] is not None or name in self.bounds_j
        }

    def __enter__(self) -> Window:
        if self._begin is not None:
            raise RuntimeError(f"window {self.name!r} was entered before; open another one")
        self._started = SYSTEM_CLOCK.wall()
        self._begin = self._meter.enter(self)
        self._is_open = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        begin = self._begin
        if begin is None:
            raise RuntimeError(f"window {self.name!r} was left but never entered")
        if self._is_abandoned:
            return
        if not self._is_open:
            raise RuntimeError(f"window {self.name!r} was left before")
        self._is_open = False
        try:
            end = self._meter.leave(self, begin)
        except BaseException as cause:  # Ctrl-C, a timeout's signal: the end was not read
            self.errors.append(f"its end was not read: {type(cause).__name__}")
            raise
        self.duration_s = end.at - begin.at
        self.energy_j = self._difference(begin, end)
        self.total_j = math.nan if self.errors else sum_joules(self.energy_j)

    def abandon(self, why: str) -> None:
        """Close an open window without figures; leaving it later does nothing."""
        if self._is_open:
            self.__exit__(None, None, None)
        self._is_abandoned = True
        self.energy_j = {}
        self.total_j = math.nan
        self.errors.append(f"window {self.name!r} has no figure: {why}")

    def joules_so_far(self) -> float:
        """Joules since the window opened, all domains; `total_j` once it is closed.

        `math.nan` when a domain was lost, or all of those that may be missing.
        """
        if self._begin is None or not self._is_open:
            return self.total_j
        spent: list[float] = []
        for begin, end in zip(self._begin.readings, self._meter.read(), strict=True):
            if not self._meter.allow_missing.issuperset(end.lost):
                return math.nan
            spent += (joules - begin.joules[name] for name, joules in end.joules.items())
        return math.fsum(spent) if spent else math.nan

    def _difference(self, begin: Edge, end: Edge) -> dict[str, float]:
        """Domain -> joules between the edges; what was lost goes to `errors` instead."""
        energy: dict[str, float] = {}
        lost: dict[str, str] = {}
        still_after_s = self._meter.still_after_s
        for first, last in zip(begin.readings, end.readings, strict=True):
            before = first.joules
            for name, joules in last.joules.items():
                spent = joules - before[name] if name in before else -1.0
                if spent == 0.0 and self.duration_s >= still_after_s.get(name, math.inf):
                    lost[name] = f"lost: its counter stood still for all {self.duration_s:.3g} s"
                elif spent >= 0.0:
                    energy[name] = spent
                else:
                    lost[name] = "lost: its counter went back, or gave its first figure too late"
            for name, loss in last.lost.items():
                lost[name] = f"lost {since(loss, begin)}: {loss.why}"
        self.errors += [edge.gpu_error for edge in (begin, end) if edge.gpu_error]
        if not energy.keys() >= self.provenance.keys():
            for name in [each for each in self.provenance if each not in energy]:
                self._lose(name, lost.get(name, "lost: its meter gave no figure"))
            if not energy and not self.errors:
                self.errors.append("nothing was metered: every domain is lost")
        return energy

    def _lose(self, name: str, why: str) -> None:
        """Say of a domain that it has no figure: an error, unless the user goes on without it."""
        if name not in self._meter.allow_missing:
            self.errors.append(f"{name}: {why}")
            return
        self.left_out.append(name)
        self.flags.append(f"{WITHOUT} {name}, which may be missing: {why}")
        self.provenance = {n: word for n, word in self.provenance.items() if n != name}

    def __repr__(self) -> str:
        return f"<Window {self.name!r} {self.total_j:.6g} J in {self.duration_s:.6g} s>"


def since(loss: Loss, begin: Edge) -> str:
    """When a domain was lost, as seen from the window that needed it."""
    into = loss.since - begin.at
    return f"{into:.3f} s into the window" if into > 0 else "before the window opened"


def sum_joules(energy_j: Mapping[str, float]) -> float:
    """IT energy in joules: the sum over all domains; nan if there is none at all."""
    return math.fsum(energy_j.values()) if energy_j else math.nan
