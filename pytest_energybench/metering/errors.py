"""What can go wrong, and what can't be had, in words for the person who asks for a meter."""

from __future__ import annotations


class MeterError(ValueError):
    """A meter was asked for that this machine or this version doesn't have."""


class LockTimeoutError(TimeoutError):
    """Another window or other heavy work held the machine longer than we were willing to wait."""


class Problem(str):
    """Something that can't be metered: a line of text whose parts can be asked for.

    Attributes:
        what: the meter or device, e.g. `RAPL` or `GPU 0 (NVIDIA A100)`.
        why: what is in the way; names the file where there is one.
        remedy: a command or setting that mends it; empty where nothing does.
    """

    what: str
    why: str
    remedy: str

    def __new__(cls, what: str, why: str, remedy: str = "") -> Problem:
        line = super().__new__(cls, f"{what}: {why}{'; ' if remedy else ''}{remedy}")
        line.what = what
        line.why = why
        line.remedy = remedy
        return line
