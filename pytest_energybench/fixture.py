"""The `energy` fixture: what a test says about joules, and what it asserts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from pytest_energybench.cases import assembly
from pytest_energybench.cases.abtest import ABTest, beside, interleaved, joules_per_call
from pytest_energybench.cases.calls import Call, metered_rounds
from pytest_energybench.cases.draft import Draft
from pytest_energybench.cases.metrics import checked_metrics
from pytest_energybench.cases.windows import OpenWindows
from pytest_energybench.gates.accuracy import Score, judge_accuracy
from pytest_energybench.gates.energy import judge_baseline, judge_budget
from pytest_energybench.gates.figures import Figures
from pytest_energybench.gates.message import failure_message, passes
from pytest_energybench.gates.quantity import parse_energy, parse_fraction
from pytest_energybench.marks import BASELINE_MARK, GROUP_MARK
from pytest_energybench.metering.meter import Meter, measure
from pytest_energybench.results.model import Case, Comparison, Scalar, Search, Series

if TYPE_CHECKING:
    from pytest_energybench.metering.idle import IdlePower
    from pytest_energybench.metering.source import Source
    from pytest_energybench.metering.window import Window as OpenWindow

R = TypeVar("R")


class Energy:
    """One test's energy: windows and calls are metered, figures recorded, limits asserted.

    `total_j` is IT energy in joules, the sum over the domains; it is the median over the rounds
    where there are several. Assertions raise AssertionError with at most three lines: both
    figures, the limit and their provenance.

    Attributes:
        windows: those that are open.
    """

    def __init__(
        self,
        draft: Draft,
        *,
        meter: Callable[[], Meter],
        baseline: Callable[[], Case | None],
        idle: Callable[[], IdlePower | None] = lambda: None,
        disabled: bool = False,
        judges: bool = True,
        interleaved: bool = False,
        allow_mismatch: bool = False,
        follows: bool = False,
    ) -> None:
        """
        Args:
            draft: takes what is measured, recorded and judged.
            meter: the session's meter, asked for at the first window.
            baseline: the finished case of the group's baseline, None where there is none.
            idle: power of the idle machine, None where it isn't to be subtracted.
            disabled: nothing is metered or judged.
            judges: assertions hold figures against limits; False in all but the last of several
                rounds of the test, whose figures they wait for.
            interleaved: candidate and baseline ran in the same rounds, so that they make pairs.
            allow_mismatch: figures of unlike provenance may be compared.
            follows: another process reports this test; its own meters are not read here.
        """
        self._draft = draft
        self._meter = meter
        self._baseline = baseline
        self._idle = idle
        self._disabled = disabled
        self._judges = judges and not disabled
        self._interleaved = interleaved
        self._allow_mismatch = allow_mismatch
        self._follows = follows
        self.windows = OpenWindows(draft, idle)

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
        if meters is None:
            window = self._meter().measure(name)
        else:
            window = Meter(()).measure(name) if self._follows else measure(name, meters=meters)
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
        self._draft.add_rounds(called)
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
            return ABTest((), (), {}, None)
        self._draft.add_rounds(ours)
        for window in beside(theirs):
            self._draft.add_window(window)
        provenance = dict(meter.provenance)
        return ABTest(
            joules_per_call(ours), joules_per_call(theirs), provenance, self._conclude_compared
        )

    def include(self, window: OpenWindow) -> None:
        """Make a closed window of `energy_meter`, shared by several tests, part of this case."""
        if not self._disabled:
            self._draft.add_window(assembly.window_record(window, idle=self._idle()))
            self.flag(f"window {window.name!r} is shared with other tests")

    def heavy_work(self) -> AbstractContextManager[None]:
        """For work that isn't metered but would spoil the windows of other processes here."""
        return nullcontext() if self._disabled else self._meter().heavy_work()

    # ---- recording ------------------------------------------------------------------------

    def record(self, **metrics: Any) -> None:
        """Keep metrics beside the joules; `correct` and `total` together give `accuracy`.

        Raises:
            TypeError: a value is neither a number, a string, a bool nor None.
            ValueError: a number is not finite, or correct and total do not fit each other.
        """
        self._draft.metrics = checked_metrics({**self._draft.metrics, **metrics})

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
    ) -> None:
        """Keep what a search before training found and took; its joules are those of the windows
        opened with `counted=False`, its seconds, too, where `duration_s` is left out. A second call
        is for a second search, after the first."""
        before = self._draft.search
        self._draft.search = Search(
            parameter=parameter,
            found=float(found),
            curve=[(float(level), float(accuracy)) for level, accuracy in curve],
            evaluations=int(evaluations),
            images=int(images),
            duration_s=float(duration_s),
            reference_evaluations=reference_evaluations,
            earlier=assembly.searches_so_far(before),
        )

    def record_series(
        self, name: str, points: Sequence[tuple[float, float]], *, x: str, unit: str = ""
    ) -> None:
        """Keep a curve of this case for the report, e.g. the validation loss over epochs."""
        values = [(float(at), float(value)) for at, value in points]
        self._draft.series.append(Series(name=name, x=x, points=values, unit=unit))

    def flag(self, text: str) -> None:
        """Say something about this case that a reader of its figures should know."""
        self._draft.flags.append(text)

    # ---- asserting ------------------------------------------------------------------------

    def assert_below(self, limit: str | float) -> None:
        """IT energy is at most `limit`: a quantity such as `"40 Wh"`, or joules as a number.

        Raises:
            AssertionError: it is not, or it is not known.
            QuantityError: the limit can't be read.
        """
        __tracebackhide__ = True
        limit_j = parse_energy(limit)
        if not self._judges:
            return
        case = self._metered("assert_below")
        self._conclude(
            judge_budget(case.total_j, limit_j, provenance=case.provenance, n=len(case.rounds))
        )

    def assert_below_baseline(self, margin: float | str = 0.0) -> None:
        """IT energy is below the group's baseline of this run, plus `margin` (0.03 or "3 %").

        In the baseline itself there is nothing to compare.

        Raises:
            AssertionError: it is not, or either figure is not known.
        """
        __tracebackhide__ = True
        allowed = parse_fraction(margin)
        if not self._judges_baseline:
            return
        case, baseline = self._metered("assert_below_baseline"), self._required_baseline()
        self._conclude(
            judge_baseline(
                Figures.of(case),
                Figures.of(baseline),
                margin=allowed,
                interleaved=self._interleaved,
                allow_mismatch=self._allow_mismatch,
            )
        )

    def assert_accuracy(self, accuracy: float, *, baseline: float, max_drop: float = 0.01) -> None:
        """`accuracy` is at most `max_drop` (a fraction: 0.01 is one point) below `baseline`.

        Raises:
            AssertionError: it has dropped further.
        """
        __tracebackhide__ = True
        self._draft.metrics.setdefault("accuracy", float(accuracy))
        if self._judges:
            ours, theirs = Score(float(accuracy)), Score(float(baseline))
            self._conclude(judge_accuracy(ours, theirs, float(max_drop)))

    def assert_accuracy_within_baseline(self, max_drop: float = 0.01) -> None:
        """The recorded accuracy is at most `max_drop` below that of the group's baseline.

        In the baseline itself there is nothing to compare.

        Raises:
            AssertionError: it has dropped further, or either accuracy was not recorded.
        """
        __tracebackhide__ = True
        if not self._judges_baseline:
            return
        baseline = self._required_baseline()
        ours = self._recorded_accuracy(self._draft.metrics, self._draft.case.nodeid)
        theirs = self._recorded_accuracy(baseline.metrics, baseline.nodeid)
        self._conclude(judge_accuracy(ours, theirs, max_drop, nodeid=baseline.nodeid))

    # ---- looking --------------------------------------------------------------------------

    @property
    def baseline(self) -> Case | None:
        """The case of the group's baseline in this run; None where there is none (yet)."""
        return self._baseline()

    @property
    def total_j(self) -> float | None:
        """IT energy so far in joules; None where a domain was lost or nothing was metered."""
        return self.case().total_j

    def case(self) -> Case:
        """Everything known so far, as it will stand in the run file."""
        return self._draft.judged_on(self._baseline())

    # ---- within ---------------------------------------------------------------------------

    @property
    def _judges_baseline(self) -> bool:
        return self._judges and not self._draft.case.baseline

    def _conclude_compared(self, comparison: Comparison, must_improve: bool) -> None:
        __tracebackhide__ = True
        if must_improve and comparison.verdict.kind == "within":
            comparison = msgspec.structs.replace(
                comparison, verdict=msgspec.structs.replace(comparison.verdict, kind="inconclusive")
            )
        self._conclude(comparison)

    def _conclude(self, comparison: Comparison) -> None:
        __tracebackhide__ = True
        self._draft.comparisons.append(comparison)
        if not passes(comparison):
            raise AssertionError(failure_message(comparison))

    def _metered(self, asked: str) -> Case:
        __tracebackhide__ = True
        case = self.case()
        if not case.rounds:
            raise AssertionError(
                f"energy.{asked}: nothing was metered in this test before it;"
                " put the work into `with energy.measure():` or call it through `energy(function)`"
            )
        return case

    def _required_baseline(self) -> Case:
        __tracebackhide__ = True
        group, baseline = self._draft.case.group, self._baseline()
        if group is None:
            raise AssertionError(
                "this test belongs to no group, so it has no baseline;"
                f' mark it and its baseline with @pytest.mark.{GROUP_MARK}("name")'
            )
        if baseline is None:
            raise AssertionError(
                f"group {group!r} has no baseline in this run: mark one of its tests with"
                f" @pytest.mark.{BASELINE_MARK}"
            )
        if baseline.outcome != "passed":
            raise AssertionError(
                f"the baseline of group {group!r} has {baseline.outcome}, so there is nothing to"
                f" compare with: {baseline.nodeid}"
            )
        return baseline

    @staticmethod
    def _recorded_accuracy(metrics: Mapping[str, Scalar], nodeid: str) -> Score:
        __tracebackhide__ = True
        accuracy = metrics.get("accuracy")
        if not isinstance(accuracy, int | float):
            raise AssertionError(
                f"{nodeid} recorded no accuracy: call energy.record(correct=..., total=...)"
                " or energy.record(accuracy=...) first"
            )
        correct, total = metrics.get("correct"), metrics.get("total")
        if isinstance(correct, int) and isinstance(total, int):
            return Score.of_counts(correct, total)
        return Score(float(accuracy))
