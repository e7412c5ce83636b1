"""Which methods there are, in lists, and what is asserted of each; without loading torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

BASELINE: Final = "baseline"
"""The method that the others are compared with."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What a method's case asserts beside accuracy, which holds for all.

    `paper` is where the paper finds no saving: a missed energy assertion is then a finding
    reproduced and ends as xfail with this reason. None: the energy must fall. `reported_only`: the
    energy is no claim of anybody's and stands in the report without an assertion.
    """

    paper: str | None = None
    reported_only: bool = False


PAPER_METHODS: Final = (BASELINE, "steganographic", "pruning", "lowrank")
"""The paper's ways to train, under the names of this project."""

MATRIX_METHODS: Final = (BASELINE, "amp", *PAPER_METHODS[1:])
"""The paper's matrix in order: its ways to train, and mixed precision as their control."""

CONTROLS: Final = (BASELINE, "amp", "autocast")
"""Mixed precision without compression: this project's, which stores 16 bits, and torch's own."""

BEYOND_METHODS: Final = (
    BASELINE,
    "channel",
    "steganographic+lowrank",
    "steganographic+channel",
    "steganographic+pruning",
)
"""The methods that the paper does not have, and its own ones combined."""

LISTS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {"paper": MATRIX_METHODS, "controls": CONTROLS, "beyond": BEYOND_METHODS}
)
"""Word -> the methods that it stands for."""

LAYER_SETS: Final = ("wide", "paper")
"""Which layers low rank may take, by name; `compression.factorized.factorizable` says which."""

ABLATIONS: Final = ("naive-truncation",)
"""What shows that another way is needed, and loses by design: run by its name alone."""

RULES: Final[Mapping[str, Rule]] = MappingProxyType(
    {
        "amp": Rule(reported_only=True),
        "autocast": Rule(reported_only=True),
        "pruning": Rule(paper="paper, Sections 3.3 and 3.5: pruning gives no consistent saving"),
        "lowrank": Rule(
            paper="paper, Sections 3.4 and 3.5: low-rank factorization gives no consistent saving"
        ),
    }
)


def rule(method: str) -> Rule:
    """The rule of a method; one that is not in the table must save energy."""
    return RULES.get(method, Rule())


def saves_by_type_alone(method: str) -> bool:
    """Whether a narrow number type is all that a method or combination can save by: it decides on
    numbers only, and what else is in it saves nothing in the paper."""
    from pytest_energybench.experiment.compression.registry import Stage, stage

    parts = method.split("+")
    return all(stage(part) is Stage.NUMBERS or rule(part).paper for part in parts)
