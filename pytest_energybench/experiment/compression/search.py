"""One search for all methods: the furthest level of compression that still passes.

Accuracy falls with the level nearly, but not strictly, monotonely: it wobbles by a few images. So
the engine keeps a bracket with fixed ends, never trusts an order between single probes, and the
answer it gives always has both sides evaluated: it passes, the next level fails. Where the curve
crosses the threshold once, that is the answer of the exhaustive scan. The scan itself is there as
well, and stops at the first failure as the paper's does.

What passes is evaluated on all images. What fails is evaluated until it has: one more wrong image
than a level may have decides, and the accuracy that is left to it is kept as the most it can be.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace

from pytest_energybench.experiment.compression.tolerance import Count, Tolerance
from pytest_energybench.experiment.training.errors import SettingError
from pytest_energybench.experiment.training.progress import SILENT, Progress

STRATEGIES = ("bisection", "exhaustive", "per-layer")
"""`per-layer` is another search in low-rank factorization only, and bisection everywhere else;
`exhaustive` is there the paper's scan of every layer's ranks."""


Evaluate = Callable[[int, int | None], Count]
"""From a level, and the most images that it may have wrong, to the accuracy there, on the full
validation split; once more are wrong than may be, it may see what it likes of the rest. None: all
in any case."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One evaluation: `correct` of `total` images seen, of `split` that there are."""

    level: int
    correct: float
    total: int
    split: int

    @classmethod
    def of(cls, level: int, score: Count, split: int | None = None) -> Probe:
        """A probe with that score; `split` is its own total unless it was broken off."""
        return cls(level, score.correct, score.total, split or score.total)

    @property
    def whole(self) -> bool:
        """Whether it saw all images."""
        return self.total == self.split

    @property
    def accuracy(self) -> float:
        """0 to 1; of an evaluation that was broken off the most that it can be."""
        return (self.correct + self.split - self.total) / self.split


@dataclass(frozen=True, slots=True)
class Search:
    """What a search found and what it took.

    `found` passes and `found + 1` fails, both evaluated; without a failing level `found` is the
    last one. `curve` holds the probed points by level. `evaluations` are all passes over
    validation, those broken off included; `images` counts all that were looked at, on training too,
    and `seconds` all that the method had to do to find it, what comes before the first level
    included.
    `reference_evaluations` is what the paper's linear scan takes to the same answer; None if the
    paper has none.
    """

    parameter: str
    found: int
    curve: tuple[Probe, ...]
    evaluations: int
    images: int
    seconds: float
    reference_evaluations: int | None

    def since(self, began: float) -> Search:
        """The same search, as one that was begun at `began`, a time of `time.monotonic`."""
        return replace(self, seconds=time.monotonic() - began)


def search(
    parameter: str,
    last: int,
    evaluate: Evaluate,
    tolerance: Tolerance,
    *,
    strategy: str = "bisection",
    state: Callable[[int], Hashable] | None = None,
    whole: bool = False,
    progress: Progress = SILENT,
) -> Search:
    """Find the largest level in 0 to `last` that loses no more than `tolerance`.

    Level 0 is the uncompressed model and the reference, and counts as an evaluation. No level is
    evaluated twice, nor are two levels of which `state` says that they give the same model. With
    `whole`, and by the scan, every one is evaluated on all images. `progress` hears of each
    evaluation.
    Raises SettingError for an unknown strategy.
    """
    if strategy not in STRATEGIES:
        raise SettingError(f"unknown search {strategy!r}: choose one of {', '.join(STRATEGIES)}")
    began = time.monotonic()
    scans = strategy == "exhaustive"
    told = _told(evaluate, _expected(last, strategy), progress)
    known = _Cached(told, tolerance, state, whole=whole or scans)
    found = _scan(last, known) if scans else _bisect(last, known)
    curve = tuple(sorted(known.probes.values(), key=lambda probe: probe.level))
    return Search(
        parameter=parameter,
        found=found,
        curve=curve,
        evaluations=known.evaluations,
        images=known.images,
        seconds=time.monotonic() - began,
        # The reference, every level up to the answer, and the one that fails.
        reference_evaluations=min(found + 1, last) + 1,
    )


def _expected(last: int, strategy: str) -> str:
    """The expected number of evaluations, in words: the reference's and those of the strategy."""
    if strategy == "exhaustive":
        return f"at most {last + 1}"
    return f"~{1 + math.ceil(math.log2(last + 1))}"


def _told(evaluate: Evaluate, expected: str, progress: Progress) -> Evaluate:
    """The same evaluation, which tells `progress` how many there were."""
    done = 0

    def counted(level: int, wrong: int | None) -> Count:
        nonlocal done
        score = evaluate(level, wrong)
        done += 1
        progress(f"{done} of {expected} evaluations")
        return score

    return counted


class _Cached:
    """Evaluations, one for each state of the model, and whether they pass."""

    def __init__(
        self,
        evaluate: Evaluate,
        tolerance: Tolerance,
        state: Callable[[int], Hashable] | None,
        whole: bool,
    ) -> None:
        self._evaluate = evaluate
        self._tolerance = tolerance
        self._state = state or (lambda level: level)
        self._scores: dict[Hashable, Count] = {}
        self.probes: dict[int, Probe] = {}
        self._most_wrong: int | None = None
        self._probe(0)
        self._reference = self._scores[self._state(0)]
        if not whole:
            self._most_wrong = tolerance.most_wrong(self._reference)

    @property
    def evaluations(self) -> int:
        return len(self._scores)

    @property
    def images(self) -> int:
        return sum(score.total for score in self._scores.values())

    def __call__(self, level: int) -> bool:
        if level not in self.probes:
            self._probe(level)
        # One that was broken off had more wrong than may be.
        score = self._scores[self._state(level)]
        return self.probes[level].whole and self._tolerance.keeps(score, self._reference)

    def _probe(self, level: int) -> None:
        state = self._state(level)
        if state not in self._scores:
            self._scores[state] = self._evaluate(level, self._most_wrong)
        split = self._reference.total if level else None
        self.probes[level] = Probe.of(level, self._scores[state], split)


def _bisect(last: int, check: Callable[[int], bool]) -> int:
    """The found level; the bracket (passing, failing) begins as (0, last + 1).

    `last + 1` is beyond what can be evaluated and fails by definition.
    """
    passing, failing = 0, last + 1
    while failing - passing > 1:
        level = (passing + failing) // 2
        if check(level):
            passing = level
        else:
            failing = level
    return passing


def _scan(last: int, check: Callable[[int], bool]) -> int:
    """Level after level until the first that fails, as the paper does it."""
    level = 0
    while level < last and check(level + 1):
        level += 1
    return level


def with_full_curve(
    found: Search, last: int, evaluate: Evaluate, progress: Progress = SILENT
) -> Search:
    """The search with the levels up to `last` that it had no need of, for figures.

    `evaluations` stays what the answer took.
    """
    known = {probe.level: probe for probe in found.curve}
    further = set(range(last + 1)) - known.keys()
    told = _told(evaluate, f"{len(further)} further", progress)
    for level in further:
        known[level] = Probe.of(level, told(level, None))
    curve = tuple(known[level] for level in sorted(known))
    more = sum(probe.total for probe in curve) - sum(probe.total for probe in found.curve)
    return replace(found, curve=curve, images=found.images + more)
