"""The channels of a decoder's MLPs, taken out together."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
import transformers
from torch import nn

from pytest_energybench.experiment.compression.channel.decoders import decoder_groups, heads
from pytest_energybench.experiment.compression.channel.groups import (
    Group,
    inputs_per_channel,
    remove,
)
from pytest_energybench.experiment.compression.channel.importance import importances, least
from pytest_energybench.experiment.compression.channel.statistics import collect
from pytest_energybench.experiment.training.datasets.data import TensorSplit
from pytest_energybench.experiment.training.errors import SettingError
from pytest_energybench.experiment.training.language.models import build
from pytest_energybench.experiment.training.language.sizes import LanguageSize

TINY = LanguageSize(32, 64, 2, 2, windows=8, pretraining=8, batch=4, length=16)
TOKENS = torch.arange(4 * 16).view(4, 16)
FOUR_HEADS = replace(TINY, heads=4)
HEARING = {"llama": "down_proj", "neox": "dense_4h_to_h"}
decoders = pytest.mark.parametrize("name", ["llama", "neox"])


def is_mlp(group: Group) -> bool:
    return group.multiple > 1


def weights_of_attention(model: nn.Module) -> int:
    return sum(
        weight.numel()
        for path, weight in model.named_parameters()
        if "att" in path and path.endswith("weight") and "norm" not in path
    )


def shared(heads: int) -> nn.Module:
    """A Llama of which so many heads share their keys and values."""
    config = transformers.LlamaConfig(
        vocab_size=256,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4 // heads,
    )
    return transformers.LlamaForCausalLM(config).eval()


@decoders
def test_channels_that_nothing_hears_go_and_the_logits_stay(name: str) -> None:
    torch.manual_seed(0)
    model = build(name, TINY).eval()
    heard = [each for path, each in model.named_modules() if path.endswith(HEARING[name])]
    with torch.no_grad():
        for layer in heard:
            layer.weight[:, :8] = 0  # type: ignore[index]
    smaller = copy.deepcopy(model)
    groups = decoder_groups(model)
    assert sorted(group.channels for group in groups) == [2, 2, 64, 64]
    remove(smaller, groups, [torch.arange(8 if is_mlp(group) else 0) for group in groups])
    torch.testing.assert_close(smaller(TOKENS).logits, model(TOKENS).logits)
    linear = [each for each in smaller.modules() if isinstance(each, nn.Linear)]
    having = {"llama": 2, "neox": 1}[name]
    assert [each.out_features for each in linear].count(56) == TINY.layers * having
    assert [each.in_features for each in linear].count(56) == TINY.layers


@pytest.mark.parametrize(("name", "sharing"), [("llama", 1), ("llama", 2), ("neox", 1)])
def test_heads_that_nothing_hears_go_with_those_that_share_their_keys(
    name: str, sharing: int
) -> None:
    torch.manual_seed(0)
    model = shared(sharing) if sharing > 1 else build(name, FOUR_HEADS).eval()
    own = 32 // 4 * sharing
    for path, layer in model.named_modules():
        if path.endswith(("o_proj", "attention.dense")):
            with torch.no_grad():
                layer.weight[:, own : 2 * own] = 0  # type: ignore[index]
    smaller = copy.deepcopy(model)
    groups = decoder_groups(model)
    remove(smaller, groups, [torch.arange(0 if is_mlp(group) else 1) + 1 for group in groups])
    torch.testing.assert_close(smaller(TOKENS).logits, model(TOKENS).logits)
    assert heads(model) == 2 * 4 // sharing
    assert heads(smaller) == heads(model) - 2
    assert weights_of_attention(smaller) == weights_of_attention(model) * (4 - sharing) // 4


@decoders
def test_the_order_of_channels_names_heads_and_leaves_one(name: str) -> None:
    torch.manual_seed(0)
    model = build(name, FOUR_HEADS)
    groups = decoder_groups(model)
    data = TensorSplit(TOKENS, TOKENS + 1)
    worths = importances(model, groups, collect(model, data, 2, inputs_per_channel(groups)))
    for group, worth in zip(groups, worths, strict=True):
        assert worth.isinf().sum() == group.multiple
        assert (worth > 0).all()
    most = dict(zip(map(is_mlp, groups), least(groups, worths, 0.99), strict=True))
    assert {mlp: len(gone) for mlp, gone in most.items()} == {True: 56, False: 3}


@decoders
def test_the_layers_of_a_decoder_have_statistics(name: str) -> None:
    model = build(name, TINY)
    found = collect(model, TensorSplit(TOKENS, TOKENS + 1), 2, {})
    linear = {path for path, each in model.named_modules() if isinstance(each, nn.Linear)}
    assert found.keys() == linear
    assert all(each.positions == 16 and each.sensitivity.sum() > 0 for each in found.values())
    assert all(each.grad is None and each.requires_grad for each in model.parameters())


def test_a_decoder_without_such_layers_is_refused_by_name() -> None:
    with pytest.raises(SettingError, match=r"down_proj or dense_h_to_4h, .* Embedding has none"):
        decoder_groups(nn.Embedding(2, 2))
