"""Decoders by name, and those of a folder in the layout of `transformers`."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import nn
from transformers import PreTrainedTokenizerFast

from pytest_energybench.experiment.compression.targets import compressed_weights
from pytest_energybench.experiment.training.errors import WeightsError
from pytest_energybench.experiment.training.language.models import build, from_folder
from pytest_energybench.experiment.training.language.sizes import LanguageSize

TINY = LanguageSize(32, 64, 1, 2, windows=8, pretraining=8, batch=4, length=16)
TEXT = "the quick brown fox jumps over the lazy dog, and over the other one"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A NeoX with a tokenizer of its own, as `save_pretrained` leaves them."""
    own = Tokenizer(models.BPE())
    own.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    own.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    own.train_from_iterator(
        [TEXT],
        trainers.BpeTrainer(vocab_size=270, initial_alphabet=alphabet, show_progress=False),
    )
    PreTrainedTokenizerFast(tokenizer_object=own).save_pretrained(tmp_path)
    torch.manual_seed(0)
    build("neox", TINY, 270).save_pretrained(tmp_path)  # type: ignore[operator]
    return tmp_path


def test_a_llama_shares_its_embedding_and_a_neox_does_not() -> None:
    for name, layers, tied in (("llama", 7, True), ("neox", 4, False)):
        model = build(name, TINY)
        linear = [each for each in model.modules() if type(each) is nn.Linear]
        assert len(compressed_weights(model)) == len(linear) == layers + 1
        head = model.get_output_embeddings()  # type: ignore[operator]
        shared = model.get_input_embeddings().weight is head.weight  # type: ignore[operator]
        assert shared == tied


def test_a_folder_gives_its_model_and_its_tokens(folder: Path) -> None:
    made = from_folder(folder)
    tokens = made.encode(TEXT)
    assert len(tokens) < len(TEXT)
    assert all(parameter.dtype == torch.float32 for parameter in made.model.parameters())
    assert made.model(torch.tensor([tokens])).logits.shape == (1, len(tokens), 270)
    made.check_is("neox")
    with pytest.raises(WeightsError, match="holds a model of type gpt_neox: select it with -k neo"):
        made.check_is("llama")


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("config.json", None, "no language model in .*: config.json is missing; save one"),
        ("tokenizer.json", None, "tokenizer.json is missing"),
        ("config.json", '{"model_type": "bert"}', "holds a model of type bert: one of llama, gpt_"),
        ("config.json", "{", "unusable language model in"),
        ("model.safetensors", None, "unusable language model in"),
        ("model.safetensors", "no tensors", "unusable language model in"),
    ],
)
def test_what_cannot_be_used_is_said_with_the_folder(
    folder: Path, file: str, content: str | None, said: str
) -> None:
    if content is None:
        (folder / file).unlink()
    else:
        (folder / file).write_text(content)
    with pytest.raises(WeightsError, match=said):
        from_folder(folder)


def test_a_tokenizer_that_knows_more_tokens_than_the_model_is_said(folder: Path) -> None:
    build("neox", TINY, 200).save_pretrained(folder)  # type: ignore[operator]
    said = r"the tokenizer in .* gives token 2\d\d, and the model there knows 200: save the two"
    with pytest.raises(WeightsError, match=said):
        from_folder(folder).encode(TEXT)
