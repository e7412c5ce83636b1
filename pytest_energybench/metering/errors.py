"""What can go wrong for the person who asks for a meter."""

from __future__ import annotations


class MeterError(ValueError):
    """A meter was asked for that this machine or this version doesn't have."""


class LockTimeoutError(TimeoutError):
    """Another window or other heavy work held the machine longer than we were willing to wait."""
