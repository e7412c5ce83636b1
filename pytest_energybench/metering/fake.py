"""A meter for tests: it plays a power trace on a clock that the test moves.

```python
meter = FakeMeter({"cpu:0": 20.0, "gpu:0": [(0.0, 50.0), (2.0, 300.0)]})
with meter.measure() as window:
    meter.clock.advance(3.0)
assert window.energy_j == {"cpu:0": 60.0, "gpu:0": 400.0}
```
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from pytest_energybench.metering.meter import Meter
from pytest_energybench.metering.source import Domain, Loss, Provenance, Reading

__tracebackhide__ = True  # a user's mistake is shown at the user's line

Trace = float | Sequence[tuple[float, float]] | Callable[[float], float]
"""Watts over seconds: one level; steps `(from second, watts)`, 0 W before the first; or a function
of the second, which is integrated in steps of at most a millisecond."""


class FakeClock:
    """Monotonic time that stands still until it is moved."""

    def __init__(self, start: float = 0.0) -> None:
        self._now = start
        self._asleep = 0.0

    def monotonic(self) -> float:
        """Seconds since the clock's own zero."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass.

        Raises:
            ValueError: time would go back.
        """
        if seconds < 0:
            raise ValueError(f"a monotonic clock can't go back by {-seconds} s")
        self._now += seconds

    def asleep(self) -> float:
        """Seconds of suspension so far."""
        return self._asleep

    def worked(self) -> float:
        """As many CPU seconds as have passed: the process is always at work."""
        return self._now

    def suspend(self, seconds: float) -> None:
        """Let the machine sleep for `seconds`: `monotonic` stands still."""
        self._asleep += seconds


class FakeSource:
    """Counters that count what a power trace would have used."""

    def __init__(
        self,
        traces: Mapping[str, Trace],
        clock: FakeClock,
        *,
        provenance: Provenance | Mapping[str, Provenance] = "measured",
        period_s: float | None = None,
        error: float | None = None,
    ) -> None:
        """
        Args:
            traces: domain -> watts over seconds of `clock`.
            clock: moved by the test.
            provenance: of all domains, or domain -> provenance.
            period_s: update period that the counters claim to have.
            error: relative error that they claim to have.
        """
        self._clock = clock
        self._integrals = {name: integral(trace) for name, trace in traces.items()}
        self._lost: dict[str, Loss] = {}
        self._planned: dict[str, tuple[float, str]] = {}
        self.opened = 0
        self.domains = tuple(
            Domain(
                name=name,
                source="fake",
                provenance=provenance if isinstance(provenance, str) else provenance[name],
                error=error,
                period_s=period_s,
                note="a power trace played by a test",
                may_be_zero=period_s is None,
            )
            for name in traces
        )

    def lose(self, domain: str, at: float | None = None, why: str = "lost by the test") -> None:
        """Make every reading of `domain` fail from the clock's second `at` on (now by default).

        Raises:
            KeyError: no such domain.
        """
        if domain not in self._integrals:
            raise KeyError(domain)
        self._planned[domain] = (self._clock.monotonic() if at is None else at, why)

    def open(self) -> None:
        """Count how often windows were opened after all had been closed."""
        self.opened += 1

    def close(self) -> None:
        """Nothing to stop."""

    def read(self) -> Reading:
        """Joules of each domain since second 0 of the clock."""
        now = self._clock.monotonic()
        for name, (at, why) in self._planned.items():
            if at <= now:
                self._lost.setdefault(name, Loss(why, at))
        lost = self._lost
        joules = {
            name: integrate(now) for name, integrate in self._integrals.items() if name not in lost
        }
        return Reading(joules, dict(lost))


class FakeMeter(Meter):
    """A meter with one `FakeSource`, for users' own tests.

    Attributes:
        clock: move it with `clock.advance(seconds)`.
        source: `source.lose("gpu:0")` makes a domain fail.
    """

    def __init__(
        self,
        traces: Mapping[str, Trace] | None = None,
        *,
        clock: FakeClock | None = None,
        provenance: Provenance | Mapping[str, Provenance] = "measured",
        period_s: float | None = None,
        error: float | None = None,
    ) -> None:
        """
        Args:
            traces: domain -> watts over seconds; 10 W in `cpu:0` by default.
            clock: a clock to share with others.
            provenance: see `FakeSource`.
            period_s: see `FakeSource`.
            error: see `FakeSource`.
        """
        self.clock = clock or FakeClock()
        self.source = FakeSource(
            {"cpu:0": 10.0} if traces is None else traces,
            self.clock,
            provenance=provenance,
            period_s=period_s,
            error=error,
        )
        super().__init__([self.source], clock=self.clock)


def integral(trace: Trace) -> Callable[[float], float]:
    """Joules from second 0 to a given one, for seconds that never go back."""
    if callable(trace):
        return _Running(trace)
    steps = [(0.0, float(trace))] if isinstance(trace, int | float) else list(trace)
    ends = [start for start, _ in steps[1:]] + [float("inf")]
    if any(end < start for (start, _), end in zip(steps, ends, strict=True)):
        raise ValueError("the steps of a power trace must come in the order of their times")

    def joules(second: float) -> float:
        return sum(
            (min(second, end) - start) * watts
            for (start, watts), end in zip(steps, ends, strict=True)
            if second > start
        )

    return joules


class _Running:
    """The integral of a function, carried on from reading to reading (midpoint rule)."""

    step_s = 1e-3

    def __init__(self, watts: Callable[[float], float]) -> None:
        self._watts = watts
        self._at = 0.0
        self._joules = 0.0

    def __call__(self, second: float) -> float:
        if second > self._at:
            steps = int((second - self._at) / self.step_s) + 1
            width = (second - self._at) / steps
            self._joules += width * sum(
                self._watts(self._at + (i + 0.5) * width) for i in range(steps)
            )
            self._at = second
        return self._joules
