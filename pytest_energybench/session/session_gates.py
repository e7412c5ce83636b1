"""The gates of a session beyond a test's own assertions: markers, budgets, a stored run."""

from __future__ import annotations

import dataclasses
import os
import posixpath
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from pytest_energybench.base.flags import SKIPPED, SKIPPED_BY_FIXTURE
from pytest_energybench.gates.accuracy import judge_group_accuracy
from pytest_energybench.gates.budgets import (
    MOST_BYTES,
    Budgets,
    BudgetsError,
    judge_budgets,
    parse_budgets,
)
from pytest_energybench.gates.comparisons import judge_energy, judge_group
from pytest_energybench.gates.fail_on import beside_cases, failures
from pytest_energybench.gates.judge import with_changes
from pytest_energybench.gates.results import conclude, key_of
from pytest_energybench.gates.stored import StoredSummary, compare_stored, file_of
from pytest_energybench.results.errors import ResultsError
from pytest_energybench.results.history import (
    FILE,
    TREND,
    Asked,
    Entry,
    check_branch,
    last_runs,
    parse_asked,
    read_history,
    with_trends,
)
from pytest_energybench.results.model import NOT_JUDGED, NOT_MEASURED, Case, Comparison, Run
from pytest_energybench.results.run_file import read_bytes
from pytest_energybench.results.storage import Floor, Storage, read_floors
from pytest_energybench.session.config import EnergyConfig
from pytest_energybench.session.markers import MarkedBudget, why_no_baseline

gates_key = pytest.StashKey["SessionGates"]()


