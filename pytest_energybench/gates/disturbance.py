"""What was wrong with the rounds behind a figure: then it shows no change, whatever it is.

Other processes' work moves CPU seconds as well as the counters of a whole package, and only ever
adds. A window too short for its counter is off by the steps of that counter, either way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_energybench.base.flags import BUSY, SHORT, spoils


@dataclass(frozen=True, slots=True)
class Disturbance:
    """Why rounds decide nothing.

    Attributes:
        word: `machine busy` or `too short`.
        caution: the flag of the first such round, and how many rounds have one.
    """

    word: str
    caution: str


def disturbances(rounds: Sequence[Sequence[str]]) -> list[Disturbance]:
    """What disturbed the rounds; a busy machine goes before a short window.

    Args:
        rounds: the flags of each round.
    """
    if not any(rounds):
        return []
    return [found for word in (BUSY, SHORT) if (found := _disturbance(rounds, word))]


def _disturbance(rounds: Sequence[Sequence[str]], word: str) -> Disturbance | None:
    first = [next((flag for flag in flags if spoils(flag) == word), None) for flags in rounds]
    flags = [flag for flag in first if flag is not None]
    if not flags:
        return None
    where = "" if len(rounds) == 1 else f" in {len(flags)} of {len(rounds)} rounds"
    return Disturbance(word, f"caution: {flags[0]}{where}")
