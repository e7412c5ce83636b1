"""What the paper published, as data: the figures of Tables 2, 6, 7 and 8 and the stated claims.

The paper prints no energy, duration or number of epochs: those are in its Figures 2 to 6 alone.
Rates and accuracies are fractions, accuracy drops absolute (0.01 is one percentage point).
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import msgspec
from msgspec import Struct


class Table2(Struct, frozen=True, forbid_unknown_fields=True):
    """The models (Section 2.1).

    Attributes:
        parameters_m: millions of parameters, as printed.
        torchvision_parameters: what torchvision's model with 1,000 classes has; for InceptionV3
            with its auxiliary head.
    """

    type: str
    parameters_m: float
    depth: int
    torchvision_parameters: int


class Table6(Struct, frozen=True, forbid_unknown_fields=True):
    """Steganographic capacity reduction; `zeroed_bits` of 32 are from Section 3.2."""

    zeroed_bits: int
    compression_rate: float
    baseline_accuracy: float
    accuracy: float


class Table7(Struct, frozen=True, forbid_unknown_fields=True):
    """Pruning: the least and most pruned layer, the rate over all layers."""

    layer_rate_min: float
    layer_rate_max: float
    compression_rate: float
    accuracy: float


class Table8(Struct, frozen=True, forbid_unknown_fields=True):
    """Low-rank factorization: ranks over the factorized layers."""

    rank_min: int
    rank_max: int
    rank_mean: float
    compression_rate: float
    accuracy: float


class ModelReference(Struct, frozen=True, forbid_unknown_fields=True):
    """All that is published of one model. `name` is torchvision's, `paper_name` the paper's."""

    name: str
    paper_name: str
    table2: Table2
    table6: Table6
    table7: Table7
    table8: Table8


class ClaimedModels(Struct, frozen=True, forbid_unknown_fields=True):
    """Which models each claim of the paper is about.

    Attributes:
        energy_halved: steganographic reduction takes less than half the baseline's energy.
        time_halved: it takes about half the baseline's training time.
        least_energy_per_epoch: it has the least energy per epoch of the four ways.
        not_least_energy_per_epoch: the exception to that.
        pruning_significant_drop, lowrank_significant_drop: accuracy falls significantly.
    """

    energy_halved: tuple[str, ...]
    time_halved: tuple[str, ...]
    least_energy_per_epoch: tuple[str, ...]
    not_least_energy_per_epoch: tuple[str, ...]
    pruning_significant_drop: tuple[str, ...]
    lowrank_significant_drop: tuple[str, ...]


class Reference(Struct, frozen=True, forbid_unknown_fields=True):
    """The paper. `max_drop` is the accuracy a compressed model may lose, absolute."""

    title: str
    authors: tuple[str, ...]
    date: str
    arxiv: str
    max_drop: float
    claims: ClaimedModels
    models: tuple[ModelReference, ...]

    def paper_name(self, model: str) -> str:
        """The paper's spelling of a model; one that is not the paper's keeps its own."""
        names = {each.name: each.paper_name for each in self.models}
        return names.get(model, model)


@cache
def reference() -> Reference:
    """The published facts, read once."""
    content = files("pytest_energybench.experiment.paper").joinpath("reference.json").read_bytes()
    return msgspec.json.decode(content, type=Reference)
