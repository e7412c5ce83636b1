"""Number types by bits and hardware, sizes as stored, and methods by name."""

from __future__ import annotations

import pytest
import torch

from pytest_energybench.experiment.compression import bits as formats
from pytest_energybench.experiment.compression import registry, run
from pytest_energybench.experiment.compression.bits import NumberFormat, number_format
from pytest_energybench.experiment.compression.plan import BitGrid, CompressionPlan, Task
from pytest_energybench.experiment.compression.run import prepare, reloaded, warm_up
from pytest_energybench.experiment.compression.targets import size
from pytest_energybench.experiment.compression.tolerance import Tolerance
from pytest_energybench.experiment.training.cpu_layers import quick_layers
from pytest_energybench.experiment.training.errors import SettingError
from pytest_energybench.experiment.training.hardware import choose_device
from pytest_energybench.experiment.training.master_weights import MasterWeights
from pytest_energybench.experiment.training.optimizers import PlainUpdater
from pytest_energybench.experiment.training.settings import TrainSettings
from pytest_energybench.experiment.training.trainer import Training
from tests.experiment.training.nets import CPU, small_data, small_net

CUDA = torch.device("cuda")


def chosen(
    monkeypatch: pytest.MonkeyPatch, zeroed: int, device: torch.device, native: bool
) -> NumberFormat:
    monkeypatch.setattr(formats, "has_bfloat16", lambda _: native)
    return number_format(zeroed, device)


@pytest.mark.parametrize("device", [CPU, CUDA])
def test_from_16_zeroed_bits_bfloat16_where_the_hardware_has_it(
    monkeypatch: pytest.MonkeyPatch, device: torch.device
) -> None:
    assert chosen(monkeypatch, 16, device, native=True) == NumberFormat(torch.bfloat16)
    assert chosen(monkeypatch, 31, device, native=True).dtype == torch.bfloat16
    fewer = chosen(monkeypatch, 15, device, native=True)
    assert fewer.dtype == torch.float32
    assert fewer.note is not None
    assert "17 bits fit no narrow type" in fewer.note
    assert "nothing can be saved" in fewer.note
    assert not fewer.lacking


def test_older_gpus_get_float16_with_loss_scaling(monkeypatch: pytest.MonkeyPatch) -> None:
    older = chosen(monkeypatch, 20, CUDA, native=False)
    assert (older.dtype, older.scaled) == (torch.float16, True)


def test_a_cpu_without_it_trains_in_float32_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    without = chosen(monkeypatch, 20, CPU, native=False)
    assert without.dtype == torch.float32
    assert without.lacking
    assert without.note is not None
    assert "no 16-bit type was found that the CPU computes in" in without.note


@pytest.mark.parametrize(
    ("plan", "updater"),
    [
        (CompressionPlan(small_net(), mixed_precision=True), PlainUpdater),
        (CompressionPlan(small_net(), BitGrid(20)), MasterWeights),
    ],
    ids=["amp", "grid"],
)
def test_what_a_plan_lacks_there_is_said_and_without_a_grid_it_trains_as_the_baseline(
    monkeypatch: pytest.MonkeyPatch, plan: CompressionPlan, updater: type
) -> None:
    monkeypatch.setattr(formats, "has_bfloat16", lambda _: False)
    prepared = prepare(plan, TrainSettings(max_epochs=1), CPU, "test")
    assert prepared.plan.lacks in prepared.plan.notes
    assert type(prepared.updater) is updater


def test_a_grid_too_fine_for_narrow_types_lacks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "has_bfloat16", lambda _: False)
    prepared = prepare(
        CompressionPlan(small_net(), BitGrid(15)), TrainSettings(max_epochs=1), CPU, "test"
    )
    assert prepared.plan.lacks is None


def test_float16_keeps_the_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "pytest_energybench.experiment.compression.run.number_format",
        lambda *_: NumberFormat(torch.float16, scaled=True),
    )
    from pytest_energybench.experiment.compression.steganographic import all_on_grid

    model = small_net()
    settings = TrainSettings(batch_size=16, max_epochs=6, evaluation_batch=50)
    training = prepare(CompressionPlan(model, BitGrid(20)), settings, CPU, "test").train(
        small_data()
    )
    assert model.get_parameter("0.weight").dtype == torch.float16
    assert all_on_grid(model, 20)
    assert training.best.validation.accuracy > 0.3


