"""A claim of the paper and how it is judged, on intervals over seeds.

`reproduced` and `contradicted` are each wrong in at most one of twenty runs: a statement about
several models is reproduced where each one's 95 % bound lies on its side, and contradicted where
one's bound lies on the other, at a risk divided among them (Bonferroni).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from pytest_energybench.experiment.paper.matrix import Matrix, Range
from pytest_energybench.experiment.paper.reference import reference
from pytest_energybench.gates.statistics import RISK, mean_bounds
from pytest_energybench.report.text import listed, plural
from pytest_energybench.results.model import Run

Verdict = Literal["reproduced", "contradicted", "undecided", "not testable here"]
VERDICTS: tuple[Verdict, ...] = ("reproduced", "contradicted", "undecided", "not testable here")
Answer = Literal["yes", "no", "open"]

NO_METER = "energy not testable on this meter"
"""Said of a claim about energy that was judged on time."""

IN_PART = "part of the energy is estimated"
"""Said of a claim about energy whose joules come from hardware only in part."""

NO_NARROW_TYPE = "the device was found to compute in no 16-bit type: the models trained in float32"
"""Said of a claim about what a narrow type saves if there is none."""

NO_INTERVAL = "one seed has no interval"
AT_THE_LIMIT = "all seeds have the same count, which lies at the limit"

_ROUNDING = 1e-9
_DATA = {"mnist": "MNIST", "digits": "digits", "imagenet": "ImageNet"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One model's figures behind a claim, in words, and whether they are as the claim says."""

    model: str
    text: str
    answer: Answer


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim and what became of it.

    Attributes:
        section: where the paper makes it.
        scope: what the verdict is one of: data, device, seeds.
        why: what keeps it from being decided, in words; empty where nothing does.
        on_time: it is about energy, but was judged on time.
        in_part: it is about energy, some of which is estimated.
    """

    text: str
    section: str
    verdict: Verdict
    scope: str
    findings: tuple[Finding, ...]
    why: str = ""
    on_time: bool = False
    in_part: bool = False

    @property
    def words(self) -> str:
        """`time reproduced (MNIST, this CPU, 5 seeds); energy not testable on this meter`"""
        tested = self.verdict != "not testable here"
        start = "time " if self.on_time and tested else ""
        words = f"{start}{self.verdict} ({self.scope}){f': {self.why}' if self.why else ''}"
        notes = [NO_METER] if self.on_time else [IN_PART] if self.in_part else []
        return "; ".join([words, *(notes if tested else [])])


@dataclass(frozen=True, slots=True)
class Statement:
    """What a claim says of one model.

    Attributes:
        samples: several times a figure over seeds, each with a true mean of `limit` at most, where
            the claim holds; empty where nothing is known.
        text: the figures for people.
        step: between two values of a figure that is a count; 0 where it scatters continuously.
    """

    model: str
    samples: Sequence[Sequence[float]]
    limit: float
    text: str
    step: float = 0.0


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a verdict rests on.

    Attributes:
        methods: those that each model must have run with.
        of_energy: the claim is about energy or time, which the device decides, too.
        of_total: about that of whole trainings, which the stopping rule decides, too.
        lacks: what the device lacks, so that no figure can tell; empty if that is nothing.
    """

    matrix: Matrix
    methods: Sequence[str]
    of_energy: bool = False
    of_total: bool = False
    on_time: bool = False
    in_part: bool = False
    lacks: str = ""


def answered(
    samples: Sequence[float], limit: float, among: int = 1, *, step: float = 0.0
) -> Answer:
    """Whether the true mean of `samples` is at most `limit`; `no` at a risk shared by `among`.

    Args:
        step: between two values of a count. Equal counts have no spread to tell by: their mean must
            lie a step away from the limit, for a few seeds may miss the other value.
    """
    if len(samples) < 2:
        return "open"
    if step and len(set(samples)) == 1 and abs(samples[0] - limit) < step - _ROUNDING:
        return "open"
    if mean_bounds(samples)[1] <= limit + _ROUNDING:
        return "yes"
    return "no" if mean_bounds(samples, RISK / among)[0] > limit + _ROUNDING else "open"


