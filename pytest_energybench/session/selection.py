"""Which tests run, in which order and how often; decided once after collection."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple

import pytest

from pytest_energybench.session import groups
from pytest_energybench.session.groups import nodeid_of
from pytest_energybench.session.markers import budget_of, group_of, has_budget
from pytest_energybench.session.role import role_of

FIXTURE = "energy"
OURS = "pytest_energybench.plugin"
"""The module that the fixture is defined in."""


class Selection(NamedTuple):
    """What was decided about the collected tests; node ids throughout.

    Attributes:
        asked: all metered tests of this run in order, each once.
        finished: those of them that a run which was cut short had finished: they don't run.
        everything: all tests there are, deselected ones too.
        implicit: baselines that were deselected and brought back.
        plain: tests of this run that don't ask for energy, as far as their arguments tell.
    """

    asked: tuple[str, ...] = ()
    finished: frozenset[str] = frozenset()
    everything: frozenset[str] = frozenset()
    implicit: frozenset[str] = frozenset()
    plain: frozenset[str] = frozenset()


selection_key = pytest.StashKey[Selection]()


def is_metered(item: pytest.Item) -> bool:
    """Whether the test uses the `energy` fixture, itself or through another, or has a budget."""
    return _uses_fixture(item) or has_budget(item)


def is_metered_whole(item: pytest.Item) -> bool:
    """Whether the test carries a budget without using the fixture: its whole call is metered."""
    return has_budget(item) and not _uses_fixture(item)


def _uses_fixture(item: pytest.Item) -> bool:
    """Whether `energy` is asked for and is ours: a project may have a fixture of that name."""
    if FIXTURE not in getattr(item, "fixturenames", ()):
        return False
    there = getattr(item, "_fixtureinfo", None)
    definitions = there.name2fixturedefs.get(FIXTURE, ()) if there is not None else ()
    for definition in reversed(definitions):
        if definition.func.__module__ == OURS:
            return True
        if FIXTURE not in definition.argnames:
            return False
    return False


def select(
    config: pytest.Config,
    items: list[pytest.Item],
    collected: Sequence[pytest.Item],
    *,
    finished: Callable[[], Collection[str]],
) -> Selection:
    """Arrange `items` in place.

    Args:
        items: what pytest and other plugins left to run.
        collected: what there was before they deselected any.
        finished: node ids that a run which was cut short had finished; asked for where it is to
            be resumed.

    Raises:
        pytest.UsageError: markers or options that can't be followed.
    """
    for item in collected:
        budget_of(item)  # a mistake in it is told before the work
    brought = groups.arrange(items, collected)
    _undo_deselection(config, brought)
    _keep_to_one_thread(config, items)
    everything = frozenset(nodeid_of(item) for item in [*collected, *brought])
    plain = frozenset(nodeid_of(item) for item in items if not is_metered(item))
    if not any(map(is_metered, items)):
        return Selection(everything=everything, plain=plain)
    from pytest_energybench.session.config import EnergyConfig, check_meters

    check_meters(config)
    options = EnergyConfig.of(config)
    if options.shard is not None:
        _keep(config, items, _shard(items, options.shard))
    asked = once_each(nodeid_of(item) for item in items if is_metered(item))
    done = set(asked).intersection(finished()) if options.resume else set()
    if not role_of(config).meters_here():
        done = _whole_groups(done, items)
    _keep(config, items, {nodeid_of(item) for item in items} - done)
    if options.rounds > 1:
        from pytest_energybench.session import rounds

        items[:] = rounds.repeat(items, options.rounds, is_metered=is_metered, group_of=group_of)
    return Selection(
        asked=tuple(asked),
        finished=frozenset(done),
        everything=everything,
        implicit=frozenset(nodeid_of(item) for item in brought),
        plain=plain,
    )


def _keep_to_one_thread(config: pytest.Config, items: Sequence[pytest.Item]) -> None:
    """pytest-run-parallel calls a test in many threads at once; their joules can't be separated."""
    if hasattr(config.option, "parallel_threads"):
        for item in filter(is_metered, items):
            item.add_marker(pytest.mark.thread_unsafe(reason="its energy is metered"))


def once_each(nodeids: Iterable[str]) -> list[str]:
    """Without repetitions, in the order of the last round, which runs forwards."""
    return list(dict.fromkeys(reversed(list(nodeids))))[::-1]


def _shard(items: Sequence[pytest.Item], shard: tuple[int, int]) -> set[str]:
    from pytest_energybench.results.shard import take_shard

    named = {nodeid_of(item): group_of(item) for item in items}
    return set(take_shard(named.items(), *shard))


def _whole_groups(done: set[str], items: Sequence[pytest.Item]) -> set[str]:
    """Without the tests of a group that would be finished on another host than it began on."""
    left = {group_of(item) for item in items if nodeid_of(item) not in done} - {None}
    return done - {nodeid_of(item) for item in items if group_of(item) in left}


def _keep(config: pytest.Config, items: list[pytest.Item], nodeids: set[str]) -> None:
    left_out = [item for item in items if nodeid_of(item) not in nodeids]
    if left_out:
        items[:] = [item for item in items if nodeid_of(item) in nodeids]
        config.hook.pytest_deselected(items=left_out)


def _undo_deselection(config: pytest.Config, brought: Sequence[pytest.Item]) -> None:
    """Correct the terminal's count of deselected tests: baselines that were brought back do run."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    deselected = getattr(reporter, "stats", {}).get("deselected", [])
    for item in brought:
        if item in deselected:
            deselected.remove(item)
