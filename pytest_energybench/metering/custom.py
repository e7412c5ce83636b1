"""Meters that users bring along: a wall socket, a board's sensor, another tool's reading."""

from __future__ import annotations

import math
from collections.abc import Callable

from pytest_energybench.metering.clock import SYSTEM_CLOCK, Clock
from pytest_energybench.metering.source import Domain, Loss, Provenance, Reading, Source

__tracebackhide__ = True  # a user's mistake is shown at the user's line


class CounterSource:
    """A function that returns joules so far, as a source of one domain.

    Use it for any energy counter. The count may start anywhere but must not go back. If it does, or
    if the function raises, the domain is lost. A window in which it didn't move has no figure.
    """

    def __init__(
        self,
        joules: Callable[[], float],
        name: str | None = None,
        *,
        provenance: Provenance = "measured",
        period_s: float | None = None,
        resolution_j: float | None = None,
        error: float | None = None,
        note: str = "",
        may_be_zero: bool = False,
        source: str = "custom",
        covers: tuple[str, ...] | None = None,
        device: str = "",
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """
        Args:
            joules: returns the joules used so far.
            name: name of the domain; the function's own name by default.
            provenance: `measured` unless the function integrates or models.
            period_s: how often the figure behind it changes, in seconds.
            resolution_j: smallest step in joules.
            error: relative error, if the maker states one.
            note: what it is, for people.
            may_be_zero: a window in which the count doesn't move has 0 J, as where the part can be
                switched off.
            source: what reads it, in a word.
            covers, device: as in `Domain`; a wall socket covers `("cpu", "ram", "gpu")`.
            clock: dates a failure.

        Raises:
            TypeError: no function, or a name that is no text.
        """
        if not callable(joules) or not isinstance(name, str | None):
            raise TypeError(
                f"CounterSource({joules!r}, {name!r}): a function that returns joules so far, and"
                " the name of its domain"
            )
        self._joules = joules
        self._clock = clock
        self._last = float("-inf")
        self._lost: dict[str, Loss] = {}
        self._name = name or str(getattr(joules, "__name__", type(joules).__name__))
        self.domains = (
            Domain(
                self._name,
                source,
                provenance,
                resolution_j,
                error,
                period_s,
                note,
                may_be_zero=may_be_zero,
                covers=covers,
                device=device,
            ),
        )

    def open(self) -> None:
        """Nothing runs between the edges."""

    def close(self) -> None:
        """Nothing to stop."""

    def read(self) -> Reading:
        """Joules so far, or the domain as lost if the user's function raises."""
        if not self._lost:
            try:
                joules = float(self._joules())
            except Exception as error:
                self._lose(f"{type(error).__name__}: {error}")
            else:
                if self._last <= joules < math.inf:
                    self._last = joules
                else:
                    self._lose(f"went from {self._last:.6g} J to {joules:.6g} J")
        if self._lost:
            return Reading({}, self._lost)
        return Reading({self._name: self._last})

    def _lose(self, why: str) -> None:
        self._lost.setdefault(self._name, Loss(why, self._clock.monotonic()))


def as_source(meter: Source | Callable[[], float]) -> Source:
    """A source as it is; a function as a `CounterSource`.

    Raises:
        TypeError: it is neither.
    """
    if callable(meter):
        return CounterSource(meter)
    if hasattr(meter, "domains"):
        return meter
    raise TypeError(f"{meter!r} is no meter: a source, or a function that returns joules so far")
