"""A data set as the trainer sees it: three splits that hand out batches.

Two kinds of split: images held ready as one tensor (`TensorSplit`, no loading cost inside a metered
window) and images decoded on the fly by worker processes (`LoadedSplit`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

Batch = tuple[Tensor, Tensor]
"""Images (batch, 3, size, size) float32 channels_last, and class numbers (batch,) int64; or tokens
(batch, length) int64, and the token that follows each of them."""

SUBSET_SEED = 0
"""It never moves: all rounds and runs see the same images. `--bench-seed` is of the training."""


class Share(NamedTuple):
    """Which part of every batch is handed out: that of `rank` among `world`, nearly equal ones."""

    rank: int
    world: int

    def of(self, batch: Tensor) -> Tensor:
        """This part of `batch` (n, ...): a view of consecutive rows, possibly none."""
        return batch if self.world == 1 else torch.tensor_split(batch, self.world)[self.rank]


WHOLE = Share(0, 1)


class Split(Protocol):
    """One part of a data set."""

    def __len__(self) -> int:
        """Number of images."""

    def ordered(
        self, batch_size: int, share: Share = WHOLE, order: Tensor | None = None
    ) -> Iterator[Batch]:
        """Every image once, in a fixed order and without augmentation: for evaluation.

        `order` is another order, by the numbers that the images have in the fixed one. Of each
        batch only `share`; a batch of which that is nothing is left out.
        """

    def shuffled(
        self,
        batch_size: int,
        generator: torch.Generator,
        limit: int | None = None,
        share: Share = WHOLE,
    ) -> Iterator[Batch]:
        """`limit` images (all where None) drawn without replacement, for one epoch of training.

        Of each batch only `share`; what is drawn does not depend on it.

        Only full batches, unless the images do not fill one: a last batch of a single image would
        break batch normalisation.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Splits:
    """What a model is trained on, what is decided on, and what it is told by.

    `fingerprint` changes whenever the images or the split do; caches are keyed with it.
    """

    train: Split
    validation: Split
    test: Split
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Data(Splits):
    """A data set of square images, `image_size` pixels a side."""

    name: str
    classes: int
    image_size: int


def as_inputs(images: Tensor, labels: Tensor) -> Batch:
    """Both in the types that models take: tokens (n, length), which are whole numbers, stay such,
    complex numbers are complex, and everything else is float32."""
    dtype = torch.complex64 if images.is_complex() else torch.float32
    whole = images.dim() == 2 and not images.is_floating_point() and not images.is_complex()
    if whole and (labels.dim() == 2 or images.dtype in (torch.int32, torch.int64)):
        dtype = torch.int64
    return images.to(dtype), labels.to(torch.int64)


