"""Starting weights as people have saved them: taken, or refused in a line with the likely cause."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import prune

from pytest_energybench.experiment.training.errors import WeightsError
from pytest_energybench.experiment.training.weights import adopt, folder_state

State = dict[str, Tensor]


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))


def prefixed(prefix: str) -> Callable[[State], object]:
    return lambda state: {prefix + key: value for key, value in state.items()}


def with_nan(state: State) -> object:
    state["0.weight"] = state["0.weight"].clone()
    state["0.weight"][0, 0, 0, :2] = torch.tensor([float("nan"), float("inf")])
    return state


def pruned(_: State) -> object:
    model = net()
    prune.l1_unstructured(model[0], "weight", 0.3)
    return model.state_dict()


def sparse(state: State) -> object:
    return {key: v.to_sparse() if v.dim() == 4 else v for key, v in state.items()}


def quantized(state: State) -> object:
    return {
        key: torch.quantize_per_tensor(v, 0.01, 0, torch.qint8) if v.dim() == 4 else v
        for key, v in state.items()
    }


TAKEN: dict[str, Callable[[State], object]] = {
    "plain": lambda state: state,
    "ordered": OrderedDict,
    "half": lambda state: {k: v.half() if v.is_floating_point() else v for k, v in state.items()},
    "sparse": sparse,
    "quantized": quantized,
}

REFUSED: dict[str, tuple[Callable[[State], object], str]] = {
    "NaN": (with_nan, "2 of 18 in 0.weight are NaN or infinite"),
    "DataParallel": (prefixed("module."), "all names begin with 'module.', as DataParallel"),
    "compiled": (prefixed("_orig_mod."), "all names begin with '_orig_mod.', as torch.compile"),
    "Lightning": (
        lambda state: {"state_dict": state, "epoch": 3},
        "its weights are under 'state_dict'; take them out and save",
    ),
    "pruned": (pruned, "call torch.nn.utils.prune.remove before saving"),
    "whole model": (lambda _: net(), "holds more than tensors, e.g. a whole model: save it with"),
    "empty": (lambda _: {}, "0.weight: missing"),
}

BYTES = {
    b"": "it is empty",
    b"version https://git-lfs.github.com/spec/v1\noid sha256:a\n": "it is a Git LFS pointer",
    b"<!DOCTYPE html>": "it is an HTML page",
    b"\x10\0\0\0\0\0\0\0{}": "it is a safetensors file",
    b"\x80\x04garbage": "it is damaged, or holds more than tensors",
}


def started(folder: Path) -> nn.Module:
    model = net()
    adopt(model, "net", folder_state(folder, "net"), str(folder))
    return model


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", TAKEN)
def test_what_stands_for_the_weights_is_taken(tmp_path: Path, kind: str) -> None:
    state = net().state_dict()
    torch.save(TAKEN[kind](dict(state)), tmp_path / "net.pt")
    taken = started(tmp_path).state_dict()["0.weight"]
    assert taken.dtype == torch.float32
    assert torch.allclose(taken, state["0.weight"], atol=0.01)


@pytest.mark.parametrize("kind", REFUSED)
def test_what_does_not_is_refused_with_the_likely_cause(tmp_path: Path, kind: str) -> None:
    spoil, said = REFUSED[kind]
    torch.save(spoil(dict(net().state_dict())), tmp_path / "net.pt")
    with pytest.raises(WeightsError) as refused:
        started(tmp_path)
    assert said in str(refused.value)
    assert str(refused.value).count("\n") == 0
    assert "weights_only" not in str(refused.value)


@pytest.mark.parametrize("content", BYTES, ids=range(len(BYTES)))
def test_what_is_no_checkpoint_is_named_and_never_loaded_unprotected(
    tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "net.pt").write_bytes(content)
    with pytest.raises(WeightsError) as refused:
        folder_state(tmp_path, "net")
    assert BYTES[content] in str(refused.value)
    assert "weights_only" not in str(refused.value)
