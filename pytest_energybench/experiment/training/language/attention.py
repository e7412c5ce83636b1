"""Attention of a decoder, in the type that its CPU has the quicker kernel for.

torch's fused attention trains short texts on a CPU several times slower in bfloat16 than in
float32. So the warm-up times both, as it times the ways of layers (`training.kernel_choice`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from pytest_energybench.experiment.training import kernel_choice

NAME: Final = "quickest"
"""What `attn_implementation` of `transformers` is told."""


class Attention(NamedTuple):
    """A call: the shape of the queries (batch, heads, tokens, size), their type, and whether it is
    gone through backwards."""

    queries: tuple[int, ...]
    dtype: torch.dtype
    trains: bool


_known: dict[Attention, torch.dtype] = {}
"""Found once per process: all cases of a run attend alike."""


def register() -> str:
    """Let `transformers` know of it; returns `NAME`."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    AttentionInterface.register(NAME, _attend)
    AttentionMaskInterface.register(NAME, sdpa_mask)
    return NAME


def _attend(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, **more: Any
) -> tuple[Tensor, None]:
    """`transformers`' own fused attention, in the chosen type."""
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    narrow, chosen = query.dtype, _type_of(query, module)
    query, key, value = (each.to(chosen) for each in (query, key, value))
    result, _ = sdpa_attention_forward(module, query, key, value, mask, **more)
    return result.to(narrow), None


def _type_of(query: Tensor, module: nn.Module) -> torch.dtype:
    """That of `query`, or float32 where it was found to be quicker for it."""
    if query.device.type != "cpu" or torch.is_autocast_enabled("cpu"):
        return query.dtype
    call = Attention(tuple(query.shape), query.dtype, torch.is_grad_enabled())
    timed = kernel_choice.being_timed()
    if timed is None:
        return _known.get(call, query.dtype)
    if call not in _known:
        _known[call] = quickest(call)
    if call.trains:
        timed.attention[id(module)] = _known[call]
    return _known[call]


def quickest(call: Attention, seconds: kernel_choice.Seconds | None = None) -> torch.dtype:
    """The type to make `call` in, by timing it on random tensors; `seconds` measures one type."""
    if call.dtype == torch.float32:
        return call.dtype
    measure = seconds or kernel_choice.least_seconds
    with torch.random.fork_rng(devices=[]):
        own = measure(_run(call, call.dtype), float("inf"))
        wide = measure(_run(call, torch.float32), own)
    return torch.float32 if wide <= kernel_choice.WORTH_IT * own else call.dtype


def _run(call: Attention, dtype: torch.dtype) -> Callable[[], object]:
    """`call` in that type, there and back."""
    tensors = [torch.randn(call.queries).to(call.dtype) for _ in range(4)]
    gradient, inputs = tensors[0], [each.requires_grad_(call.trains) for each in tensors[1:]]

    def run() -> object:
        query, key, value = (each.to(dtype) for each in inputs)
        result = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        narrow = result.to(call.dtype)
        return torch.autograd.grad(narrow, inputs, gradient) if call.trains else narrow

    return run
