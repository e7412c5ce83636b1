"""The one small protocol that every source of joules speaks.

A source is asked one question: how many joules has each of your domains used since a fixed but
arbitrary origin? A window asks at its start and at its end and subtracts. Wrap-around, units,
integration of sampled power and power models stay inside the source; windows, nesting, sums and
provenance stay outside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

Provenance = Literal["measured", "integrated", "estimated"]


@dataclass(frozen=True, slots=True)
class Domain:
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


@dataclass(frozen=True, slots=True)
class Reading:
    """Joules of each domain since the source's own origin; never decreasing.

    Attributes:
        joules: domain -> joules.
        lost: domain -> why it can't be read (and since when). A lost domain is in no later
            `joules`: a failed read is never a number.
        flags: what a reader of the figure should know, e.g. foreign load.
    """

    joules: Mapping[str, float]
    lost: Mapping[str, str] = field(default_factory=dict)
    flags: tuple[str, ...] = ()


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
