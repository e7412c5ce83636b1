"""Attention in the type that is quicker, found out by timing."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from transformers.integrations import sdpa_attention

from pytest_energybench.experiment.training import kernel_choice
from pytest_energybench.experiment.training.language import models
from pytest_energybench.experiment.training.language.models import Attention, build, quickest
from pytest_energybench.experiment.training.language.sizes import LanguageSize

TINY = LanguageSize(32, 64, 2, 2, windows=8, pretraining=8, batch=4, length=16)
TOKENS = torch.arange(4 * 16).view(4, 16)
CALL = Attention((4, 2, 16, 16), torch.bfloat16, trains=True)


@pytest.fixture
def attended(monkeypatch: pytest.MonkeyPatch) -> list[torch.dtype]:
    """The types in which torch's fused attention was called; float32 is the quicker one."""
    types: list[torch.dtype] = []
    own = sdpa_attention.sdpa_attention_forward

    def forward(module: nn.Module, query: Tensor, *rest: object, **more: object) -> object:
        types.append(query.dtype)
        return own(module, query, *rest, **more)  # type: ignore[arg-type, no-untyped-call]

    monkeypatch.setattr(sdpa_attention, "sdpa_attention_forward", forward)
    monkeypatch.setattr(models, "quickest", lambda _: torch.float32)
    monkeypatch.setattr(models, "_known", {})
    return types


def taking(*seconds: float) -> Callable[[Callable[[], object], float], float]:
    """A stopwatch that runs what it is given, and shows these seconds one after the other."""
    left = iter(seconds)

    def measure(run: Callable[[], object], _: float) -> float:
        run()
        return next(left)

    return measure


@pytest.mark.parametrize("trains", [True, False])
@pytest.mark.parametrize(
    ("own", "wide", "chosen"),
    [(1.0, 0.5, torch.float32), (1.0, 0.9, torch.bfloat16), (0.5, 1.0, torch.bfloat16)],
)
def test_float32_is_taken_where_it_is_clearly_quicker(
    trains: bool, own: float, wide: float, chosen: torch.dtype
) -> None:
    assert quickest(CALL._replace(trains=trains), taking(own, wide)) == chosen


def test_float32_stays_and_is_not_timed() -> None:
    assert quickest(CALL._replace(dtype=torch.float32), taking()) == torch.float32


@pytest.mark.parametrize("name", ["llama", "neox"])
def test_a_decoder_attends_as_was_found_while_timing(
    name: str, attended: list[torch.dtype]
) -> None:
    model = build(name, TINY).bfloat16()
    before = model(TOKENS).logits
    with kernel_choice.timing() as timed:
        model(TOKENS)
    found = model(TOKENS).logits
    other = model(TOKENS[:2])  # a shape that was not timed
    assert attended == [torch.bfloat16] * 2 + [torch.float32] * 4 + [torch.bfloat16] * 2
    assert timed.facts()["kernels_attention"] == "float32: 2"
    assert found.dtype == other.logits.dtype == torch.bfloat16
    torch.testing.assert_close(found, before, rtol=0.05, atol=0.05)


def test_autocast_keeps_what_torch_does(attended: list[torch.dtype]) -> None:
    model = build("llama", TINY)
    with kernel_choice.timing() as timed, torch.autocast("cpu", torch.bfloat16):
        model(TOKENS)
    assert len(attended) == TINY.layers
    assert timed.attention == {}
    assert models._known == {}
