"""pytest-xdist: a group stays on one worker.

Workers tell the controller which tests belong together. xdist passes on node ids only, so node ids
carry a scope while they are sent.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast
from zlib import crc32

import msgspec
import pytest
from xdist.scheduler import LoadGroupScheduling, LoadScheduling  # type: ignore[import-untyped]

from pytest_energybench.metering.clock import SYSTEM_CLOCK
from pytest_energybench.session.collection import (
    Selection,
    is_metered,
    nodeid_of,
    once_each,
    selection_key,
)
from pytest_energybench.session.markers import group_of
from pytest_energybench.session.reporter import EnergyReporter
from pytest_energybench.session.role import Finished, Role

if TYPE_CHECKING:
    from pytest_energybench.session.state import EnergySession

_SCOPED = re.compile(r"(?P<nodeid>.*?)(?: \(round \d+\))?@energy-\d+", re.DOTALL)


class Worker(Role):
    """A worker's half: tells the controller what it has collected."""

    def __init__(self, config: Any) -> None:
        self._config = config
        self._input: Mapping[str, Any] = config.workerinput

    def begins_session(self) -> bool:
        """The controller has checked the options, and takes over what was finished."""
        return False

    def reports(self) -> bool:
        """The controller does."""
        return False

    def finished(self, read: Callable[[], Finished]) -> Finished:  # noqa: ARG002
        """As the controller told all workers, however late this one started."""
        return cast(Finished, self._input["energy_finished"])

    def shared_journal(self) -> str | None:
        """The controller's, for a baseline that another worker has run."""
        return self._input.get("energy_journal")

    @pytest.hookimpl(wrapper=True)
    def pytest_collection_finish(self, session: pytest.Session) -> Generator[None]:
        if not any(is_metered(item) for item in session.items):
            yield
            return
        take_one_gpu(os.environ["PYTEST_XDIST_WORKER"])
        items = session.items
        session.items = [
            cast(pytest.Item, _Renamed(item, nodeid))
            for item, nodeid in zip(items, scopes(items), strict=True)
        ]
        yield
        session.items = items

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take what a forked child has run: its group is judged beside it."""
        if getattr(report, "energy_process", os.getpid()) != os.getpid():
            from pytest_energybench.session.runtest import case_of
            from pytest_energybench.session.state import EnergySession

            case = case_of(report)
            if case is not None:
                repeats = getattr(report, "energy_repeats", False)
                EnergySession.of(self._config).add(case, repeats=repeats)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Send what only who collects can know, in xdist's own way for plugins."""
        config: Any = session.config
        if selection_key in config.stash:
            plain = msgspec.to_builtins(config.stash[selection_key])
            config.workeroutput["energy_selection"] = plain


class _Renamed:
    """An item under another node id; the item's own can't be set in every version of pytest."""

    def __init__(self, item: pytest.Item, nodeid: str) -> None:
        self._item = item
        self.nodeid = nodeid

    def __getattr__(self, name: str) -> Any:
        return getattr(self._item, name)


def scopes(items: Sequence[pytest.Item]) -> list[str]:
    """The node ids, those of metered tests with the scope that they share with their group.

    Repetitions of a test (`--energy-rounds`) are told apart, since xdist keeps a node id once.
    """
    numbers: dict[tuple[str, str], int] = {}
    seen: Counter[str] = Counter()
    found = []
    for item in items:
        if not is_metered(item):
            found.append(item.nodeid)
            continue
        group = group_of(item)
        nodeid = nodeid_of(item)
        key = ("case", nodeid) if group is None else ("group", group)
        scope = numbers.setdefault(key, len(numbers))
        again = f" (round {seen[nodeid] + 1})" if seen[nodeid] else ""
        seen[nodeid] += 1
        found.append(f"{nodeid}{again}@energy-{scope}")
    return found


def unscoped(nodeid: str) -> str | None:
    """The node id behind a scoped one; None for a test that is not metered."""
    match = _SCOPED.fullmatch(nodeid)
    return match["nodeid"] if match else None


def take_one_gpu(worker: str) -> None:
    """Where this machine has several GPUs, leave one of them visible to this worker.

    Args:
        worker: xdist's name of the worker, `gw3`; it takes GPU 3, counted round. One that
            `--tx popen//id=NAME` has named takes one by its name; two on one GPU wait in turn.
    """
    from pytest_energybench.metering.nvml import driver_is_loaded, find_gpus

    if not driver_is_loaded():
        return
    uuids = [gpu.uuid for gpu in find_gpus().gpus]
    if len(uuids) > 1:
        digits = worker.removeprefix("gw")
        number = int(digits) if digits.isdecimal() else crc32(worker.encode())
        os.environ["CUDA_VISIBLE_DEVICES"] = uuids[number % len(uuids)]


