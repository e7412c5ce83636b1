"""`energy.compare(candidate, baseline)`: two functions in one test, round by round in turn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from pytest_energybench.cases.calls import Call, enough_iterations, metered_round
from pytest_energybench.gates.energy import judge_baseline
from pytest_energybench.gates.figures import Figures
from pytest_energybench.gates.quantity import parse_fraction
from pytest_energybench.results.model import Comparison, Provenance, Window

if TYPE_CHECKING:
    from pytest_energybench.metering.idle import IdlePower
    from pytest_energybench.metering.meter import Meter

Rounds = list[tuple[Window, int]]
"""One window per round, and the number of calls in it."""


@dataclass(frozen=True, slots=True)
class ABTest:
    """What a comparison of two functions has shown; assert on it.

    Attributes:
        candidate, baseline: joules per call of each round, in the order of the rounds.
    """

    candidate: tuple[float | None, ...]
    baseline: tuple[float | None, ...]
    provenance: dict[str, Provenance]
    _conclude: Callable[[Comparison, bool], None] | None

    def judge(self, margin: float = 0.0) -> Comparison:
        """The paired comparison of the rounds; `margin` is a relative increase (0.03 is 3 %)."""
        return judge_baseline(
            Figures(None, self.candidate, self.provenance),
            Figures(None, self.baseline, self.provenance),
            margin=margin,
        )

    def assert_lower(self) -> None:
        """The candidate needs less energy than the baseline, beyond chance.

        Raises:
            AssertionError: it needs more, or the rounds can't tell.
        """
        __tracebackhide__ = True
        if self._conclude is not None:
            self._conclude(self.judge(), True)

    def assert_within(self, margin: str | float) -> None:
        """The candidate needs at most `margin` ("3 %" or 0.03) more than the baseline.

        Raises:
            AssertionError: it needs more, or the rounds can't tell.
            QuantityError: the margin can't be read.
        """
        __tracebackhide__ = True
        allowed = parse_fraction(margin)
        if self._conclude is not None:
            self._conclude(self.judge(allowed), False)


def interleaved(
    candidate: Callable[..., Any],
    baseline: Callable[..., Any],
    meter: Meter,
    *,
    rounds: int,
    warmup: int,
    setup: Callable[[], Any] | None,
    idle: IdlePower | None = None,
) -> tuple[Rounds, Rounds]:
    """Meter both functions, baseline first and last in turn (ABBA), so that drift hits both.

    Returns:
        the rounds of the candidate and those of the baseline.
    """
    ours = Call(candidate, (), {}, setup=setup, rounds=rounds, warmup=warmup)
    theirs = Call(baseline, (), {}, setup=setup, rounds=rounds, warmup=warmup)
    for _ in range(warmup):
        theirs.run()
        ours.run()
    calls = {id(call): enough_iterations(call, meter) for call in (theirs, ours)}
    made: dict[int, Rounds] = {id(ours): [], id(theirs): []}
    for number in range(rounds):
        for call in (theirs, ours) if number % 2 == 0 else (ours, theirs):
            iterations = calls[id(call)]
            _, window = metered_round(call, meter, iterations, number, idle)
            made[id(call)].append((window, iterations))
    return made[id(ours)], made[id(theirs)]


def joules_per_call(rounds: Rounds) -> tuple[float | None, ...]:
    """IT energy of one call in each round, None where it is not known."""
    return tuple(
        None if window.total_j is None else window.total_j / iterations
        for window, iterations in rounds
    )


def beside(rounds: Rounds) -> list[Window]:
    """The baseline's windows, which are no part of the case's energy."""
    return [msgspec.structs.replace(window, place="beside") for window, _ in rounds]
