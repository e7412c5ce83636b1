"""The progress bar of a training: loss, accuracy, epoch and joules so far."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

from tqdm import tqdm  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from pytest_energybench.training.evaluate import Score

Joules = Callable[[], float]
"""Joules since the window began."""

REFRESH_SECONDS = 1.0
"""The bar runs inside the metered window: it asks for joules and draws at most this often."""


class _Bar(tqdm):  # type: ignore[misc]
    """A bar without tqdm's thread, which would live on and work in other tests' windows."""

    monitor_interval = 0


class Progress:
    """A bar over the images of each epoch; silent where `stream` (stderr) is no terminal, and where
    it is not to be `shown`."""

    def __init__(
        self,
        label: str,
        images: int,
        joules: Joules | None,
        stream: TextIO | None = None,
        shown: bool = True,
    ) -> None:
        stream = sys.stderr if stream is None else stream
        self._joules = joules
        self._next = 0.0
        self._bar = _Bar(
            total=images,
            desc=label,
            unit="img",
            leave=False,
            file=stream,
            disable=not (shown and stream.isatty()),
            mininterval=REFRESH_SECONDS,
        )
        self._epoch = 1
        self._last = ""

    @property
    def due(self) -> bool:
        """Whether to call `batch`; reading a loss waits for the device, so not at every step."""
        return not self._bar.disable and time.monotonic() >= self._next

    def batch(self, done: int, loss: float) -> None:
        """Show that `done` images of this epoch are trained, at this mean loss."""
        self._next = time.monotonic() + REFRESH_SECONDS
        energy = "" if self._joules is None else f", {self._joules():.0f} J"
        self._bar.n = done
        self._bar.set_postfix_str(f"epoch {self._epoch}, loss {loss:.3f}{self._last}{energy}")

    def epoch(self, number: int, score: Score) -> None:
        """Show an epoch's validation figures and begin the next one."""
        self._last = f", val {score.loss:.3f} / {score.accuracy:.3f}"
        self._epoch = number + 1
        if not self._bar.disable:
            self._bar.reset()

    def close(self) -> None:
        """Remove the bar."""
        self._bar.close()
