"""A measured call: rounds, warm-up, and enough iterations for a figure that can be trusted."""

from __future__ import annotations

import inspect
import math
import sys
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pytest_energybench.measurement import aggregate
from pytest_energybench.results.model import Window

if TYPE_CHECKING:
    from pytest_energybench.metering.idle import IdlePower
    from pytest_energybench.metering.meter import Meter

__tracebackhide__ = True  # a user's mistake is shown at the user's line

R = TypeVar("R")

MOST_ITERATIONS = 1_000_000

_WORKERS: Sequence[tuple[str, str, Callable[[Any], bool]]] = (
    ("subprocess", "Popen", lambda made: made.poll() is None),
    ("threading", "Thread", lambda made: made.is_alive()),
    ("multiprocessing.process", "BaseProcess", lambda made: made.is_alive()),
    ("multiprocessing.pool", "AsyncResult", lambda made: not made.ready()),
    ("multiprocessing.pool", "IMapIterator", lambda _: True),
)
"""Module, class, and whether one of its objects is still at work, as far as it can tell."""
MOST_LOOKED_AT = 1000
"""Of a list or tuple, so many entries are looked at for work that is still to be done."""


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
        for what, given in (("function", self.function), ("setup", self.setup or id)):
            if not callable(given):
                raise TypeError(f"energy(...): {given!r} is no {what}, it can't be called")
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
        made = checked("setup", self.setup(), is_input=True) if self.setup is not None else None
        if made is None:
            return self.args
        return (*self.args, *(made if isinstance(made, tuple) else (made,)))

    def run(self) -> R:
        """Call once, unmetered."""
        return checked(self.name, self.function(*self.prepare(), **self.kwargs))


def checked(name: str, made: R, *, is_input: bool = False) -> R:
    """What a call returned, unless its work is still to come.

    Args:
        is_input: it is what a setup returned; that may be read, or run on, while it is metered.

    Raises:
        TypeError: says what to pass instead.
    """
    what = type(made).__name__
    if inspect.isawaitable(made) or isinstance(made, AsyncGenerator):
        if inspect.iscoroutine(made):
            made.close()  # nobody is going to await it
        advice = (
            f"pass what runs it, e.g. `lambda: asyncio.run({name}())`; an async test puts"
            f" `await {name}()` into `with energy.measure():`"
        )
    elif _is_unentered(made):
        advice = f"pass what enters it, too: `with {name}(): ...`"
    elif isinstance(made, Generator | map | filter) or (not is_input and _is_lazy(made)):
        advice = f"pass what takes all it yields, e.g. `lambda: list({name}())`"
    elif not is_input and _works_on(made):
        advice = "pass what waits for its end, too"
    elif isinstance(made, Future):
        advice = f"pass what waits for it, e.g. `lambda: {name}().result()`"
    elif not is_input and _holds_work(made):
        what = f"{what} of work that is still to be done"
        advice = "pass what waits for all of it, too"
    else:
        return made
    raise TypeError(f"energy: {name} returned a {what}, so its work would not be metered: {advice}")


def _is_unentered(made: object) -> bool:
    """Whether a function under `@contextmanager` made it, and no `with` has run a line of it."""
    work = getattr(made, "gen", None)
    if isinstance(made, AbstractContextManager) and isinstance(work, Generator):
        return inspect.getgeneratorstate(work) == inspect.GEN_CREATED
    return isinstance(made, AbstractAsyncContextManager) and isinstance(work, AsyncGenerator)


def _is_lazy(made: object) -> bool:
    """Whether it is one of Python's own iterators, which work when somebody takes from them."""
    return isinstance(made, Iterator) and type(made).__module__ in ("builtins", "itertools", "_csv")


def _holds_work(made: object) -> bool:
    """Whether it is a list or tuple of coroutines, tasks, futures, threads or processes, one of
    which has not come to its end."""
    if type(made) not in (list, tuple):
        return False
    found = [each for each in made[:MOST_LOOKED_AT] if _waits(each)]  # type: ignore[index]
    for each in found:
        if inspect.iscoroutine(each):
            each.close()
    return bool(found)


def _waits(made: Any) -> bool:
    if isinstance(made, Future) or inspect.isawaitable(made):
        is_done = getattr(made, "done", None)
        return not (callable(is_done) and is_done())
    return _works_on(made)


def _works_on(made: Any) -> bool:
    """Whether it is a process, a thread or a pool's task that has not come to its end."""
    for module, kind, works in _WORKERS:
        there = sys.modules.get(module)  # where it was never imported, nobody has one
        if there is not None and isinstance(made, getattr(there, kind)):
            return works(made)
    return False


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
        more = meter.agree(more_iterations(call, meter, iterations, window))
        if more > iterations:
            iterations = more
            rounds.clear()
            continue
        rounds.append((window, iterations))
        if len(rounds) == call.rounds:
            return result, rounds


def metered_round(
    call: Call[R], meter: Meter, iterations: int, number: int, idle: IdlePower | None = None
) -> tuple[R, Window]:
    """One round of a call: what it returned last, and its window."""
    args, kwargs, function = call.prepare(), call.kwargs, call.function
    watch = meter.begin_round()
    with meter.measure(call.name) as window:
        for _ in range(iterations - 1):
            function(*args, **kwargs)
        result = function(*args, **kwargs)
    checked(call.name, result)
    record = aggregate.window_record(window, round=number, idle=idle)
    record.flags.extend(watch.flags() if watch is not None else ())
    return result, record


def interleaved_rounds(
    calls: Sequence[Call[Any]],
    meter: Meter,
    iterations: Sequence[int],
    *,
    rounds: int,
    idle: IdlePower | None = None,
) -> Iterator[tuple[int, Window]]:
    """The rounds of several calls, forwards and backwards in turn (ABBA), so that drift hits all.

    Yields:
        the call's place and the window of its round.
    """
    for number in range(rounds):
        places = range(len(calls))
        for place in places if number % 2 == 0 else reversed(places):
            _, window = metered_round(calls[place], meter, iterations[place], number, idle)
            yield place, window


def more_iterations(call: Call[R], meter: Meter, iterations: int, window: Window) -> int:
    """The iterations of the next attempt; the same where this window was long enough."""
    shortest_s = max((domain.least_s for domain in meter.domains), default=0.0)
    free = call.iterations is None and call.setup is None
    if not free or window.duration_s >= shortest_s:
        return iterations
    # A little more than linear, so that one more attempt is the rule.
    growth = max(2.0, 1.2 * shortest_s / max(window.duration_s, 1e-9))
    return min(MOST_ITERATIONS, math.ceil(iterations * growth))
