"""The one small protocol that every source of joules speaks.

A source is asked one question: how many joules has each of your domains used since a fixed but
arbitrary origin? A window asks at its start and at its end and subtracts. Wrap-around, units,
integration of sampled power and power models stay inside the source; windows, nesting, sums and
provenance stay outside.

What only some sources can do is asked for by three protocols of their own, each with one duty:
`Ticking` (wants to be called between the edges), `Judging` (has something to say about the
difference of two readings) and `Sampling` (can show power over time).

What is imported before the first window has named tuples in place of dataclasses: these take four
times as long to make, and importing `dataclasses` takes as long as all of `metering`'s own code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, Protocol, runtime_checkable

Provenance = Literal["measured", "integrated", "estimated"]
"""`measured`: a hardware counter; `integrated`: sampled power; `estimated`: a model."""


class Domain(NamedTuple):
    """What a joule can be spent in, and how well this source knows it.

    Attributes:
        name: `gpu:0`, `cpu:0` (a package), `dram:0` from counters; `cpu` and `ram` when estimated.
        source: what reads it, e.g. `rapl`, `nvml`, `cpu-time`.
        resolution_j: smallest step of the figure in joules, where there is one.
        error: relative error (0.3 is +-30 %), where one can be stated.
        period_s: update period of the counter, or the sampling period.
        note: where the figure comes from, for people: file, device name, formula, table.
    """

    name: str
    source: str
    provenance: Provenance
    resolution_j: float | None = None
    error: float | None = None
    period_s: float | None = None
    note: str = ""


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
        """Flags for a window between two instants of the source's clock, in seconds."""


Samples = Mapping[str, Sequence[tuple[float, float]]]
"""Domain -> (seconds, watts) points."""


@runtime_checkable
class Sampling(Protocol):
    """A source that can show its domains' power over time."""

    def samples(self, begin: float, end: float) -> Samples:
        """Power between two instants of the source's clock; seconds count from `begin`."""

    def bounds_j(self, begin: float, end: float) -> Mapping[str, float]:
        """Domain -> how far its joules may be off because power was only sampled."""
