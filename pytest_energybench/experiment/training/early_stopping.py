"""When to stop: the paper's rule (Section 3.1)."""

from __future__ import annotations

import math


class EarlyStopping:
    """Stop after `patience` epochs in a row whose loss is not `min_delta` below the best so far.

    `min_delta` is absolute, in nats; if `relative`, a share of the best so far. "The best so far"
    is the loss of the last epoch that counted as an improvement (as in Keras), so many small steps
    down do not add up to one.
    """

    def __init__(self, patience: int, min_delta: float, *, relative: bool = False) -> None:
        self._patience = patience
        self._min_delta = min_delta
        self._relative = relative
        self._reference = math.inf
        self._waited = 0

    def update(self, loss: float) -> bool:
        """Take the validation loss of an epoch; True when training ends with it."""
        step = self._min_delta
        if self._relative and math.isfinite(self._reference):
            step *= self._reference
        if loss < self._reference - step:
            self._reference = loss
            self._waited = 0
        else:
            self._waited += 1
        return self._waited >= self._patience
