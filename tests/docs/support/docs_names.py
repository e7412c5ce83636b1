"""The functions that README's examples call without showing them: a reader's own training."""

from __future__ import annotations

import builtins


def train() -> list[int]:
    return [abs(i) for i in range(1000)]


def train_and_test(method: str) -> tuple[int, int]:
    """Less work with any method than with none."""
    for i in range(2000 if method == "plain" else 1000):
        abs(i)
    return 712, 719


builtins.train = train  # type: ignore[attr-defined]
builtins.train_and_test = train_and_test  # type: ignore[attr-defined]