class Controller(Role):
    """The controller's half: schedules groups as units."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._started = SYSTEM_CLOCK.monotonic()

    def runs_tests(self) -> bool:
        """The workers do."""
        return False

    def shares_journal(self) -> bool:
        """Workers look into it for baselines."""
        return True

    def pytest_sessionstart(self) -> None:
        from pytest_energybench.session.status import show_status

        show_status(self._config, self._started)

    @pytest.hookimpl(tryfirst=True, optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> Any:
        if config.getoption("dist") in ("load", "loadgroup", "worksteal"):
            return GroupsTogether(config, log, self._learn_order)
        return None  # loadfile and loadscope keep groups of one file together by themselves

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_setupnodes(self) -> None:
        self._finished()  # a mistake is told before any worker starts
        EnergyReporter.of(
            self._config
        ).writer().claim()  # the workers are told where the journal is

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        node.workerinput["energy_journal"] = str(self._session().journal)
        node.workerinput["energy_finished"] = self._finished()

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        plain = getattr(node, "workeroutput", {}).get("energy_selection")
        if plain is not None:
            self._session().begin(msgspec.convert(plain, Selection))

    @pytest.hookimpl(optionalhook=True)
    def pytest_handlecrashitem(self, crashitem: str, report: pytest.TestReport) -> None:
        nodeid = unscoped(crashitem)
        if nodeid is not None:
            report.nodeid = nodeid
            report.longrepr = str(report.longrepr).replace(crashitem, nodeid)

    def _learn_order(self, collection: Sequence[str]) -> None:
        metered = (unscoped(nodeid) for nodeid in collection)
        self._session().scheduled = once_each(nodeid for nodeid in metered if nodeid)

    def _session(self) -> EnergySession:
        from pytest_energybench.session.state import EnergySession

        return EnergySession.of(self._config)

    def _finished(self) -> Finished:
        """What no worker is to run again, the same for all, however late one starts."""
        return self._session().judged_before() if self._session().options.resume else {}


class GroupsTogether:
    """xdist's own scheduling, unless there are metered tests: then scopes are dealt as units.

    Which of the two is known when the workers have collected; until then the nodes are kept by
    xdist's scheduler, which they leave for the other one.
    """

    def __init__(
        self, config: pytest.Config, log: Any, collected: Callable[[Sequence[str]], None]
    ) -> None:
        self._config = config
        self._log = log
        self._collected = collected
        self._grouped = config.getoption("dist") == "loadgroup"
        self._inner: Any = (_Units if self._grouped else LoadScheduling)(config, log)
        self._decided = False

    def schedule(self) -> None:
        if not self._decided:
            self._decided = True
            collections = dict(
                self._inner.registered_collections if self._grouped else self._inner.node2collection
            )
            if not self._grouped and any(
                unscoped(nodeid) for ids in collections.values() for nodeid in ids
            ):
                self._inner = _Units(self._config, self._log)
                for node, ids in collections.items():
                    self._inner.add_node(node)
                    self._inner.add_node_collection(node, ids)
            if collections:
                self._collected(next(iter(collections.values())))
        self._inner.schedule()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class _Units(LoadGroupScheduling):  # type: ignore[misc]  # xdist is typed only in part
    """Scopes as units of work; a test that crashed its worker is not run again."""

    def remove_node(self, node: Any) -> str | None:
        workload = self.assigned_work.pop(node)
        crashed: str | None = next(
            (nodeid for unit in workload.values() for nodeid, done in unit.items() if not done),
            None,
        )
        if crashed is None:
            return None
        for unit in workload.values():
            if crashed in unit:
                unit[crashed] = True
        self.workqueue.update(
            {scope: unit for scope, unit in workload.items() if not all(unit.values())}
        )
        for other in self.assigned_work:
            self._reschedule(other)
        return crashed

    def _reschedule(self, node: Any) -> None:
        """A worker runs a test when it has heard of the next one: one that takes the place of a
        worker that crashed would wait with a single test for ever."""
        super()._reschedule(node)
        while (
            self.workqueue
            and not node.shutting_down
            and self._pending_of(self.assigned_work[node]) < 2
        ):
            self._assign_work_unit(node)
