"""Bytes and parameters, counted on the module that is there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from torch import Tensor, nn

from pytest_energybench.experiment.compression.targets import compressed_weights


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
