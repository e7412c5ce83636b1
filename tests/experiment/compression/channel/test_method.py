"""Channels that are physically removed, and a method of a user's own in one file."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from pytest_energybench.experiment.compression import registry
from pytest_energybench.experiment.compression.channel import method as channel
from pytest_energybench.experiment.compression.channel.method import Again, recalibrate
from pytest_energybench.experiment.compression.evaluation import score
from pytest_energybench.experiment.compression.plan import (
    PART,
    AccuracyTarget,
    Adjust,
    BitGrid,
    CompressionPlan,
    ResultError,
    Retrain,
    Task,
)
from pytest_energybench.experiment.compression.registry import method
from pytest_energybench.experiment.compression.run import prepare, reloaded
from pytest_energybench.experiment.compression.search import Search, search
from pytest_energybench.experiment.compression.steganographic import all_on_grid
from pytest_energybench.experiment.compression.tolerance import Tolerance
from pytest_energybench.experiment.training.datasets.data import TensorSplit
from pytest_energybench.experiment.training.evaluate import Score, evaluate
from pytest_energybench.experiment.training.settings import TrainSettings
from tests.experiment.compression.shrinking import shrink
from tests.experiment.training.nets import CPU, small_data, small_net, trained_weights

DATA = small_data()
SETTINGS = TrainSettings(batch_size=16, max_epochs=3, evaluation_batch=50)
TASK = Task(DATA, Tolerance(0.9), 50)


def test_channels_are_really_gone_and_the_classes_are_not() -> None:
    model = small_net()
    images, _ = next(DATA.train.ordered(50))
    shrink(model, DATA.train, 0.5)
    assert model(images).shape == (50, 10)
    first, second, head = model[0], model[4], model[9]
    assert first.out_channels == second.in_channels < 16
    assert head.in_features == 4 * second.out_channels
    assert first.out_channels % 8 == second.out_channels % 8 == 0
    assert model[1].num_features == first.out_channels


def test_layers_after_a_concatenation_lose_the_channels_of_all_its_parts() -> None:
    class Concatenating(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(3, 32, 3)
            self.second = nn.Conv2d(3, 32, 3)
            self.norm = nn.BatchNorm2d(64)
            self.third = nn.Conv2d(64, 32, 3)
            self.head = nn.Linear(32, 10)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            both = self.norm(torch.cat([self.first(images), self.second(images)], 1))
            return self.head(self.third(both).mean((2, 3)))

    torch.manual_seed(0)
    model = Concatenating().eval()
    images, _ = next(DATA.train.ordered(50))
    with torch.no_grad():  # half of both are not heard
        model.third.weight[:, 16:32] = 0
        model.third.weight[:, 48:] = 0
    before = model(images).detach()
    smaller = copy.deepcopy(model)
    shrink(smaller, DATA.train, 32 / 96)
    assert (smaller.first.out_channels, smaller.second.out_channels) == (16, 16)
    assert (smaller.norm.num_features, smaller.third.in_channels) == (32, 32)
    assert smaller.third.out_channels == 32
    assert torch.allclose(smaller(images), before, atol=1e-5)
    assert model.norm.num_features == 64


def test_more_leaves_less_and_never_nothing() -> None:
    left = []
    for share in (0.02, 0.2, 0.3, 0.45, 0.6):
        model = small_net()
        shrink(model, DATA.train, share)
        left.append(model[0].out_channels + model[4].out_channels)
    assert left == sorted(left, reverse=True)
    assert 16 <= left[-1] < left[0]


def test_recalibrating_takes_the_statistics_of_the_images() -> None:
    model = small_net()
    momentum = model[1].momentum
    recalibrate(model, DATA.train, 128)
    images, _ = next(DATA.train.ordered(128))
    with torch.no_grad():
        entering = model[0](images)
    assert torch.allclose(model[1].running_mean, entering.mean((0, 2, 3)), atol=1e-5)
    assert torch.allclose(model[1].running_var, entering.var((0, 2, 3)), rtol=1e-3)
    assert model[1].momentum == momentum
    assert not model[1].training


def test_new_statistics_that_do_harm_are_not_taken() -> None:
    model = small_net()
    model.load_state_dict(trained_weights(SETTINGS, 8))
    images, labels = next(DATA.train.ordered(128))
    elsewhere = replace(DATA, train=TensorSplit(images + 5, labels))
    start = evaluate(model, DATA.validation, 50)
    plan = method("channel")(CompressionPlan(model), Task(elsewhere, Tolerance(0.1), 50))
    assert plan.searches[0].found > 0
    assert evaluate(plan.model, DATA.validation, 50).accuracy >= start.accuracy - 0.1
    recalibrate(plan.model, elsewhere.train, 50)
    assert evaluate(plan.model, DATA.validation, 50).accuracy < start.accuracy - 0.1


@pytest.mark.parametrize("name", ["channel", "steganographic+channel"])
@pytest.mark.usefixtures("narrow")
def test_trained_it_is_smaller_counted_on_the_module(name: str) -> None:
    model = small_net()
    original = copy.deepcopy(model)
    plan = method(name)(CompressionPlan(model), TASK)
    prepared = prepare(plan, SETTINGS, CPU, "test")
    prepared.train(DATA)
    facts = prepared.plan.verified()
    small = prepared.plan.model
    before, after = (sum(p.numel() for p in net.parameters()) for net in (original, small))
    assert facts["channel_rate"] == 1 - after / before > 0
    assert facts["channels_removed_rate"] == 1 - sum(
        small.get_submodule(path).weight.shape[0] for path in ("0", "4", "9")
    ) / (16 + 32 + 10)
    assert evaluate(reloaded(small)[0], DATA.test, 50) == evaluate(small, DATA.test, 50)
    if plan.grid is not None:
        assert [search.parameter for search in plan.searches][1] == "zeroed bits"
        assert all_on_grid(small, plan.grid.zeroed)


def test_before_a_capacity_channels_are_judged_with_the_bits_gone_that_will_be() -> None:
    model = small_net()
    model.load_state_dict(trained_weights(SETTINGS, 8))
    task = Task(DATA, Tolerance(0.2), 50)
    channels, capacity = method("steganographic+channel")(CompressionPlan(model), task).searches
    at_found = next(each for each in channels.curve if each.level == channels.found)
    narrow = next(each for each in capacity.curve if each.level == 16)
    assert channels.found > 0
    assert narrow.correct == at_found.correct
    assert capacity.found >= 16


def test_every_evaluation_and_image_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    evaluations = 0

    def counting(*given: Any) -> Score:
        nonlocal evaluations
        evaluations += 1
        return score(*given)

    monkeypatch.setattr(channel, "score", counting)
    model = small_net()
    model.load_state_dict(trained_weights(SETTINGS, 8))
    found = method("channel")(
        CompressionPlan(model), replace(TASK, tolerance=Tolerance(0.01))
    ).searches[0]
    assert found.evaluations == evaluations > len(found.curve)
    assert found.images > evaluations * len(DATA.validation)


@pytest.mark.parametrize(("last", "zeroed"), [("steganographic", 16), ("pruning", 0)])
def test_the_first_of_two_is_told_its_part_and_what_follows(
    monkeypatch: pytest.MonkeyPatch, last: str, zeroed: int
) -> None:
    told: list[Task] = []

    def listening(plan: CompressionPlan, task: Task) -> CompressionPlan:
        told.append(task)
        return plan

    entry = registry._Entry(listening, registry.Stage.STRUCTURE)
    monkeypatch.setitem(registry._METHODS, "listening", entry)
    method(f"{last}+listening")(
        CompressionPlan(small_net()), replace(TASK, tolerance=Tolerance(0.2))
    )
    assert (told[0].tolerated_in_all, told[0].zeroed_after) == (Tolerance(0.2), zeroed)
    assert told[0].tolerance.drop == pytest.approx(0.2 * PART)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Task]:
    """The tasks of two methods that only listen, `first` and, with the numbers, `last`."""
    tasks: list[Task] = []

    def listening(plan: CompressionPlan, task: Task) -> CompressionPlan:
        tasks.append(task)
        return plan

    for name, stage in (("first", registry.Stage.STRUCTURE), ("last", registry.Stage.NUMBERS)):
        monkeypatch.setitem(registry._METHODS, name, registry._Entry(listening, stage))
    return tasks


@pytest.mark.parametrize(("narrow", "zeroed"), [(0.90, 16), (0.75, 16), (0.74, 0)])
def test_room_for_a_narrow_type_is_kept_where_the_model_has_it_to_begin_with(
    narrow: float, zeroed: int, told: list[Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        registry,
        "score",
        lambda _, task: Score(narrow * 100 if task.zeroed_after else 90, 100, 0.1),
    )
    method("last+first")(CompressionPlan(small_net()), replace(TASK, tolerance=Tolerance(0.2)))
    assert told[0].zeroed_after == zeroed


def test_a_method_that_decides_on_bits_itself_keeps_them_in_its_reference(
    told: list[Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = replace(registry._METHODS["first"], stage=registry.Stage.NUMBERS)
    monkeypatch.setitem(registry._METHODS, "first", entry)
    method("first+last")(CompressionPlan(small_net()), TASK)
    assert [task.zeroed_after for task in told] == [0, 0]


@pytest.mark.parametrize(("after", "left"), [(0.9, 0.2), (0.8, 0.1), (0.5, 0.0)])
def test_the_last_may_lose_what_the_first_has_left_and_never_less_than_nothing(
    after: float, left: float, told: list[Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "score", lambda *_: Score(after * 100 if told else 90, 100, 0.1))
    method("last+first")(CompressionPlan(small_net()), replace(TASK, tolerance=Tolerance(0.2)))
    assert told[1].tolerance.drop == pytest.approx(left)


@pytest.mark.parametrize("name", ["channel", "steganographic+channel"])
def test_channels_alone_or_first_of_two_take_one_part(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[float] = []

    def listening(parameter: str, last: int, evaluate: Any, drop: Tolerance, **more: Any) -> Search:
        given.append(drop.drop)
        return search(parameter, last, evaluate, drop, **more)

    monkeypatch.setattr(channel, "search", listening)
    method(name)(CompressionPlan(small_net()), replace(TASK, tolerance=Tolerance(0.2)))
    assert given == [pytest.approx(0.2 * PART)]


def test_a_combination_is_judged_by_what_all_may_lose() -> None:
    found = search("level", 1, lambda *_: Score(90, 100, 0.1), Tolerance(0.01))
    alone = replace(TASK, tolerance=Tolerance(0.1))
    assert alone.goal(found).accuracy == pytest.approx(0.8)
    part = replace(alone, tolerance=Tolerance(0.05), tolerated_in_all=Tolerance(0.1))
    assert part.goal(found) == alone.goal(found)


def test_a_trained_model_that_misses_its_goal_trains_on_once_and_in_float32() -> None:
    again = Again(AccuracyTarget(0.96))
    model = small_net().bfloat16()
    assert again(model, Score(96, 100, 0.1), 0) is None
    assert model[0].weight.dtype == torch.bfloat16
    assert again(model, Score(95, 100, 0.1), 0) is not None
    assert model[0].weight.dtype == torch.float32
    assert again(model, Score(95, 100, 0.1), 1) is None


@pytest.mark.parametrize(
    ("score", "loss", "met"),
    [
        (Score(96, 100, 0.12), 0.12, True),
        (Score(96, 100, 0.13), 0.12, False),
        (Score(95, 100, 0.11), 0.12, False),
        (Score(96, 100, 9.0), None, True),
    ],
)
def test_what_is_enough_has_the_accuracy_and_the_loss(
    score: Score, loss: float | None, met: bool
) -> None:
    further = Again(AccuracyTarget(0.96, loss))(small_net(), Score(90, 100, 0.5), 0)
    assert further is not None
    assert further.enough(score) == met


def once(further: Retrain) -> Adjust:
    return lambda _model, _score, done: None if done else further


def test_training_on_ends_with_the_epoch_that_is_enough() -> None:
    plan = replace(
        CompressionPlan(small_net()), adjust=once(Retrain(lambda _: True, changed=False))
    )
    whole = prepare(CompressionPlan(small_net()), SETTINGS, CPU, "test").train(DATA)
    training = prepare(plan, SETTINGS, CPU, "test").train(DATA)
    assert (training.epochs, training.trainings) == (whole.epochs + 1, 2)
    assert training.best is training.history[-1]


@pytest.mark.parametrize("grid", [None, BitGrid(20)], ids=["float32", "grid"])
@pytest.mark.parametrize("changed", [False, True])
@pytest.mark.usefixtures("narrow")
def test_training_on_keeps_the_weights_there_were_where_it_only_gets_worse(
    changed: bool, grid: BitGrid | None
) -> None:
    settings = replace(SETTINGS, max_epochs=4)
    plan = replace(CompressionPlan(small_net(), grid=grid), adjust=once(Retrain(changed=changed)))
    rising = replace(settings, learning_rate=0.5, momentum=0.99)
    prepared = prepare(plan, settings, CPU, "test")
    training = replace(prepared, settings=rising).train(DATA)
    first, second = (
        min(part, key=lambda each: each.validation.loss)
        for part in (training.history[:4], training.history[4:])
    )
    assert first.validation.loss < second.validation.loss
    best = second if changed else first
    assert training.best is best
    assert evaluate(plan.model, DATA.validation, settings.evaluation_batch) == best.validation


def test_the_search_leaves_the_original_as_it_was() -> None:
    model = small_net()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    plan = method("channel")(CompressionPlan(model), TASK)
    assert plan.model is not model
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_a_layer_that_says_another_shape_than_it_has_is_refused() -> None:
    plan = method("channel")(CompressionPlan(small_net()), TASK)
    plan.model.get_submodule("4").in_channels = 5
    with pytest.raises(ResultError, match="4 holds"):
        plan.verified()


OWN_METHOD = '''
"""Halves: every weight at most half of its layer's largest becomes zero and stays zero."""

