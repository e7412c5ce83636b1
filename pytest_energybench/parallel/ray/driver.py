"""The driver's half: it collects, has units run elsewhere, and reports as if it had run them."""

from __future__ import annotations

import os
import sys
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from pytest_energybench.parallel.ray import cluster
from pytest_energybench.parallel.ray.task import TaskSpec
from pytest_energybench.parallel.ray.work_units import Unit, units_of
from pytest_energybench.parallel.ray.worker_log import Executed, read_log, why_missing
from pytest_energybench.report.text import plural
from pytest_energybench.results.compatibility import commits, host_of
from pytest_energybench.results.errors import ResultsError
from pytest_energybench.results.journal import parse_journal
from pytest_energybench.results.model import Case, Run
from pytest_energybench.session.collection import is_metered, nodeid_of
from pytest_energybench.session.config import EnergyConfig
from pytest_energybench.session.markers import group_of, is_baseline
from pytest_energybench.session.reporter import EnergyReporter
from pytest_energybench.session.role import Role

if TYPE_CHECKING:
    from pytest_energybench.session.state import EnergySession

ENVIRONMENT = ("PYTEST_ADDOPTS", "PYTEST_PLUGINS", "PYTEST_DISABLE_PLUGIN_AUTOLOAD", "PYTHONPATH")
"""Variables that a unit's pytest has from the driver; all others are the host's own."""

THREADS = "OMP_NUM_THREADS"
"""Ray sets it to the task's processors; it is the driver's, unless the group asked for some."""


class Driver(Role):
    """Takes the place of pytest's own loop over the tests."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._items: dict[str, pytest.Item] = {}
        self._hosts: dict[str, str] = {}
        self._told_nice: set[str] = set()
        self._connected = False
        self._first_number = 1

    def runs_tests(self) -> bool:
        """Tasks on other hosts do."""
        return False

    def meters_here(self) -> bool:
        """Each host meters its own."""
        return False

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        if self._config.option.collectonly:
            return
        address = EnergyConfig.of(self._config).ray
        assert address is not None
        try:
            cluster.connect(address)
        except cluster.ClusterError as error:
            raise pytest.UsageError(f"--energy-ray={address}: {error}") from None
        self._connected = True

    def pytest_unconfigure(self) -> None:
        if self._connected:
            self._connected = False
            cluster.disconnect()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        option = self._config.option
        if option.collectonly or (session.testsfailed and not option.continue_on_collection_errors):
            return None  # pytest's own loop says it
        self._items = {nodeid_of(item): item for item in session.items}
        # A run that is resumed has hosts already, and none of them is known to be one of ours.
        self._first_number = len(self._energy().hosts) + 1
        there = cluster.hosts()
        units = units_of(session.items, len(there))
        for unit in units:
            if not cluster.fits(unit, there):
                raise pytest.UsageError(
                    f"--energy-ray: {unit.label} asks for {cluster.wish(unit)}, and no host of the"
                    " cluster has that"
                )
        if not units:
            return True
        tasks = [self._task(unit, number) for number, unit in enumerate(units)]
        self._tell(f"{plural(len(units), 'task')} for {plural(len(there), 'host')}")
        with closing(cluster.run(units, tasks)) as events:
            for event in events:
                if isinstance(event, cluster.Began):
                    self._tell(f"{event.unit.label} runs on {self._host(event.host)}")
                    continue
                self._ended(session, event)
                if session.shouldfail:
                    raise session.Failed(session.shouldfail)
                if session.shouldstop:
                    raise session.Interrupted(session.shouldstop)
        return True

    def _task(self, unit: Unit, number: int) -> TaskSpec:
        environment = {name: os.environ.get(name) for name in ENVIRONMENT}
        if "num_cpus" not in unit.asked:
            environment[THREADS] = os.environ.get(THREADS)
        folder = str(self._config.invocation_params.dir)
        return TaskSpec(
            arguments=tuple(map(str, self._config.invocation_params.args)),
            folder=folder,
            files=unit.files,
            nodeids=tuple(unit.nodeids),
            environment=environment,
            safe_path=folder not in sys.path and "" not in sys.path,
            basetemp=f"energy-{number}",
        )

    def _ended(self, session: pytest.Session, event: cluster.Ended) -> None:
        """Report a unit's tests: those that ran, and an error for each that did not."""
        unit, result = event.unit, event.result
        host = self._host(result.host)
        where = f" on {host}" if host else ""
        self._tell(
            f"{unit.label} did not run{where}: {result.problem}"
            if result.problem
            else f"{unit.label} ended{where} after {result.seconds:.0f} s, {event.left} left"
        )
        if result.niceness > 0 and host not in self._told_nice:
            self._told_nice.add(host)
            self._tell(
                f"{host} runs its tasks at niceness {result.niceness}, behind all else that runs"
                f" there: start it with {cluster.START_NODE}"
            )
        found = UnitResults(self._config, self._energy(), result.journal, host)
        log = read_log(result.log)
        for warning in log.warnings:
            self._config.hook.pytest_warning_recorded.call_historic(kwargs=warning)
        left = Counter(unit.nodeids)
        for executed in log.finished:
            if not left[executed.nodeid]:
                self._energy().errors.append(
                    f"{executed.nodeid} ran{where} and is no test here: the files differ"
                )
                continue
            left[executed.nodeid] -= 1
            if not left[executed.nodeid]:
                found.take(executed.nodeid)
            self._report(executed)
            if session.shouldfail or session.shouldstop:
                return
        for nodeid in +left:
            why = why_missing(nodeid, result, log, where)
            if is_metered(self._items[nodeid]):
                found.book_missing(self._items[nodeid], why.partition("\n")[0])
            self._report(_missing(nodeid, self._items[nodeid], why))
            if session.shouldfail or session.shouldstop:
                return

    def _report(self, executed: Executed) -> None:
        hook, nodeid = self._config.hook, executed.nodeid
        location = self._items[nodeid].location
        hook.pytest_runtest_logstart(nodeid=nodeid, location=location)
        for plain in executed.reports:
            report = hook.pytest_report_from_serializable(config=self._config, data=plain)
            hook.pytest_runtest_logreport(report=report)
        hook.pytest_runtest_logfinish(nodeid=nodeid, location=location)

    def _energy(self) -> EnergySession:
        from pytest_energybench.session.state import EnergySession

        return EnergySession.of(self._config)

    def _host(self, node: str) -> str:
        """The neutral name of a node; empty for no node."""
        if not node:
            return ""
        return self._hosts.setdefault(node, f"host {self._first_number + len(self._hosts)}")

    def _tell(self, line: str) -> None:
        if self._config.getoption("verbose", 0) >= 0:
            self._energy().tell(f"energy: {line}")


