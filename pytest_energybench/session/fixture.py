"""The `energy` fixture: measuring, recording and asserting in a test."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_energybench.gates.accuracy import Score, judge_accuracy, judge_group_accuracy
from pytest_energybench.gates.comparisons import judge_energy, judge_group
from pytest_energybench.gates.parse import (
    parse_accuracy,
    parse_drop,
    parse_energy_limit,
    parse_margin,
)
from pytest_energybench.gates.perplexity import judge_group_perplexity
from pytest_energybench.gates.results import failure_message, passes
from pytest_energybench.measurement import aggregate
from pytest_energybench.measurement.abtest import ABTest, beside, interleaved
from pytest_energybench.measurement.calls import Call, metered_rounds
from pytest_energybench.measurement.case_builder import CaseBuilder
from pytest_energybench.measurement.metrics import checked_counts, checked_metrics
from pytest_energybench.measurement.progress import Progress
from pytest_energybench.measurement.window_stack import OpenWindows
from pytest_energybench.metering.default import measure
from pytest_energybench.metering.meter import Meter
from pytest_energybench.results.answers import pack
from pytest_energybench.results.model import Case, Comparison, Search, Series
from pytest_energybench.session.markers import why_no_baseline

if TYPE_CHECKING:
    from pytest_energybench.metering.idle import IdlePower
    from pytest_energybench.metering.source import Source
    from pytest_energybench.metering.window import Window as OpenWindow

__tracebackhide__ = True  # a user's mistake is shown at the user's line

R = TypeVar("R")


class Energy:
    """One test's energy: windows and calls are metered, figures recorded, limits asserted.

    `total_j` is IT energy in joules, the sum over the domains; it is the median over the rounds
    if there are several. Assertions raise AssertionError with at most three lines: both
    figures, the limit and their provenance.

    Attributes:
        windows: those that are open.
        asserted: names of the assertions that were made, judged here or withheld.
    """

    def __init__(
        self,
        builder: CaseBuilder,
        *,
        meter: Callable[[], Meter],
        baseline: Callable[[], Case | None],
        idle: Callable[[], IdlePower | None] = lambda: None,
        summed: Callable[[Mapping[str, float]], Mapping[str, float]] = dict,
        disabled: bool = False,
        judges: bool = True,
        interleaved: bool = False,
        allow_mismatch: bool = False,
        follows: bool = False,
        round: int = 0,
    ) -> None:
        """
        Args:
            builder: takes what is measured, recorded and judged.
            meter: the session's meter, asked for at the first window.
            baseline: the finished case of the group's baseline, None if there is none.
            idle: power of the idle machine, None if it isn't to be subtracted.
            summed: adds up what the processes that run this test in step have counted.
            disabled: nothing is metered or judged.
            judges: assertions hold figures against limits; False in all but the last of several
                rounds of the test, whose figures they wait for.
            interleaved: candidate and baseline ran in the same rounds, so that they make pairs.
            allow_mismatch: figures of unlike provenance may be compared.
            follows: another process reports this test; its own meters are not read here.
            round: number of this execution among the rounds of its test, from 0.
        """
        self._round = round
        self._builder = builder
        self._meter = meter
        self._baseline = baseline
        self._idle = idle
        self._summed = summed
        self._disabled = disabled
        self._judges = judges and not disabled
        self.asserted: set[str] = set()
        self._interleaved = interleaved
        self._allow_mismatch = allow_mismatch
        self._follows = follows
        self.windows = OpenWindows(builder, idle, lambda: meter().begin_round())

    # ---- measuring ------------------------------------------------------------------------

    def measure(
        self,
        name: str = "",
        *,
        counted: bool = True,
        meters: Sequence[Source | Callable[[], float]] | None = None,
    ) -> AbstractContextManager[OpenWindow]:
        """Meter the body of a `with` statement; several windows in one test add up.

        `meters` are read instead of the session's: sources of your own, or functions that return
        joules so far.

        A window inside another is recorded, but its joules count once. With `counted=False` the
        window's joules are kept beside the case's energy instead of in it (a search, a warm-up).
        One that is still open when the test has ended leaves the case without a total.
        """
        if self._disabled:
            return self._meter().measure(name)
        if meters is not None and not self._follows:
            window = measure(str(name), meters=meters)
        else:
            window = (self._meter() if meters is None else Meter(())).measure(str(name))
        return self.windows.bracket(window, "counted" if counted else "beside")

    def __call__(
        self,
        function: Callable[..., R],
        *args: Any,
        rounds: int = 1,
        warmup: int = 0,
        iterations: int | None = None,
        setup: Callable[[], Any] | None = None,
        **kwargs: Any,
    ) -> R:
        """Call `function(*args, **kwargs)` and meter it; returns what the last call returned.

        Args:
            rounds: independent repetitions; the case's figures are their medians.
            warmup: calls before the first round that are not metered.
            iterations: calls per round, the figures being per call. By default as many as the
                slowest counter needs for a figure that can be trusted, and one with `setup`.
            setup: called before each round, outside the window. A tuple it returns is passed on
                as further positional arguments, anything else but None as one.

        Raises:
            ValueError: rounds, warmup or iterations out of range, or a second call in the same
                test with another number of rounds.
            RuntimeError: a window of this test is open, so the call's joules would count twice.
        """
        call = Call(
            function,
            args,
            kwargs,
            setup=setup,
            rounds=rounds,
            warmup=warmup,
            iterations=iterations,
        )
        if self._disabled:
            return call.run()
        with self.windows.around_call("energy(function)"):
            result, called = metered_rounds(call, self._meter(), self._idle())
        self._builder.add_rounds(called)
        return result

    def compare(
        self,
        candidate: Callable[[], Any],
        baseline: Callable[[], Any],
        *,
        rounds: int = 5,
        warmup: int = 1,
        setup: Callable[[], Any] | None = None,
    ) -> ABTest:
        """Meter two functions in turn; assert on what it returns.

        The candidate's rounds are the case's figures; the baseline's are kept beside them.

        Args:
            rounds: pairs of rounds, candidate and baseline first in turn.
            warmup: calls of each before the first round that are not metered.
            setup: called before each round, outside the window; see `__call__`.

        Raises:
            ValueError: rounds or warmup out of range.
            RuntimeError: a window of this test is open, so the joules would count twice.
        """
        meter = self._meter()
        with self.windows.around_call("energy.compare(...)"):
            ours, theirs = interleaved(
                candidate,
                baseline,
                meter,
                rounds=rounds,
                warmup=warmup,
                setup=setup,
                idle=self._idle(),
            )
        if self._disabled:
            return ABTest.of([], [], {}, None)
        self._builder.add_rounds(ours)
        for window in beside(theirs):
            self._builder.add_window(window)
        provenance = aggregate.weakest_provenance(window for window, _ in [*ours, *theirs])
        return ABTest.of(ours, theirs, provenance, self._conclude)

    def include(self, window: OpenWindow) -> None:
        """Make a closed window of `energy_meter`, shared by several tests, part of this case.

        Raises:
            RuntimeError: a window of this test metered the time already, or a measured call is
                running, so its joules would count twice.
        """
        if not self._disabled:
            self.windows.include(window)
            self.flag(f"window {window.name!r} is shared with other tests")

    def heavy_work(self, name: str = "") -> AbstractContextManager[None]:
        """For unmetered work that would spoil other processes' windows; `name` names its time."""
        work = nullcontext() if self._disabled else self._meter().heavy_work()
        return self.windows.unmetered(name, work)

    @property
    def progress(self) -> Progress:
        """Shows how far the test is: `energy.progress("epoch 3 of 6")`."""
        return self._builder.progress

    # ---- recording ------------------------------------------------------------------------

    def record(self, *, answers: Iterable[Any] | None = None, **metrics: Any) -> None:
        """Keep metrics beside the joules; `correct` and `total` together give `accuracy`, and a
        `seed` is that of the round, or of all rounds of a measured call.

        Args:
            answers: for each item of the test set, in one order in all cases, whether the answer
                was right; gives `correct` and `total`, and two cases are then compared item by
                item.

        Raises:
            TypeError: a value is neither a number, a string, a bool nor None.
            ValueError: a number is not finite, or correct and total do not fit each other.
        """
        if answers is not None:
            right = [bool(each) for each in answers]
            metrics = {**metrics, "correct": sum(right), "total": len(right)}
        self._builder.metrics = checked_metrics(metrics, self._builder.metrics)
        if answers is not None:
            self._builder.answers = pack(right)

    def per(self, **counts: float) -> None:
        """Count functional units, e.g. `energy.per(token=len(tokens))`: limits and comparisons may
        then be joules per token.

        Counts add up, as windows do. Behind `energy(function, ...)` they are those of one call.
        Under torchrun each rank gives its own, and all call it.

        Raises:
            TypeError: no count, or one that is no number.
            ValueError: a count is negative or not finite, or its name no word.
            RuntimeError: a measured call is running, which may be repeated.
        """
        checked = checked_counts(counts)
        self.windows.refuse_in_call("energy.per(...)")
        for unit, count in self._summed(checked).items():
            self._builder.units[unit] = self._builder.units.get(unit, 0.0) + count

    def record_search(
        self,
        *,
        parameter: str,
        found: float,
        curve: Sequence[tuple[float, float]],
        evaluations: int,
        images: int,
        duration_s: float = 0.0,
        reference_evaluations: int | None = None,
        at_most: Sequence[tuple[float, float]] = (),
    ) -> None:
        """Record what a search before training found and cost.

        Its joules are those of the windows opened with `counted=False`; so are its seconds if
        `duration_s` is left out. `at_most` is for levels that were broken off, with the most that
        their accuracy can be. A second call records a second search."""
        self._builder.search = Search(
            parameter=parameter,
            found=float(found),
            curve=[(float(level), float(accuracy)) for level, accuracy in curve],
            at_most=[(float(level), float(accuracy)) for level, accuracy in at_most],
            evaluations=int(evaluations),
            images=int(images),
            duration_s=float(duration_s),
            reference_evaluations=reference_evaluations,
            earlier=aggregate.searches_so_far(self._builder.search),
        )

    def record_series(
        self, name: str, points: Sequence[tuple[float, float]], *, x: str, unit: str = ""
    ) -> None:
        """Keep a curve of this case for the report, e.g. the validation loss over epochs."""
        values = [(float(at), float(value)) for at, value in points]
        self._builder.series.append(Series(name=name, x=x, points=values, unit=unit))

    def flag(self, text: str) -> None:
        """Add a note that a reader of this case's figures should know."""
        self._builder.flags.append(str(text))

    # ---- asserting ------------------------------------------------------------------------

    def assert_below(self, limit: str | float) -> None:
        """IT energy is at most `limit`: `"40 Wh"`, joules as a number, or per functional unit that
        `per` counted: `"0.4 J/token"`.

        Raises:
            AssertionError: it is not, or it is not known.
            QuantityError: the limit can't be read.
        """
        parsed = parse_energy_limit(limit)
        if self._judging("assert_below"):
            self._conclude(judge_energy(self._metered("assert_below"), parsed))

    def assert_below_baseline(self, margin: float | str = 0.0) -> None:
        """IT energy is below the group's baseline of this run, plus `margin` (0.03 or "3 %").

        In the baseline itself there is nothing to compare.

        Raises:
            AssertionError: it is not, or either figure is not known.
        """
        allowed = parse_margin(margin)
        if self._builder.case.baseline or not self._judging("assert_below_baseline"):
            return
        case, baseline = self._metered("assert_below_baseline"), self._required_baseline()
        self._conclude(
            judge_group(
                case,
                baseline,
                margin=allowed,
                interleaved=self._interleaved,
                allow_mismatch=self._allow_mismatch,
            )
        )

    def assert_accuracy(
        self, accuracy: float, *, baseline: float, max_drop: float | str = 0.01
    ) -> None:
        """`accuracy` is at most `max_drop` (0.01 or "1 %" is one point) below `baseline`.

        Raises:
            AssertionError: it has dropped further.
            QuantityError: one of them can't be what it is said to be, e.g. `max_drop=1`.
        """
        ours = Score(parse_accuracy(float(accuracy)))
        theirs = Score(parse_accuracy(float(baseline), "baseline"))
        allowed = parse_drop(max_drop)
        self._builder.metrics.setdefault("accuracy", ours.accuracy)
        if self._judging("assert_accuracy"):
            is_recorded = self._builder.metrics["accuracy"] == ours.accuracy
            score = Score.of(self.case()) if is_recorded else ours  # of all rounds
            self._conclude(judge_accuracy(score, theirs, allowed, against="budget"))

    def assert_accuracy_within_baseline(self, max_drop: float | str = 0.01) -> None:
        """The recorded accuracy is at most `max_drop` (0.01 or "1 %" is one point) below that of
        the group's baseline.

        In the baseline itself there is nothing to compare.

        Raises:
            AssertionError: it has dropped further, or either accuracy was not recorded.
            QuantityError: `max_drop` can't be one, e.g. 1.
        """
        allowed = parse_drop(max_drop)
        if self._builder.case.baseline or not self._judging("assert_accuracy_within_baseline"):
            return
        case, baseline = self.case(), self._required_baseline()
        for each in (case, baseline):
            if Score.of(each) is None:
                raise AssertionError(
                    f"{each.nodeid} recorded no accuracy: call"
                    " energy.record(correct=..., total=...) or energy.record(accuracy=...) first"
                )
        self._conclude(judge_group_accuracy(case, baseline, allowed))

    def assert_perplexity_within_baseline(self, max_rise: float | str = 0.01) -> None:
        """The recorded metric `perplexity` is at most `max_rise` (0.01 or "1 %") above that of the
        group's baseline.

        In the baseline itself there is nothing to compare.

        Raises:
            AssertionError: it has risen further, or either is not known.
            QuantityError: `max_rise` can't be one, e.g. 1.
        """
        allowed = parse_margin(max_rise)
        if self._builder.case.baseline or not self._judging("assert_perplexity_within_baseline"):
            return
        self._conclude(judge_group_perplexity(self.case(), self._required_baseline(), allowed))

    # ---- looking --------------------------------------------------------------------------

    @property
    def round(self) -> int:
        """Number of this round of the test, from 0 (`--energy-rounds`).

        Work with random numbers takes its seed from it, so that rounds are independent and all
        tests of a group have the same seeds: `seed = 7 + energy.round`.
        """
        return self._round

    @property
    def baseline(self) -> Case | None:
        """The case of the group's baseline in this run; None if there is none yet, and in it."""
        return self._baseline()

    @property
    def total_j(self) -> float | None:
        """IT energy so far in joules; None if a domain was lost or nothing was metered."""
        return self.case().total_j

    def case(self) -> Case:
        """Everything known so far, as it will stand in the run file."""
        return self._builder.judged_on(self._baseline())

    # ---- within ---------------------------------------------------------------------------

    def _judging(self, assertion: str) -> bool:
        """Whether an assertion judges now, or waits for the last round."""
        self.asserted.add(assertion)
        return self._judges

    def _conclude(self, comparison: Comparison) -> None:
        self._builder.comparisons.append(comparison)
        if not passes(comparison):
            raise AssertionError(failure_message(comparison))

    def _metered(self, asked: str) -> Case:
        if (name := self.windows.open_name) is not None:
            why = f"window {name!r} is still open: move the assertion out of the with block"
            raise AssertionError(f"energy.{asked}: {why}")
        if (missing := self.windows.missing) is not None:
            raise AssertionError(f"energy.{asked}: {missing}")
        return self.case()

    def _required_baseline(self) -> Case:
        baseline = self._baseline()
        why = why_no_baseline(self._builder.case.group, baseline)
        if baseline is None or why is not None:
            raise AssertionError(why)
        return baseline
