"""Progress of long work: reported by the code that works, shown by the object passed to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Final, Protocol

Joules = Callable[[], float]
"""Joules since the window began."""


class Progress(Protocol):
    """Takes the newest progress as text: `progress("epoch 3 of 6")`.

    The fixture's `energy.progress` is one.
    """

    @property
    def due(self) -> bool:
        """Whether a report is wanted now: fetching a loss from the device takes time."""

    def __call__(self, words: str) -> None:
        """Take the newest words; costs next to nothing."""


@dataclass(frozen=True, slots=True)
class Silent:
    """Shows no progress."""

    due: ClassVar[bool] = False

    def __call__(self, words: str) -> None:
        """Drop the words."""


SILENT: Final = Silent()


@dataclass(frozen=True, slots=True)
class Part:
    """Progress of a part of the work: `name` goes before its words."""

    whole: Progress
    name: str

    @property
    def due(self) -> bool:
        """As the whole's."""
        return self.whole.due

    def __call__(self, words: str) -> None:
        """Say `name, words`."""
        self.whole(f"{self.name}, {words}")
