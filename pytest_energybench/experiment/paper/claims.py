"""The paper's headline claims, each a function from a run to what became of it here.

A claim about energy needs joules from hardware. Where they are estimated from CPU time an energy
ratio is a time ratio: then the claim is judged on time, and its verdict says so. A claim about
several models needs all of them; until then the figures there are stand without a verdict. Nor is
there one on what a narrow number type saves where the device has none.

How words without a number are read: "half the time" as at most 0.60 of the baseline's;
"consistent saving" as less energy than the baseline on every model; a "significant" drop as more
than the one point that compression was allowed to cost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from pytest_energybench.experiment.paper.claim import NO_NARROW_TYPE, Claim, Holds, judged
from pytest_energybench.experiment.paper.matrix import (
    Matrix,
    accuracy,
    duration_s,
    energy_j,
    lacked_narrow_type,
    metric,
    per_epoch,
)
from pytest_energybench.experiment.paper.reference import reference
from pytest_energybench.experiment.rules import BASELINE, PAPER_METHODS
from pytest_energybench.gates import quantities
from pytest_energybench.report.text import listed
from pytest_energybench.results.model import Run

HALF = 0.5
ABOUT_HALF = 0.6
"""The most that is called "about half" here; the paper gives no bound."""

_ROUNDING = 1e-9
"""Differences of fractions below this are rounding, not accuracy."""


def claims(run: Run) -> tuple[Claim, ...]:
    """All of them, in the paper's order."""
    return tuple(claim(run) for claim in CLAIMS)


def idle_bits(run: Run) -> Claim:
    """Section 3.2: the capacity of every model."""
    published = {model.name: model for model in reference().models}
    least = min(model.table6.zeroed_bits for model in published.values())

    def text(name: str, value: float) -> str:
        return f"{value:.0f} bits (paper {published[name].table6.zeroed_bits})"

    return judged(
        Matrix.of(run),
        f"In every model at least {least} of the 32 bits of a weight can be zeroed for at most"
        " one point of accuracy.",
        "3.2, Table 6",
        ("steganographic",),
        _all_models(),
        lambda matrix, model: matrix.value(model, "steganographic", metric("zeroed_bits")),
        lambda bits: bits >= least,
        text,
    )


def steganographic_keeps_accuracy(run: Run) -> Claim:
    """Section 3.5: contradicted by the paper's own Table 6."""
    limit = reference().max_drop
    published = {model.name: model.table6.accuracy for model in reference().models}
    return judged(
        Matrix.of(run),
        "Steganographic reduction costs no model more than one point of accuracy"
        " (in the paper's own Table 6 it costs ResNet18 and DenseNet121 more).",
        "3.5, Table 6",
        ("steganographic", BASELINE),
        _all_models(),
        lambda matrix, model: matrix.change(model, "steganographic", accuracy),
        lambda change: change >= -limit - _ROUNDING,
        lambda model, value: _points(value, published[model] - _baseline(model)),
    )


def steganographic_halves_energy(run: Run) -> Claim:
    """Section 3.5: less than half the baseline's energy."""
    return _ratio_claim(
        run,
        "Steganographic reduction takes less than half of the baseline's energy for {models}.",
        "3.5, Figure 4",
        "steganographic",
        reference().claims.energy_halved,
        lambda ratio: ratio < HALF,
    )


def steganographic_halves_time(run: Run) -> Claim:
    """Section 3.5: about half the training time, read as at most `ABOUT_HALF`."""
    return _ratio_claim(
        run,
        f"Steganographic reduction takes about half of the training time (at most {ABOUT_HALF:.2f}"
        " of the baseline's) for {models}.",
        "3.5, Figure 3",
        "steganographic",
        reference().claims.time_halved,
        lambda ratio: ratio <= ABOUT_HALF,
        about_time=True,
    )


def steganographic_least_per_epoch(run: Run) -> Claim:
    """Section 3.5: the least energy per epoch of the paper's four ways."""
    return _per_epoch_claim(
        run,
        "Of the paper's four ways steganographic reduction has the least energy per epoch for"
        " {models}.",
        reference().claims.least_energy_per_epoch,
        lambda ratio: ratio < 1,
    )


def alexnet_not_least_per_epoch(run: Run) -> Claim:
    """Section 3.5: the exception."""
    return _per_epoch_claim(
        run,
        "For {models} steganographic reduction has not the least energy per epoch.",
        reference().claims.not_least_energy_per_epoch,
        lambda ratio: ratio >= 1,
    )