@dataclass(slots=True)
class SessionGates:
    """Judges finished cases against what the user laid down for the session.

    Attributes:
        stored: the run to compare with, and `stored_name` what the user called it.
        history: entries of earlier runs, and how many of which branch to compare with; `stored`
            is made of them then.
        floors: what machines can tell apart, as far as it was measured.
        root: what files in node ids are relative to.
        arguments: what the user asked to be collected; a file of which only some tests were
            named (`test_x.py::test_y`) says nothing of its other tests.
        picks: what was collected of a file may be a part of it (`--lf`).
    """

    options: EnergyConfig
    budgets: Budgets = field(default_factory=lambda: Budgets(file="none"))
    stored: Run | None = None
    stored_name: str = ""
    history: Sequence[Entry] = ()
    asked: Asked | None = None
    floors: Sequence[Floor] = ()
    root: Path = Path()
    arguments: Sequence[str] = ()
    picks: bool = False

    @classmethod
    def of(cls, config: pytest.Config) -> SessionGates:
        """Those of a session, read once; see `load`."""
        if gates_key not in config.stash:
            config.stash[gates_key] = gates = cls.load(EnergyConfig.of(config))
            gates.root, gates.arguments = config.rootpath, config.args
            gates.picks = bool(config.getoption("lf", False))
        return config.stash[gates_key]

    @classmethod
    def load(cls, options: EnergyConfig) -> SessionGates:
        """Read the budgets file and the stored run.

        Raises:
            pytest.UsageError: one of them can't be read; names file and field.
        """
        gates = cls(options)
        if options.budgets is not None:
            try:
                content = read_bytes(options.budgets, most=MOST_BYTES)
                gates.budgets = parse_budgets(content, options.budgets.name)
            except ResultsError as error:
                raise pytest.UsageError(f"--energy-budgets: {error}") from None
            except BudgetsError as error:
                raise pytest.UsageError(str(error)) from None
        if options.history and os.path.lexists(options.storage / FILE):
            try:
                gates.history = read_history(options.storage)
            except ResultsError as error:
                raise pytest.UsageError(f"--energy-history: {error}") from None
        if options.compare is not None:
            try:
                gates.asked = parse_asked(options.compare)
                if gates.asked is not None:
                    gates.history = read_history(options.storage)
                    check_branch(gates.history, gates.asked)
                else:
                    gates.stored = Storage(options.storage).load(options.compare)
                gates.floors = read_floors(options.storage)
            except ResultsError as error:
                raise pytest.UsageError(f"--energy-compare: {error}") from None
            gates.stored_name = options.compare
            if gates.asked is not None and "stale" in options.fail_on:
                raise pytest.UsageError(
                    "--energy-fail-on=stale: a history doesn't tell which of its cases are no"
                    " longer tests; compare with a stored run, or leave stale out"
                )
        return gates

    def judge(
        self, case: Case, marked: MarkedBudget | None, baseline: Case | None
    ) -> list[Comparison]:
        """A finished case against its marker's and its file's budgets."""
        found = judge_budgets(case, self.budgets.limits(case.nodeid))
        return found if marked is None else found + self._judge_marked(case, marked, baseline)

    def _judge_marked(
        self, case: Case, marked: MarkedBudget, baseline: Case | None
    ) -> list[Comparison]:
        found = []
        if marked.max is not None:
            found.append(judge_energy(case, marked.max, source="marker"))
        if case.baseline:
            return found  # there is nothing to compare it with
        why = why_no_baseline(case.group, baseline)
        if baseline is None or why is not None:
            asked = {"accuracy": marked.max_accuracy_drop, "energy": marked.margin}
            return [
                *found,
                *(
                    _unjudged(
                        Comparison(reference="group", quantity=quantity, finding="unclear", n=0),
                        why,
                    )
                    for quantity, limit in asked.items()
                    if limit is not None
                ),
            ]
        if marked.max_accuracy_drop is not None:
            found.append(judge_group_accuracy(case, baseline, marked.max_accuracy_drop))
        if marked.margin is not None:
            found.append(
                judge_group(
                    case,
                    baseline,
                    margin=marked.margin,
                    interleaved=self.options.rounds > 1,
                    allow_mismatch=self.options.allow_mismatch,
                )
            )
        return found

    def conclude(
        self,
        run: Run,
        collected: Collection[str] | None,
        plain: Collection[str] = (),
        not_passed: Collection[str] = (),
    ) -> tuple[Run, StoredSummary | None, list[str]]:
        """The whole run against its groups' references and the stored run, and why the session
        fails, a line each.

        Args:
            collected: node ids of all tests there are, deselected ones too; None if that is
                not known.
            plain: those of this run that don't ask for energy, as far as their arguments tell.
            not_passed: those that were skipped or failed, maybe before they asked for it.
        """
        lines = [f"{case.nodeid}: {SKIPPED}" for case in run.cases if SKIPPED in case.flags]
        if self.options.strict_budgets:
            nodeids = [case.nodeid for case in run.cases]
            lines += [
                f"{self.budgets.file}: no budget matches {nodeid}"
                for nodeid in self.budgets.unmatched_cases(nodeids)
            ]
            lines += self.idle_budgets(nodeids, collected, plain)
            lines += [
                f"{case.nodeid}: {SKIPPED_BY_FIXTURE}"
                for case in run.cases
                if SKIPPED_BY_FIXTURE in case.flags
            ]
        run = with_changes(run, allow_mismatch=self.options.allow_mismatch)
        refused: Mapping[str, str] = {}
        if self.history or self.asked is not None:
            earlier, refused = last_runs(run, self.history, self.asked or Asked(TREND))
            run = with_trends(run, earlier)
            self.stored = self.stored if self.asked is None else earlier
        if self.stored is None:
            return msgspec.structs.replace(run, failures=[*run.failures, *lines]), None, lines
        judged, summary = compare_stored(
            run,
            self.stored,
            name=self.stored_name,
            margin=self.options.margin,
            budgets=self.budgets,
            collected=collected,
            plain=set(plain).difference(not_passed),
            whole=self._known_files(self.stored, collected),
            allow_mismatch=self.options.allow_mismatch,
            floors=self.floors,
            fails=self.options.fail_on,
            are_runs=self.asked is not None,
            refused=refused,
        )
        if collected is None:  # no worker lived to tell: what was not run may be a test or not
            summary = dataclasses.replace(summary, stale=(), not_run=summary.stale)
            if judged.compared_with is not None:
                unknown = msgspec.structs.replace(
                    judged.compared_with, stale=[], not_run=list(summary.not_run)
                )
                judged = msgspec.structs.replace(judged, compared_with=unknown)
            if "stale" in self.options.fail_on:
                lines.append("which tests there are is not known, so no entry can be called stale")
        beside = [*run.failures, *lines, *beside_cases(summary, self.options.fail_on)]
        judged = msgspec.structs.replace(judged, failures=beside)
        return judged, summary, lines + failures(judged, summary, self.options.fail_on)

    def without_cases(
        self,
        collected: Collection[str] | None,
        plain: Collection[str],
        not_passed: Collection[str],
        *,
        asked: int,
        now: bool,
    ) -> tuple[list[str], list[str]]:
        """Why a session without a case fails, and what its gates could not be held against.

        Args:
            collected, plain, not_passed: as for `conclude`.
            asked: how many tests of the run ask for energy.
            now: the comparison was asked for on the command line, so for this very run.
        """
        failures: list[str] = []
        warnings: list[str] = []
        idle = self.idle_budgets((), collected, plain)
        if self.options.strict_budgets:
            failures += idle
        else:  # a pattern over files says nothing of the tests that were asked for
            warnings += [line for line in idle if "::" in line]
        if self.options.compare is not None:
            why = "each was skipped" if asked else "no test of this run asks for energy"
            nothing = f"nothing was held against {self.options.compare}: {why}"
            fails = now and not asked and key_of(NOT_MEASURED) in self.options.fail_on
            (failures if fails else warnings).append(nothing)
        if self.stored is not None:
            _, summary = compare_stored(
                Run(machine=self.stored.machine),
                self.stored,
                name=self.stored_name,
                collected=collected,
                plain=set(plain).difference(not_passed),
                whole=self._known_files(self.stored, collected),
                allow_mismatch=True,
            )
            if collected is not None:
                failures += beside_cases(summary, self.options.fail_on)
        return failures, warnings

    def idle_budgets(
        self,
        nodeids: Collection[str],
        collected: Collection[str] | None,
        plain: Collection[str] = (),
    ) -> list[str]:
        """Budgets that match no test, or only tests that are not metered, as far as their file was
        collected: nothing holds such a budget."""
        if self.options.budgets is not None and not self.budgets.tables:
            return [f"{self.budgets.file}: states no budget"]
        nodeids = {*nodeids}.union(set(collected or ()).difference(plain))
        whole = self._whole_files(nodeids.union(plain))
        return [
            f"{self.budgets.file}: budget {pattern!r} matches no case"
            for pattern in self.budgets.unmatched_tables(nodeids)
            if self._is_known(pattern, whole)
        ]

    def _is_known(self, pattern: str, whole: Collection[str]) -> bool:
        """Whether all tests are known that a pattern could match."""
        file, names_one, _ = pattern.partition("::")
        return not names_one or "*" in file or self._is_known_file(file, whole)

    def _known_files(self, stored: Run, collected: Collection[str] | None) -> set[str]:
        """Files of a stored run's cases that hold no other tests than those that were collected."""
        whole = self._whole_files(collected or ())
        files = {file_of(case.nodeid) for case in stored.cases}
        return {file for file in files if self._is_known_file(file, whole)}

    def _whole_files(self, collected: Collection[str]) -> set[str]:
        """Files that were collected whole."""
        if self.picks:
            return set()
        in_part = {Path(file_of(each)).name for each in self.arguments if "::" in each}
        files = {file_of(nodeid) for nodeid in collected}
        return {file for file in files if Path(file).name not in in_part}

    def _is_known_file(self, file: str, whole: Collection[str]) -> bool:
        """Whether a file was collected whole, is not there at all, or is named as no node id does
        (`./test_x.py`, `/tests/test_x.py`)."""
        is_odd = posixpath.normpath(file) != file or file.startswith("/")
        return file in whole or is_odd or not (self.root / file).exists()


