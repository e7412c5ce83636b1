"""Experimental sources, one a file: read where they are asked for by name.

Each has `offer()`: what this machine has of the kind and how to have it read, None if nothing; and
`find(clock)`: the sources, and what is in the way of others. Each is written from the documentation
that it names, and tested at the boundary to what it reads.
"""

from __future__ import annotations

from typing import NamedTuple

from pytest_energybench.metering.clock import Clock
from pytest_energybench.metering.custom import CounterSource
from pytest_energybench.metering.errors import MeterError


class Offer(NamedTuple):
    """What this machine has, and is not read unless asked for.

    Attributes:
        what: the hardware.
        enable: the command or option that has it read.
        has: `gpu` where its domains are named as those of NVIDIA's GPUs are.
    """

    what: str
    enable: str
    has: str = ""


def unreadable(domain: str, why: str, source: str, clock: Clock) -> CounterSource:
    """A domain that is there and was asked for and can't be read: lost, not left out."""

    def joules() -> float:
        raise MeterError(why)

    return CounterSource(joules, domain, note=f"lost: {why}", source=source, clock=clock)