def of_each(
    text: str,
    section: str,
    statements: Sequence[Statement],
    conditions: Conditions,
    *,
    denied: bool = False,
) -> Claim:
    """A claim that every statement holds, or, `denied`, that one at least does not."""
    known = [each for each in statements if each.samples and all(each.samples)]
    among = sum(len(each.samples) for each in known)
    opposite: dict[Answer, Answer] = {"yes": "no", "no": "yes", "open": "open"}
    findings = []
    for each in known:
        answers = [answered(samples, each.limit, among, step=each.step) for samples in each.samples]
        one = _all_of(answers)
        name = reference().paper_name(each.model)
        findings.append(Finding(name, each.text, opposite[one] if denied else one))
    answers = [finding.answer for finding in findings]
    answer = ("yes" if "yes" in answers else _all_of(answers)) if denied else _all_of(answers)
    few = any(len(samples) < 2 for each in known for samples in each.samples)
    return _concluded(text, section, statements, findings, answer, few, conditions)


def of_all_together(
    text: str,
    section: str,
    statements: Sequence[Statement],
    conditions: Conditions,
    *,
    least: float,
) -> Claim:
    """A claim that models together show no effect: the mean over models is the sample.

    Contradicted where its upper bound lies below 0 and no model's own figures lie above; reproduced
    where its lower bound lies above `least`, the smallest effect that counts.

    Args:
        statements: one list of samples each; its limit is 0.
    """
    known = [each for each in statements if each.samples and all(each.samples)]
    findings = [
        Finding(
            reference().paper_name(each.model),
            each.text,
            answered([-value for value in each.samples[0]], 0.0),
        )
        for each in known
    ]
    means = [sum(each.samples[0]) / len(each.samples[0]) for each in known]
    pooled = Range.of(means)
    answer: Answer = "open"
    if pooled is not None and pooled.bounds is not None:
        above = any(answered(each.samples[0], 0.0, len(known)) == "no" for each in known)
        if pooled.bounds[1] < 0:
            answer = "open" if above else "no"
        elif pooled.bounds[0] > least:
            answer = "yes"
    few = len(means) < 2
    made = _concluded(text, section, statements, findings, answer, few, conditions)
    return replace(made, scope=f"{made.scope}, {plural(len(means), 'model')}")


def _all_of(answers: Sequence[Answer]) -> Answer:
    if "no" in answers:
        return "no"
    return "yes" if answers and set(answers) == {"yes"} else "open"


def _concluded(
    text: str,
    section: str,
    statements: Sequence[Statement],
    findings: Sequence[Finding],
    answer: Answer,
    few: bool,
    conditions: Conditions,
) -> Claim:
    matrix = conditions.matrix
    names = {finding.model for finding in findings}
    needs = _needs(conditions, [e.model for e in statements if _name(e.model) not in names])
    asked = conditions.lacks or _asks_something_else(matrix.run, conditions.of_total)
    others = unlike_the_paper(matrix.run, conditions.of_energy)
    models = [each.model for each in statements]
    spoiled = _spoiled(conditions, models)
    broken = _broken(conditions, models)
    verdict: Verdict = "undecided"
    why = ""
    if asked or needs:
        verdict, why = "not testable here", asked or f"needs {needs}"
    elif broken:
        why = broken
    elif spoiled and answer != "open":
        why = f"{spoiled} in some rounds"
    elif answer == "yes":
        verdict = "reproduced"
    elif answer == "no" and not others:
        verdict = "contradicted"
    elif answer == "no":
        why = f"not seen here, under other conditions than the paper's ({listed(others)})"
    elif few:
        why = NO_INTERVAL
    else:
        at_limit = any(map(_at_the_limit, statements))
        why = AT_THE_LIMIT if at_limit else "the bounds leave both open"
    return Claim(
        text,
        section,
        verdict,
        scope(matrix, [len(samples) for each in statements for samples in each.samples]),
        tuple(findings),
        why,
        conditions.on_time,
        conditions.in_part,
    )


