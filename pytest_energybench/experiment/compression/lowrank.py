"""Low-rank factorization (paper Section 3.4): how many of a layer's singular values are idle.

Two searches. The joint one, the default, predicts from one pass what every layer loses at every
rank (`layer_losses`) and bisects a single budget that all layers share; each probe is a full
evaluation of the whole model at those ranks. `per-layer` is the paper's own: every layer alone, the
smallest rank that passes; `exhaustive` is the same by a scan. What trains afterwards is judged
again, and where the trained model lost too much, the most squeezed layers get more rank and it
trains once more.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import cast

from torch import Tensor, nn

from pytest_energybench.experiment.compression.evaluation import Examination, score_changed
from pytest_energybench.experiment.compression.factorized import (
    Factorized,
    Layer,
    Spectrum,
    factorizable,
    replace_module,
    total_weights,
)
from pytest_energybench.experiment.compression.layer_losses import BATCHES, predicted_losses
from pytest_energybench.experiment.compression.layerwise import search_each_layer
from pytest_energybench.experiment.compression.plan import (
    AccuracyTarget,
    CompressionPlan,
    Metric,
    ResultError,
    Retrain,
    Task,
)
from pytest_energybench.experiment.compression.search import Search, search
from pytest_energybench.experiment.training.distributed import current
from pytest_energybench.experiment.training.evaluate import Score

BUDGETS = 127
"""Levels of the shared budget: seven probes find one of them."""

SMALLEST_BUDGET = 1e-8
"""The first budget, as a share of the largest loss that any layer is predicted to have."""

SQUEEZED = 4
"""One in so many factorized layers is raised by an adjustment, the most squeezed ones."""

RAISE = 1.5
"""What their ranks are multiplied with."""

Ranks = dict[str, int]
"""The ranks of the layers that are factorized, by path; a layer that is missing stays dense."""


@dataclass(frozen=True, slots=True)
class LowRank:
    """Find the ranks by search and put two thinner layers in place of each dense one."""

    def __call__(self, plan: CompressionPlan, task: Task) -> CompressionPlan:
        """Search on validation; `plan.model` is changed in place."""
        began = time.monotonic()
        model = plan.model
        examples = next(task.data.validation.ordered(2))[0]
        layers = factorizable(model, examples, task.lowrank_layers)
        spectra = {path: Spectrum.of(layer) for path, layer in layers.items()}
        each_alone = task.strategy in ("per-layer", "exhaustive")
        if each_alone:
            # The paper's own search: it compares with the dense model, and knows of no bits to go.
            ranks, found = search_each_layer(model, layers, spectra, replace(task, zeroed_after=0))
        else:
            ranks, found = search_jointly(model, layers, spectra, task)
        before = Before(tuple(layers), total_weights(layers.values()), _parameters(model))
        for path, rank in ranks.items():
            factors = spectra[path].factors(0, rank)
            replace_module(model, path, Factorized(layers[path], *factors))
        adjust = Adjustment(ranks, spectra, task.goal(found))
        plan = replace(plan, adjust=adjust).found(found.since(began))
        return plan.checked(partial(check_ranks, ranks, before), "candidate_rate").noted(
            lowrank_layers=task.lowrank_layers,
            lowrank_search=task.strategy if each_alone else "joint",
        )


def search_jointly(
    model: nn.Module, layers: Mapping[str, Layer], spectra: Mapping[str, Spectrum], task: Task
) -> tuple[Ranks, Search]:
    """The ranks at the largest shared budget that passes, and the search for it."""
    losses = predicted_losses(model, layers, spectra, task.data.train, task.evaluation_batch)
    current().equalise(losses.values())
    largest = max((float(loss[0]) for loss in losses.values()), default=0.0)

    def ranks_at(level: int) -> Ranks:
        if level == 0:
            return {}
        budget = largest * SMALLEST_BUDGET ** (1 - level / BUDGETS)
        return ranks_within(budget, losses, spectra)

    examine = Examination(task)

    def evaluate(level: int, most_wrong: int | None) -> Score:
        ranks = ranks_at(level)
        weights = {path: layers[path].weight for path in ranks}
        at = task.at(level)
        return score_changed(
            model,
            weights,
            lambda path, _: spectra[path].weight(ranks[path], at.zeroed_after),
            at,
            examine,
            most_wrong,
        )

    found = search(
        "shared loss budget",
        BUDGETS,
        evaluate,
        task.tolerance,
        state=lambda level: tuple(sorted(ranks_at(level).items())),
        whole=task.whole,
        progress=task.progress,
    )
    ranks = ranks_at(found.found)
    answers = found.curve[0].split // len(task.data.validation)
    looked = found.images + BATCHES * task.evaluation_batch * answers
    # The paper's scan raises each layer's rank from one to the one that passes.
    scanned = 1 + sum(ranks.get(path, spectra[path].most) for path in layers)
    return ranks, replace(found, images=looked, reference_evaluations=scanned)


def ranks_within(
    budget: float, losses: Mapping[str, Tensor], spectra: Mapping[str, Spectrum]
) -> Ranks:
    """Every layer's smallest rank whose predicted loss is within `budget`, if that saves weights.

    `losses` as `predicted_losses` gives them.
    """
    ranks = {}
    for path, loss in losses.items():
        rank = max(1, int((loss > budget).sum()))
        if rank <= spectra[path].most:
            ranks[path] = rank
    return ranks


@dataclass(frozen=True, slots=True)
class Adjustment:
    """Raises ranks of a trained model that misses its `goal`.

    `ranks` is kept up to date, so that the check knows them.
    """

    ranks: Ranks
    spectra: Mapping[str, Spectrum]
    goal: AccuracyTarget

    def __call__(self, model: nn.Module, score: Score, done: int) -> Retrain | None:
        """Extend the most squeezed layers by their next components; what is trained stays."""
        if not self.ranks or not self.goal.missed(score, done):
            return None
        model.float()
        squeezed = sorted(self.ranks, key=lambda path: self.ranks[path] / self.spectra[path].most)
        for path in squeezed[: -(-len(squeezed) // SQUEEZED)]:
            layer = model.get_submodule(path)
            if not isinstance(layer, Factorized):
                raise ResultError(f"{path} is no factorized layer any more")
            spectrum = self.spectra[path]
            rank = min(max(int(self.ranks[path] * RAISE), self.ranks[path] + 1), spectrum.most)
            layer.extend(spectrum, rank)
            self.ranks[path] = rank
        return Retrain()


@dataclass(frozen=True, slots=True)
class Before:
    """What was there before: the paths of layers that may be factorized, their weights, and the
    parameters of the whole model."""

    candidates: tuple[str, ...]
    weights: int
    parameters: int


def check_ranks(ranks: Ranks, before: Before, model: nn.Module) -> Mapping[str, Metric]:
    """Raise ResultError unless exactly the layers in `ranks` have these ranks; counts on modules.

    Ranks as in Table 8, of all layers that might be factorized; one that stays dense has its full
    rank. Rates are 1 - after / before: `candidate_rate` over these layers, `model_rate` over all
    parameters.
    """
    layers = {path: model.get_submodule(path) for path in before.candidates}
    factorized = {path: layer for path, layer in layers.items() if isinstance(layer, Factorized)}
    actual = {path: layer.rank for path, layer in factorized.items()}
    if actual != ranks:
        raise ResultError(f"the model's ranks are {actual}, and {ranks} were decided")
    of_all = [_rank(layer) for layer in layers.values()]
    return {
        "factorized_layers": len(factorized),
        "candidate_layers": len(layers),
        "candidate_rate": 1 - total_weights(layers.values()) / before.weights,
        "model_rate": 1 - _parameters(model) / before.parameters,
        "rank_min": min(of_all),
        "rank_max": max(of_all),
        "rank_mean": sum(of_all) / len(of_all),
    }


def _rank(layer: nn.Module) -> int:
    if isinstance(layer, Factorized):
        return layer.rank
    weight = cast(Layer, layer).weight
    return min(len(weight), weight[0].numel())


def _parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())
