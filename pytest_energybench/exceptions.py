"""The base of all errors of this package."""

from __future__ import annotations

__all__ = ["EnergyBenchError"]


class EnergyBenchError(Exception):
    """Base of every error that this package raises on purpose; its text is meant for people.

    `except EnergyBenchError` catches what a user can mend: a meter that isn't there, a file that
    can't be read, a quantity without a unit, a training that diverged. What fails an assertion is
    an `AssertionError`, and what pytest itself refuses a `pytest.UsageError`.
    """
