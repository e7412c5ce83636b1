"""What can go wrong, and what can't be had, in words for the person who asks for a meter."""

from __future__ import annotations

from pytest_energybench.base.text import sanitize
from pytest_energybench.exceptions import EnergyBenchError


class MeterError(EnergyBenchError, ValueError):
    """A meter was asked for that this machine or this version doesn't have."""


class LockTimeoutError(EnergyBenchError, TimeoutError):
    """Another window or other heavy work held the machine longer than we were willing to wait."""


class Problem(str):
    """Something that can't be metered: a line of text whose parts can be asked for.

    Attributes:
        what: the meter or device, e.g. `RAPL` or `GPU 0 (NVIDIA A100)`.
        why: what is in the way; names the file if there is one.
        remedy: a command or setting that mends it; empty if nothing does.
        absent: the machine shows nothing of the kind, so that nothing is missing.
    """

    what: str
    why: str
    remedy: str
    absent: bool

    def __new__(cls, what: str, why: str, remedy: str = "", *, absent: bool = False) -> Problem:
        what, why, remedy = sanitize(what), sanitize(why), sanitize(remedy)
        line = super().__new__(cls, f"{what}: {why}{'; ' if remedy else ''}{remedy}")
        line.what = what
        line.why = why
        line.remedy = remedy
        line.absent = absent
        return line