def _at_the_limit(statement: Statement) -> bool:
    """Whether it is open only because its count is the same for all seeds."""
    for samples in statement.samples:
        whole = answered(samples, statement.limit, step=statement.step)
        if whole == "open" and answered(samples, statement.limit) != "open":
            return True
    return False


def _needs(conditions: Conditions, models: Iterable[str]) -> str:
    """Which methods must run with which models; empty where all figures are there."""
    needed: dict[str, list[str]] = {}
    for model in models:
        absent = [m for m in conditions.methods if (model, m) not in conditions.matrix.cases]
        needed.setdefault(listed(absent) or "all figures", []).append(_name(model))
    return "; ".join(f"{methods} for {listed(names)}" for methods, names in needed.items())


def _spoiled(conditions: Conditions, models: Iterable[str]) -> str:
    """Why energies and times here decide nothing; empty where nothing speaks against them."""
    if not conditions.of_energy:
        return ""
    places = [(model, method) for model in models for method in conditions.methods]
    return next((why for place in places if (why := conditions.matrix.spoiled(*place))), "")


def _broken(conditions: Conditions, models: Iterable[str]) -> str:
    """Which trainings broke off, of a method whose other seeds have figures: those that came to an
    end would be chosen by what they came to. Empty where none did."""
    places = [(model, method) for model in models for method in conditions.methods]
    found = {place: conditions.matrix.broken(*place) for place in places}
    return "; ".join(
        f"{method} of {_name(model)} broke off with {'seed' if len(seeds) == 1 else 'seeds'}"
        f" {listed([str(seed) for seed in seeds])}"
        for (model, method), seeds in found.items()
        if seeds
    )


def _asks_something_else(run: Run, of_total: bool) -> str:
    """By which setting the run answers another question than the claim's; empty by none."""
    drop, fixed = run.settings.get("max_drop"), run.settings.get("fixed_epochs")
    if isinstance(drop, int | float) and abs(drop - reference().max_drop) > _ROUNDING:
        return (
            f"a compression may cost {100 * drop:g} points here, and"
            f" {100 * reference().max_drop:g} in the paper"
        )
    if of_total and isinstance(fixed, int) and fixed:
        return f"every training has {plural(fixed, 'epoch')} here, and no rule ended it"
    return ""


def scope(matrix: Matrix, numbers: Sequence[int] = ()) -> str:
    """`MNIST, this CPU, 5 seeds`

    Args:
        numbers: of the seeds behind the figures that it is the scope of; else those of all cases.
    """
    run = matrix.run
    on_gpu = str(run.settings.get("device", "")).startswith("cuda")
    device = (run.machine.gpus or ["this GPU"])[0] if on_gpu else "this CPU"
    known = [each for each in numbers if each]
    least, most = (min(known), max(known)) if known else matrix.seeds
    seeds = plural(most, "seed") if least == most else f"{least} to {plural(most, 'seed')}"
    return ", ".join(filter(None, (_data(run), device, seeds)))


def unlike_the_paper(run: Run, of_energy: bool) -> list[str]:
    """In what the run's conditions are others than the paper's, where that can turn a figure."""
    weights = str(run.settings.get("weights", "unknown"))
    on_gpu = str(run.settings.get("device", "")).startswith("cuda")
    return [
        *([] if _data(run) == "ImageNet" else [f"{_data(run) or 'unknown'} images"]),
        *([] if weights == "imagenet" else [f"{weights} weights"]),
        *(["no GPU"] if of_energy and not on_gpu else []),
    ]


def _data(run: Run) -> str:
    data = str(run.settings.get("data", ""))
    return _DATA.get(data.partition(":")[0], data)


def _name(model: str) -> str:
    return reference().paper_name(model)