from dataclasses import replace

from pytest_energybench.experiment.compression.plan import CompressionPlan, ResultError, Task
from pytest_energybench.experiment.compression.registry import Stage, register
from pytest_energybench.experiment.compression.targets import compressed_weights


def halves(plan: CompressionPlan, task: Task) -> CompressionPlan:
    masks = {
        name: (weight.abs() > weight.abs().max() / 2).float()
        for name, weight in compressed_weights(plan.model).items()
    }

    def check(model):
        zeros = total = 0
        for name, mask in masks.items():
            weight = model.get_parameter(name)
            if weight[mask == 0].any():
                raise ResultError(f"{name} has grown back")
            zeros += int((mask == 0).sum())
            total += mask.numel()
        return {"halves_rate": zeros / total}

    for name, weight in compressed_weights(plan.model).items():
        weight.data.mul_(masks[name])
    return replace(plan, masks=masks).checked(check, "halves_rate")


register("halves", halves, Stage.MASK)
'''


def test_a_method_of_one_s_own_is_one_file_and_selected_by_name(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "_METHODS", dict(registry._METHODS))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_PLUGINS", "pytest_energybench.plugin")
    pytester.makepyfile(own_method=OWN_METHOD)
    pytester.makeconftest("import own_method")
    pytester.makepyfile(
        test_own="""
        import torch
        from pytest_energybench.experiment.compression.plan import CompressionPlan, Task
        from pytest_energybench.experiment.compression.registry import method
        from pytest_energybench.experiment.compression.run import prepare
        from pytest_energybench.experiment.compression.tolerance import Tolerance
        from pytest_energybench.experiment.training.settings import TrainSettings
        from tests.experiment.training.nets import small_data, small_net

        def test_own(energy):
            data, cpu = small_data(), torch.device("cpu")
            with energy.measure("search", counted=False):
                plan = method("steganographic+halves")(CompressionPlan(small_net()),
                                                       Task(data, Tolerance(0.01), 50))
            prepared = prepare(plan, TrainSettings(max_epochs=2), cpu, "own")
            with energy.measure("train") as window:
                prepared.train(data, window.joules_so_far)
            facts = prepared.plan.verified()
            assert 0 < facts["halves_rate"] < facts["compression_rate"] < 1
            energy.record(**facts)
        """
    )
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=1)
