"""Which tests run, in which order and how often; decided once after collection.

A group's baseline runs first, and is brought back if it was deselected. With `--energy-rounds=N`
metered tests run N times, interleaved within their group, as one case; pytest shows every round
and counts cases.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import pytest
from _pytest.runner import runtestprotocol

from pytest_energybench.session.config import EnergyConfig, check_meters
from pytest_energybench.session.markers import (
    Limit,
    budget_of,
    group_of,
    has_budget,
    is_baseline,
    states_no_more,
)
from pytest_energybench.session.role import role_of

FIXTURE = "energy"
OURS = "pytest_energybench.plugin"
"""The module that the fixture is defined in."""

ROUND_ATTRIBUTE = "energy_round"
"""Attribute of the reports of a round that is not its test's last: its number, from 0."""

_STOPPED = "energy: an earlier round of this test failed"

last_key = pytest.StashKey[bool]()
"""In an item's stash: whether it is the last round of its test."""

number_key = pytest.StashKey[int]()
"""In an item's stash: the number of its round, from 0."""


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


def nodeid_of(item: pytest.Item) -> str:
    """The item's node id as it is without xdist, which adds the test's `xdist_group` to it.

    A file name that is no UTF-8 is part of it as escapes, as a run file holds it.
    """
    nodeid = item.nodeid
    if not nodeid.isascii():
        from pytest_energybench.results.storable import text  # rarely needed

        nodeid = text(nodeid)
    if "@" in nodeid and getattr(item.config.option, "loadgroup", False):
        names = sorted(
            {
                str(mark.args[0] if mark.args else mark.kwargs.get("name", "default"))
                for mark in item.iter_markers("xdist_group")
            }
        )
        return nodeid.removesuffix("@" + "_".join(names)) if names else nodeid
    return nodeid


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
    finished: Callable[[], Mapping[str, Collection[Limit]]],
) -> Selection:
    """Arrange `items` in place.

    Args:
        items: what pytest and other plugins left to run.
        collected: what there was before they deselected any.
        finished: node ids that a run which was cut short had finished, with the limits that they
            were held against; asked for where it is to be resumed.

    Raises:
        pytest.UsageError: markers or options that can't be followed.
    """
    for item in collected:
        budget_of(item)  # a mistake in it is told before the work
    _refuse_namesakes(config, items)
    brought = _arrange_groups(items, collected)
    _undo_deselection(config, brought)
    _keep_to_one_thread(config, items)
    everything = frozenset(nodeid_of(item) for item in [*collected, *brought])
    plain = frozenset(nodeid_of(item) for item in items if not is_metered(item))
    if not any(map(is_metered, items)):
        return Selection(everything=everything, plain=plain)
    check_meters(config)
    options = EnergyConfig.of(config)
    if options.shard is not None:
        _keep(config, items, _shard(items, options.shard))
    asked = once_each(nodeid_of(item) for item in items if is_metered(item))
    there = finished() if options.resume else {}
    done = {
        nodeid
        for item in items
        if (nodeid := nodeid_of(item)) in there
        and is_metered(item)
        and states_no_more(item, there[nodeid])
    }
    done -= _to_compare_anew(done, there, items)
    if not role_of(config).meters_here():
        done = _whole_groups(done, items)
    _keep(config, items, {nodeid_of(item) for item in items} - done)
    if options.rounds > 1:
        items[:] = _repeated(items, options.rounds)
    return Selection(
        asked=tuple(asked),
        finished=frozenset(done),
        everything=everything,
        implicit=frozenset(nodeid_of(item) for item in brought),
        plain=plain,
    )


