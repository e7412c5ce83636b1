"""Decoders by name, built by `transformers`, with random weights or from a folder of its layout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from pytest_energybench.experiment.training.errors import WeightsError
from pytest_energybench.experiment.training.language import attention
from pytest_energybench.experiment.training.language.sizes import ARCHITECTURES, LanguageSize
from pytest_energybench.experiment.training.language.text import Encode

BYTES = 256
"""Tokens of a vocabulary of bytes."""


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
        attn_implementation=attention.register(),
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
            attn_implementation=attention.register(),
            **own,
        )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise WeightsError(f"unusable language model in {folder}: {first}") from error
    model.config.use_cache = False

    def encode(text: str) -> list[int]:
        found: list[int] = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        return found

    return Pretrained(folder, kind, model, encode)
