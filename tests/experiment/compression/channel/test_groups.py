"""Which channels may go: never the classes, nor what no statistics tell of."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pytest_energybench.experiment.compression.channel.groups import channel_groups
from pytest_energybench.experiment.compression.plan import CompressionPlan, Task
from pytest_energybench.experiment.compression.registry import method
from pytest_energybench.experiment.compression.tolerance import Tolerance
from pytest_energybench.experiment.training.errors import SettingError
from tests.experiment.compression.odd_nets import NETS
from tests.experiment.training.nets import small_data

IMAGES = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
ROOTS = {
    "tied": [],
    "grouped": ["blocks.3.0"],
    "transposed": ["blocks.3.0"],
    "frozen": ["blocks.0.0", "blocks.2.0", "blocks.3.0"],
    "without affine": ["blocks.0.0", "blocks.2.0"],
    "convolutional head": ["0.0", "1.0"],
    "branching": ["gate", "last.0", "listed.0.0", "listed.1.0", "stem"],
    "attending": ["encoder.linear1"],
    "volumes": ["between"],
}
"""Net -> the layers whose outputs may go."""


def having(net: nn.Module) -> list[str]:
    """The layers that lose outputs, by path."""
    groups = channel_groups(net, IMAGES)
    layers = {m.path for g in groups for m in g.members if not m.entering}
    kinds = nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.ConvTranspose2d | nn.Linear
    return sorted(path for path in layers if isinstance(net.get_submodule(path), kinds))


@pytest.mark.parametrize("name", [name for name, roots in ROOTS.items() if roots])
def test_channels_go_where_all_layers_that_hear_them_can_be_refitted(name: str) -> None:
    net = NETS[name]()
    frozen = [key for key, each in net.named_parameters() if not each.requires_grad]
    assert having(net) == ROOTS[name]
    assert [key for key, each in net.named_parameters() if not each.requires_grad] == frozen


def test_what_a_group_normalisation_is_given_stays_a_multiple_of_its_groups() -> None:
    groups = channel_groups(NETS["normalised in groups"](), IMAGES)
    assert {(group.channels, group.multiple) for group in groups} == {(48, 24), (32, 32)}


@pytest.mark.parametrize("name", ["tied", "recurrent"])
def test_where_none_can_go_it_is_said(name: str) -> None:
    said = r"channel finds none in .*: leave it out of the methods"
    with pytest.raises(SettingError, match=said):
        channel_groups(NETS[name](), IMAGES)


class Counted(nn.Module):
    """Has the size of its features written into the forward pass, as tutorials do."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 32, 3, padding=1)
        self.head = nn.Linear(32 * 8 * 8, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head(self.conv(images).reshape(-1, 32 * 8 * 8))
        return logits


def test_a_forward_pass_with_sizes_written_into_it_is_told_how_to_take_them() -> None:
    task = Task(small_data(), Tolerance(0.9), 50)
    with pytest.raises(SettingError, match=r"^Counted does not run with fewer channels: .*x\.flat"):
        method("channel")(CompressionPlan(Counted()), task)
