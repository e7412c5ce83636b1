"""Progress that remembers what it was told."""

from __future__ import annotations


class Told:
    """As `training.progress.Progress`; new words are always wanted, or never."""

    def __init__(self, *, due: bool = False) -> None:
        self.due = due
        self.words: list[str] = []

    def __call__(self, words: str) -> None:
        self.words.append(words)
