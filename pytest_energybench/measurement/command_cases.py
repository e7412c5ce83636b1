"""Commands as cases: their rounds in turn, through the builder that a test's windows go through."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec.structs import replace

from pytest_energybench.gates.comparisons import judge_energy, judge_group
from pytest_energybench.gates.parse import EnergyLimit
from pytest_energybench.gates.results import judged
from pytest_energybench.measurement.calls import Call, interleaved_rounds
from pytest_energybench.measurement.case_builder import CaseBuilder
from pytest_energybench.measurement.command import Command, CommandFailedError, Tree
from pytest_energybench.results.model import Case
from pytest_energybench.results.redaction import without_private
from pytest_energybench.results.storable import storable_case

if TYPE_CHECKING:
    from pytest_energybench.metering.meter import Meter


@dataclass(frozen=True, slots=True)
class CommandCase:
    """A command that is metered as a case.

    Attributes:
        case: its identity, without figures.
        prepare: runs before each round, outside the window.
    """

    case: Case
    command: Command
    prepare: Command | None = None

    def set_up(self) -> None:
        """Run what goes before a round."""
        if self.prepare is not None:
            self.prepare()


@dataclass(frozen=True, slots=True)
class Limits:
    """What each command is held against.

    Attributes:
        budgets: the most that a run of it may use.
        margin: increase over the reference of its group that is tolerated (0.03 is 3 %).
        fails: reasons of that comparison that fail; see `gates.results.conclude`.
    """

    budgets: Sequence[EnergyLimit]
    margin: float
    fails: Collection[str]


def metered_cases(
    cases: Sequence[CommandCase],
    meter: Meter,
    *,
    rounds: int,
    warmup: int = 0,
    iterations: int = 1,
    tell: Callable[[str], None] = lambda _: None,
) -> tuple[list[Case], CommandFailedError | None]:
    """Meter the rounds of all commands in turn.

    Args:
        iterations: runs in one round's window; figures are per run.
        tell: hears of each round.

    Returns:
        the cases, and why not all rounds were made: then they have the rounds before that, and say
        so among their errors.

    Raises:
        NotStartedError: a command can't be started.
    """
    Tree().left()  # what it loads for that is no part of the first command's window
    calls = [Call(each.command, (), {}, setup=each.set_up, warmup=warmup) for each in cases]
    builders = [CaseBuilder(each.case) for each in cases]
    failed: CommandFailedError | None = None
    try:
        for number in range(warmup):
            tell(f"warm-up {number + 1} of {warmup}")
            for call in calls:
                call.run()
        made = interleaved_rounds(calls, meter, [iterations] * len(calls), rounds=rounds)
        for place, window in made:
            builders[place].called.append((window, iterations))
            tell(f"round {window.round + 1} of {rounds}: {cases[place].command.text}")
    except CommandFailedError as error:
        failed = error
    return [_case(builder, rounds, failed) for builder in builders], failed


def _case(builder: CaseBuilder, rounds: int, failed: CommandFailedError | None) -> Case:
    done = len(builder.called)
    if failed is not None and done < rounds:
        builder.errors.append(f"{done} of {rounds} rounds: {str(failed).splitlines()[0]}")
        builder.case = replace(builder.case, outcome="error")
    return judged(without_private(storable_case(builder.finished(None))))


def judge(cases: Sequence[Case], limits: Limits) -> list[Case]:
    """Each case against its budgets and against its group's reference, which is held against
    neither."""
    references = {case.group: case for case in cases if case.baseline}
    found = []
    for case in cases:
        made = []
        if not case.baseline:
            made = [judge_energy(case, limit, source="--budget") for limit in limits.budgets]
            if (reference := references.get(case.group)) is not None:
                made.append(
                    judge_group(
                        case, reference, margin=limits.margin, interleaved=True, fails=limits.fails
                    )
                )
        found.append(judged(replace(case, comparisons=made)))
    return found
