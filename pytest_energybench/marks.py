"""The markers, and what they say."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

GROUP_MARK = "energy_group"
BASELINE_MARK = "energy_baseline"
BUDGET_MARK = "energy_budget"

RESOURCES = ("num_cpus", "num_gpus")
"""What a group may ask of the host that runs it, in Ray's words."""


def group_of(item: pytest.Item) -> str | None:
    """The name in the item's `energy_group` marker, None without one.

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
    return str(mark.args[0])


def resources_of(item: pytest.Item) -> dict[str, float]:
    """What the item's `energy_group` marker, once `group_of` has read it, asks of the host."""
    mark = _mark(item, GROUP_MARK)
    return dict(mark.kwargs) if mark is not None else {}


def is_baseline(item: pytest.Item) -> bool:
    """Whether the item carries the `energy_baseline` marker."""
    return _mark(item, BASELINE_MARK) is not None


class MarkedBudget(NamedTuple):
    """What `@pytest.mark.energy_budget(...)` demands of its test.

    Attributes:
        max: joules.
        max_accuracy_drop: fraction, against the group's baseline.
        margin: relative increase over the group's baseline that is tolerated.
    """

    max: float | None = None
    max_accuracy_drop: float | None = None
    margin: float | None = None


def budget_of(item: pytest.Item) -> MarkedBudget | None:
    """The item's `energy_budget`, None without one.

    Raises:
        pytest.UsageError: an argument that the marker doesn't know, or that can't be read.
    """
    mark = _mark(item, BUDGET_MARK)
    if mark is None:
        return None
    from pytest_energybench.gates.quantity import QuantityError, parse_energy, parse_fraction

    readers = {"max": parse_energy, "max_accuracy_drop": parse_fraction, "margin": parse_fraction}
    place = f"{item.nodeid}: @pytest.mark.{BUDGET_MARK}"
    unknown = [*map(repr, mark.args), *(name for name in mark.kwargs if name not in readers)]
    if unknown or not mark.kwargs:
        known = ", ".join(f"{name}=" for name in readers)
        instead = f", not {', '.join(unknown)}" if unknown else ""
        raise pytest.UsageError(f"{place} takes {known}{instead}")
    values: dict[str, Any] = {}
    for name, value in mark.kwargs.items():
        try:
            values[name] = readers[name](value)
        except QuantityError as error:
            raise pytest.UsageError(f"{place} {name}: {error}") from None
    return MarkedBudget(**values)


def _mark(item: pytest.Item, name: str) -> pytest.Mark | None:
    # Looking into the keywords first is a tenth of the cost, and most tests carry no mark of ours.
    return item.get_closest_marker(name) if name in item.keywords else None
