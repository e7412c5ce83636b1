"""The paper's headline claims, each a function from a matrix to what became of it here.

A claim about energy needs joules from hardware. Where they are estimated from CPU time an energy
ratio is a time ratio: then the claim is judged on time, and its verdict says so. A claim about
several models needs all of them; until then the figures there are stand without a verdict. Nor is
there one on what a narrow number type saves where the device has none.

How words without a number are read: "half the time" as at most 0.60 of the baseline's;
"no consistent saving" as a mean saving over the models of less than a tenth; a "significant" drop
as more than the one point that compression was allowed to cost.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from pytest_energybench.experiment.paper.claim import (
    NO_NARROW_TYPE,
    Claim,
    Conditions,
    Statement,
    of_all_together,
    of_each,
)
from pytest_energybench.experiment.paper.matrix import Matrix, Range, lacked_narrow_type
from pytest_energybench.experiment.paper.reference import reference
from pytest_energybench.experiment.paper.trials import (
    Figure,
    accuracy,
    duration_s,
    energy_j,
    metric,
    per_epoch,
    with_search,
)
from pytest_energybench.experiment.rules import BASELINE, PAPER_METHODS
from pytest_energybench.gates import quantities
from pytest_energybench.report.text import listed

HALF = 0.5
ABOUT_HALF = 0.6
"""The most that is called "about half" here; the paper gives no bound."""

LEAST_SAVING = 0.1
"""The smallest mean saving that is called one: 9 models with 5 seeds can tell it from none."""

_ROUNDING = 2e-9
"""Differences of fractions below this are rounding, not accuracy."""


def claims(matrix: Matrix) -> tuple[Claim, ...]:
    """All of them, in the paper's order."""
    return tuple(claim(matrix) for claim in CLAIMS)


def idle_bits(matrix: Matrix) -> Claim:
    """Section 3.2: the capacity of every model."""
    published = {model.name: model.table6.zeroed_bits for model in reference().models}
    least = min(published.values())
    bits = metric("zeroed_bits")
    statements = [
        Statement(
            model,
            [[-each for each in matrix.samples(model, "steganographic", bits).values()]],
            -least,
            f"{_range(matrix.over(model, 'steganographic', bits), '.3g')} bits (paper {paper})",
            step=1,
        )
        for model, paper in published.items()
    ]
    return of_each(
        f"In every model at least {least} of the 32 bits of a weight can be zeroed for at most"
        " one point of accuracy.",
        "3.2, Table 6",
        statements,
        Conditions(matrix, ("steganographic",)),
    )


def steganographic_keeps_accuracy(matrix: Matrix) -> Claim:
    """Section 3.5: contradicted by the paper's own Table 6."""
    published = {model.name: model.table6.accuracy for model in reference().models}
    return _accuracy_claim(
        matrix,
        "Steganographic reduction costs no model more than one point of accuracy"
        " (in the paper's own Table 6 it costs ResNet18 and DenseNet121 more).",
        "3.5, Table 6",
        "steganographic",
        _all_models(),
        published,
    )


def steganographic_halves_energy(matrix: Matrix) -> Claim:
    """Section 3.5: less than half the baseline's energy."""
    return _ratio_claim(
        matrix,
        "Steganographic reduction takes less than half of the baseline's energy for {models}.",
        "3.5, Figure 4",
        reference().claims.energy_halved,
        HALF,
    )


def steganographic_halves_time(matrix: Matrix) -> Claim:
    """Section 3.5: about half the training time, read as at most `ABOUT_HALF`."""
    return _ratio_claim(
        matrix,
        f"Steganographic reduction takes about half of the training time (at most {ABOUT_HALF:.2f}"
        " of the baseline's) for {models}.",
        "3.5, Figure 3",
        reference().claims.time_halved,
        ABOUT_HALF,
        about_time=True,
    )


def steganographic_least_per_epoch(matrix: Matrix) -> Claim:
    """Section 3.5: the least energy per epoch of the paper's four ways."""
    return _per_epoch_claim(
        matrix,
        "Of the paper's four ways steganographic reduction has the least energy per epoch for"
        " {models}.",
        reference().claims.least_energy_per_epoch,
    )


