"""Which tensors are compressed, the weights of convolutions and linear layers, and what they take.

Not biases, normalisation, layer scale or running statistics: together under 1 % of the bytes, and
the paper speaks of weights.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from pytest_energybench.experiment.training.errors import SettingError

LAYERS = (_ConvNd, nn.Linear)
"""Convolutions of any number of dimensions, transposed ones included, and linear layers."""


def compressed_weights(model: nn.Module) -> dict[str, nn.Parameter]:
    """The weights that methods compress, by their names in the state dict, in model order.

    Raises SettingError where there is none, or where one is computed from other parameters.
    """
    weights: dict[str, nn.Parameter] = {}
    seen: set[int] = set()
    for path, module in model.named_modules():
        if isinstance(module, LAYERS):
            weight = dict(module.named_parameters(recurse=False)).get("weight")
            if weight is None:
                raise SettingError(
                    f"the weight of {path or 'the model'} is computed from other parameters, as by"
                    " weight_norm, spectral_norm or prune: take that off before it is compressed"
                    " (torch.nn.utils.parametrize.remove_parametrizations, prune.remove)"
                )
            if id(weight) not in seen:  # a weight that two layers share is one
                seen.add(id(weight))
                weights[f"{path}.weight" if path else "weight"] = weight
    if not weights:
        raise SettingError(
            f"{type(model).__name__} has no convolution and no linear layer: it has no weight that"
            " a method could compress"
        )
    return weights


def shared(model: nn.Module) -> set[nn.Parameter]:
    """The parameters that several modules of `model` have."""
    times = Counter(
        parameter for module in model.modules() for parameter in module.parameters(recurse=False)
    )
    return {parameter for parameter, count in times.items() if count > 1}


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
