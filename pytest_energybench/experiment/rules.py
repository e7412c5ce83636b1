"""Which methods there are, in lists, the cases made of them, and what is asserted of each; without
loading torch or pytest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, TypeVar

BASELINE: Final = "baseline"
"""The method that the others are compared with."""

Test = TypeVar("Test", bound=Callable[..., Any])


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


def methods(*names: str, group: str | None = None) -> Callable[[Test], Test]:
    """Run a test once for each method, as its argument `method`; all are one group.

    Args:
        names: methods, combinations such as `"pruning+steganographic"`, and the lists `"paper"`,
            `"controls"` and `"beyond"`. The baseline is always among them, since the others are
            compared with it.
        group: the group's name; by default that of the test, with its module.
    """

    def parametrized(test: Test) -> Test:
        import pytest

        name = group or f"{test.__module__}.{test.__qualname__}"
        cases = [case(each) for each in with_baseline(names or ("paper",))]
        for mark in (pytest.mark.parametrize("method", cases), pytest.mark.energy_group(name)):
            test = mark(test)
        return test

    return parametrized


def with_baseline(names: Sequence[str]) -> tuple[str, ...]:
    """`names` with the lists among them spelled out, each once, the baseline first."""
    chosen = (each for name in names for each in LISTS.get(name, (name,)))
    return tuple(dict.fromkeys((BASELINE, *chosen)))


def case(method: str, *before: str | int, marks: Sequence[Any] = ()) -> Any:
    """The parameters `before`, then `method`, marked where it is the reference of its group."""
    import pytest

    marks = [*marks, *([pytest.mark.energy_baseline] if method == BASELINE else [])]
    return pytest.param(*before, method, id="-".join(map(str, (*before, method))), marks=marks)
