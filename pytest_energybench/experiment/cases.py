"""The cases of an experiment: a test parametrized by method, the reference first and marked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import pytest

from pytest_energybench.experiment.rules import BASELINE, LISTS

Test = TypeVar("Test", bound=Callable[..., Any])


def methods(*names: str, group: str | None = None) -> Callable[[Test], Test]:
    """Run a test once for each method, as its argument `method`; all are one group.

    Args:
        names: methods, combinations such as `"pruning+steganographic"`, and the lists `"paper"`,
            `"controls"` and `"beyond"`. The baseline is always among them, since the others are
            compared with it.
        group: the group's name; by default that of the test, with its module.
    """

    def parametrized(test: Test) -> Test:
        name = group or f"{test.__module__}.{test.__qualname__}"
        cases = [case(each) for each in with_baseline(names or ("paper",))]
        for mark in (pytest.mark.parametrize("method", cases), pytest.mark.energy_group(name)):
            test = mark(test)
        return test

    return parametrized


def with_baseline(names: Sequence[str]) -> tuple[str, ...]:
    """`names` with the lists among them spelled out, each once, the baseline first."""
    chosen = (each for name in names for each in LISTS.get(name, (name,)))
    return tuple(dict.fromkeys((BASELINE, *chosen)))


def case(method: str, *before: str | int, marks: Sequence[Any] = ()) -> Any:
    """The parameters `before`, then `method`, marked where it is the reference of its group."""
    marks = [*marks, *([pytest.mark.energy_baseline] if method == BASELINE else [])]
    return pytest.param(*before, method, id="-".join(map(str, (*before, method))), marks=marks)