def pruning_saves_nothing(run: Run) -> Claim:
    """Sections 3.3 and 3.5: at times more energy than the baseline."""
    return _no_saving(run, "Pruning", "pruning", "3.3, 3.5, Figure 4")


def lowrank_saves_nothing(run: Run) -> Claim:
    """Sections 3.4 and 3.5: at times more energy than the baseline."""
    return _no_saving(run, "Low-rank factorization", "lowrank", "3.4, 3.5, Figure 4")


def pruning_drops(run: Run) -> Claim:
    """Section 3.3: VGG16."""
    return _significant_drop(
        run,
        "Pruning",
        "pruning",
        reference().claims.pruning_significant_drop,
        "3.3, Table 7",
        {model.name: model.table7.accuracy for model in reference().models},
    )


def lowrank_drops(run: Run) -> Claim:
    """Section 3.4: ResNet18."""
    return _significant_drop(
        run,
        "Low-rank factorization",
        "lowrank",
        reference().claims.lowrank_significant_drop,
        "3.4, Table 8",
        {model.name: model.table8.accuracy for model in reference().models},
    )


CLAIMS: tuple[Callable[[Run], Claim], ...] = (
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
    run: Run,
    text: str,
    section: str,
    method: str,
    models: tuple[str, ...],
    holds: Holds,
    *,
    about_time: bool = False,
    enough: Callable[[Iterable[bool]], bool] = all,
) -> Claim:
    """A claim about energy (or time) relative to the baseline's."""
    matrix = Matrix.of(run)
    on_time = not about_time and matrix.energy_kind == "estimated"
    in_part = not about_time and matrix.energy_kind == "partly estimated"
    figure = duration_s if about_time or on_time else energy_j

    def show(model: str, ratio: float) -> str:
        change = quantities.points(matrix.change(model, method, accuracy))
        alone = matrix.ratio(model, "amp", figure)
        control = "" if alone is None else f", mixed precision alone {alone:.2f}"
        return f"{ratio:.2f} ({change} points{control})"

    return judged(
        matrix,
        text.format(models=_names(models)),
        section,
        (method, BASELINE),
        models,
        lambda matrix, model: matrix.ratio(model, method, figure),
        holds,
        show,
        on_time=on_time,
        in_part=in_part,
        enough=enough,
        lacks=_lacks(matrix, method, models),
    )


def _no_saving(run: Run, name: str, method: str, section: str) -> Claim:
    """The saving is consistent if it is there on every model; one without it is enough."""
    return _ratio_claim(
        run,
        f"{name} saves no energy consistently: on some models it takes as much as the baseline"
        " or more.",
        section,
        method,
        _all_models(),
        lambda ratio: ratio >= 1,
        enough=any,
    )


def _per_epoch_claim(run: Run, text: str, models: tuple[str, ...], holds: Holds) -> Claim:
    """Steganographic energy per epoch relative to the least of the paper's other ways."""
    matrix = Matrix.of(run)
    on_time = matrix.energy_kind == "estimated"
    figure = per_epoch(duration_s if on_time else energy_j)

    def ratio(matrix: Matrix, model: str) -> float | None:
        values = {method: matrix.value(model, method, figure) for method in PAPER_METHODS}
        known = {method: value for method, value in values.items() if value is not None}
        if len(known) < len(PAPER_METHODS):
            return None
        own = known.pop("steganographic")
        least = min(known.values())
        return own / least if least else None

    return judged(
        matrix,
        text.format(models=_names(models)),
        "3.5, Figure 6",
        PAPER_METHODS,
        models,
        ratio,
        holds,
        lambda _, value: f"{value:.2f} of the least other",
        on_time=on_time,
        in_part=matrix.energy_kind == "partly estimated",
        lacks=_lacks(matrix, "steganographic", models),
    )


def _significant_drop(
    run: Run,
    name: str,
    method: str,
    models: tuple[str, ...],
    section: str,
    published: Mapping[str, float],
) -> Claim:
    """Holds as more than the allowed drop; `published` are the paper's accuracies."""
    limit = reference().max_drop
    return judged(
        Matrix.of(run),
        f"{name} costs {_names(models)} a significant part of its accuracy (more than"
        f" {limit * 100:g} point).",
        section,
        (method, BASELINE),
        models,
        lambda matrix, model: matrix.change(model, method, accuracy),
        lambda change: change < -limit - _ROUNDING,
        lambda model, value: _points(value, published[model] - _baseline(model)),
    )


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


def _points(ours: float, published: float) -> str:
    return f"{quantities.points(ours)} points (paper {quantities.points(published)})"
