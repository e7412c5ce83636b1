"""A bracketed piece of work: both edges read by itself, the difference, and how far to trust it."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING

from pytest_energybench.metering.source import Loss, Provenance, Reading, Samples

if TYPE_CHECKING:
    from pytest_energybench.metering.meter import Meter

MIN_UPDATES = 20
"""A window shorter than this many updates of a counter is flagged: each edge can be off by one
update, so at 20 of them the two edges together stay within a tenth of the figure."""


class Window:
    """The joules of a `with` block.

    Use it once, as a context manager. It closes when the body raises, too, and swallows nothing.

    Attributes:
        name: what the user called it.
        duration_s: seconds of monotonic time between the edges; 0.0 while open.
        energy_j: domain -> joules, without the domains that were lost.
        total_j: sum over the domains in joules; `math.nan` as soon as one was lost, and while the
            window is open. nan fails every comparison, so an unknown figure never passes a budget.
        provenance: domain -> `measured`, `integrated` or `estimated`, lost domains included.
        flags: what a reader of the figure should know, one line each.
        errors: what was lost, and when.
        samples: domain -> (seconds into the window, watts), for sources that sample power.
    """

    __slots__ = (
        "_begin",
        "_meter",
        "_open",
        "_started",
        "_t0",
        "duration_s",
        "energy_j",
        "errors",
        "flags",
        "name",
        "provenance",
        "samples",
        "total_j",
    )

    def __init__(self, meter: Meter, name: str = "") -> None:
        self._meter = meter
        self._begin: Sequence[Reading] = ()
        self._open = False
        self._t0 = 0.0
        self._started = 0.0
        self.name = name
        self.duration_s = 0.0
        self.energy_j: Mapping[str, float] = {}
        self.total_j = math.nan
        self.provenance: Mapping[str, Provenance] = meter.provenance
        self.flags: list[str] = []
        self.errors: list[str] = []
        self.samples: Samples = {}

    @property
    def started(self) -> str:
        """Wall-clock time of the start, UTC in ISO 8601. A label: durations don't come from it."""
        return datetime.fromtimestamp(self._started, UTC).isoformat(timespec="milliseconds")

    def __enter__(self) -> Window:
        if self._started:
            raise RuntimeError(f"window {self.name!r} was entered before; open another one")
        self._started = time.time()
        self._t0, self._begin = self._meter.enter()
        self._open = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        t1, end = self._meter.leave()
        self._open = False
        t0 = self._t0
        self.duration_s = t1 - t0
        self.energy_j = self._difference(end)
        self.total_j = math.nan if self.errors else sum_joules(self.energy_j)
        self._meter.judge(self, t0, t1)

    def joules_so_far(self) -> float:
        """Joules since the window opened, all domains; `total_j` once it is closed.

        `math.nan` when a domain was lost.
        """
        if not self._open:
            return self.total_j
        total = 0.0
        for begin, end in zip(self._begin, self._meter.read(), strict=True):
            if end.lost:
                return math.nan
            total += sum(joules - begin.joules[name] for name, joules in end.joules.items())
        return total

    def _difference(self, end: Sequence[Reading]) -> dict[str, float]:
        """Domain -> joules between the edges; what was lost goes to `errors` instead."""
        energy: dict[str, float] = {}
        for first, last in zip(self._begin, end, strict=True):
            before = first.joules
            for name, joules in last.joules.items():
                spent = joules - before[name] if name in before else -1.0
                if spent >= 0.0:
                    energy[name] = spent
                else:
                    self.errors.append(f"{name}: lost: the counter went back or came too late")
            for name, loss in last.lost.items():
                self.errors.append(f"{name}: lost {self._since(loss)}: {loss.why}")
        return energy

    def _since(self, loss: Loss) -> str:
        into = loss.since - self._t0
        return f"{into:.3f} s into the window" if into > 0 else "before the window opened"

    def __repr__(self) -> str:
        return f"<Window {self.name!r} {self.total_j:.6g} J in {self.duration_s:.6g} s>"


def sum_joules(energy_j: Mapping[str, float]) -> float:
    """IT energy in joules: the sum over all domains; nan where there is none at all."""
    return math.fsum(energy_j.values()) if energy_j else math.nan
