"""Nets with layers that a stranger's may have and the paper's have not; four classes of images."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional


class Net(nn.Module):
    """Convolutions `blocks`, one after the other, and a linear head."""

    def __init__(self, *blocks: nn.Module, channels: int = 32) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(channels, 4)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.blocks(images).flatten(2).mean(2))
        return logits


def conv(entering: int, leaving: int = 32, **more: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(entering, leaving, 3, padding=1, **more), nn.ReLU(inplace=True))


def tied() -> nn.Module:
    net = Net(conv(3), conv(32), conv(32))
    net.blocks[2][0].weight = net.blocks[1][0].weight
    return net


def used_twice() -> nn.Module:
    again = conv(32)
    return Net(conv(3), again, nn.BatchNorm2d(32), again)


def grouped() -> nn.Module:
    return Net(conv(3), conv(32, groups=4), conv(32, 64, groups=32), conv(64))


def transposed() -> nn.Module:
    return Net(conv(3), nn.ConvTranspose2d(32, 32, 2, stride=2), nn.ReLU(), conv(32))


def frozen() -> nn.Module:
    net = Net(conv(3), nn.BatchNorm2d(32), conv(32), conv(32))
    net.blocks[:3].requires_grad_(False)
    return net


def without_affine() -> nn.Module:
    return Net(conv(3), nn.BatchNorm2d(32, affine=False), conv(32), nn.InstanceNorm2d(32))


def normalised_in_groups() -> nn.Module:
    return Net(conv(3, 48), nn.GroupNorm(3, 48), conv(48), nn.GroupNorm(32, 32, affine=False))


def convolutional_head() -> nn.Module:
    return nn.Sequential(
        conv(3), conv(32), nn.Conv2d(32, 4, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )


class Branching(nn.Module):
    """Its blocks are no chain, one of them is a list, and its head is not the last linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(64, 4)
        self.stem = nn.Conv2d(3, 32, 3, padding=1)
        self.listed = nn.ModuleList([conv(32), conv(32)])
        self.last = conv(64, 64)
        self.gate = nn.Linear(64, 64)

    def forward(self, images: Tensor) -> Tensor:
        stem = self.stem(images)
        listed = stem
        for block in self.listed:
            listed = block(listed)
        last = self.last(torch.cat([stem, listed], 1)).mean((2, 3))
        logits: Tensor = self.head(last * torch.sigmoid(self.gate(last)))
        return logits


class Buffered(Net):
    """With buffers of many kinds, and a parameter of whole numbers."""

    def __init__(self) -> None:
        super().__init__(conv(3), conv(32))
        self.register_buffer("phase", torch.ones(8, dtype=torch.complex64))
        self.register_buffer("mask", torch.ones(8, dtype=torch.bool), persistent=False)
        self.order = nn.Parameter(torch.arange(8).flip(0), requires_grad=False)

    def forward(self, images: Tensor) -> Tensor:
        turned = images[..., self.order] * self.phase.real.to(images.dtype)
        return super().forward(turned.where(self.mask, turned.new_zeros(())))


class Reading(Net):
    """Reads the weight of a layer by itself, too."""

    def __init__(self) -> None:
        super().__init__(conv(3), conv(32))

    def forward(self, images: Tensor) -> Tensor:
        entering = self.blocks[0](images)
        layer = self.blocks[1][0]
        both = functional.conv2d(entering, layer.weight, layer.bias, padding=1) + layer(entering)
        logits: Tensor = self.head(both.relu().mean((2, 3)))
        return logits


class Recurrent(nn.Module):
    """The rows of an image, one after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.entering = nn.Linear(24, 32)
        self.rows = nn.LSTM(32, 32, batch_first=True)
        self.head = nn.Linear(32, 4)

    def forward(self, images: Tensor) -> Tensor:
        rows, _ = self.rows(self.entering(images.transpose(1, 2).flatten(2)))
        logits: Tensor = self.head(rows[:, -1])
        return logits


class Attending(nn.Module):
    """A transformer of torch's own over the rows of an image."""

    def __init__(self) -> None:
        super().__init__()
        self.entering = nn.Linear(24, 32)
        self.encoder = nn.TransformerEncoderLayer(32, 4, 64, dropout=0.0, batch_first=True)
        self.head = nn.Linear(32, 4)

    def forward(self, images: Tensor) -> Tensor:
        rows = self.encoder(self.entering(images.transpose(1, 2).flatten(2)))
        logits: Tensor = self.head(rows.mean(1))
        return logits


class Volumes(nn.Module):
    """Convolutions of three dimensions, and of one."""

    def __init__(self) -> None:
        super().__init__()
        self.volume = nn.Conv3d(1, 32, 3, padding=1)
        self.line = nn.Conv1d(32, 32, 3, padding=1)
        self.between = nn.Linear(32, 32)
        self.head = nn.Linear(32, 4)

    def forward(self, images: Tensor) -> Tensor:
        lines = self.volume(images[:, None]).relu().mean((2, 3))
        logits: Tensor = self.head(self.between(self.line(lines).relu().mean(2)).relu())
        return logits


NETS: Mapping[str, Callable[[], nn.Module]] = {
    "tied": tied,
    "used twice": used_twice,
    "grouped": grouped,
    "transposed": transposed,
    "frozen": frozen,
    "without affine": without_affine,
    "normalised in groups": normalised_in_groups,
    "convolutional head": convolutional_head,
    "branching": Branching,
    "buffered": Buffered,
    "reading": Reading,
    "recurrent": Recurrent,
    "attending": Attending,
    "volumes": Volumes,
}
