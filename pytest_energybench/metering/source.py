"""The one small protocol that every source of joules speaks.

A source is asked one question: how many joules has each of your domains used since a fixed but
arbitrary origin? A window asks at its start and at its end and subtracts. Wrap-around, units,
integration of sampled power and power models stay inside the source; windows, nesting, sums and
provenance stay outside.

What only some sources can do is asked for by protocols of their own, each with one duty: `Ticking`
(wants to be called between the edges), `Judging` (has something to say about the difference of two
readings), `Sampling` (can show power over time) and `Bounding` (knows what it may have missed).

What is imported before the first window has named tuples in place of dataclasses: these take four
times as long to make, and importing `dataclasses` takes as long as all of `metering`'s own code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from pytest_energybench.base.domains import Provenance as Provenance

PARTS: Mapping[str, tuple[str, ...]] = {
    "gpu": ("gpu",),
    "cpu": ("cpu",),
    "dram": ("ram",),
    "ram": ("ram",),
    "psys": ("cpu", "ram"),
}
"""Kind of a domain, the word before its number -> parts of the machine that it counts, unless the
source says which. `cpu` and `ram` are estimated where no domain counts them."""

MIN_UPDATES = 20
"""A window shorter than this many updates of a counter is flagged: each edge can be off by one
update, so at 20 of them the two edges together stay within a tenth of the figure."""


class Domain(NamedTuple):
    """What a joule can be spent in, and how well this source knows it.

    Attributes:
        name: `gpu:0`, `cpu:0` (a package), `dram:0` from counters; `cpu` and `ram` when estimated.
        source: what reads it, e.g. `rapl`, `nvml`, `cpu-time`.
        resolution_j: smallest step of the figure in joules, if there is one.
        error: relative error (0.3 is +-30 %), if one can be stated.
        period_s: update period of the counter, or the sampling period.
        note: where the figure comes from, for people: file, device name, formula, table.
        shortest_s: seconds that a window needs at least where the source says so itself; see
            `least_s`.
        may_be_zero: 0 J of it is a figure, as for a part that can be switched off. A count that
            didn't move in a window is none otherwise, unless it is estimated.
        estimate_version: of the model behind an estimate: figures of two versions are not alike.
        idle_w: watts of it that are there whatever runs, where an estimate knows them.
        covers: parts of the machine whose joules are in it, among `cpu`, `ram` and `gpu`; by its
            kind where the source doesn't say. Where it has several, no other domain may have one.
        device: what tells the device apart on this machine (a UUID). Windows on different devices
            may be open at the same time; without it a window has the machine for itself.
    """

    name: str
    source: str
    provenance: Provenance
    resolution_j: float | None = None
    error: float | None = None
    period_s: float | None = None
    note: str = ""
    shortest_s: float | None = None
    may_be_zero: bool = False
    estimate_version: int | None = None
    idle_w: float | None = None
    covers: tuple[str, ...] | None = None
    device: str = ""

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts of the machine that it counts; empty if that isn't known."""
        return PARTS.get(self.name.partition(":")[0], ()) if self.covers is None else self.covers

    @property
    def least_s(self) -> float:
        """Seconds below which a window is too short for this domain: its own limit, or else 20
        updates; 0.0 if neither is known."""
        return self.shortest_s or MIN_UPDATES * (self.period_s or 0.0)


class Loss(NamedTuple):
    """Why a domain can't be read any more.

    Attributes:
        why: one line that names the file or device.
        since: when the failure was seen, in seconds of the source's clock.
    """

    why: str
    since: float


class Reading(NamedTuple):
    """Joules of each domain since the source's own origin; never decreasing.

    Attributes:
        joules: domain -> joules.
        lost: domain -> why it can't be read. A lost domain is in no later `joules`: a failed read
            is never a number.
    """

    joules: Mapping[str, float]
    lost: Mapping[str, Loss] = {}


class Source(Protocol):
    """Reads the joules of one or more domains of this machine."""

    @property
    def domains(self) -> Sequence[Domain]:
        """The domains, the same for the source's whole life."""

    def open(self) -> None:
        """The first window opens: start what runs only while something is metered."""

    def read(self) -> Reading:
        """Joules so far. Raises nothing for a failed read: the domain is `lost`."""

    def close(self) -> None:
        """The last window closed: stop what `open` started."""


@runtime_checkable
class Ticking(Protocol):
    """A source that wants to be called between the edges of long windows."""

    @property
    def tick_s(self) -> float:
        """Seconds between two ticks."""

    def tick(self) -> None:
        """Called every `tick_s` seconds while a window is open, from another thread."""


@runtime_checkable
class Judging(Protocol):
    """A source that knows when a difference of its readings is to be doubted."""

    def judge(self, begin: float, end: float) -> Sequence[str]:
        """Flags for a window between two instants of the source's clock, in seconds.

        Those that begin with `throttled`, or as `base.flags` says, keep gates from deciding.
        """


Samples = Mapping[str, Sequence[tuple[float, float]]]
"""Domain -> (seconds, watts) points."""


@runtime_checkable
class Sampling(Protocol):
    """A source that can show its domains' power over time."""

    def samples(self, begin: float, end: float) -> Samples:
        """Power between two instants of the source's clock; seconds count from `begin`."""


@runtime_checkable
class Bounding(Protocol):
    """A source that can say how far its joules may be off because it doesn't look all the time."""

    def bounds_j(self, begin: float, end: float) -> Mapping[str, float]:
        """Domain -> how far its joules between two instants of its clock may be off."""
