"""Decoders by name, built by `transformers`, with random weights or from a folder of its layout.

Their attention runs in the type that the CPU has the quicker kernel for: torch's fused one trains
short texts on a CPU several times slower in bfloat16 than in float32. So the warm-up times both, as
it times the ways of layers (`training.kernel_choice`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from pytest_energybench.experiment.training import kernel_choice
from pytest_energybench.experiment.training.errors import WeightsError, first_line
from pytest_energybench.experiment.training.language.sizes import ARCHITECTURES, LanguageSize
from pytest_energybench.experiment.training.language.text import Encode

BYTES = 256
"""Tokens of a vocabulary of bytes."""

ATTENTION: Final = "quickest"
"""What `attn_implementation` of `transformers` is told."""


@dataclass(frozen=True, slots=True)
class Pretrained:
    """A model from a folder, float32, and the way from text to its tokens."""

    folder: Path
    kind: str
    model: nn.Module
    encode: Encode

    def check_is(self, name: str) -> None:
        """Raise WeightsError, with the case to select, unless it is of the architecture `name`."""
        if self.kind != ARCHITECTURES[name]:
            raise WeightsError(
                f"{self.folder} holds a model of type {self.kind}:"
                f" select it with -k {_CASES[self.kind]}"
            )


_CASES: Mapping[str, str] = {kind: name for name, kind in ARCHITECTURES.items()}


def build(name: str, size: LanguageSize, vocabulary: int = BYTES) -> nn.Module:
    """The decoder `name` of that size with random weights, float32, plain linear layers, on the
    CPU: takes tokens (batch, length), gives an object with logits (batch, length, vocabulary).

    A Llama shares its embedding with its head, a NeoX does not, as they were published. Draws from
    torch's global generator: seed it first.
    """
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.for_model(
        ARCHITECTURES[name],
        vocab_size=vocabulary,
        hidden_size=size.hidden,
        intermediate_size=size.inner,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        max_position_embeddings=4 * size.length,
        tie_word_embeddings=name == "llama",
        bos_token_id=None,
        eos_token_id=None,
        use_cache=False,
        attn_implementation=register_attention(),
    )
    made: nn.Module = AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
    return made


def from_folder(folder: Path) -> Pretrained:
    """The decoder in `folder`: `config.json`, weights in safetensors, a tokenizer. Nothing in it
    is run, and nothing is looked for elsewhere.

    Raises WeightsError naming what is missing or of another architecture.
    """
    from safetensors import SafetensorError
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    own: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    for file in ("config.json", "tokenizer.json"):
        if not (folder / file).is_file():
            raise WeightsError(
                f"no language model in {folder}: {file} is missing; save one there with"
                " save_pretrained of the model and of its tokenizer"
            )
    try:
        kind = AutoConfig.from_pretrained(folder, **own).model_type
        if kind not in _CASES:
            raise WeightsError(
                f"{folder} holds a model of type {kind}: one of {', '.join(_CASES)} is meant"
            )
        tokenizer = AutoTokenizer.from_pretrained(folder, **own)
        model = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype="float32",
            use_safetensors=True,
            attn_implementation=register_attention(),
            **own,
        )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise WeightsError(f"unusable language model in {folder}: {first_line(error)}") from error
    model.config.use_cache = False
    embedding: Any = model.get_input_embeddings()
    known: int = embedding.num_embeddings

    def encode(text: str) -> list[int]:
        found: list[int] = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        if found and max(found) >= known:
            raise WeightsError(
                f"the tokenizer in {folder} gives token {max(found)}, and the model there knows"
                f" {known}: save the two that belong together"
            )
        return found

    return Pretrained(folder, kind, model, encode)


class Attention(NamedTuple):
    """A call: the shape of the queries (batch, heads, tokens, size), their type, and whether it is
    gone through backwards."""

    queries: tuple[int, ...]
    dtype: torch.dtype
    trains: bool


_known: dict[Attention, torch.dtype] = {}
"""Found once per process: all cases of a run attend alike."""


def register_attention() -> str:
    """Let `transformers` know of it; returns `ATTENTION`."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    AttentionInterface.register(ATTENTION, _attend)
    AttentionMaskInterface.register(ATTENTION, sdpa_mask)
    return ATTENTION


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
