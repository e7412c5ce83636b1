"""What a pytest session keeps: its meter, the finished cases, and the run they become."""

from __future__ import annotations

import datetime
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from numbers import Number
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from pytest_energybench import __version__
from pytest_energybench.cases import assembly
from pytest_energybench.cases.draft import Draft
from pytest_energybench.cases.threads import LeftThreads
from pytest_energybench.fixture import Energy
from pytest_energybench.gatekeeper import Gatekeeper
from pytest_energybench.gates.judge import with_comparisons
from pytest_energybench.gates.message import failure_message
from pytest_energybench.groups import nodeid_of
from pytest_energybench.marks import MarkedBudget, group_of, is_baseline
from pytest_energybench.peers import follows, ranks_of, visible_to_all
from pytest_energybench.privacy import without_private
from pytest_energybench.results.hosts import with_hosts
from pytest_energybench.results.model import Case, Host, Outcome, Run, Scalar, Shard
from pytest_energybench.selection import Selection, last_key, selection_key
from pytest_energybench.settings import EnergyOptions, own_sources

if TYPE_CHECKING:
    from pytest_energybench.metering.idle import IdlePower
    from pytest_energybench.metering.meter import Meter
    from pytest_energybench.report.attachments import Table

session_key = pytest.StashKey["EnergySession"]()
execution_key = pytest.StashKey["Execution"]()


@dataclass(frozen=True, slots=True)
class Execution:
    """One execution of a metered test.

    Attributes:
        last: figures are held against limits in it (it is the last of its rounds).
    """

    draft: Draft
    energy: Energy
    last: bool