def _missing(nodeid: str, item: pytest.Item, why: str) -> Executed:
    """What pytest would have reported of a test whose setup failed."""
    common = {
        "$report_type": "TestReport",
        "nodeid": nodeid,
        "location": item.location,
        "keywords": {},
        "sections": [],
        "user_properties": [],
        "duration": 0.0,
        "start": 0.0,
        "stop": 0.0,
    }
    return Executed(
        nodeid,
        [
            {**common, "when": "setup", "outcome": "failed", "longrepr": why},
            {**common, "when": "teardown", "outcome": "passed", "longrepr": None},
        ],
    )


class UnitResults:
    """The cases of one journal, taken over as their tests are reported."""

    def __init__(
        self, config: pytest.Config, session: EnergySession, journal: bytes, host: str
    ) -> None:
        """
        Args:
            host: name of the host that wrote the journal.
        """
        self._writer = EnergyReporter.of(config).writer()
        self._session = session
        self._host = host
        self._cases: dict[str, Case] = {}
        if not journal:
            return
        try:
            run = parse_journal(f"journal of {host}", journal).run
        except ResultsError as error:
            session.errors.append(str(error))
            return
        self._cases = {case.nodeid: case for case in run.cases}
        self._add_host(run)

    def take(self, nodeid: str) -> None:
        """Make a test's case this session's, with the host it ran on."""
        case = self._cases.pop(nodeid, None)
        if case is not None:
            self._writer.take(self._session.add(replace(case, host=self._host)))

    def book_missing(self, item: pytest.Item, why: str) -> None:
        """Book a test that has no figures as an error."""
        group = group_of(item)
        self._session.add_crashed(
            Case(
                nodeid=nodeid_of(item),
                name=item.name,
                group=group,
                baseline=group is not None and is_baseline(item),
                host=self._host or None,
            ),
            why,
        )

    def _add_host(self, run: Run) -> None:
        session = self._session
        session.errors += [f"{self._host}: {error}" for error in run.errors]
        if any(host.name == self._host for host in session.hosts):
            return
        host = replace(host_of(run, 1), name=self._host)
        session.hosts.append(host)
        self._writer.take_host(host)
        session.commits += run.commits
        ours, theirs = session.head, run
        session.errors += [
            f"{self._host} and this machine have different code: {each}"
            for each in commits(theirs, ours)
        ]
