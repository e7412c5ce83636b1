"""How models and methods look and what they are called in every figure.

Colours are Okabe and Ito's ("Color Universal Design", 2008), which stay apart in every kind of
colour blindness; markers tell the same in grey print.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

INK = "#1a1a1a"
GRID = "#d9d9d9"


@dataclass(frozen=True, slots=True)
class Look:
    """A colour, and the marker that says the same without it."""

    colour: str
    marker: str

    @property
    def pale(self) -> bool:
        """Whether a thin line of this colour can't be seen on white."""
        return self.colour == "#f0e442"


_METHODS = {
    "baseline": Look("#4d4d4d", "o"),
    "amp": Look("#f0e442", "v"),
    "autocast": Look("#8c6d00", "<"),
    "steganographic": Look("#56b4e9", "s"),
    "pruning": Look("#e69f00", "^"),
    "lowrank": Look("#009e73", "D"),
    "channel": Look("#cc79a7", "P"),
}
_FURTHER = (
    Look("#bdbdbd", "X"),
    Look("#d55e00", "h"),
    Look("#0072b2", "*"),
    Look("#000000", ">"),
    Look("#a6761d", "p"),
)

_NAMES = {
    "amp": "mixed precision",
    "lowrank": "low rank",
    "channel": "channels",
    "naive-truncation": "naive truncation",
}

MODEL_LOOKS = (
    Look("#000000", "o"),
    Look("#e69f00", "s"),
    Look("#56b4e9", "^"),
    Look("#009e73", "v"),
    Look("#8c6d00", "D"),
    Look("#0072b2", "P"),
    Look("#d55e00", "X"),
    Look("#cc79a7", "*"),
    Look("#7f7f7f", "h"),
)


def method_looks(methods: Sequence[str]) -> dict[str, Look]:
    """Known methods look the same in every run; others take what is left, in their order."""
    others = [method for method in methods if method not in _METHODS]
    return {
        method: _METHODS[method]
        if method in _METHODS
        else _FURTHER[others.index(method) % len(_FURTHER)]
        for method in methods
    }


def model_looks(models: Sequence[str]) -> dict[str, Look]:
    """A look for each model, in their order."""
    return {model: MODEL_LOOKS[i % len(MODEL_LOOKS)] for i, model in enumerate(models)}


def method_name(method: str) -> str:
    """`steganographic+channel` is called `steganographic + channels`."""
    return " + ".join(_NAMES.get(part, part) for part in method.split("+"))
