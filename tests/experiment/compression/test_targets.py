"""Which weights are compressed, and which can't be."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune

from pytest_energybench.experiment.compression.targets import compressed_weights, shared
from pytest_energybench.experiment.training.errors import SettingError


def test_convolutions_of_all_kinds_and_linear_layers() -> None:
    layers = nn.Sequential(
        nn.Conv1d(1, 2, 3),
        nn.ConvTranspose2d(2, 2, 3),
        nn.Conv3d(2, 2, 3),
        nn.BatchNorm3d(2),
        nn.LSTM(2, 2),
        nn.Embedding(2, 2),
        nn.Linear(2, 2),
    )
    assert list(compressed_weights(layers)) == ["0.weight", "1.weight", "2.weight", "6.weight"]


@pytest.mark.parametrize(
    "computed",
    [
        parametrizations.weight_norm,
        parametrizations.spectral_norm,
        lambda layer: prune.l1_unstructured(layer, "weight", 0.5),
    ],
    ids=["weight_norm", "spectral_norm", "prune"],
)
def test_a_weight_that_is_computed_is_refused_as_what_is_written_there_is_lost(
    computed: object,
) -> None:
    net = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    computed(net[1])  # type: ignore[operator]
    with pytest.raises(SettingError, match=r"^the weight of 1 is computed .*: take that off"):
        compressed_weights(net)


def test_without_such_a_layer_there_is_nothing_to_compress() -> None:
    with pytest.raises(SettingError, match="GRU has no convolution and no linear layer"):
        compressed_weights(nn.GRU(2, 2))


def test_shared_is_what_several_modules_have_and_not_a_module_at_two_places() -> None:
    first, second, twice = nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 2)
    second.weight = first.weight
    assert shared(nn.Sequential(first, second, twice, twice)) == {first.weight}
    assert torch.equal(next(iter(shared(nn.Sequential(first, second)))), first.weight)