def unmetered(run: Run, most: int = 5) -> list[str]:
    """Tests that asked for energy and whose figures are missing by their own doing, a line each,
    and how many more."""
    found = []
    for case in run.cases:
        if SKIPPED_BY_FIXTURE in case.flags:
            found.append(f"{case.nodeid}: {SKIPPED_BY_FIXTURE}")
        elif not case.rounds and case.errors and case.outcome == "passed":
            found.append(f"{case.nodeid}: {case.errors[0]}")
    return [*found[:most], *([f"and {len(found) - most} more"] if len(found) > most else [])]


def _unjudged(comparison: Comparison, why: str | None) -> Comparison:
    """A limit that nothing could be held against: it has not held."""
    return msgspec.structs.replace(
        comparison,
        finding="undecided" if comparison.quantity == "accuracy" else "unclear",
        judged=conclude(NOT_MEASURED, f"the budget can't be judged: {why}"),
    )


def not_made_again(assertion: str) -> Comparison:
    """An assertion that waited for the last round, and was not made there: it was never judged."""
    why = (
        f"energy.{assertion}(...) was called in an earlier round and not in the last one, which is"
        " judged: call it in each"
    )
    quantity = next(each for each in ("accuracy", "perplexity", "") if each in assertion)
    return Comparison(
        reference="budget",
        quantity=quantity or "energy",
        finding="undecided" if quantity else "unclear",
        n=0,
        judged=conclude(NOT_JUDGED, why),
    )