def _refuse_namesakes(config: pytest.Config, items: Iterable[pytest.Item]) -> None:
    """Executions of one node id are rounds of one case, judged on their median: tests that only
    share the name would hide each other's joules."""
    seen: dict[str, pytest.Item] = {}
    for item in filter(is_metered, items):
        other = seen.setdefault(nodeid_of(item), item)
        if other is item or config.getoption("keepduplicates"):
            continue
        line = item.location[1]
        if line is None or (item.path, line) != (other.path, other.location[1]):
            raise pytest.UsageError(
                f"two metered tests are called {nodeid_of(item)}, so their figures would be one"
                " case's: give each a name of its own"
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
    from pytest_energybench.results.merge import take_shard

    named = {nodeid_of(item): group_of(item) for item in items}
    return set(take_shard(named.items(), *shard))


def _to_compare_anew(
    done: set[str], there: Mapping[str, Collection[Limit]], items: Sequence[pytest.Item]
) -> set[str]:
    """Finished tests that were judged against a baseline which is to run again: what they were
    compared with stands no more."""
    anew = {group_of(item) for item in items if is_baseline(item) and nodeid_of(item) not in done}
    members = {nodeid_of(item) for item in items if group_of(item) in anew}
    return {
        nodeid
        for nodeid in done & members
        if any(reference == "group" for reference, *_ in there[nodeid])
    }


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


def _arrange_groups(
    items: list[pytest.Item], collected: Sequence[pytest.Item]
) -> list[pytest.Item]:
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


class Rounds:
    """Registered where tests run in several rounds, in every process."""

    def __init__(self, config: pytest.Config, *, stops: bool) -> None:
        """
        Args:
            stops: whether the rounds of a test end with the first that fails.
        """
        self._config = config
        self._stops = stops
        self._failed: set[str] = set()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> Any:
        """Leave out a round after one that failed: reported as skipped, it would have `--lf` and
        others take the failure back. What the next test has no use for is torn down all the same.
        """
        if item.nodeid not in self._failed:
            return None
        for report in runtestprotocol(item, log=False, nextitem=nextitem):
            if report.failed:
                item.ihook.pytest_runtest_logreport(report=report)
        if not item.stash[last_key]:
            self._count(item.nodeid, item.stash[number_key])
        return True

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        if item.nodeid in self._failed:
            pytest.skip(_STOPPED)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if not item.stash.get(last_key, True):
            setattr(report, ROUND_ATTRIBUTE, item.stash[number_key])
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and self._stops:
            self._failed.add(report.nodeid)
        number = getattr(report, ROUND_ATTRIBUTE, None)
        if number is not None and report.when == "teardown":
            self._count(report.nodeid, number)

    def _count(self, nodeid: str, number: int) -> None:
        """pytest counts node ids for its percentage, which rounds of a test share: a test's own
        stands for its last round."""
        reporter: Any = self._config.pluginmanager.get_plugin("terminalreporter")
        reported: set[object] = getattr(reporter, "_progress_nodeids_reported", set())
        reported.add((nodeid, number))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_report_teststatus(
        self, report: pytest.TestReport
    ) -> Generator[None, tuple[Any, Any, Any], tuple[Any, Any, Any]]:
        category, letter, word = yield
        again = getattr(report, ROUND_ATTRIBUTE, None) is not None and not report.failed
        return ("" if again else category), letter, word


def _repeated(items: Sequence[pytest.Item], rounds: int) -> Iterator[pytest.Item]:
    """The items with each metered one `rounds` times, each time with fresh function fixtures.

    A group runs forwards and backwards in turn (ABBA), so that what drifts slowly hits baseline
    and candidate alike. Its last round runs forwards, the baseline first: the others are judged in
    it, when all figures of the baseline are there.
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
                again.stash[number_key] = number
                yield again


def _again(item: pytest.Item) -> pytest.Item:
    """The same test once more: same node id, nothing shared that an execution writes to."""
    again = copy.copy(item)
    again.stash = pytest.Stash()
    again.user_properties = []
    if isinstance(again, pytest.DoctestItem):  # it empties its names when it has run
        again.dtest = copy.copy(again.dtest)
        again.dtest.globs = dict(again.dtest.globs)
    if isinstance(again, pytest.Function | pytest.DoctestItem):
        again.funcargs = {}
        # pytest makes the class anew for a test that has none.
        if getattr(again, "cls", None) is not None:
            again.__dict__.pop("_instance", None)
            again.__dict__.pop("_obj", None)
        again._initrequest()  # as pytest itself does for an item that is run again
    return again
