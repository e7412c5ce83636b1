"""`--energy-rounds=N`: metered tests run N times, interleaved within their group, as one case.

pytest shows every round; its summary counts cases.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any

import pytest

ROUND_ATTRIBUTE = "energy_round"
"""Attribute of the reports of a round that is not its test's last: its number, from 0."""

_STOPPED = "energy: an earlier round of this test failed"

last_key = pytest.StashKey[bool]()
"""In an item's stash: whether it is the last round of its test."""

_number_key = pytest.StashKey[int]()


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
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        if item.nodeid in self._failed:
            pytest.skip(_STOPPED)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if not item.stash.get(last_key, True):
            setattr(report, ROUND_ATTRIBUTE, item.stash[_number_key])
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and self._stops:
            self._failed.add(report.nodeid)
        reporter: Any = self._config.pluginmanager.get_plugin("terminalreporter")
        number = getattr(report, ROUND_ATTRIBUTE, None)
        if number is not None and report.when == "teardown":
            # pytest counts node ids for its percentage, which rounds of a test share.
            reported: set[object] = getattr(reporter, "_progress_nodeids_reported", set())
            reported.add((report.nodeid, number))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_report_teststatus(
        self, report: pytest.TestReport
    ) -> Generator[None, tuple[Any, Any, Any], tuple[Any, Any, Any]]:
        category, letter, word = yield
        if report.skipped and _STOPPED in str(report.longrepr):
            return "", "", ""
        again = getattr(report, ROUND_ATTRIBUTE, None) is not None and not report.failed
        return ("" if again else category), letter, word


def repeat(
    items: Sequence[pytest.Item],
    rounds: int,
    *,
    is_metered: Callable[[pytest.Item], bool],
    group_of: Callable[[pytest.Item], str | None],
) -> Iterator[pytest.Item]:
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
                again.stash[_number_key] = number
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
