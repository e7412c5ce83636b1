"""The markers, and what they say."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

if TYPE_CHECKING:
    from pytest_energybench.gates.parse import EnergyLimit
    from pytest_energybench.results.model import Case

GROUP_MARK = "energy_group"
BASELINE_MARK = "energy_baseline"
BUDGET_MARK = "energy_budget"

RESOURCES = ("num_cpus", "num_gpus")
"""What a group may ask of the host that runs it, in Ray's words."""


def refuse_unknown_marks(config: pytest.Config, items: Iterable[pytest.Item]) -> None:
    """A misspelt marker would be a gate that judges nothing.

    Raises:
        pytest.UsageError: a test carries an `energy_*` marker that nobody has registered.
    """
    known = {GROUP_MARK, BASELINE_MARK, BUDGET_MARK}
    for item in items:
        for mark in item.iter_markers():
            if mark.name.startswith("energy_") and mark.name not in known:
                known |= {re.split(r"[(:]", line)[0].strip() for line in config.getini("markers")}
                if mark.name not in known:
                    raise pytest.UsageError(_unknown_mark(item.nodeid, mark.name))


def _unknown_mark(nodeid: str, name: str) -> str:
    import difflib

    marks = (GROUP_MARK, BASELINE_MARK, BUDGET_MARK)
    words = [mark.removeprefix("energy_") for mark in marks]
    near = difflib.get_close_matches(name.removeprefix("energy_"), words, 1)
    hint = f"did you mean energy_{near[0]}?" if near else f"there are {', '.join(marks)}"
    return (
        f"{nodeid}: unknown marker {name}: {hint} (A marker of your own is registered under"
        " `markers` in pytest's settings.)"
    )


def group_of(item: pytest.Item) -> str | None:
    """The name in the item's `energy_group` marker, as a run file holds it; None without one.

    Raises:
        pytest.UsageError: the marker has no name, or more than a name and numbers of resources.
    """
    mark = _mark(item, GROUP_MARK)
    if mark is None:
        return None
    if len(mark.args) != 1 or not isinstance(mark.args[0], str) or not mark.args[0]:
        raise pytest.UsageError(
            f"{item.nodeid}: {GROUP_MARK} takes one name,"
            f' e.g. @pytest.mark.{GROUP_MARK}("resnet18")'
        )
    unknown = [name for name in mark.kwargs if name not in RESOURCES]
    if unknown:
        raise pytest.UsageError(
            f"{item.nodeid}: {GROUP_MARK} takes one name, {'= and '.join(RESOURCES)}=,"
            f" not {', '.join(unknown)}"
        )
    for name, value in mark.kwargs.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e6:
            raise pytest.UsageError(
                f"{item.nodeid}: {GROUP_MARK} {name}={value!r}: a number of 0 or more"
            )
    group = str(mark.args[0])
    if group.isascii():
        return group
    from pytest_energybench.results.storable import text  # rarely needed

    return text(group)


def resources_of(item: pytest.Item) -> dict[str, float]:
    """What the item's `energy_group` marker, once `group_of` has read it, asks of the host."""
    mark = _mark(item, GROUP_MARK)
    return dict(mark.kwargs) if mark is not None else {}


def is_baseline(item: pytest.Item) -> bool:
    """Whether the item carries the `energy_baseline` marker."""
    return _mark(item, BASELINE_MARK) is not None


Limit = tuple[str, str, str, float]
"""Reference, quantity and unit of a limit, and the limit itself: joules, or what is tolerated."""


class MarkedBudget(NamedTuple):
    """What `@pytest.mark.energy_budget(...)` demands of its test.

    Attributes:
        max: of the whole test, or per functional unit.
        max_accuracy_drop: fraction, against the group's baseline.
        margin: relative increase over the group's baseline that is tolerated.
    """

    max: EnergyLimit | None = None
    max_accuracy_drop: float | None = None
    margin: float | None = None

    def limits(self) -> Iterator[Limit]:
        """Each of them."""
        if self.max is not None:
            yield "budget", "energy", self.max.unit, self.max.joules
        if self.max_accuracy_drop is not None:
            yield "group", "accuracy", "", self.max_accuracy_drop
        if self.margin is not None:
            yield "group", "energy", "", self.margin