def alexnet_not_least_per_epoch(matrix: Matrix) -> Claim:
    """Section 3.5: the exception."""
    return _per_epoch_claim(
        matrix,
        "For {models} steganographic reduction has not the least energy per epoch.",
        reference().claims.not_least_energy_per_epoch,
        denied=True,
    )


def pruning_saves_nothing(matrix: Matrix) -> Claim:
    """Sections 3.3 and 3.5: at times more energy than the baseline."""
    return _no_saving(matrix, "Pruning", "pruning", "3.3, 3.5, Figure 4")


def lowrank_saves_nothing(matrix: Matrix) -> Claim:
    """Sections 3.4 and 3.5: at times more energy than the baseline."""
    return _no_saving(matrix, "Low-rank factorization", "lowrank", "3.4, 3.5, Figure 4")


def pruning_drops(matrix: Matrix) -> Claim:
    """Section 3.3: VGG16."""
    return _accuracy_claim(
        matrix,
        "Pruning costs {models} a significant part of its accuracy (more than 1 point).",
        "3.3, Table 7",
        "pruning",
        reference().claims.pruning_significant_drop,
        {model.name: model.table7.accuracy for model in reference().models},
        dropped=True,
    )


def lowrank_drops(matrix: Matrix) -> Claim:
    """Section 3.4: ResNet18."""
    return _accuracy_claim(
        matrix,
        "Low-rank factorization costs {models} a significant part of its accuracy (more than 1"
        " point).",
        "3.4, Table 8",
        "lowrank",
        reference().claims.lowrank_significant_drop,
        {model.name: model.table8.accuracy for model in reference().models},
        dropped=True,
    )


CLAIMS: tuple[Callable[[Matrix], Claim], ...] = (
    idle_bits,
    steganographic_keeps_accuracy,
    steganographic_halves_energy,
    steganographic_halves_time,
    steganographic_least_per_epoch,
    alexnet_not_least_per_epoch,
    pruning_saves_nothing,
    pruning_drops,
    lowrank_saves_nothing,
    lowrank_drops,
)


def _ratio_claim(
    matrix: Matrix,
    text: str,
    section: str,
    models: tuple[str, ...],
    limit: float,
    *,
    about_time: bool = False,
) -> Claim:
    """A claim about steganographic energy (or time) relative to the baseline's."""
    conditions, figure = _conditions(
        matrix, ("steganographic", BASELINE), models, about_time=about_time, of_total=True
    )
    matrix, method = conditions.matrix, "steganographic"
    statements = [
        Statement(
            model,
            [matrix.logs(model, method, figure)],
            math.log(limit),
            _shown_ratio(matrix, model, method, figure),
        )
        for model in models
    ]
    return of_each(text.format(models=_names(models)), section, statements, conditions)


def _no_saving(matrix: Matrix, name: str, method: str, section: str) -> Claim:
    conditions, figure = _conditions(matrix, (method, BASELINE), _all_models(), of_total=True)
    matrix = conditions.matrix
    statements = [
        Statement(
            model,
            [matrix.logs(model, method, figure)],
            0.0,
            _shown_ratio(matrix, model, method, figure),
        )
        for model in _all_models()
    ]
    return of_all_together(
        f"{name} saves no energy consistently: over all models it takes at least"
        f" {1 - LEAST_SAVING:.2f} of the baseline's.",
        section,
        statements,
        conditions,
        least=math.log(1 - LEAST_SAVING),
    )


def _shown_ratio(matrix: Matrix, model: str, method: str, figure: Figure) -> str:
    """`0.53 (0.49 to 0.58), 0.69 with its search; +0.1 points; mixed precision alone 0.54`"""
    searched = matrix.ratio(model, method, with_search(figure))
    controls = (("amp", "mixed precision alone"), ("autocast", "torch's autocast"))
    alone = [(words, matrix.ratio(model, name, figure)) for name, words in controls]
    parts = [
        _range(matrix.relative(model, method, figure), ".2f")
        + ("" if searched is None else f", {searched:.2f} with its search"),
        f"{quantities.points(matrix.change(model, method, accuracy))} points",
        *(f"{words} {ratio:.2f}" for words, ratio in alone if ratio is not None),
    ]
    return "; ".join(parts)


