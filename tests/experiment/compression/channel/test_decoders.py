"""The channels of a decoder's MLPs, taken out together."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from pytest_energybench.experiment.compression.channel.decoders import mlp_groups
from pytest_energybench.experiment.compression.channel.groups import remove
from pytest_energybench.experiment.compression.channel.statistics import collect
from pytest_energybench.experiment.training.datasets.data import TensorSplit
from pytest_energybench.experiment.training.errors import SettingError
from pytest_energybench.experiment.training.language.models import build
from pytest_energybench.experiment.training.language.sizes import LanguageSize

TINY = LanguageSize(32, 64, 2, 2, windows=8, pretraining=8, batch=4, length=16)
TOKENS = torch.arange(4 * 16).view(4, 16)
HEARING = {"llama": "down_proj", "neox": "dense_4h_to_h"}
decoders = pytest.mark.parametrize("name", ["llama", "neox"])


@decoders
def test_channels_that_nothing_hears_go_and_the_logits_stay(name: str) -> None:
    torch.manual_seed(0)
    model = build(name, TINY).eval()
    heard = [each for path, each in model.named_modules() if path.endswith(HEARING[name])]
    with torch.no_grad():
        for layer in heard:
            layer.weight[:, :8] = 0  # type: ignore[index]
    smaller = copy.deepcopy(model)
    groups = mlp_groups(model)
    assert [group.channels for group in groups] == [64, 64]
    remove(smaller, groups, [torch.arange(8), torch.arange(8)])
    torch.testing.assert_close(smaller(TOKENS).logits, model(TOKENS).logits)
    linear = [each for each in smaller.modules() if isinstance(each, nn.Linear)]
    having = {"llama": 2, "neox": 1}[name]
    assert [each.out_features for each in linear].count(56) == TINY.layers * having
    assert [each.in_features for each in linear].count(56) == TINY.layers


@decoders
def test_the_layers_of_a_decoder_have_statistics(name: str) -> None:
    model = build(name, TINY)
    found = collect(model, TensorSplit(TOKENS, TOKENS + 1), 2, {})
    linear = {path for path, each in model.named_modules() if isinstance(each, nn.Linear)}
    assert found.keys() == linear
    assert all(each.positions == 16 and each.sensitivity.sum() > 0 for each in found.values())
    assert all(each.grad is None and each.requires_grad for each in model.parameters())


def test_a_decoder_without_such_mlps_is_refused_by_name() -> None:
    with pytest.raises(SettingError, match=r"down_proj or dense_h_to_4h, .* Embedding has none"):
        mlp_groups(nn.Embedding(2, 2))
