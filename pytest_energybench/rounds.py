"""`--energy-rounds=N`: metered tests run N times, interleaved within their group, as one case."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence

import pytest


def repeat(
    items: Sequence[pytest.Item],
    rounds: int,
    *,
    is_metered: Callable[[pytest.Item], bool],
    group_of: Callable[[pytest.Item], str | None],
    last_key: pytest.StashKey[bool],
) -> Iterator[pytest.Item]:
    """The items with each metered one `rounds` times, each time with fresh function fixtures.

    A group runs forwards and backwards in turn (ABBA), so that what drifts slowly hits baseline
    and candidate alike. Its last round runs forwards, the baseline first: the others are judged in
    it, when all figures of the baseline are there.

    Args:
        last_key: set in each item's stash: whether it is the last round of its test.
    """
    members: dict[str, list[pytest.Item]] = {}
    for item in items:
        name = group_of(item)
        if name is not None and is_metered(item):
            members.setdefault(name, []).append(item)
    for item in items:
        if not is_metered(item):
            yield item
            continue
        name = group_of(item)
        group = [item] if name is None else members.pop(name, [])
        for number in range(rounds):
            last = number == rounds - 1
            forwards = (rounds - 1 - number) % 2 == 0
            for member in group if forwards else reversed(group):
                again = member if last else _again(member)
                again.stash[last_key] = last
                yield again


def _again(item: pytest.Item) -> pytest.Item:
    """The same test once more: same node id, nothing shared that an execution writes to."""
    again = copy.copy(item)
    again.stash = pytest.Stash()
    again.user_properties = []
    if isinstance(again, pytest.Function):
        again.funcargs = {}
        if again.cls is not None:  # pytest makes the class anew for a test that has none
            again.__dict__.pop("_instance", None)
            again.__dict__.pop("_obj", None)
        again._initrequest()  # as pytest itself does for an item that is run again
    return again