def _per_epoch_claim(
    matrix: Matrix, text: str, models: tuple[str, ...], *, denied: bool = False
) -> Claim:
    """Steganographic energy per epoch relative to each of the paper's other ways."""
    conditions, figure = _conditions(matrix, PAPER_METHODS, models)
    matrix, method, each_epoch = conditions.matrix, "steganographic", per_epoch(figure)
    statements = []
    for model in models:
        found = {
            other: matrix.logs(model, method, each_epoch, other)
            for other in PAPER_METHODS
            if other != method
        }
        ratios = [Range.of(logs, math.exp) for logs in found.values()]
        nearest = max((each for each in ratios if each), key=lambda e: e.value, default=None)
        text_of = f"{_range(nearest, '.2f')} of the least other"
        statements.append(Statement(model, list(found.values()), 0.0, text_of))
    return of_each(
        text.format(models=_names(models)), "3.5, Figure 6", statements, conditions, denied=denied
    )


def _accuracy_claim(
    matrix: Matrix,
    text: str,
    section: str,
    method: str,
    models: tuple[str, ...],
    published: Mapping[str, float],
    *,
    dropped: bool = False,
) -> Claim:
    """That accuracy is kept within the allowed drop, or `dropped` by more than that."""
    allowed = reference().max_drop
    sign, limit = (1, -allowed - _ROUNDING) if dropped else (-1, allowed)
    statements = []
    for model in models:
        changes = matrix.differences(model, method, accuracy)
        paper = quantities.points(published[model] - _baseline(model))
        shown = f"{_points(Range.of(changes))} (paper {paper})"
        statements.append(Statement(model, [[sign * c for c in changes]], limit, shown))
    return of_each(
        text.format(models=_names(models)),
        section,
        statements,
        Conditions(matrix, (method, BASELINE)),
    )


def _conditions(
    matrix: Matrix,
    methods: tuple[str, ...],
    models: tuple[str, ...],
    *,
    about_time: bool = False,
    of_total: bool = False,
) -> tuple[Conditions, Figure]:
    """What a claim about energy or time is judged under, and on which figure."""
    on_time = not about_time and matrix.energy_kind == "estimated"
    method = "steganographic" if "steganographic" in methods else methods[0]
    conditions = Conditions(
        matrix,
        methods,
        of_energy=True,
        of_total=of_total,
        on_time=on_time,
        in_part=not about_time and matrix.energy_kind == "partly estimated",
        lacks=_lacks(matrix, method, models),
    )
    return conditions, duration_s if about_time or on_time else energy_j


def _range(found: Range | None, spec: str) -> str:
    """`0.53 (0.49 to 0.58)`, or `0.53` of one seed."""
    if found is None:
        return quantities.UNKNOWN
    if found.bounds is None:
        return f"{found.value:{spec}}"
    low, high = found.bounds
    return f"{found.value:{spec}} ({low:{spec}} to {high:{spec}})"


def _points(found: Range | None) -> str:
    """`−0.4 points (−0.9 to +0.1)`"""
    if found is None:
        return quantities.UNKNOWN
    text = f"{quantities.points(found.value)} points"
    if found.bounds is None:
        return text
    return f"{text} ({quantities.points(found.bounds[0])} to {quantities.points(found.bounds[1])})"


def _lacks(matrix: Matrix, method: str, models: tuple[str, ...]) -> str:
    """What the device lacked when these models were trained by the method."""
    cases = [matrix.cases[model, method] for model in models if (model, method) in matrix.cases]
    return NO_NARROW_TYPE if any(map(lacked_narrow_type, cases)) else ""


def _all_models() -> tuple[str, ...]:
    return tuple(model.name for model in reference().models)


def _names(models: tuple[str, ...]) -> str:
    return listed([reference().paper_name(model) for model in models])


def _baseline(model: str) -> float:
    """The paper's accuracy of the uncompressed model after training (Table 6)."""
    return next(m.table6.baseline_accuracy for m in reference().models if m.name == model)
