"""A case while its test runs: collects windows, calls and words, and becomes a `Case`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from msgspec.structs import replace

from pytest_energybench.base.flags import INSIDE_NAMESAKE, TRACED
from pytest_energybench.measurement import aggregate
from pytest_energybench.measurement.conditions import tracers
from pytest_energybench.measurement.progress import Progress
from pytest_energybench.results.model import Case, Comparison, Round, Scalar, Search, Series, Window

if TYPE_CHECKING:
    from pytest_energybench.metering.machine_state import RoundWatch

__tracebackhide__ = True  # a user's mistake is shown at the user's line

MOST_WINDOWS = 1000
"""Windows of one execution that are kept one by one: enough to look at, and a loop that opens a
window for each of 10^6 steps neither fills the memory nor the run file."""

MOST_SERIES = 100


@dataclass(slots=True)
class CaseBuilder:
    """What one execution of a test has shown so far.

    Attributes:
        case: the case's identity (node id, group, params), without figures.
        windows: windows of `measure`; those that count add up to one round. From the thousandth
            on they are kept as a sum; see `add_window`.
        further: how many windows those sums hold.
        units: functional unit -> how many of it this execution made; of a measured call each round.
        called: one window per round of a measured call, with the number of calls in it.
        errors: what makes the figures void, other than a lost domain.
        earlier: what earlier executions of the same test have shown (rounds, reruns).
        progress: hears what is being done.
        included: windows from elsewhere that executions of the test have included so far.
        usual_tracers: those that the run's settings name; a window under another one says so.
        watch: looks at the machine's state around the windows, where anything does.
    """

    case: Case
    earlier: Case | None = None
    pue: float = 1.0
    progress: Progress = field(default_factory=Progress)
    included: list[object] = field(default_factory=list)
    usual_tracers: Collection[str] = field(default_factory=tracers)
    watch: RoundWatch | None = None
    windows: list[Window] = field(default_factory=list)
    further: int = 0
    called: list[tuple[Window, int]] = field(default_factory=list)
    metrics: dict[str, Scalar] = field(default_factory=dict)
    units: dict[str, float] = field(default_factory=dict)
    answers: str = ""
    series: list[Series] = field(default_factory=list)
    search: Search | None = None
    flags: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    comparisons: list[Comparison] = field(default_factory=list)
    _names: set[str] = field(default_factory=set)
    _tracers: set[str] = field(default_factory=set)
    _sums: dict[tuple[str, str, bool], int] = field(default_factory=dict)
    _seen: tuple[int, list[str]] = field(default_factory=lambda: (0, []))

    @property
    def empty(self) -> bool:
        """Nothing was metered and nothing was said."""
        return not (
            self.windows or self.called or self.metrics or self.units or self.series or self.flags
        )

    @property
    def metered(self) -> bool:
        """Whether anything was metered that counts."""
        return bool(self.called) or any(window.place == "counted" for window in self.windows)

    def has_included(self, window: object) -> bool:
        """Whether an execution before this one that added a round has included it."""
        if self.earlier is None or aggregate.adds_none(self.earlier):
            return False
        return any(each is window for each in self.included)

    def see_tracers(self) -> None:
        """Look for tracers that the test has started by itself: they make its joules more."""
        self._tracers.update(set(tracers()).difference(self.usual_tracers))

    def _flag_tracers(self, window: Window) -> None:
        self.see_tracers()
        if self._tracers:
            names = ", ".join(sorted(self._tracers))
            window.flags.append(f"{TRACED} {names}, which the test started: that takes joules, too")

    def add_window(self, window: Window) -> None:
        """Add a closed window; beyond `MOST_WINDOWS` to one sum for each place, and for each name
        that there was before: the joules of a name stay whole, and apart from those that another
        window of the name has."""
        self._flag_tracers(window)
        if len(self.windows) < MOST_WINDOWS:
            self.windows.append(window)
            return
        self.further += 1
        if not self._sums:
            self._names = {each.name for each in self.windows}
        name = window.name if window.name in self._names else "further windows"
        inside = INSIDE_NAMESAKE in window.flags
        place = self._sums.setdefault((name, window.place, inside), len(self.windows))
        if place < len(self.windows):
            self.windows[place] = aggregate.sum_windows(self.windows[place], window)
        else:
            self.windows.append(replace(window, name=name))

    def add_series(self, series: Sequence[Series]) -> None:
        """Add curves that came with a window, of the first windows only."""
        self.series += series[: max(0, MOST_SERIES - len(self.series))]

    def add_rounds(self, called: Sequence[tuple[Window, int]]) -> None:
        """Add the rounds of a measured call.

        A second call in the same test adds to the first one's rounds, round by round.

        Raises:
            ValueError: the two calls have different numbers of rounds.
        """
        before = self._round_count()
        if before and before != len(called):
            raise ValueError(
                f"energy(...) was called with rounds={len(called)} after rounds={before} in the"
                " same test; their joules add up round by round, so give both the same number"
            )
        for window, _ in called:
            self._flag_tracers(window)
        self.called.extend(called)

    def judged_on(self, baseline: Case | None) -> Case:
        """The case that limits are held against: this execution joined to the earlier ones."""
        case = self.finished(baseline)
        if self.earlier is None:
            return case
        return aggregate.join(self.earlier, case, pue=self.pue, baseline=baseline)

    def finished(self, baseline: Case | None) -> Case:
        """This execution with all figures.

        Args:
            baseline: tells after how many trainings a search has paid.
        """
        windows = [*self.windows, *(window for window, _ in self.called)]
        case = aggregate.summarise(
            replace(
                self.case,
                rounds=self._rounds(),
                windows=windows,
                metrics=dict(self.metrics),
                series=list(self.series),
                flags=[*self.flags, *self._summed()],
                errors=list(self.errors),
                comparisons=list(self.comparisons),
                search=self.search,
            ),
            pue=self.pue,
        )
        return aggregate.with_priced_search(case, baseline)

    def _summed(self) -> list[str]:
        if not self.further:
            return []
        return [f"{self.further:,} windows after the first {MOST_WINDOWS:,} are kept as their sum"]

    def _round_count(self) -> int:
        return len({window.round for window, _ in self.called})

    def _rounds(self) -> list[Round]:
        plain = [window for window in self.windows if window.place == "counted"]
        seen = self.see_machine() if plain else []
        if not self.called:
            made = [aggregate.sum_rounds(plain, seen)] if plain else []
        else:
            made = self._called_rounds(plain, seen)
        seed = self.metrics.get("seed")
        seed = seed if isinstance(seed, int) and not isinstance(seed, bool) else None
        made = [replace(each, units=dict(self.units), seed=seed) for each in made]
        if len(made) == 1:  # what was recorded once is of that round; of several it is of none
            return [replace(made[0], metrics=dict(self.metrics), answers=self.answers)]
        return made

    def see_machine(self) -> list[str]:
        """What there is to say of the machine around all windows so far; looked at anew only where
        one was added."""
        windows = len(self.windows) + self.further
        if self.watch is not None and self._seen[0] < windows:
            self._seen = windows, self.watch.flags()
        return self._seen[1]

    def _called_rounds(self, plain: Sequence[Window], seen: Sequence[str]) -> list[Round]:
        calls = [
            [aggregate.round_of_call(each, times) for each, times in self.called if each.round == n]
            for n in range(self._round_count())
        ]
        return [aggregate.sum_rounds([*plain, *own], seen) for own in calls]
