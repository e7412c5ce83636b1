"""Which tensors are compressed, the weights of convolutions and linear layers, and what they take.

Not biases, normalisation, layer scale or running statistics: together under 1 % of the bytes, and
the paper speaks of weights.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

from torch import Tensor, nn


def compressed_weights(model: nn.Module) -> dict[str, nn.Parameter]:
    """The weights that methods compress, by their names in the state dict, in model order."""
    weights: dict[str, nn.Parameter] = {}
    seen: set[int] = set()
    for path, module in model.named_modules():
        if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.Linear):
            weight = cast(nn.Parameter, module.weight)
            if id(weight) not in seen:  # a weight that two layers share is one
                seen.add(id(weight))
                weights[f"{path}.weight" if path else "weight"] = weight
    return weights


@dataclass(frozen=True, slots=True)
class Size:
    """`parameters` and `bytes_stored` of a whole model, buffers included in the bytes; and both for
    the weights that methods compress."""

    parameters: int
    bytes_stored: int
    compressed_parameters: int
    compressed_bytes: int


def size(model: nn.Module) -> Size:
    """Count `model` as its state dict would be stored."""
    weights = list(compressed_weights(model).values())
    return Size(
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        bytes_stored=_bytes(model.state_dict().values()),
        compressed_parameters=sum(weight.numel() for weight in weights),
        compressed_bytes=_bytes(weights),
    )


def _bytes(tensors: Iterable[Tensor]) -> int:
    """Weights that are tied lie at one place, and count once."""
    places = {(each.data_ptr(), each.shape, each.dtype): each for each in tensors if each.numel()}
    return sum(tensor.numel() * tensor.element_size() for tensor in places.values())
