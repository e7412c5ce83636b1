"""Which tests run, in which order, how often: decided once, when pytest has collected."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from pytest_energybench import groups
from pytest_energybench.groups import nodeid_of
from pytest_energybench.marks import budget_of, group_of

if TYPE_CHECKING:
    from pytest_energybench.results.model import Case, Host, Run

FIXTURE = "energy"


class Selection(NamedTuple):
    """What was decided about the collected tests; node ids throughout.

    Attributes:
        implicit: baselines that were deselected and brought back.
        whole: tests that carry a budget without using the fixture: metered as a whole.
        planned: metered tests that run, in order, each once.
        everything: all tests there are, deselected ones too.
        taken_over: finished cases of a run that was cut short, and the `hosts` they ran on.
        asked: where there are such, all metered tests of this run in order, those cases' too.
    """

    implicit: frozenset[str] = frozenset()
    whole: frozenset[str] = frozenset()
    planned: tuple[str, ...] = ()
    everything: frozenset[str] = frozenset()
    taken_over: tuple[Case, ...] = ()
    hosts: tuple[Host, ...] = ()
    asked: tuple[str, ...] = ()


last_key = pytest.StashKey[bool]()
selection_key = pytest.StashKey[Selection]()


def is_metered(item: pytest.Item) -> bool:
    """Whether the test uses the `energy` fixture, itself or through another."""
    return FIXTURE in getattr(item, "fixturenames", ())


def select(
    config: pytest.Config,
    items: list[pytest.Item],
    collected: Sequence[pytest.Item],
    *,
    head: Callable[[], Run],
) -> Selection:
    """Arrange `items` in place.

    Args:
        items: what pytest and other plugins left to run.
        collected: what there was before they deselected any.
        head: what this run's figures are figures of; asked for where one is to be resumed.

    Raises:
        pytest.UsageError: markers or options that can't be followed.
    """
    whole = frozenset(_meter_as_whole(collected))
    brought = groups.arrange(items, collected)
    _undo_deselection(config, brought)
    metered = [item for item in items if is_metered(item)]
    if not metered:
        return Selection(everything=frozenset(nodeid_of(item) for item in collected))
    from pytest_energybench.settings import EnergyOptions, check_meters

    check_meters(config)
    options = EnergyOptions.from_config(config)
    if options.shard is not None:
        _keep(config, items, _shard(items, options.shard))
    taken_over, hosts = _taken_over(options.journal, head, items) if options.resume else ((), ())
    if options.ray is not None:
        taken_over = _whole_groups(taken_over, items)
    done = {case.nodeid for case in taken_over}
    asked = tuple(nodeid_of(item) for item in items if is_metered(item)) if done else ()
    _keep(config, items, {nodeid_of(item) for item in items} - done)
    if options.rounds > 1:
        from pytest_energybench import rounds

        items[:] = rounds.repeat(
            items, options.rounds, is_metered=is_metered, group_of=group_of, last_key=last_key
        )
    return Selection(
        implicit=frozenset(nodeid_of(item) for item in brought),
        whole=whole,
        planned=tuple(once_each(nodeid_of(item) for item in items if is_metered(item))),
        everything=frozenset(nodeid_of(item) for item in [*collected, *brought]),
        taken_over=taken_over,
        hosts=hosts,
        asked=asked,
    )


def once_each(nodeids: Iterable[str]) -> list[str]:
    """Without repetitions, in the order of the last round, which runs forwards."""
    return list(dict.fromkeys(reversed(list(nodeids))))[::-1]


def _meter_as_whole(items: Sequence[pytest.Item]) -> list[str]:
    """Give the fixture to tests that carry a budget and don't ask for it."""
    found = []
    for item in items:
        if budget_of(item) is not None:
            names = getattr(item, "fixturenames", None)
            if names is not None and FIXTURE not in names:
                names.append(FIXTURE)
                found.append(nodeid_of(item))
    return found


def _shard(items: Sequence[pytest.Item], shard: tuple[int, int]) -> set[str]:
    from pytest_energybench.results.shard import take_shard

    named = {nodeid_of(item): group_of(item) for item in items}
    return set(take_shard(named.items(), *shard))


def _taken_over(
    path: Path, head: Callable[[], Run], items: Sequence[pytest.Item]
) -> tuple[tuple[Case, ...], tuple[Host, ...]]:
    """Good cases of the journal whose tests would run now, and the hosts they ran on.

    Raises:
        pytest.UsageError: the journal is damaged, or of a run whose figures are not alike.
    """
    from pytest_energybench.results.alike import differences
    from pytest_energybench.results.errors import ResultsError
    from pytest_energybench.results.journal import read_journal
    from pytest_energybench.results.storage import is_good

    if not os.path.exists(path):
        return (), ()
    try:
        earlier = read_journal(path).run
    except ResultsError as error:
        raise pytest.UsageError(f"--energy-resume: {error}; delete it to start anew") from None
    unlike = differences(head(), earlier, ignore=())
    if unlike:
        raise pytest.UsageError(
            f"--energy-resume: the run in {path} is another one ({'; '.join(unlike)});"
            " run with its settings, or delete it to start anew"
        )
    asked = {nodeid_of(item) for item in items}
    good = tuple(case for case in earlier.cases if case.nodeid in asked and is_good(case))
    return good, tuple(earlier.hosts)


def _whole_groups(cases: Sequence[Case], items: Sequence[pytest.Item]) -> tuple[Case, ...]:
    """Without the cases of a group that would be finished on another host than it began on."""
    done = {case.nodeid for case in cases}
    groups_left = {group_of(item) for item in items if nodeid_of(item) not in done}
    return tuple(case for case in cases if case.group is None or case.group not in groups_left)


def _keep(config: pytest.Config, items: list[pytest.Item], nodeids: set[str]) -> None:
    left_out = [item for item in items if nodeid_of(item) not in nodeids]
    if left_out:
        items[:] = [item for item in items if nodeid_of(item) in nodeids]
        config.hook.pytest_deselected(items=left_out)


def _undo_deselection(config: pytest.Config, brought: Sequence[pytest.Item]) -> None:
    """Baselines that were brought back do run: keep the terminal's count of deselected right."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    deselected = getattr(reporter, "stats", {}).get("deselected", [])
    for item in brought:
        if item in deselected:
            deselected.remove(item)
