"""The functions that README's examples call without showing them: a reader's own training.

Long enough for an estimate, and with a difference that any meter can tell.
"""

from __future__ import annotations

import builtins


def train_and_test(method: str) -> tuple[int, int]:
    """Less work with any method than with none."""
    for _ in range(1500 if method == "plain" else 500):
        sum(range(20_000))
    return 712, 719


builtins.train_and_test = train_and_test  # type: ignore[attr-defined]
