"""Narrow training against torch's own optimizers, and against what it promises of the weights."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from pytest_energybench.experiment.compression.bits import nearest_into, on_grid
from pytest_energybench.experiment.compression.targets import size
from pytest_energybench.experiment.training import master_weights as masters
from pytest_energybench.experiment.training.errors import DivergedError
from pytest_energybench.experiment.training.master_weights import (
    LossScaler,
    MasterWeights,
    OptimizerOf,
)
from pytest_energybench.experiment.training.optimizers import optimizer_of
from pytest_energybench.experiment.training.settings import TrainSettings
from tests.experiment.training.nets import small_net

IMAGES = torch.randn(16, 3, 8, 8, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(16) % 10


def sgd_of(rate: float, momentum: float = 0.0, decay: float = 0.0) -> OptimizerOf:
    return optimizer_of(TrainSettings(learning_rate=rate, momentum=momentum, weight_decay=decay))


def loss_of(model: nn.Module, dtype: torch.dtype = torch.float32) -> Tensor:
    return functional.cross_entropy(model(IMAGES.to(dtype)).float(), LABELS)


def weights_of(model: nn.Module) -> dict[str, Tensor]:
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


def steps(model: nn.Module, updater: MasterWeights, count: int, dtype: torch.dtype) -> None:
    for _ in range(count):
        updater.zero()
        updater.backward(loss_of(model, dtype))
        updater.step()


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
@pytest.mark.parametrize("piece", [1 << 20, 100], ids=["one piece", "many pieces"])
def test_in_float32_it_is_torch_s_own_optimizer(
    kind: str, piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(masters.PIECE, "cpu", piece)
    ours, theirs = small_net(), small_net()
    of: OptimizerOf
    optimizer: torch.optim.Optimizer
    if kind == "sgd":
        of = sgd_of(0.1, 0.9, 0.01)
        optimizer = torch.optim.SGD(theirs.parameters(), 0.1, 0.9, weight_decay=0.01)
    else:
        of = partial(torch.optim.AdamW, lr=0.01, weight_decay=0.1, fused=True)
        optimizer = of(list(theirs.parameters()))
    updater = MasterWeights(ours, torch.float32, of)
    for _ in range(8):
        updater.zero()
        updater.backward(loss_of(ours))
        updater.step()
        optimizer.zero_grad()
        loss_of(theirs).backward()
        optimizer.step()
    for (name, one), two in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        # A bias before a normalisation has no gradient but rounding, which AdamW makes steps of.
        if not (kind == "adamw" and name == "0.bias"):
            assert torch.allclose(one, two, atol=1e-5), name


def test_the_learning_rate_can_change_between_steps() -> None:
    layer = nn.Linear(1, 1, bias=False)
    before = float(layer.weight.detach())
    updater = MasterWeights(layer, torch.float32, sgd_of(1.0))
    moved = []
    for rate in (0.5, 0.25):
        updater.set_learning_rate(rate)
        updater.zero()
        updater.backward(layer(torch.ones(1, 1)).sum())
        updater.step()
        moved.append(before - float(layer.weight.detach()))
    assert moved == pytest.approx([0.5, 0.75])


def test_the_model_is_narrow_but_for_its_normalisation() -> None:
    model = nn.Sequential(*small_net(), nn.LayerNorm(10))
    MasterWeights(model, torch.bfloat16, sgd_of(0.1, 0.9, 0))
    types = {name: parameter.dtype for name, parameter in model.named_parameters()}
    assert {types[name] for name in ("0.weight", "0.bias", "9.weight")} == {torch.bfloat16}
    assert {types[name] for name in ("1.weight", "5.bias", "10.weight")} == {torch.float32}
    assert model[1].running_mean.dtype == torch.float32
    assert model[0].weight.is_contiguous(memory_format=torch.channels_last)
    loss_of(model, torch.bfloat16).backward()


def test_every_forward_pass_sees_weights_on_the_grid() -> None:
    model = small_net()
    start = model[0].weight.detach().clone()
    updater = MasterWeights(
        model,
        torch.bfloat16,
        sgd_of(0.1, 0.9, 1e-4),
        grid=partial(nearest_into, 20),
        on_grid=["0.weight", "4.weight", "9.weight"],
    )
    seen: list[Tensor] = []
    model[0].register_forward_pre_hook(lambda module, _: seen.append(module.weight.float()))
    steps(model, updater, 20, torch.bfloat16)
    rounded = torch.empty_like(start)
    nearest_into(20, start, rounded)
    assert torch.equal(seen[0], rounded)
    assert all(on_grid(weight, 20) for weight in seen)
    assert not torch.equal(seen[0], seen[-1])
    # What is not named is rounded to the type and no further.
    assert not on_grid(model[0].bias, 20)
    updater.release()
    for index in (0, 4, 9):
        assert on_grid(model[index].weight, 20)


def test_small_steps_add_up_in_the_masters() -> None:
    # Each step is a thousandth of the grid's spacing at 1: without masters nothing ever moves.
    moved = {}
    for keep in (True, False):
        layer = nn.Linear(1, 1, bias=False)
        nn.init.ones_(layer.weight)
        updater = MasterWeights(
            layer,
            torch.bfloat16,
            sgd_of(0.125 / 1000, 0, 0),
            grid=partial(nearest_into, 20),
            on_grid=["weight"],
            keep_masters=keep,
        )
        for _ in range(2000):
            updater.zero()
            updater.backward(-layer(torch.ones(1, 1, dtype=torch.bfloat16)).sum())
            updater.step()
        moved[keep] = layer.weight.item()
    assert moved[True] == 1.25
    assert moved[False] == 1.0


def test_release_gives_each_weight_its_own_memory_and_keeps_its_value() -> None:
    model = small_net()
    updater = MasterWeights(model, torch.bfloat16, sgd_of(0.1, 0.9, 0))
    steps(model, updater, 2, torch.bfloat16)
    before = weights_of(model)
    updater.release()
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, before[name])
        assert parameter.untyped_storage().nbytes() == parameter.numel() * parameter.element_size()
        assert parameter.grad is None
    assert model[0].weight.is_contiguous(memory_format=torch.channels_last)


def test_weights_larger_than_a_piece_are_updated_the_same_and_are_not_copied_at_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    models, there = [], {}
    for piece in (1 << 20, 40):
        monkeypatch.setitem(masters.PIECE, "cpu", piece)
        models.append(small_net())
        updater = MasterWeights(models[-1], torch.bfloat16, sgd_of(0.1, 0.9, 0.01))
        steps(models[-1], updater, 3, torch.bfloat16)
        there = {name: weight.data_ptr() for name, weight in models[-1].named_parameters()}
        updater.release()
    for (name, one), other in zip(
        models[0].named_parameters(), models[1].parameters(), strict=True
    ):
        assert torch.equal(one, other)
        assert (other.data_ptr() == there[name]) == (other.numel() > 40)
        assert other.untyped_storage().nbytes() == other.numel() * other.element_size()


def test_a_weight_that_is_no_number_is_found_even_where_the_grid_hides_it() -> None:
    layer = nn.Linear(4, 4)
    updater = MasterWeights(
        layer,
        torch.bfloat16,
        sgd_of(0.1, 0.9, 0),
        grid=partial(nearest_into, 23),
        on_grid=["weight"],
    )
    assert layer.weight.grad is not None
    layer.weight.grad.fill_(float("nan"))
    updater.step()
    with pytest.raises(DivergedError, match="no longer a number"):
        updater.release()


def test_loss_scaling_saves_small_gradients_and_skips_overflow() -> None:
    layer = nn.Linear(1, 1, bias=False)
    nn.init.ones_(layer.weight)
    scaler = LossScaler(scale=2.0**16)
    updater = MasterWeights(layer, torch.float16, sgd_of(1.0, 0, 0), scaler=scaler)
    one = torch.ones(1, 1, dtype=torch.float16)
    # 1e-8 is below the smallest float16 (6e-8), 1e-8 x 65536 is not.
    updater.zero()
    updater.backward(layer(one).float().sum() * 1e-8)
    assert layer.weight.grad is not None
    assert layer.weight.grad.item() == pytest.approx(1e-8 * 2**16, rel=1e-2)
    updater.zero()
    updater.backward(layer(one).float().sum() * 1000)
    before = layer.weight.item()
    updater.step()
    assert (layer.weight.item(), scaler.scale) == (before, 2.0**15)
    updater.zero()
    updater.backward(layer(one).float().sum() * 0.5)
    updater.step()
    assert layer.weight.item() == pytest.approx(before - 0.5, abs=1e-3)


def test_a_scale_that_keeps_falling_is_a_divergence() -> None:
    scaler = LossScaler(scale=2.0**-15)
    infinite = [torch.tensor([float("inf")])]
    assert not scaler.accept(infinite)
    with pytest.raises(DivergedError, match="no loss scale"):
        scaler.accept(infinite)


def test_weights_that_two_modules_share_stay_shared_and_are_kept_once() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Embedding(8, 4), nn.Linear(4, 8, bias=False))
    model[1].weight = model[0].weight
    updater = MasterWeights(
        model,
        torch.bfloat16,
        sgd_of(0.1, 0.9),
        grid=partial(nearest_into, 20),
        on_grid={"1.weight"},
    )
    before = model[1].weight.detach().clone()
    for _ in range(2):
        updater.zero()
        logits = model(torch.arange(8))
        updater.backward(functional.cross_entropy(logits.float(), torch.arange(8)))
        updater.step()
        assert model[0].weight is model[1].weight
    assert updater.state_bytes == 8 * 4 * (4 + 4)  # masters and momentum
    updater.release()
    assert model[0].weight is model[1].weight
    assert not torch.equal(model[1].weight, before)
    assert on_grid(model[0].weight, 20)  # by the name of either
    sizes = size(model)
    assert sizes.bytes_stored == sizes.compressed_bytes == 8 * 4 * 2


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
def test_what_is_frozen_is_on_the_grid_and_no_decay_moves_it(kind: str) -> None:
    model = small_net()
    model[0].requires_grad_(False)
    start = model[0].weight.detach().clone()
    of = sgd_of(0.1, 0.9, 0.5)
    if kind == "adamw":
        of = partial(torch.optim.AdamW, lr=0.01, weight_decay=0.5, fused=True)
    updater = MasterWeights(
        model, torch.bfloat16, of, grid=partial(nearest_into, 20), on_grid=["0.weight", "4.weight"]
    )
    steps(model, updater, 3, torch.bfloat16)
    updater.release()
    rounded = torch.empty_like(start)
    nearest_into(20, start, rounded)
    assert model[0].weight.dtype == torch.bfloat16
    assert torch.equal(model[0].weight.float(), rounded)
    assert not model[0].weight.requires_grad
    assert model[4].weight.requires_grad


def test_what_is_no_real_number_keeps_its_type() -> None:
    model = small_net()
    model.order = nn.Parameter(torch.arange(300), requires_grad=False)
    model.turn = nn.Parameter(torch.ones(2, dtype=torch.complex64), requires_grad=False)
    MasterWeights(model, torch.bfloat16, sgd_of(0.1)).release()
    assert torch.equal(model.order, torch.arange(300))
    assert model.turn.dtype == torch.complex64
