"""`energy.compare(candidate, baseline)`: two functions in one test, round by round in turn."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from pytest_energybench.gates.comparisons import judge_change
from pytest_energybench.gates.figures import Figures
from pytest_energybench.gates.parse import parse_margin
from pytest_energybench.measurement.calls import Call, interleaved_rounds, more_iterations
from pytest_energybench.results.model import Comparison, Provenance, Window

if TYPE_CHECKING:
    from pytest_energybench.metering.idle import IdlePower
    from pytest_energybench.metering.meter import Meter

__tracebackhide__ = True  # a user's mistake is shown at the user's line

Rounds = list[tuple[Window, int]]
"""One window per round, and the number of calls in it."""


@dataclass(frozen=True, slots=True)
class ABTest:
    """What a comparison of two functions has shown; assert on it.

    Attributes:
        candidate, baseline: joules per call of each round, in the order of the rounds.
        flags: what was said of the candidate's rounds, and of the baseline's.
    """

    candidate: tuple[float | None, ...]
    baseline: tuple[float | None, ...]
    provenance: Mapping[str, Provenance]
    flags: tuple[tuple[Sequence[str], ...], tuple[Sequence[str], ...]]
    _conclude: Callable[[Comparison], None] | None

    @classmethod
    def of(
        cls,
        ours: Rounds,
        theirs: Rounds,
        provenance: Mapping[str, Provenance],
        conclude: Callable[[Comparison], None] | None,
    ) -> ABTest:
        """What rounds made by `interleaved` have shown.

        Args:
            conclude: takes each comparison that is asserted; None asserts nothing.
        """
        return cls(
            joules_per_call(ours),
            joules_per_call(theirs),
            dict(provenance),
            (_flags(ours), _flags(theirs)),
            conclude,
        )

    def judge(self, margin: float = 0.0, *, must_fall: bool = False) -> Comparison:
        """The paired comparison of the rounds.

        Args:
            margin: relative increase that is tolerated (0.03 is 3 %).
            must_fall: the candidate has to need less; as much does not hold then.
        """
        return judge_change(
            Figures(None, self.candidate, self.provenance, flags=self.flags[0]),
            Figures(None, self.baseline, self.provenance, flags=self.flags[1]),
            name="the baseline",
            margin=margin,
            must_fall=must_fall,
        )

    def assert_lower(self) -> None:
        """The candidate needs less energy than the baseline, beyond chance.

        Raises:
            AssertionError: it needs more, or the rounds can't tell.
        """
        if self._conclude is not None:
            self._conclude(self.judge(must_fall=True))

    def assert_within(self, margin: str | float) -> None:
        """The candidate needs at most `margin` ("3 %" or 0.03) more than the baseline.

        Raises:
            AssertionError: it needs more, or the rounds can't tell.
            QuantityError: the margin can't be read.
        """
        allowed = parse_margin(margin)
        if self._conclude is not None:
            self._conclude(self.judge(allowed))


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
    calls, iterations = (theirs, ours), [1, 1]
    while True:
        made: tuple[Rounds, Rounds] = [], []
        for place, window in interleaved_rounds(calls, meter, iterations, rounds=rounds, idle=idle):
            more = meter.agree(more_iterations(calls[place], meter, iterations[place], window))
            if more > iterations[place]:  # all begin anew: the rounds of a pair are alike
                iterations[place] = more
                break
            made[place].append((window, iterations[place]))
        else:
            return made[1], made[0]


def joules_per_call(rounds: Rounds) -> tuple[float | None, ...]:
    """IT energy of one call in each round, None if it is not known."""
    return tuple(
        None if window.total_j is None else window.total_j / iterations
        for window, iterations in rounds
    )


def _flags(rounds: Rounds) -> tuple[Sequence[str], ...]:
    return tuple(window.flags for window, _ in rounds)


def beside(rounds: Rounds) -> list[Window]:
    """The baseline's windows, which are no part of the case's energy."""
    return [msgspec.structs.replace(window, place="beside") for window, _ in rounds]
