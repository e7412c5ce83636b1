"""The state of a pytest session: its meter, the finished cases, and the run they become."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from pytest_energybench.gates.judge import with_budgets
from pytest_energybench.gates.results import condoned, failure_message, judged, missed, passes
from pytest_energybench.measurement import aggregate
from pytest_energybench.measurement.case_builder import CaseBuilder
from pytest_energybench.measurement.conditions import conditions, tracers
from pytest_energybench.measurement.leaked_threads import LeftThreads
from pytest_energybench.results.compatibility import with_hosts
from pytest_energybench.results.journal import JournalReader
from pytest_energybench.results.model import (
    Case,
    Commit,
    Comparison,
    Host,
    Outcome,
    Run,
    Scalar,
    Shard,
    distinct,
)
from pytest_energybench.results.redaction import without_private
from pytest_energybench.results.storable import scalar, storable_case, storable_head, text
from pytest_energybench.results.storage import is_good
from pytest_energybench.session.collection import Selection, last_key, nodeid_of, number_key
from pytest_energybench.session.config import EnergyConfig, runs_tests
from pytest_energybench.session.fixture import Energy
from pytest_energybench.session.markers import (
    MarkedBudget,
    group_of,
    has_budget,
    is_baseline,
    judged_limits,
)
from pytest_energybench.session.real_files import real_files
from pytest_energybench.session.resumption import earlier_run
from pytest_energybench.session.role import Finished, Role, role_of
from pytest_energybench.session.screen import aside, progress_of
from pytest_energybench.session.session_gates import SessionGates, not_made_again

if TYPE_CHECKING:
    from pytest_energybench.metering.idle import IdlePower
    from pytest_energybench.metering.meter import Meter

__tracebackhide__ = True  # a user's mistake is shown at the user's line

FAILURES: tuple[Outcome, ...] = ("failed", "error")

session_key = pytest.StashKey["EnergySession"]()
execution_key = pytest.StashKey["Execution"]()
_began_key = pytest.StashKey[bool]()


@dataclass(frozen=True, slots=True)
class Execution:
    """One execution of a metered test.

    Attributes:
        last: figures are held against limits in it (it is the last of its rounds).
        repeats: it runs a round again that was run before (a rerun).
        judged: what the session's gates came to so far.
    """

    builder: CaseBuilder
    energy: Energy
    last: bool
    repeats: bool
    judged: list[Comparison] = field(default_factory=list)


class EnergySession:
    """One per pytest session (and one per xdist worker); made when the first test needs it.

    Attributes:
        config: pytest's.
        cases: finished cases by node id.
        errors: what went wrong outside any one case.
        hosts: the machines, where tests run on several; this one meters nothing then.
        commits: that cases were made at, beside this session's own.
        selection: what was decided about the collected tests, here or in a worker; None as long
            as nobody has told.
        scheduled: on xdist's controller, node ids of the metered tests that its workers run.
    """

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.options = EnergyConfig.of(config)
        self.cases: dict[str, Case] = {}
        self.errors: list[str] = []
        self.failures: list[str] = []
        self.hosts: list[Host] = []
        self.commits: list[Commit] = []
        self.selection: Selection | None = None
        self.scheduled: Sequence[str] = ()
        self._baselines: dict[str, str] = {}
        self._elsewhere: dict[str, Case] = {}
        self._withheld: dict[str, set[str]] = {}
        self._included: dict[str, list[object]] = {}
        self._conditions = conditions()  # tracers are gone when the run is written
        self._tracers = tracers()
        self._threads = LeftThreads()

    @classmethod
    def of(cls, config: pytest.Config) -> EnergySession:
        """The session's one instance."""
        if session_key not in config.stash:
            config.stash[session_key] = cls(config)
        return config.stash[session_key]

    @property
    def role(self) -> Role:
        """What this process does in the session; ranks that can't run in step part."""
        return role_of(self.config)

    def begin(self, selection: Selection) -> None:
        """Learn what was collected, and take over what of it an earlier run had finished."""
        if self.selection is not None:
            return
        self.selection = selection
        if not self.options.resume or not self.role.begins_session():
            return
        self.hosts[:0] = self._earlier.hosts
        if selection.finished:
            self.commits += self._earlier.commits
        for nodeid in selection.finished:
            self.add(self.finished_before[nodeid])

    def end_untold(self) -> None:
        """It is not known what was collected: keep all that an earlier run had finished."""
        if self.selection is None and self.options.resume:
            self.begin(Selection(finished=frozenset(self.finished_before)))
            self.selection = None

    @property
    def taken_over(self) -> Collection[str]:
        """Node ids of the cases that an earlier run had finished."""
        return self.selection.finished if self.selection is not None else ()

    @property
    def order(self) -> Sequence[str]:
        """Node ids of all metered tests of this run, as they were collected."""
        return self.selection.asked if self.selection is not None else self.scheduled

    @cached_property
    def finished_before(self) -> Mapping[str, Case]:
        """Node id -> good case of the run that `--energy-resume` goes on with, which keeps the
        budgets that the file states now.

        Raises:
            pytest.UsageError: its journal is damaged, or of a run whose figures are not alike.
        """
        good = (case for case in self._earlier.cases if is_good(case))
        found = [with_budgets(case, self.gates.budgets) for case in good]
        return {e.nodeid: e for e in found if e.outcome == "xfailed" or not missed(e)}

    def not_to_run(self) -> Finished:
        """What an earlier run had finished, the same in all processes."""
        return self.role.finished(self.judged_before)

    def judged_before(self) -> Finished:
        """Node id -> the limits that a case of `finished_before` was held against."""
        return {each.nodeid: judged_limits(each) for each in self.finished_before.values()}

    @cached_property
    def _earlier(self) -> Run:
        head = self.role.agreed(self.head)
        return earlier_run(self.options.journal, head, continues=self.role.reports())

    def prepare(self) -> None:
        """Have all that metering and judging need at hand, before a test's fixtures begin.

        One of them may replace the file system, and a test may change what the run's figures are
        said to be figures of: affinity, environment, how many files may be open.
        """
        watch = self.meter.watch
        _ = watch and watch.first, self.gates, self.idle, self.role.reports() and self.head

    @cached_property
    def meter(self) -> Meter:
        """The meter of this process; see `session_meter`."""
        from pytest_energybench.session.meters import session_meter

        return session_meter(self.config, self.options, self.tell)

    def check_meter(self) -> None:
        """Have the meter at hand before the work begins, since it may not be there.

        Raises:
            pytest.UsageError: nothing of what was asked for can be read here.
        """
        hook = self.config.hook
        theirs = (hook.pytest_energy_meter, hook.pytest_energy_sources)
        if not runs_tests(self.config) or not self.role.begins_session():
            return
        if not any(each.get_hookimpls() for each in theirs):  # their mistakes are shown in a test
            _ = self.meter

    def tell(self, line: str) -> None:
        """Say something while a test runs, past pytest's capturing; without a terminal to stderr.

        xdist's workers have none.
        """
        manager = self.config.pluginmanager
        reporter, capture = (
            manager.get_plugin(name) for name in ("terminalreporter", "capturemanager")
        )
        if reporter is None or capture is None:
            print(line, file=sys.__stderr__, flush=True)
            return
        with capture.global_and_fixture_disabled(), aside(self.config):
            reporter.ensure_newline()
            reporter.write_line(line)
            reporter.flush()

    @cached_property
    def idle(self) -> IdlePower | None:
        """Power of this machine while nothing runs, where it is to be subtracted."""
        if self.options.idle != "subtract" or self.options.disable:
            return None
        from pytest_energybench.metering.idle import measure_idle

        return measure_idle(self.meter)

    @cached_property
    def gates(self) -> SessionGates:
        """Budgets and stored run of this session."""
        return SessionGates.of(self.config)

    def execution_of(self, item: pytest.Item) -> Execution:
        """The execution of a test that is running; its `energy` is what its fixture gives."""
        if execution_key not in item.stash:
            self._begin_execution(item)
        return item.stash[execution_key]

    def _begin_execution(self, item: pytest.Item) -> None:
        self._threads.begin()
        group = group_of(item)
        nodeid = nodeid_of(item)
        builder = CaseBuilder(
            Case(
                nodeid=nodeid,
                name=item.name,
                group=group,
                baseline=group is not None and is_baseline(item),
                params=params_of(item),
                implicit=self.selection is not None and nodeid in self.selection.implicit,
            ),
            earlier=self.cases.get(nodeid),
            pue=self.options.pue,
            progress=progress_of(self.config),
            included=self._included.setdefault(nodeid, []),
            usual_tracers=self._tracers,
        )
        last = item.stash.get(last_key, True)
        energy = Energy(
            builder,
            meter=lambda: self.meter,
            baseline=lambda: self.baseline(builder.case),
            idle=lambda: self.idle,
            disabled=self.options.disable,
            summed=self.role.summed,
            judges=last and self.role.judges(),
            follows=not self.role.judges(),
            interleaved=self.options.rounds > 1,
            allow_mismatch=self.options.allow_mismatch,
            round=item.stash.get(number_key, 0),
        )
        repeats = item.stash.setdefault(_began_key, False)
        item.stash[_began_key] = True
        item.stash[execution_key] = Execution(builder, energy, last, repeats)

    def baseline(self, case: Case) -> Case | None:
        """The finished baseline of a case's group; None if there is none (yet), and of itself."""
        group = case.group
        if group is None or case.baseline:
            return None
        if group not in self._baselines:
            self._learn_baseline(group)
        nodeid = self._baselines.get(group)
        return self.cases.get(nodeid) if nodeid is not None else None

    def _learn_baseline(self, group: str) -> None:
        """Look among the cases that other processes have finished."""
        if self._journal_of_all is None:
            return
        for case in self._journal_of_all.further():
            if case.baseline and case.group is not None:
                self._elsewhere[case.group] = case
        if group in self._elsewhere:
            self.add(self._elsewhere.pop(group))

    @cached_property
    def _journal_of_all(self) -> JournalReader | None:
        journal = self.role.shared_journal()
        return None if journal is None else JournalReader(journal)

    def judge(self, execution: Execution, marked: MarkedBudget | None) -> str | None:
        """Hold a finished test against the session's gates; why it fails, None if it doesn't."""
        builder = execution.builder
        withheld = self._withheld.setdefault(builder.case.nodeid, set())
        if self.options.disable or not execution.last or not self.role.judges():
            withheld |= execution.energy.asserted
            return None
        baseline = self.baseline(builder.case)
        case = builder.judged_on(baseline)
        if (missing := execution.energy.windows.missing) is not None:
            case = aggregate.of_a_part(case, missing)
        found = self.gates.judge(case, marked, baseline)
        found += map(not_made_again, sorted(withheld - execution.energy.asserted))
        outdated = set(map(id, execution.judged))  # a test's own may be equal to one of them
        builder.comparisons = [e for e in builder.comparisons if id(e) not in outdated] + found
        execution.judged[:] = found
        return "\n".join(failure_message(each) for each in found if not passes(each)) or None

    def has_limits(self, item: pytest.Item) -> bool:
        """Whether a marker or the budgets file states a limit for a test."""
        return has_budget(item) or self.gates.budgets.has_limits(nodeid_of(item))

    @cached_property
    def journal(self) -> Path:
        """The journal of this run: in the report's folder where anything is to be kept."""
        if self.options.keeps:
            return self.options.journal
        return Path(tempfile.mkdtemp(prefix="energybench-")) / self.options.journal.name

    def add_crashed(self, case: Case, why: str) -> None:
        """Book a case whose process died: what it had measured is gone with it."""
        crashed = msgspec.structs.replace(case, outcome="error", errors=[*case.errors, why])
        self.cases[case.nodeid] = judged(storable_case(crashed))

    def finished(self, builder: CaseBuilder, outcome: Outcome, missing: str | None = None) -> Case:
        """The case of a test that has run; its result is the worst of what was judged.

        Args:
            missing: why its energy is not known, where that is the test's own doing.
        """
        builder.flags += self._threads.end(builder.case.nodeid)
        if builder.errors:
            outcome = "error"
        case = builder.finished(self.baseline(builder.case))
        if missing is not None and outcome in ("passed", "xpassed"):
            case = aggregate.of_a_part(case, missing)
        if outcome in ("passed", "xpassed"):  # it expected what failed
            case = msgspec.structs.replace(case, comparisons=list(map(condoned, case.comparisons)))
        case = storable_case(msgspec.structs.replace(case, outcome=outcome))
        return judged(without_private(case))

    def join(self, earlier: Case | None, case: Case) -> Case:
        """An execution together with those of the same test before it."""
        if earlier is None:
            return case
        baseline = self.baseline(case)
        return judged(aggregate.join(earlier, case, pue=self.options.pue, baseline=baseline))

    def add(self, case: Case, *, repeats: bool = False) -> Case:
        """Take a finished execution; a test that ran before adds to its rounds.

        Args:
            repeats: it is a rerun. Any other makes no failure good that came before it.
        """
        earlier = self.cases.get(case.nodeid)
        case = self.join(earlier, case)
        if earlier is not None and earlier.outcome in FAILURES and not repeats:
            errors = aggregate.unique([*earlier.errors, *case.errors])
            outcome = earlier.outcome
            case = judged(msgspec.structs.replace(case, outcome=outcome, errors=errors))
        self.cases[case.nodeid] = case
        if case.baseline and case.group is not None:
            self._baselines[case.group] = case.nodeid
        return case

    @cached_property
    @real_files()
    def head(self) -> Run:
        """The run without its cases and shard: what its figures are figures of."""
        from pytest_energybench.session.run_info import session_head

        return session_head(self.config, self.options, self.meter, self._conditions)

    def _shard(self) -> Shard | None:
        if self.options.shard is None:
            return None
        index, count = self.options.shard
        return Shard(index=index, count=count, planned=list(self.order))

    def fail(self, why: str) -> None:
        """Say what is missing from the run, which fails it."""
        self.errors.append(why)
        self.failures.append(why)

    def run(self) -> Run:
        """Everything of this session as it is written and shown."""
        return storable_head(
            msgspec.structs.replace(
                with_hosts(self.head, self.hosts),
                shard=self._shard(),
                commits=distinct([*self.commits, *self.head.commits]),
                cases=self._in_order(),
                failures=list(self.failures),
                errors=aggregate.unique([*self.head.errors, *self.errors]),
            )
        )

    def _in_order(self) -> list[Case]:
        """The cases as they were collected, in whatever order and process they ran."""
        places = {nodeid: place for place, nodeid in enumerate(self.order)}
        return sorted(self.cases.values(), key=lambda case: places.get(case.nodeid, len(places)))


def params_of(item: pytest.Item) -> dict[str, Scalar]:
    """The parameters of a parametrized test: scalars as they are, other objects by their name.

    An object without a name is told by its type: what it prints may be anything, a password too.
    """
    callspec = getattr(item, "callspec", None)
    if callspec is None:
        return {}
    return {text(name): scalar(value) for name, value in callspec.params.items()}
