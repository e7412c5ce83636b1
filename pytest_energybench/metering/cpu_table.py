"""What the table of watts per hardware thread consists of: a row for each generation.

The rows are in `cpu_rows.py`, made by `docs/make_estimates.py`. Those with `SPECpower_ssj2008` as
their source are medians over published results, package share, with supply and regulators, fans,
memory and board taken out. SPEC and SPECpower_ssj2008 are marks of the Standard Performance
Evaluation Corporation (spec.org/power_ssj2008).
"""

from __future__ import annotations

from typing import NamedTuple

VERSION = 3
"""Of the model: figures of two versions are not comparable. 1 was CPU seconds x TDP share; 2 had
its public curves a load late."""

SPEC = "SPECpower_ssj2008"
IDLE_THREADS_POWER = 0.2
"""A chip's idle watts go by this power of the number of its threads. Within the generations of
SPEC's results the exponent is 0.29 for Xeons, -0.09 for EPYCs and 0.27 for desktops."""
CLASS_ERROR = 1.0
"""Relative error of a processor that stands for its class."""


class Row(NamedTuple):
    """A generation of processors.

    Attributes:
        title: for people.
        threads: hardware threads of the chip that the watts are of.
        watts: per thread with none, a tenth, half and all of them busy.
        memory: its kind.
        threads_power: a chip's watts above idle go by this power of the number of its threads.
        error: relative; 90 % of true figures lie no further from the model's.
        source: where the watts are from.
        machines: how many results.
    """

    title: str
    threads: int
    watts: tuple[float, float, float, float]
    memory: str
    threads_power: float
    error: float
    source: str
    machines: int = 0

    def of_chips(self, threads: float, chip_threads: float) -> tuple[float, float, float, float]:
        """Watts at the four loads of chips of so many threads each, which have `threads` in all."""
        ratio, own = chip_threads / self.threads, self.threads * threads / chip_threads
        idle_w = own * ratio**IDLE_THREADS_POWER * self.watts[0]
        per_w = own * ratio**self.threads_power
        b, c, d = (idle_w + per_w * (each - self.watts[0]) for each in self.watts[1:])
        return idle_w, b, c, d
