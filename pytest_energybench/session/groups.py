"""Groups of tests that are compared: the baseline runs first, and is brought back if deselected."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from pytest_energybench.session.markers import group_of, is_baseline


def nodeid_of(item: pytest.Item) -> str:
    """The item's node id as it is without xdist, which adds the test's `xdist_group` to it.

    A file name that is no UTF-8 is part of it as escapes, as a run file holds it.
    """
    nodeid = item.nodeid
    if not nodeid.isascii():
        nodeid = nodeid.encode("utf-8", "backslashreplace").decode("utf-8")
    if "@" in nodeid and getattr(item.config.option, "loadgroup", False):
        names = sorted(
            {
                str(mark.args[0] if mark.args else mark.kwargs.get("name", "default"))
                for mark in item.iter_markers("xdist_group")
            }
        )
        return nodeid.removesuffix("@" + "_".join(names)) if names else nodeid
    return nodeid


def arrange(items: list[pytest.Item], collected: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Put each group's baseline before the group's first test, in place.

    A baseline that is not among `items` is looked for in `collected` (it was deselected by `-k`,
    `-m`, `--lf`) and then beside the group's tests in their file (it was left out by a node id).

    Returns:
        the baselines that were brought back.

    Raises:
        pytest.UsageError: a group has two baselines.
    """
    members: dict[str, list[pytest.Item]] = {}
    for item in items:
        name = group_of(item)
        if name is not None:
            members.setdefault(name, []).append(item)
    if not members:
        return []
    baselines = _baselines(items)
    missing = members.keys() - baselines.keys()
    brought: list[pytest.Item] = []
    if missing:
        deselected = _baselines(collected)
        for name in sorted(missing):
            baseline = deselected.get(name) or _beside(members[name], name)
            if baseline is not None:
                baselines[name] = baseline
                brought.append(baseline)
    items[:] = _baseline_first(items, baselines)
    return brought


def _baselines(items: Sequence[pytest.Item]) -> dict[str, pytest.Item]:
    found: dict[str, pytest.Item] = {}
    for item in items:
        if is_baseline(item) and (name := group_of(item)) is not None:
            if name in found and found[name].nodeid != item.nodeid:
                raise pytest.UsageError(
                    f"energy group {name!r} has two baselines: {found[name].nodeid}"
                    f" and {item.nodeid}; a group is compared with one"
                )
            found.setdefault(name, item)
    return found


def _beside(members: Sequence[pytest.Item], name: str) -> pytest.Item | None:
    """The group's baseline in the same file or class as a member that was asked for by node id."""
    parents = dict.fromkeys(member.parent for member in members if member.parent is not None)
    for parent in parents:
        if isinstance(parent, pytest.Collector):
            siblings = [node for node in parent.collect() if isinstance(node, pytest.Item)]
            baseline = _baselines(siblings).get(name)
            if baseline is not None:
                return baseline
    return None


def _baseline_first(
    items: Sequence[pytest.Item], baselines: dict[str, pytest.Item]
) -> Iterator[pytest.Item]:
    placed: set[str] = set()
    for item in items:
        name = group_of(item)
        baseline = baselines.get(name) if name is not None else None
        if baseline is None:
            yield item
            continue
        assert name is not None
        if name not in placed:
            placed.add(name)
            yield baseline
        if item is not baseline:
            yield item
