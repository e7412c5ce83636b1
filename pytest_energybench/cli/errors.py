"""Errors that a user of the command line can fix."""

from __future__ import annotations

from pytest_energybench.exceptions import EnergyBenchError


class CommandError(EnergyBenchError):
    """What a user can mend; the message is a line or two."""
