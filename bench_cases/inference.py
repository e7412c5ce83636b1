"""What a trained decoder does when it is used: reads a prompt, or writes on from one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from pytest_energybench.experiment.training.datasets.data import Split
from pytest_energybench.measurement.abtest import ABTest

WRITTEN = 32
"""Tokens that a decode writes for each text of its batch, after a prompt of a few."""

PROMPT = 8


def work(model: nn.Module, split: Split, phase: str, batch: int) -> Callable[[], Tensor]:
    """A function that reads the first `batch` texts of `split`, or writes `WRITTEN` tokens on from
    the first `PROMPT` of each, greedily, with the cache of keys and values."""
    decoder: Any = model.eval()
    texts = _texts(split, batch)

    @torch.inference_mode()
    def prefill() -> Tensor:
        logits: Tensor = decoder(texts).logits
        return logits

    @torch.inference_mode()
    def decode() -> Tensor:
        written: Tensor = decoder.generate(
            texts[:, :PROMPT],
            attention_mask=torch.ones_like(texts[:, :PROMPT]),
            max_new_tokens=WRITTEN,
            min_new_tokens=WRITTEN,
            do_sample=False,
            use_cache=True,
            pad_token_id=0,
        )
        return written

    return prefill if phase == "prefill" else decode


def tokens_of(split: Split, phase: str, batch: int) -> int:
    """Tokens that one call of `work` reads, or writes."""
    return batch * (_texts(split, batch).shape[1] if phase == "prefill" else WRITTEN)


def ratios(compared: ABTest) -> list[tuple[float, float]]:
    """The number of each pair of rounds, from 1, and the candidate's joules over the baseline's;
    a pair with a figure that is not known, or is 0, has none."""
    pairs = zip(compared.candidate, compared.baseline, strict=True)
    return [(n, ours / theirs) for n, (ours, theirs) in enumerate(pairs, 1) if ours and theirs]


def _texts(split: Split, batch: int) -> Tensor:
    """(batch, length): as many as there are, over again where they are fewer."""
    first: Iterator[tuple[Tensor, Tensor]] = split.ordered(batch)
    texts, _ = next(first)
    return texts.repeat(-(-batch // len(texts)), 1)[:batch]
