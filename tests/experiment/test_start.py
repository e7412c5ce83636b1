"""A model as it is given: a copy is trained, the same for all, and what can't be is said."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from pytest_energybench.experiment.compression.plan import CompressionPlan
from pytest_energybench.experiment.start import Starts, check_fits, check_trains
from pytest_energybench.experiment.training.datasets.data import Splits, TensorSplit
from pytest_energybench.experiment.training.errors import SettingError
from tests.experiment.training.nets import CPU, small_net


@pytest.mark.parametrize("form", ["a model", "a function of one model", "a plan"])
def test_a_training_has_a_copy_so_that_the_next_begins_where_it_did(form: str) -> None:
    model = small_net()
    given = {
        "a model": model,
        "a function of one model": lambda: model,
        "a plan": lambda: CompressionPlan(model, notes=("from a file",)),
    }[form]
    starts = Starts(given, CPU)
    first = starts.of(0)
    with torch.no_grad():
        for parameter in first.model.parameters():
            parameter.fill_(7.0)
    second = starts.of(0).model
    assert torch.equal(second[0].weight, small_net()[0].weight)
    assert first.notes == (("from a file",) if form == "a plan" else ())


def test_each_seed_may_have_a_start_of_its_own() -> None:
    starts = Starts(small_net, CPU)  # which has a parameter `seed`
    assert not torch.equal(starts.of(0).model[0].weight, starts.of(1).model[0].weight)
    starts.of(0)


def drawn() -> nn.Module:
    """Pretrained, but for a head that is another one each time."""
    net = small_net()
    torch.seed()
    net[9] = nn.Linear(128, 10)
    return net


def test_another_start_than_before_is_refused_as_nothing_can_be_compared_with_it() -> None:
    starts = Starts(drawn, CPU)
    starts.of(0)
    with pytest.raises(SettingError, match=r"^the model has another 9.weight than it had before"):
        starts.of(0)


def test_a_start_that_a_gpu_fitted_anew_is_the_same_up_to_its_rounding() -> None:
    nets = [small_net(), small_net()]
    with torch.no_grad():
        nets[1][9].weight.mul_(1.001)
    starts = Starts(lambda: nets.pop(), CPU)
    starts.of(0)
    starts.of(0)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_another_type_is_trained_from_float32_and_said_so(dtype: torch.dtype) -> None:
    plan = Starts(small_net().to(dtype), CPU).of(0)
    assert {each.dtype for each in plan.model.parameters()} == {torch.float32}
    (note,) = plan.notes
    assert note == f"the model came in {str(dtype)[6:]} and was trained from float32"


class Complex(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.turn = nn.Parameter(torch.ones(4, dtype=torch.complex64))
        self.head = nn.Linear(4, 4)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (lambda: "resnet18", "model gives a str: a torch.nn.Module is meant"),
        (Complex, "turn is complex, and what is trained here is real: .*view_as_real"),
        (lambda: nn.LazyLinear(4), "weight has no size yet: let the model see a batch first"),
        (
            lambda: small_net().requires_grad_(False),
            "Sequential has no parameter that requires a gradient",
        ),
        (lambda: nn.Embedding(2, 2), "Embedding has no convolution and no linear layer"),
    ],
)
def test_what_cannot_be_trained_is_said_with_what_to_do(
    model: Callable[[], object], said: str
) -> None:
    with pytest.raises(SettingError, match=said):
        check_trains(model())


class Gives(nn.Module):
    """A model that gives what a function makes of logits (batch, 4)."""

    def __init__(self, form: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.form = form
        self.head = nn.Linear(2, 4)

    def forward(self, images: Tensor) -> object:
        return self.form(self.head(images))


@pytest.mark.parametrize(
    ("form", "said"),
    [
        (lambda logits: (logits, logits), "the model gives a tuple: wrap it"),
        (lambda logits: {"logits": logits}, "the model gives a dict: wrap it"),
        (lambda logits: logits[:, 0], r"the model gives \(8,\) for class numbers \(8,\): logits"),
        (lambda logits: logits[:, :3], "there is a class 3, and the model gives 3 logits"),
    ],
)
def test_outputs_that_are_no_logits_of_the_classes_are_said_before_anything_is_trained(
    form: Callable[[Tensor], object], said: str
) -> None:
    split = TensorSplit(torch.ones(8, 2), torch.arange(8) % 4)
    data = Splits(train=split, validation=split, test=split, fingerprint="")
    check_fits(Gives(lambda logits: logits), data, 8)
    with pytest.raises(SettingError, match=said):
        check_fits(Gives(form), data, 8)


def test_a_class_that_only_the_last_images_have_is_seen() -> None:
    sorted_by_class = TensorSplit(torch.ones(8, 2), torch.arange(8) // 2 + 1)
    data = Splits(
        train=sorted_by_class, validation=sorted_by_class, test=sorted_by_class, fingerprint=""
    )
    with pytest.raises(SettingError, match="there is a class 4, and the model gives 4 logits, for"):
        check_fits(Gives(lambda logits: logits), data, 2)