def budget_of(item: pytest.Item) -> MarkedBudget | None:
    """The item's `energy_budget`, None without one; of several, each limit from the nearest.

    Raises:
        pytest.UsageError: an argument that the marker doesn't know, or that can't be read.
    """
    if not has_budget(item):
        return None
    from pytest_energybench.gates.parse import (
        QuantityError,
        parse_drop,
        parse_energy_limit,
        parse_margin,
    )

    readers: dict[str, Callable[[Any], Any]] = {
        "max": parse_energy_limit,
        "max_accuracy_drop": parse_drop,
        "margin": parse_margin,
    }
    place = f"{item.nodeid}: @pytest.mark.{BUDGET_MARK}"
    values: dict[str, Any] = {}
    for mark in item.iter_markers(BUDGET_MARK):
        unknown = [*map(repr, mark.args), *(name for name in mark.kwargs if name not in readers)]
        if unknown or not mark.kwargs:
            known = ", ".join(f"{name}=" for name in readers)
            instead = f", not {', '.join(unknown)}" if unknown else ""
            raise pytest.UsageError(f"{place} takes {known}{instead}")
        for name, value in mark.kwargs.items():
            try:
                values.setdefault(name, readers[name](value))
            except QuantityError as error:
                raise pytest.UsageError(f"{place} {name}: {error}") from None
    return MarkedBudget(**values)


def judged_limits(case: Case) -> list[Limit]:
    """The limits that a case was held against, as far as a marker can state them."""
    found: list[Limit] = []
    for each in case.comparisons:
        limit = each.limit if each.reference == "budget" else each.margin
        if each.judged is not None and limit is not None and not each.window:
            unit = each.unit if each.reference == "budget" else ""
            found.append((each.reference, each.quantity, unit, limit))
    return found


def states_no_more(item: pytest.Item, judged: Iterable[Limit]) -> bool:
    """Whether the item's `energy_budget` states nothing that is tighter than these limits."""
    marked = budget_of(item)
    if marked is None:
        return True
    least: dict[tuple[str, ...], float] = {}
    for *kind, limit in judged:
        least[tuple(kind)] = min(limit, least.get(tuple(kind), limit))
    stated = {tuple(kind): limit for *kind, limit in marked.limits()}
    return all(
        least.get(kind, inf) <= limit or (kind[0] == "group" and is_baseline(item))
        for kind, limit in stated.items()
    )


def why_no_baseline(group: str | None, baseline: Case | None) -> str | None:
    """Why there is nothing that a case of `group` could be compared with; None if there is.

    Args:
        baseline: the group's finished baseline, None if there is none.
    """
    if group is None:
        return (
            "this test belongs to no group, so it has no baseline;"
            f' mark it and its baseline with @pytest.mark.{GROUP_MARK}("name")'
        )
    if baseline is None:
        return (
            f"group {group!r} has no baseline in this run: no test of it with"
            f" @pytest.mark.{BASELINE_MARK} ran before this one"
        )
    if baseline.outcome != "passed":
        return (
            f"the baseline of group {group!r} has {baseline.outcome}, so there is nothing to"
            f" compare with: {baseline.nodeid}"
        )
    return None


def has_budget(item: pytest.Item) -> bool:
    """Whether the item carries the `energy_budget` marker."""
    return _mark(item, BUDGET_MARK) is not None


def _mark(item: pytest.Item, name: str) -> pytest.Mark | None:
    # Looking here first is a tenth of the cost, and most tests carry no mark of ours. Whoever adds
    # one to the item's own, as some conftests do, adds no keyword.
    if name in item.keywords or any(mark.name == name for mark in item.own_markers):
        return item.get_closest_marker(name)
    return None
