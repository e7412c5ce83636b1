"""Functions that are metered whenever they are called, and windows told in one line."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, overload

from pytest_energybench.base.text import sanitize
from pytest_energybench.gates.figures import is_energy, provenance_word
from pytest_energybench.gates.quantities import energy, seconds
from pytest_energybench.measurement.calls import checked
from pytest_energybench.metering.default import measure
from pytest_energybench.metering.window import Window

__tracebackhide__ = True  # a user's mistake is shown at the user's line

P = ParamSpec("P")
R = TypeVar("R")


def say(window: Window) -> None:
    """Print a closed window as a line to standard error."""
    print(told(window), file=sys.stderr)


@overload
def metered(function: Callable[P, R], /) -> Callable[P, R]: ...


@overload
def metered(
    *, name: str = "", tell: Callable[[Window], object] | None = None
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...


def metered(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str = "",
    tell: Callable[[Window], object] | None = None,
) -> Callable[..., Any]:
    """Meter every call of a function: `@metered`, or `@metered(tell=windows.append)`.

    A coroutine function is metered while it is awaited, with what else runs meanwhile. A call that
    raises has no figure, and nothing is told of it.

    Args:
        name: of the windows; the function's own by default.
        tell: gets the closed window of each call; by default its joules are printed to standard
            error.

    Raises:
        TypeError: (when decorating) no function, or a generator function, whose work is done by
            whoever reads it; (when called) it returned work that is still to be done.
    """
    if function is None:
        return functools.partial(_metered, name=name, tell=tell or say)
    return _metered(function, name=name, tell=tell or say)


def _metered(
    function: Callable[..., Any], *, name: str, tell: Callable[[Window], object]
) -> Callable[..., Any]:
    kind = type(function).__name__
    if not callable(function) or isinstance(function, staticmethod | classmethod):
        above = kind in ("staticmethod", "classmethod")
        hint = f": put @{kind} above @metered" if above else ""
        raise TypeError(f"metered: a {kind} is no function{hint}")
    label = name or str(getattr(function, "__name__", type(function).__name__))
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError(
            f"metered: {label} is a generator, whose work is done where it is read: put"
            " `with measure():` around the loop"
        )
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def awaited(*args: Any, **kwargs: Any) -> Any:
            with measure(label) as window:
                made = await function(*args, **kwargs)
            tell(window)
            return made

        return awaited

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        with measure(label) as window:
            made = function(*args, **kwargs)
        checked(label, made)
        tell(window)
        return made

    return called


def told(window: Window) -> str:
    """A closed window in one line: joules, where they come from, seconds, and what to know."""
    took = seconds(window.duration_s)
    if is_energy(window.total_j):
        figure = f"{energy(window.total_j).text} ({provenance_word(window.provenance)}) in {took}"
    else:
        figure = f"energy is not known, {took}"
    line = "; ".join((f"{window.name or 'window'}: {figure}", *window.errors, *window.flags))
    return sanitize(line)


def _is_in_a_loop() -> bool:
    """Whether an event loop of this thread is running, as in a notebook."""
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def load_magic(ipython: Any) -> None:
    """Give an IPython the magic `%energy STATEMENT` and `%%energy [NAME]`, which meter a statement
    or a cell and print a line; one that raises fails the cell and has no figure."""
    from IPython.core.error import UsageError

    def magic(line: str, cell: str | None = None) -> None:
        name = "cell" if cell is None else line.strip() or "cell"
        code = line if cell is None else cell
        if _is_in_a_loop() and ipython.should_run_async(
            code, transformed_cell=ipython.transform_cell(code)
        ):
            raise UsageError(
                f"{name}: it awaits, and no magic can wait for that in a notebook: put"
                " `with measure() as window:` there"
            )
        with measure(name) as window:
            done = ipython.run_cell(code)
        if not done.success:
            raise UsageError(f"{name}: it raised, so its joules are no figure")
        print(told(window))

    ipython.register_magic_function(magic, magic_kind="line_cell", magic_name="energy")
