"""Some images of every class: what a search or a training need not see all of."""

from __future__ import annotations

from collections.abc import Sequence

import torch

SEED = 0
"""It never moves: all rounds and runs see the same images. `--bench-seed` is of the training."""


def some_of_each(labels: Sequence[int], most: int | None) -> list[int]:
    """Indices of at most `most` images of each class, in order; of all where it is None.

    Which ones is drawn with a fixed seed, class by class, so that no class is lost: a model keeps
    its head.
    """
    if most is None:
        return list(range(len(labels)))
    by_class: dict[int, list[int]] = {}
    for index, label in enumerate(labels):
        by_class.setdefault(label, []).append(index)
    order = torch.Generator().manual_seed(SEED)
    chosen: list[int] = []
    for label in sorted(by_class):
        indices = by_class[label]
        drawn = torch.randperm(len(indices), generator=order)[:most].tolist()
        chosen += (indices[each] for each in drawn)
    return sorted(chosen)
