"""What a model may lose against another one: the rule that searches and trainings go by."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

ROUNDING = 1e-9
"""Room for the rounding of a division: a drop of exactly one point passes."""


class Count(Protocol):
    """The result of an evaluation, e.g. `training.evaluate.Score`.

    If the evaluation was broken off, the figures are of the images that it saw.
    """

    @property
    def correct(self) -> float:
        """Right answers."""

    @property
    def total(self) -> int:
        """Answers asked for."""

    @property
    def loss(self) -> float:
        """Their mean cross entropy in nats; asked for where a tolerance limits it."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """At most `drop` of accuracy (absolute, 0 to 1) and at most `rise` of the mean cross entropy
    (nats; that of 1 % of perplexity is ln 1.01) are lost."""

    drop: float
    rise: float = math.inf

    @classmethod
    def of(cls, drop: float, perplexity: float | None = None) -> Tolerance:
        """`perplexity` is the relative rise of it that is tolerated (0.01 is 1 %); None: any."""
        return cls(drop, math.inf if perplexity is None else math.log1p(perplexity))

    def keeps(self, score: Count, reference: Count) -> bool:
        """Whether `score` has lost no more than that against `reference`."""
        least = reference.correct / reference.total - self.drop - ROUNDING
        if score.correct / score.total < least:
            return False
        return self.rise == math.inf or score.loss <= reference.loss + self.rise + ROUNDING

    def most_wrong(self, reference: Count) -> int:
        """How many of the reference's answers may be wrong."""
        total = reference.total
        least = reference.correct / total - self.drop - ROUNDING
        return max(wrong for wrong in range(total + 1) if (total - wrong) / total >= least)

    def part(self, share: float) -> Tolerance:
        """That share of both."""
        return Tolerance(self.drop * share, self.rise * share)

    def at_most(self, other: Tolerance) -> Tolerance:
        """The narrower of both limits."""
        return Tolerance(min(self.drop, other.drop), min(self.rise, other.rise))

    def left(self, start: Count, now: Count) -> Tolerance:
        """What may still be lost by a model that began at `start` and is at `now`."""
        lost = start.correct / start.total - now.correct / now.total
        rose = 0.0 if self.rise == math.inf else now.loss - start.loss
        return Tolerance(max(0.0, self.drop - lost), max(0.0, self.rise - rose))
