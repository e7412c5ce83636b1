"""The gates of a session beyond a test's own assertions: markers, budgets, a stored run."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from pytest_energybench.gates.accuracy import Score, judge_accuracy
from pytest_energybench.gates.budgets import Budgets, BudgetsError, judge_budgets, parse_budgets
from pytest_energybench.gates.energy import estimate, judge_baseline, judge_budget
from pytest_energybench.gates.fail_on import failures
from pytest_energybench.gates.figures import Figures
from pytest_energybench.gates.message import passes
from pytest_energybench.gates.statistics import CONFIDENCE
from pytest_energybench.gates.stored import StoredSummary, compare_stored
from pytest_energybench.marks import MarkedBudget
from pytest_energybench.results.errors import ResultsError
from pytest_energybench.results.model import Case, Comparison, Run
from pytest_energybench.results.storage import Storage
from pytest_energybench.settings import EnergyOptions


@dataclass(slots=True)
class Gatekeeper:
    """Judges finished cases against what the user laid down for the session.

    Attributes:
        stored: the run to compare with, and `stored_name` what the user called it.
        here: this run without its cases: its machine, meters and settings.
        family: how many cases are compared with the stored run: among so many, one that is called
            regressed must be beyond chance at risk / family (Bonferroni). After the run Holm's
            procedure looks at all of them and can only find more.
    """

    options: EnergyOptions
    budgets: Budgets = field(default_factory=lambda: Budgets(file="none"))
    stored: Run | None = None
    stored_name: str = ""
    family: int = 1

    @classmethod
    def load(cls, options: EnergyOptions) -> Gatekeeper:
        """Read the budgets file and the stored run.

        Raises:
            pytest.UsageError: one of them can't be read; names file and field.
        """
        keeper = cls(options)
        if options.budgets is not None:
            try:
                content = options.budgets.read_bytes()
                keeper.budgets = parse_budgets(content, options.budgets.name)
            except OSError as error:
                raise pytest.UsageError(f"--energy-budgets: {error}") from None
            except BudgetsError as error:
                raise pytest.UsageError(str(error)) from None
        if options.compare is not None:
            try:
                keeper.stored = Storage(options.storage).load(options.compare)
            except ResultsError as error:
                raise pytest.UsageError(f"--energy-compare: {error}") from None
            keeper.stored_name = options.compare
        return keeper

    def judge(
        self, case: Case, marked: MarkedBudget | None, baseline: Case | None
    ) -> list[Comparison]:
        """A finished case against its marker's and its file's budgets."""
        found = judge_budgets(case, self.budgets.limits(case.nodeid))
        if marked is None:
            return found
        if marked.max is not None:
            found.append(
                judge_budget(
                    case.total_j,
                    marked.max,
                    provenance=case.provenance,
                    n=max(1, len(case.rounds)),
                    source="marker",
                )
            )
        if baseline is not None and baseline.nodeid != case.nodeid:
            if marked.max_accuracy_drop is not None:
                ours, theirs = Score.recorded(case.metrics), Score.recorded(baseline.metrics)
                found.append(
                    judge_accuracy(ours, theirs, marked.max_accuracy_drop, nodeid=baseline.nodeid)
                )
            if marked.margin is not None:
                found.append(
                    judge_baseline(
                        Figures.of(case),
                        Figures.of(baseline),
                        margin=marked.margin,
                        interleaved=self.options.rounds > 1,
                        allow_mismatch=self.options.allow_mismatch,
                    )
                )
        return found

    def judge_stored(self, case: Case, here: Run) -> Comparison | None:
        """A finished case against its stored self, None where it has none.

        Args:
            here: this run without cases: what machine, meters and settings its figures are of.
        """
        if self.stored is None:
            return None
        alone = msgspec.structs.replace(here, cases=[case])
        judged, _ = self._compare(alone, {case.nodeid})
        comparison = next((each for each in judged.cases[0].comparisons if _is_stored(each)), None)
        if comparison is None or comparison.verdict.kind != "regressed":
            return comparison
        reference = next(each for each in self.stored.cases if each.nodeid == case.nodeid)
        found = estimate(Figures.of(case), Figures.of(reference), interleaved=False)
        if found is None:
            return comparison  # one round: a threshold, which has no chance to share out
        chance = found.chance_above(math.log1p(comparison.margin or 0.0))
        if chance <= (1 - CONFIDENCE) / self.family:
            return comparison
        verdict = msgspec.structs.replace(
            comparison.verdict,
            kind="inconclusive",
            reason=f"{comparison.verdict.reason}, not beyond chance among {self.family} cases",
        )
        return msgspec.structs.replace(comparison, verdict=verdict)

    def fails(self, comparison: Comparison) -> bool:
        """Whether a comparison fails its case: budgets always do, a stored run where asked for."""
        if comparison.origin == "stored":
            return comparison.verdict.kind in self.options.fail_on
        return not passes(comparison)

    def conclude(
        self, run: Run, collected: Collection[str] | None
    ) -> tuple[Run, StoredSummary | None, list[str]]:
        """The whole run against the stored one, and why the session fails, a line each.

        Args:
            collected: node ids of all tests there are, deselected ones too; None where that is
                not known.
        """
        lines: list[str] = []
        if self.options.strict_budgets:
            nodeids = [case.nodeid for case in run.cases]
            lines += [
                f"{self.budgets.file}: no budget matches {nodeid}"
                for nodeid in self.budgets.unmatched_cases(nodeids)
            ]
            lines += self.idle_budgets(run, collected)
        if self.stored is None:
            return run, None, lines
        judged, summary = self._compare(run, collected)
        return judged, summary, lines + failures(judged, summary, self.options.fail_on)

    def idle_budgets(self, run: Run, collected: Collection[str] | None) -> list[str]:
        """Budgets that match no test: one that was renamed has lost its budget."""
        nodeids = collected or [case.nodeid for case in run.cases]
        return [
            f"{self.budgets.file}: budget {pattern!r} matches no case"
            for pattern in self.budgets.unmatched_tables(nodeids)
        ]

    @property
    def reference(self) -> str:
        """The stored run for people: its name or file name, date and commit."""
        if self.stored is None:
            return ""
        commit = f", commit {self.stored.commit.id[:12]}" if self.stored.commit else ""
        return f"{Path(self.stored_name).name} ({self.stored.created or 'no date'}{commit})"

    def _compare(self, run: Run, collected: Collection[str] | None) -> tuple[Run, StoredSummary]:
        assert self.stored is not None
        return compare_stored(
            run,
            self.stored,
            name=self.stored_name,
            margin=self.options.margin,
            budgets=self.budgets,
            collected=collected,
            allow_mismatch=self.options.allow_mismatch,
        )


def _is_stored(comparison: Comparison) -> bool:
    return comparison.origin == "stored"
