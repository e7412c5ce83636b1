"""How models and methods look in every figure.

Colours are Okabe and Ito's ("Color Universal Design", 2008), which stay apart in every kind of
colour blindness; hatches and markers tell the same in grey print.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

INK = "#1a1a1a"
GRID = "#d9d9d9"


@dataclass(frozen=True, slots=True)
class Look:
    """A colour, and the hatch (of a bar) and marker (of a point) that say the same without it."""

    colour: str
    hatch: str
    marker: str


_METHODS = {
    "baseline": Look("#4d4d4d", "", "o"),
    "amp": Look("#f0e442", "", "v"),
    "steganographic": Look("#56b4e9", "///", "s"),
    "pruning": Look("#e69f00", "---", "^"),
    "lowrank": Look("#009e73", "xxx", "D"),
    "channel": Look("#cc79a7", "|||", "P"),
}
_FURTHER = (
    Look("#ffffff", "\\\\\\", "X"),
    Look("#d55e00", "++", "h"),
    Look("#0072b2", "//", "*"),
    Look("#bdbdbd", "--", "<"),
    Look("#a6761d", "xx", ">"),
)
"""Hatches of straight lines only: one of dots is 130 kB of SVG."""

MODEL_LOOKS = (
    Look("#000000", "", "o"),
    Look("#e69f00", "", "s"),
    Look("#56b4e9", "", "^"),
    Look("#009e73", "", "v"),
    Look("#8c6d00", "", "D"),
    Look("#0072b2", "", "P"),
    Look("#d55e00", "", "X"),
    Look("#cc79a7", "", "*"),
    Look("#7f7f7f", "", "h"),
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
