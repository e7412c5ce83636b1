"""A set of sources read together, and the windows that are opened on it."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from pytest_energybench.base.flags import OVERLAPS, SUSPENDED, TOO_SHORT
from pytest_energybench.base.system import tell_after_fork
from pytest_energybench.metering.clock import SHORTEST_SLEEP_S, SYSTEM_CLOCK, Clock
from pytest_energybench.metering.errors import MeterError
from pytest_energybench.metering.load_monitor import LoadMonitor
from pytest_energybench.metering.locks import MachineLock
from pytest_energybench.metering.nvidia import finish_gpu_work
from pytest_energybench.metering.sampler import SamplerThread
from pytest_energybench.metering.source import (
    Bounding,
    Domain,
    Judging,
    Provenance,
    Reading,
    Sampling,
    Source,
    Ticking,
)
from pytest_energybench.metering.window import Edge, Window

if TYPE_CHECKING:
    from pytest_energybench.metering.machine_state import MachineWatch, RoundWatch

__tracebackhide__ = True  # a user's mistake is shown at the user's line

T = TypeVar("T")


class Meter:
    """Reads a set of sources; one per process is enough, and windows on it may nest.

    Attributes:
        sources: what is read, in order.
        domains: every domain of every source.
        provenance: domain name -> `measured`, `integrated` or `estimated`.
        problems: what can't be metered here, why, and the remedy; one line each.
        allow_missing: names of domains whose loss doesn't make a total unknown.
        watch: looks at the machine's state around each round, where anything does.
        cooldown_s: seconds to wait between rounds.
        still_after_s: domain -> seconds of a window from which on it should have counted: nothing
            that is switched on draws 0 W, so a counter that missed all its updates has no figure,
            nor has one that doesn't say when it is updated.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        *,
        clock: Clock = SYSTEM_CLOCK,
        problems: Sequence[str] = (),
        exclusion: MachineLock | None = None,
        load: LoadMonitor | None = None,
        watch: MachineWatch | None = None,
        allow_missing: Collection[str] = (),
    ) -> None:
        """
        Args:
            sources: their domains must have different names.
            clock: where durations come from. Sources that want to be called between the edges are
                called in the machine's own time; with another clock the test calls them.
            problems: what discovery could not offer.
            exclusion: keeps other processes' windows away; windows may overlap without it.
            load: looks for other processes' load; it isn't looked for without it.
            watch: looks at the machine's state around each round; nothing does without it.
            allow_missing: domains that totals may go without.

        Raises:
            MeterError: two sources claim one domain, so it would be counted twice.
        """
        self.sources = tuple(sources)
        self.domains: tuple[Domain, ...] = tuple(d for s in self.sources for d in s.domains)
        self.provenance: Mapping[str, Provenance] = {d.name: d.provenance for d in self.domains}
        if len(self.provenance) < len(self.domains):
            names = [d.name for d in self.domains]
            twice = next(name for name in names if names.count(name) > 1)
            raise MeterError(f"domain {twice!r} comes from two meters; it would be counted twice")
        self.still_after_s = {
            d.name: d.least_s
            for d in self.domains
            if d.provenance != "estimated" and not d.may_be_zero
        }
        self.allow_missing = frozenset(allow_missing)
        self.problems = tuple(problems)
        if exclusion is not None and exclusion.problem is not None:
            self.problems += (exclusion.problem,)
        self._clock = clock
        self._exclusion = exclusion
        self._load = load
        self.watch = watch
        self.cooldown_s = 0.0
        self._has_begun = False
        self._readers = tuple(source.read for source in self.sources)
        self._judges = tuple(s for s in self.sources if isinstance(s, Judging))
        self._samplers = tuple(s for s in self.sources if isinstance(s, Sampling))
        self._bounders = tuple(s for s in self.sources if isinstance(s, Bounding))
        tickers = [s for s in self.sources if isinstance(s, Ticking)]
        self._sampler = SamplerThread(tickers) if tickers and clock is SYSTEM_CLOCK else None
        self._paces = _paces(self.domains)
        self._mutex = threading.Lock()
        self._open: list[Window] = []
        tell_after_fork(self)

    def after_fork(self) -> None:
        """In a child: the parent's open windows aren't the child's."""
        self._mutex = threading.Lock()
        self._open = []

    def measure(self, name: str = "") -> Window:
        """A window on this meter: `with meter.measure("train") as window: ...`."""
        return Window(self, name)

    def beside(self, source: Source) -> Meter:
        """A meter of the same sources and one more, under the same lock and the same watch."""
        return Meter(
            (*self.sources, source),
            clock=self._clock,
            exclusion=self._exclusion,
            load=self._load,
            watch=self.watch,
            allow_missing=self.allow_missing,
        )

    def begin_round(self) -> RoundWatch | None:
        """Before a round's first window: let the machine cool down after the round before it, and
        look at its state, which nobody watches where this is None."""
        if self._has_begun and self.cooldown_s:
            SYSTEM_CLOCK.sleep(self.cooldown_s)
        self._has_begun = True
        return None if self.watch is None else self.watch.begin_round()

    def agree(self, value: T) -> T:
        """A decision that follows from figures; the same for all, where several processes meter."""
        return value

    def heavy_work(self) -> AbstractContextManager[None]:
        """For work that isn't metered but would spoil others' windows: `with meter.heavy_work():`.

        Any number of processes may work hard side by side; no window is open meanwhile.

        Raises:
            LockTimeoutError: (on entering) somebody else's window took too long.
        """
        return nullcontext() if self._exclusion is None else self._exclusion.heavy()

    def read(self) -> list[Reading]:
        """One reading per source, in the order of `sources`."""
        return [read() for read in self._readers]

    def lost(self) -> dict[str, str]:
        """Domains that can't be read now -> why; they are in every window's provenance all the
        same."""
        with self._mutex:
            between = () if self._open else self.sources
            for source in between:
                source.open()
            readings = self.read()
            for source in between:
                source.close()
        return {name: loss.why for each in readings for name, loss in each.lost.items()}

    @property
    def gpu_names(self) -> tuple[str, ...]:
        """Names of the GPUs that it reads on this machine, in the order of their domains."""
        return tuple(name for each in self.sources for name in getattr(each, "gpu_names", ()))

    def left_out(self) -> list[str]:
        """Domains that can't be read now and may be missing."""
        return [name for name in self.lost() if name in self.allow_missing]

    def enter(self, window: Window) -> Edge:
        """Open `window`: wait for the machine, start what runs between the edges, and read.

        Raises:
            LockTimeoutError: another process kept the machine for too long.
        """
        if self._exclusion is not None:
            self._exclusion.enter()
        try:
            with self._mutex:
                self._open.append(window)
                if len(self._open) == 1:
                    for source in self.sources:
                        source.open()
                    if self._sampler is not None:
                        self._sampler.start()
            look = None if self._load is None else self._load.begin()
            gpu_error = finish_gpu_work()
            asleep = self._clock.asleep()
            return Edge(self._clock.monotonic(), self.read(), look, gpu_error, asleep)
        except BaseException:  # whatever it was, the machine must not stay locked
            self._let_go(window)
            raise

    def leave(self, window: Window, begin: Edge) -> Edge:
        """Close `window`: read, judge the figures, and let the machine go."""
        try:
            gpu_error = finish_gpu_work()
            asleep = self._clock.asleep()
            end = Edge(self._clock.monotonic(), self.read(), None, gpu_error, asleep)
            self._judge(window, begin, end)
        finally:
            shared = self._let_go(window)
        if shared:
            window.flags.append(shared)
        return end

    def _judge(self, window: Window, begin: Edge, end: Edge) -> None:
        """Say what there is to say of the figures between two edges."""
        flags = window.flags
        seconds = end.at - begin.at
        for shortest_s, flag in self._paces:
            if seconds < shortest_s:
                flags.append(flag % seconds)
        if end.asleep - begin.asleep > SHORTEST_SLEEP_S:
            flags.append(
                f"{SUSPENDED} for {end.asleep - begin.asleep:.0f} s: what it drew"
                " meanwhile is in no figure, nor is the time"
            )
        for judge in self._judges:
            flags += judge.judge(begin.at, end.at)
        for sampler in self._samplers:
            window.samples = {**window.samples, **sampler.samples(begin.at, end.at)}
        for bounder in self._bounders:
            window.bounds_j = {**window.bounds_j, **bounder.bounds_j(begin.at, end.at)}
        if self._load is not None and begin.look is not None:
            foreign = self._load.end(begin.look)
            if foreign:
                flags.append(foreign)

    def _let_go(self, window: Window) -> str | None:
        """Stop what ran for `window`; a flag where its processor was shared with a neighbour.

        A child that was forked inside a window leaves it, too: that holds nothing there.
        """
        with self._mutex:
            if window not in self._open:
                return None
            self._forget(window)
            try:
                if not self._open:
                    if self._sampler is not None:
                        self._sampler.stop()
                    for source in self.sources:
                        source.close()
            finally:
                shared = None if self._exclusion is None else self._exclusion.leave()
        return shared

    def _forget(self, window: Window) -> None:
        """Take `window` off the list; one that was opened later and is still open overlaps it."""
        if self._open[-1] is window:  # as nearly always
            self._open.pop()
            return
        place = self._open.index(window)
        for later in self._open[place + 1 :]:
            window.flags.append(f"{OVERLAPS} {later.name!r} of this process")
            later.flags.append(f"{OVERLAPS} {window.name!r} of this process")
        del self._open[place]


class _Pace(NamedTuple):
    """Domains that need equally long windows, and what a window too short for them is told.

    Attributes:
        shortest_s: `Domain.least_s`, in seconds.
        flag: with a place for the window's seconds; made beforehand, since short windows are the
            ones that have no time to spare.
    """

    shortest_s: float
    flag: str


def _paces(domains: Sequence[Domain]) -> list[_Pace]:
    """The paces of all domains that have one, slowest first."""
    alike: dict[tuple[float, float | None], list[str]] = {}
    for domain in domains:
        if domain.least_s:
            alike.setdefault((domain.least_s, domain.period_s), []).append(domain.name)
    return [
        _Pace(
            least_s,
            f"{TOO_SHORT} {'counter' if period_s else 'estimate'} ({', '.join(names)}): "
            f"%.3g s of at least {least_s:.3g} s"
            + (f"; it updates every {period_s:.3g} s" if period_s else ""),
        )
        for (least_s, period_s), names in sorted(alike.items(), key=lambda one: -one[0][0])
    ]
