"""A measured call: rounds, warm-up, and enough iterations for a figure that can be trusted."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pytest_energybench.cases import assembly
from pytest_energybench.results.model import Window

if TYPE_CHECKING:
    from pytest_energybench.metering.idle import IdlePower
    from pytest_energybench.metering.meter import Meter

R = TypeVar("R")

ENOUGH_PERIODS = 20
"""Update periods of the slowest counter in a window: the edges then add at most 5 % of error."""

MOST_ITERATIONS = 1_000_000


@dataclass(frozen=True, slots=True)
class Call(Generic[R]):
    """A function with how often it is to be called.

    Attributes:
        setup: called before each round, outside the window; see `Energy.__call__`.
        iterations: calls per round; None finds out how many are enough.
    """

    function: Callable[..., R]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    setup: Callable[[], Any] | None = None
    rounds: int = 1
    warmup: int = 0
    iterations: int | None = None

    def __post_init__(self) -> None:
        for name, least in (("rounds", 1), ("warmup", 0), ("iterations", 1)):
            value = getattr(self, name)
            if value is None and name == "iterations":
                continue
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ValueError(f"energy(..., {name}={value!r}): a whole number, {least} or more")
        if self.setup is not None and (self.iterations or 1) > 1:
            raise ValueError(
                f"energy(..., setup=..., iterations={self.iterations}): setup runs once a round,"
                " so its round can hold one call only"
            )

    @property
    def name(self) -> str:
        return str(getattr(self.function, "__name__", type(self.function).__name__))

    def prepare(self) -> tuple[Any, ...]:
        """The arguments of the next round: the given ones and what `setup` returned."""
        made = self.setup() if self.setup is not None else None
        if made is None:
            return self.args
        return (*self.args, *(made if isinstance(made, tuple) else (made,)))

    def run(self) -> R:
        """Call once, unmetered."""
        return self.function(*self.prepare(), **self.kwargs)


def metered_rounds(
    call: Call[R], meter: Meter, idle: IdlePower | None = None
) -> tuple[R, list[tuple[Window, int]]]:
    """Make the call's rounds, each in a window of its own.

    Args:
        idle: subtracted from each window where given.

    Returns:
        what the last call returned, and each round's window with its number of iterations.
    """
    for _ in range(call.warmup):
        call.run()
    iterations = call.iterations or 1
    rounds: list[tuple[Window, int]] = []
    while True:
        result, window = metered_round(call, meter, iterations, len(rounds), idle)
        more = meter.agree(_more_iterations(call, meter, iterations, window))
        if more > iterations:
            iterations = more
            rounds.clear()
            continue
        rounds.append((window, iterations))
        if len(rounds) == call.rounds:
            return result, rounds


def enough_iterations(call: Call[R], meter: Meter) -> int:
    """Calls per round that make a window long enough for the slowest counter; tries them out."""
    iterations = call.iterations or 1
    while call.iterations is None and call.setup is None:
        _, window = metered_round(call, meter, iterations, 0)
        more = meter.agree(_more_iterations(call, meter, iterations, window))
        if more == iterations:
            break
        iterations = more
    return iterations


def metered_round(
    call: Call[R], meter: Meter, iterations: int, number: int, idle: IdlePower | None = None
) -> tuple[R, Window]:
    """One round of a call: what it returned last, and its window."""
    args, kwargs, function = call.prepare(), call.kwargs, call.function
    with meter.measure(call.name) as window:
        for _ in range(iterations - 1):
            function(*args, **kwargs)
        result = function(*args, **kwargs)
    return result, assembly.window_record(window, round=number, idle=idle)


def _more_iterations(call: Call[R], meter: Meter, iterations: int, window: Window) -> int:
    """The iterations of the next attempt; the same where this window was long enough."""
    periods = [domain.period_s or 0.0 for domain in meter.domains]
    shortest_s = ENOUGH_PERIODS * max(periods, default=0.0)
    free = call.iterations is None and call.setup is None
    if not free or window.duration_s >= shortest_s:
        return iterations
    # A little more than linear, so that one more attempt is the rule.
    growth = max(2.0, 1.2 * shortest_s / max(window.duration_s, 1e-9))
    return min(MOST_ITERATIONS, math.ceil(iterations * growth))