class EnergySession:
    """One per pytest session (and one per xdist worker); made when the first test needs it.

    Attributes:
        cases: finished cases by node id.
        errors: what went wrong outside any one case.
        hosts: the machines, where tests run on several; this one meters nothing then.
        order: node ids of the metered tests, as they were collected.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self.options = EnergyOptions.from_config(config)
        self.cases: dict[str, Case] = {}
        self.errors: list[str] = []
        self.hosts: list[Host] = list(self.selection.hosts)
        self.order: Sequence[str] = self.selection.planned
        self._baselines: dict[str, str] = {}
        self._threads = LeftThreads()
        for case in self.selection.taken_over:
            self.add(case)

    @classmethod
    def of(cls, config: pytest.Config) -> EnergySession:
        """The session's one instance."""
        if session_key not in config.stash:
            config.stash[session_key] = cls(config)
        return config.stash[session_key]

    @cached_property
    def meter(self) -> Meter:
        """The meter of this process, chosen by a project's hook or `--energy-meters`; where several
        ranks run together, the one that they have in common.

        Ends the session where nothing of what was asked for can be read here.
        """
        from pytest_energybench.metering.meter import Meter

        if self.options.disable or self.options.ray is not None:
            return Meter(())
        ranks = ranks_of(self._config)
        if ranks is None:
            return self._own_meter()
        from pytest_energybench.metering.joint import JointMeter

        gpus = visible_to_all(ranks)
        own = self._own_meter(ranks.company, gpus) if ranks.meters else Meter(())
        return JointMeter(own, ranks)

    def _own_meter(self, company: Sequence[int] = (), gpus: str | None = None) -> Meter:
        """The meter of this machine; `company` are the other ranks' processes on it, and `gpus`
        what they see of its GPUs, as `discover` takes it."""
        from pytest_energybench.metering.discovery import discover
        from pytest_energybench.metering.errors import MeterError
        from pytest_energybench.metering.lock import Patience
        from pytest_energybench.metering.meter import Meter

        hook = self._config.hook
        own: Meter | None = hook.pytest_energy_meter(config=self._config)
        if own is not None:
            return own
        try:
            patience = Patience(limit_s=self.options.wait, tell=self.tell)
            return discover(
                self.options.meters,
                own=own_sources(self._config),
                patience=patience,
                company=company,
                gpus=gpus,
            )
        except MeterError as error:
            if follows(self._config):  # another host: its absence makes the sum unknown
                return Meter((), problems=(str(error),))
            pytest.exit(f"--energy-meters={self.options.meters}: {error}", returncode=4)

    def tell(self, line: str) -> None:
        """Say something while a test runs, past pytest's capturing; on a worker to stderr."""
        manager = self._config.pluginmanager
        reporter, capture = (
            manager.get_plugin(name) for name in ("terminalreporter", "capturemanager")
        )
        if reporter is None or capture is None or hasattr(self._config, "workerinput"):
            print(line, file=sys.__stderr__)
            return
        with capture.global_and_fixture_disabled():
            reporter.ensure_newline()
            reporter.write_line(line)

    @cached_property
    def idle(self) -> IdlePower | None:
        """Power of this machine while nothing runs, where it is to be subtracted."""
        if self.options.idle != "subtract" or self.options.disable:
            return None
        from pytest_energybench.metering.idle import measure_idle

        return measure_idle(self.meter)

    @cached_property
    def keeper(self) -> Gatekeeper:
        """Budgets and stored run of this session."""
        keeper = Gatekeeper.load(self.options)
        if keeper.stored is not None:
            there = {case.nodeid for case in keeper.stored.cases}
            keeper.family = max(1, len(there.intersection(self.selection.planned)))
        return keeper

    @property
    def selection(self) -> Selection:
        """What was decided when pytest had collected."""
        return self._config.stash.get(selection_key, Selection())

    def execution(self, item: pytest.Item) -> Execution:
        """A new execution of a test; its `energy` is what the test's fixture gives."""
        self._threads.begin()
        group = group_of(item)
        nodeid = nodeid_of(item)
        draft = Draft(
            Case(
                nodeid=nodeid,
                name=item.name,
                group=group,
                baseline=group is not None and is_baseline(item),
                params=params_of(item),
                implicit=nodeid in self.selection.implicit,
            ),
            earlier=self.cases.get(nodeid),
            pue=self.options.pue,
        )
        last = item.stash.get(last_key, True)
        energy = Energy(
            draft,
            meter=lambda: self.meter,
            baseline=lambda: self.baseline(group),
            idle=lambda: self.idle,
            disabled=self.options.disable,
            judges=last and not follows(self._config),
            follows=follows(self._config),
            interleaved=self.options.rounds > 1,
            allow_mismatch=self.options.allow_mismatch,
        )
        item.stash[execution_key] = Execution(draft, energy, last)
        return item.stash[execution_key]

    def baseline(self, group: str | None) -> Case | None:
        """The finished baseline of a group, None where there is none (yet)."""
        if group is None:
            return None
        if group not in self._baselines:
            self._learn_baseline(group)
        nodeid = self._baselines.get(group)
        return self.cases.get(nodeid) if nodeid is not None else None

    def _learn_baseline(self, group: str) -> None:
        """On an xdist worker: look among the cases that other workers have finished."""
        ledger = getattr(self._config, "workerinput", {}).get("energy_ledger")
        if ledger is None or not os.path.exists(ledger):
            return
        from pytest_energybench.results.journal import read_journal

        for case in read_journal(ledger).run.cases:
            if case.baseline and case.group == group:
                self.add(case)

    def judge(self, execution: Execution, marked: MarkedBudget | None) -> str | None:
        """Hold a finished test against the session's gates; why it fails, None where it doesn't."""
        draft = execution.draft
        if self.options.disable or not execution.last or not (draft.windows or draft.called):
            return None
        if follows(self._config):
            return None
        baseline = self.baseline(draft.case.group)
        case = draft.judged_on(baseline)
        found = self.keeper.judge(case, marked, baseline)
        if self.options.compare is not None:
            ended = msgspec.structs.replace(case, outcome="passed")
            stored = self.keeper.judge_stored(ended, self.head)
            found += [stored] if stored is not None else []
        draft.comparisons += found
        failed = [comparison for comparison in found if self.keeper.fails(comparison)]
        return failure_message(failed[0]) if failed else None

    @cached_property
    def ledger(self) -> Path:
        """The journal of this run: in the report's folder where anything is to be kept."""
        if self.options.keeps:
            return self.options.journal
        return Path(tempfile.mkdtemp(prefix="energybench-")) / self.options.journal.name

    def add_crashed(self, case: Case, why: str) -> None:
        """Book a case whose process died: what it had measured is gone with it."""
        crashed = msgspec.structs.replace(case, outcome="error", errors=[*case.errors, why])
        self.cases[case.nodeid] = _judged(crashed)

    def finished(self, draft: Draft, outcome: Outcome) -> Case:
        """The case of a test that has run; its verdict is the worst of what was judged."""
        draft.flags += self._threads.end(draft.case.nodeid)
        if draft.errors:
            outcome = "error"
        case = draft.finished(self.baseline(draft.case.group))
        return _judged(without_private(msgspec.structs.replace(case, outcome=outcome)))

    def joined(self, case: Case) -> Case:
        """An execution together with those of the same test before it."""
        earlier = self.cases.get(case.nodeid)
        if earlier is None:
            return case
        return _judged(assembly.join(earlier, case, pue=self.options.pue))

    def add(self, case: Case) -> Case:
        """Take a finished execution; a test that ran before adds to its rounds."""
        case = self.joined(case)
        self.cases[case.nodeid] = case
        if case.baseline and case.group is not None:
            self._baselines[case.group] = case.nodeid
        return case

    @cached_property
    def head(self) -> Run:
        """The run without its cases: what its figures are figures of."""
        from pytest_energybench.metering.machine import machine_facts
        from pytest_energybench.origin import machine_record, meter_records
        from pytest_energybench.results.commit import read_commit

        head = Run(
            created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            commit=read_commit(self._config.rootpath),
            machine=machine_record(
                machine_facts(), hostname=platform.node() if self.options.hostname else None
            ),
            meters=meter_records(self.meter),
            settings=self._settings(),
            shard=self._shard(),
            errors=[str(problem) for problem in self.meter.problems],
        )
        return without_private(head)

    def _shard(self) -> Shard | None:
        if self.options.shard is None:
            return None
        index, count = self.options.shard
        return Shard(index=index, count=count, planned=list(self.selection.planned))

    def tell_cut_short(self) -> None:
        """Say in the run file that tests are missing which were to run."""
        missing = sum(nodeid not in self.cases for nodeid in self.order)
        if missing:
            self.errors.append(
                f"the run was cut short: {missing} of its {len(self.order)} metered tests have no"
                " figures"
            )

    def run(self) -> Run:
        """Everything of this session as it is written and shown."""
        return msgspec.structs.replace(
            with_hosts(self.head, self.hosts),
            compared_with=self.keeper.reference,
            cases=self._in_order(),
            errors=assembly.unique([*self.head.errors, *self.errors]),
        )

    def attachments(self, run: Run, folder: Path) -> list[Path | Table]:
        """Figures and tables that the project's hooks add to the report."""
        offers = self._config.hook.pytest_energy_attachments(
            config=self._config, run=run, folder=folder
        )
        return [each for offer in offers for each in offer]

    def _in_order(self) -> list[Case]:
        """The cases as they were collected, in whatever order and process they ran."""
        order = self.selection.asked or self.order
        places = {nodeid: place for place, nodeid in enumerate(order)}
        return sorted(self.cases.values(), key=lambda case: places.get(case.nodeid, len(places)))

    def _settings(self) -> dict[str, Scalar]:
        settings: dict[str, Scalar] = {
            "version": __version__,
            "meters": self.options.meters,
            "pue": self.options.pue,
            "carbon_intensity": self.options.carbon_intensity,
            "carbon_intensity_source": self.options.carbon_source,
            "idle": self.options.idle,
            "rounds": self.options.rounds,
        }
        for given in self._config.hook.pytest_energy_settings(config=self._config):
            settings.update({name: _scalar(value) for name, value in given.items()})
        return settings


def params_of(item: pytest.Item) -> dict[str, Scalar]:
    """The parameters of a parametrized test: scalars as they are, other objects by their name.

    An object without a name is told by its type: what it prints may be anything, a password too.
    """
    callspec = getattr(item, "callspec", None)
    if callspec is None:
        return {}
    return {name: _scalar(value) for name, value in callspec.params.items()}


def _scalar(value: object) -> Scalar:
    if value is None or isinstance(value, str | bool | int | float):
        return value
    name = getattr(value, "__name__", None) or getattr(value, "name", None)
    if isinstance(name, str):
        return name[:200]
    return (str(value) if _is_plain(value) else type(value).__name__)[:200]


def _is_plain(value: object) -> bool:
    """Whether what a value prints is what it is: numbers, paths, and collections of those."""
    if isinstance(value, tuple | list | frozenset | set):
        return all(_is_plain(each) for each in value)
    return value is None or isinstance(value, str | bytes | Number | os.PathLike)


def _judged(case: Case) -> Case:
    return with_comparisons(case, list(case.comparisons))
