"""Which tensors are compressed: the weights of convolutions and linear layers.

Not biases, normalisation, layer scale or running statistics: together under 1 % of the bytes, and
the paper speaks of weights.
"""

from __future__ import annotations

from typing import cast

from torch import nn


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
