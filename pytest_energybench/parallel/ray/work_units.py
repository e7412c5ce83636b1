"""Which tests go together into one task."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from pytest_energybench.session.collection import nodeid_of
from pytest_energybench.session.markers import RESOURCES, group_of, resources_of


@dataclass(frozen=True, slots=True)
class Unit:
    """Tests that one host runs in one process.

    Attributes:
        label: what it is called in messages.
        nodeids: node id -> how often it runs (once for each round).
        files: where the tests are.
        asked: what the group's marker asks for, in Ray's words; empty if it says nothing.
    """

    label: str
    nodeids: Mapping[str, int]
    files: tuple[str, ...]
    asked: Mapping[str, float] = field(default_factory=dict)

    @property
    def num_cpus(self) -> float:
        """Processors the task needs; one, unless the group says otherwise."""
        return self.asked.get("num_cpus", 1.0)

    @property
    def num_gpus(self) -> float:
        """GPUs the task needs, and sees."""
        return self.asked.get("num_gpus", 0.0)


def units_of(items: Sequence[pytest.Item], hosts: int) -> list[Unit]:
    """The items as units, in the order of their first tests.

    A group is one unit, whatever files its tests are in, and asks for the most that any of its
    tests asks for. The tests of a file that have no group are cut into a piece for each host, so
    that they neither start a process each nor wait for one host.

    Args:
        hosts: how many there are.
    """
    groups: dict[tuple[str, str], list[pytest.Item]] = {}
    for item in items:
        name = group_of(item)
        key = ("file", str(item.path)) if name is None else ("group", name)
        groups.setdefault(key, []).append(item)
    found: list[Unit] = []
    for (kind, name), members in groups.items():
        if kind == "group":
            found.append(_unit(f"group {name}", members))
        else:
            found += _pieces(members, hosts)
    return found


def _pieces(items: Sequence[pytest.Item], hosts: int) -> Iterator[Unit]:
    """Neighbours stay together: they may share fixtures of their module."""
    nodeids = list(dict.fromkeys(nodeid_of(item) for item in items))
    size = math.ceil(len(nodeids) / max(1, hosts))
    starts = range(0, len(nodeids), size)
    file = nodeids[0].partition("::")[0]
    for place, start in enumerate(starts, start=1):
        mine = set(nodeids[start : start + size])
        label = file if len(starts) == 1 else f"{file} ({place} of {len(starts)})"
        yield _unit(label, [item for item in items if nodeid_of(item) in mine])


def _unit(label: str, items: Sequence[pytest.Item]) -> Unit:
    asked = [resources_of(item) for item in items]
    return Unit(
        label=label,
        nodeids=Counter(nodeid_of(item) for item in items),
        files=tuple(dict.fromkeys(str(item.path) for item in items)),
        asked={
            name: max(each[name] for each in asked if name in each)
            for name in RESOURCES
            if any(name in each for each in asked)
        },
    )
