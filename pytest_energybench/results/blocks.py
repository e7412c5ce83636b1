"""Figures by block of a test text: tokens that follow each other are not independent, blocks are
nearly so."""

from __future__ import annotations

from typing import Final

from pytest_energybench.results.model import Case

ACCURACY: Final = "test accuracy by block"
LOSS: Final = "test loss by block"
"""Names of the curves that hold them, in one order in all cases of a text."""


def by_block(case: Case, name: str) -> tuple[float, ...]:
    """The figures of a case's only round, block after block; empty where there are none."""
    if len(case.rounds) != 1:
        return ()
    found = [each for each in case.series if each.name == name]
    return tuple(value for _, value in found[0].points) if len(found) == 1 else ()
