"""What the methods' tests share."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tests.experiment.training.nets import small_net


@pytest.fixture
def model(trained: dict[str, torch.Tensor]) -> nn.Module:
    """A copy of the test file's own `trained` weights in a net, to be compressed."""
    net = small_net()
    net.load_state_dict(trained)
    return net
