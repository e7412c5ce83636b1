"""What the table of watts per hardware thread consists of: a row for each generation.

The rows are in `cpu_rows.py`, made by `docs/make_estimates.py`. Those with `SPECpower_ssj2008` as
their source are medians over published results, package share, with supply and regulators, fans,
memory and board taken out. SPEC and SPECpower_ssj2008 are marks of the Standard Performance
Evaluation Corporation (spec.org/power_ssj2008).
"""

from __future__ import annotations

from typing import NamedTuple

VERSION = 3
"""Of the model: figures of two versions are not comparable. 1 was CPU seconds x TDP share; 2 had half
the idle power of servers."""

SPEC = "SPECpower_ssj2008"
CLASS_ERROR = 1.0
"""Relative error of a processor that stands for its class."""


class Row(NamedTuple):
    """A generation of processors.

    Attributes:
        title: for people.
        threads: hardware threads of the chip that the watts are of.
        watts: per thread with none, a tenth, half and all of them busy.
        memory: its kind.
        error: relative; 90 % of true figures lie no further from the model's.
        source: where the watts are from.
        machines: how many results.
    """

    title: str
    threads: int
    watts: tuple[float, float, float, float]
    memory: str
    error: float
    source: str
    machines: int = 0