def draw(
    total: int, batch_size: int, generator: torch.Generator, limit: int | None
) -> list[Tensor]:
    """Indices of one epoch's batches: `limit` images, all of `total` before any a second time."""
    passes = -(-(limit or total) // total)
    order = torch.cat([torch.randperm(total, generator=generator) for _ in range(passes)])
    order = order[: limit or total]
    full = len(order) // batch_size * batch_size
    return list(torch.split(order[:full] if full else order, batch_size))


class TensorSplit:
    """Images held ready in memory, on the device they are used on.

    They are kept as (image, row, column, channel), so that a batch is one gather of whole rows of
    memory and already channels_last; a DataLoader would collate image by image.
    """

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        """Take `images` (n, channel, row, column), or (n, ...) of another kind, float32, and
        `labels` (n,) int64; or texts, both (n, tokens) int64."""
        self._are_images = images.dim() == 4
        self._pixels = (images.permute(0, 2, 3, 1) if self._are_images else images).contiguous()
        self._labels = labels

    @property
    def highest(self) -> int:
        """The highest class number, or token."""
        return int(self._labels.max())

    def __len__(self) -> int:
        return len(self._labels)

    def ordered(
        self, batch_size: int, share: Share = WHOLE, order: Tensor | None = None
    ) -> Iterator[Batch]:
        if order is not None:
            for batch in map(share.of, torch.split(order, batch_size)):
                if len(batch):
                    yield self._chosen(batch)
            return
        for pixels, labels in zip(
            torch.split(self._pixels, batch_size),
            torch.split(self._labels, batch_size),
            strict=True,
        ):
            if len(share.of(labels)):
                yield self._turned(share.of(pixels)), share.of(labels)

    def shuffled(
        self,
        batch_size: int,
        generator: torch.Generator,
        limit: int | None = None,
        share: Share = WHOLE,
    ) -> Iterator[Batch]:
        for index in draw(len(self), batch_size, generator, limit):
            yield self._chosen(share.of(index))

    def _chosen(self, index: Tensor) -> Batch:
        index = index.to(self._labels.device)
        pixels = self._pixels.index_select(0, index)
        return self._turned(pixels), self._labels.index_select(0, index)

    def _turned(self, pixels: Tensor) -> Tensor:
        return pixels.permute(0, 3, 1, 2) if self._are_images else pixels


class _Drawn(Sampler[list[Any]]):
    """The batches of one epoch, replaced before each; lets worker processes live on between."""

    def __init__(self) -> None:
        self.batches: list[list[Any]] = []

    def __iter__(self) -> Iterator[list[Any]]:
        return iter(self.batches)

    def __len__(self) -> int:
        return len(self.batches)


class _Augmented(Dataset[Any]):
    """A data set whose random transforms depend on nothing but (seed of the epoch, index).

    Not on the worker that loads an image or on what it loaded before: worker processes live on from
    one training to the next, and a baseline and its method must see the same images.
    """

    def __init__(self, dataset: Dataset[Any]) -> None:
        self._dataset = dataset

    def __getitem__(self, key: tuple[int, int]) -> Any:
        seed, index = key
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed + index)
            return self._dataset[index]


class LoadedSplit:
    """Images decoded while they are needed, by `workers` processes (0: in this one)."""

    def __init__(
        self,
        evaluated: Dataset[Any],
        total: int,
        device: torch.device,
        workers: int,
        augmented: Dataset[Any] | None = None,
    ) -> None:
        """`evaluated` yields (image tensor, class) without augmentation, `augmented` with it."""
        self._evaluated = evaluated
        self._augmented = _Augmented(evaluated if augmented is None else augmented)
        self._total = total
        self._device = device
        self._workers = workers
        self._loaders: dict[str, tuple[_Drawn, DataLoader[Any]]] = {}

    def __len__(self) -> int:
        return self._total

    def ordered(
        self, batch_size: int, share: Share = WHOLE, order: Tensor | None = None
    ) -> Iterator[Batch]:
        order = torch.arange(self._total) if order is None else order
        batches = map(share.of, torch.split(order, batch_size))
        keys = [batch.tolist() for batch in batches if len(batch)]
        return self._load("evaluated", self._evaluated, keys)

    def shuffled(
        self,
        batch_size: int,
        generator: torch.Generator,
        limit: int | None = None,
        share: Share = WHOLE,
    ) -> Iterator[Batch]:
        batches = draw(self._total, batch_size, generator, limit)
        seed = int(torch.randint(2**62, (), generator=generator))
        keys = [[(seed, index) for index in share.of(batch).tolist()] for batch in batches]
        return self._load("augmented", self._augmented, keys)

    def _load(self, kind: str, dataset: Dataset[Any], batches: list[list[Any]]) -> Iterator[Batch]:
        if kind not in self._loaders:
            drawn = _Drawn()
            loader: DataLoader[Any] = DataLoader(
                dataset,
                batch_sampler=drawn,
                num_workers=self._workers,
                persistent_workers=self._workers > 0,
                pin_memory=self._device.type == "cuda",
                # One of its own: a loader draws a seed for its workers at every epoch.
                generator=torch.Generator(),
            )
            self._loaders[kind] = drawn, loader
        drawn, loader = self._loaders[kind]
        drawn.batches = batches
        for images, labels in loader:
            order = torch.channels_last if images.dim() == 4 else torch.preserve_format
            yield as_inputs(
                images.to(self._device, non_blocking=True, memory_format=order),
                labels.to(self._device, non_blocking=True),
            )


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
    order = torch.Generator().manual_seed(SUBSET_SEED)
    chosen: list[int] = []
    for label in sorted(by_class):
        indices = by_class[label]
        drawn = torch.randperm(len(indices), generator=order)[:most].tolist()
        chosen += (indices[each] for each in drawn)
    return sorted(chosen)
