"""A claim of the paper and how it is judged from one figure of each model it is about."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from pytest_energybench.experiment.paper.matrix import Matrix
from pytest_energybench.experiment.paper.reference import reference
from pytest_energybench.report.text import listed

Verdict = Literal["reproduced", "refuted", "not testable here"]

NO_METER = "energy not testable on this meter"
"""Said of a claim about energy that was judged on time."""

IN_PART = "part of the energy is estimated"
"""Said of a claim about energy whose joules come from hardware only in part."""

NO_NARROW_TYPE = "the device was found to compute in no 16-bit type: the models trained in float32"
"""Said of a claim about what a narrow type saves if there is none."""

Holds = Callable[[float], bool]
"""Whether one model's figure is as the claim says."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One model's figure behind a claim, in words, and whether it is as the claim says."""

    model: str
    text: str
    holds: bool


@dataclass(frozen=True, slots=True)
class Need:
    """What must run with a model, for a verdict."""

    model: str
    methods: str


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim and what became of it.

    Attributes:
        section: where the paper makes it.
        verdict: reproduced if the figures are as it says, refuted if they are not.
        on_time: it is about energy, but was judged on time.
        in_part: it is about energy, some of which is estimated.
        needs: what did not run but must, model by model.
        lacks: what the device lacks to test it, in words; empty if that is nothing.
    """

    text: str
    section: str
    verdict: Verdict
    findings: tuple[Finding, ...]
    on_time: bool = False
    in_part: bool = False
    needs: tuple[Need, ...] = ()
    lacks: str = ""

    @property
    def words(self) -> str:
        """The verdict as a sentence; what the device lacks, or else models and methods that are
        missing, are named."""
        if self.lacks:
            return f"{self.verdict}: {self.lacks}"
        if self.verdict == "not testable here":
            models: dict[str, list[str]] = {}
            for need in self.needs:
                models.setdefault(need.methods, []).append(need.model)
            parts = [f"{methods} for {listed(names)}" for methods, names in models.items()]
            return f"{self.verdict}: needs {'; '.join(parts)}"
        if self.on_time:
            return f"time {self.verdict}; {NO_METER}"
        return f"{self.verdict}; {IN_PART}" if self.in_part else self.verdict


def judged(
    matrix: Matrix,
    text: str,
    section: str,
    methods: Iterable[str],
    models: Iterable[str],
    figure: Callable[[Matrix, str], float | None],
    holds: Holds,
    show: Callable[[str, float], str],
    *,
    on_time: bool = False,
    in_part: bool = False,
    enough: Callable[[Iterable[bool]], bool] = all,
    lacks: str = "",
) -> Claim:
    """Judge one figure of every model.

    Args:
        methods: those that each model must have run with.
        enough: which of the models' answers make the claim true.
        lacks: what the device lacks, so that no figure can tell; empty if that is nothing.
    """
    findings, needs = [], []
    for model in models:
        name = reference().paper_name(model)
        value = figure(matrix, model)
        if value is None:
            absent = [method for method in methods if (model, method) not in matrix.cases]
            needs.append(Need(name, listed(absent) or "all figures"))
            continue
        findings.append(Finding(name, show(model, value), holds(value)))
    verdict: Verdict = "not testable here"
    if not needs and not lacks:
        true = enough(finding.holds for finding in findings)
        verdict = "reproduced" if true else "refuted"
    return Claim(text, section, verdict, tuple(findings), on_time, in_part, tuple(needs), lacks)
