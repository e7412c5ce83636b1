"""All seeds; the user's own random state stays unchanged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch's global generators (dropout and initialisation use them), then restore them.

    On CUDA also asks cuDNN for kernels that give the same sums each time.
    """
    cuda = device.type == "cuda"
    devices = [device.index or 0] if cuda else []
    deterministic = torch.backends.cudnn.deterministic
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        torch.backends.cudnn.deterministic = cuda or deterministic
        try:
            yield
        finally:
            torch.backends.cudnn.deterministic = deterministic


def generator(seed: int) -> torch.Generator:
    """A separate generator for the order of the data. It does not depend on dropout or on how many
    random numbers a model's layers draw, so a baseline and its method see the same images."""
    return torch.Generator().manual_seed(seed)