@pytest.fixture
def in_16_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A device with bfloat16: any CPU computes in it, if slowly."""
    monkeypatch.setattr(run, "number_format", lambda *_: NumberFormat(torch.bfloat16))


def controlled(name: str) -> tuple[CompressionPlan, Training]:
    plan = registry.method(name)(
        CompressionPlan(small_net()), Task(small_data(), Tolerance(0.01), 50)
    )
    settings = TrainSettings(batch_size=16, max_epochs=2, evaluation_batch=50)
    warm_up(plan, small_data(), settings, CPU)
    prepared = prepare(plan, settings, CPU, name)
    return prepared.plan, prepared.train(small_data())


@pytest.mark.usefixtures("in_16_bits")
def test_amp_is_compressed_by_what_it_stores() -> None:
    plan, _ = controlled("amp")
    assert plan.verified()["compression_rate"] == 0.5
    assert plan.verified()["number_type"] == "bfloat16"


@pytest.mark.usefixtures("in_16_bits")
def test_autocast_computes_in_16_bits_and_stores_32() -> None:
    plan, training = controlled("autocast")
    assert plan.verified()["compression_rate"] == 0
    assert plan.verified()["number_type"] == "float32, bfloat16"
    assert {weight.dtype for weight in plan.model.parameters()} == {torch.float32}
    assert list(plan.model.state_dict()) == list(small_net().state_dict())
    images = torch.zeros(2, 3, 8, 8)
    assert plan.model(images).dtype == torch.bfloat16
    assert training.history[1].train_loss < training.history[0].train_loss
    copy, _ = reloaded(plan.model)
    assert copy(images).dtype == torch.bfloat16
    assert copy is not plan.model
    with quick_layers(plan.model):
        assert type(plan.model[0]) is torch.nn.Conv2d


def test_autocast_without_a_narrow_type_is_the_baseline_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(formats, "has_bfloat16", lambda _: False)
    plan, _ = controlled("autocast")
    assert plan.lacks in plan.notes
    assert plan.model(torch.zeros(2, 3, 8, 8)).dtype == torch.float32


def test_bytes_are_counted_on_the_module(narrow: torch.dtype) -> None:
    model = small_net()
    full = size(model)
    weights = 16 * 3 * 9 + 32 * 16 * 9 + 128 * 10
    others = 16 + 2 * 16 + 2 * 32 + 10
    buffers = 4 * 2 * (16 + 32) + 2 * 8
    assert full.compressed_parameters == weights
    assert full.parameters == weights + others
    assert full.bytes_stored == 4 * (weights + others) + buffers
    prepare(CompressionPlan(model, BitGrid(20)), TrainSettings(max_epochs=1), CPU, "test")
    trained = size(model)
    assert trained.parameters == full.parameters
    assert trained.compressed_bytes == narrow.itemsize * weights
    # Normalisation stays float32, the two biases become narrow as well.
    saved = torch.float32.itemsize - narrow.itemsize
    assert full.bytes_stored - trained.bytes_stored == saved * (weights + 26)


def test_an_unknown_method_names_those_there_are() -> None:
    with pytest.raises(SettingError, match="'quantum': choose from baseline, amp, autocast"):
        registry.method("baseline+quantum")


def test_methods_are_joined_in_order_and_can_be_added(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_METHODS", dict(registry._METHODS))
    for name in ("first", "second"):

        def noting(plan: CompressionPlan, task: Task, name: str = name) -> CompressionPlan:
            return plan.noted(name, **{name: task.seed})

        registry.register(name, noting)
    task = Task(small_data(), Tolerance(0.01), 50, seed=3)
    plan = registry.method("second+first")(CompressionPlan(small_net()), task)
    assert plan.notes == ("second", "first")
    assert plan.facts == {"second": 3, "first": 3}
    for taken in ("baseline", "a+b"):
        with pytest.raises(SettingError, match="choose another one"):
            registry.register(taken, noting)


def test_devices_by_name() -> None:
    assert choose_device("cpu") == CPU
    assert choose_device("auto").type in ("cpu", "cuda")
    with pytest.raises(SettingError, match="'tpu': choose one of auto, cpu, cuda"):
        choose_device("tpu")
    with pytest.raises(SettingError, match="no device 'cuda:99' here"):
        choose_device("cuda:99")
