"""One recorded training, seen by each stopping rule."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch
from msgspec.structs import replace
from torch import nn

from pytest_energybench.experiment.compression.plan import CompressionPlan, Retrain
from pytest_energybench.experiment.compression.run import prepare
from pytest_energybench.experiment.paper.further_tables import view_table
from pytest_energybench.experiment.paper.matrix import Matrix
from pytest_energybench.experiment.paper.tables import PaperTable
from pytest_energybench.experiment.paper.trials import energy_j
from pytest_energybench.experiment.training.datasets.own import splits_of
from pytest_energybench.experiment.training.settings import TrainSettings
from pytest_energybench.experiment.training.trainer import Training
from pytest_energybench.experiment.views import History, Rules, histories, paired_views, views
from pytest_energybench.results.model import Case, Machine, Round, Run, Series

CPU = torch.device("cpu")

# A step of .05 after each epoch but the fourth; 5 % of the best is less than that from epoch 7 on.
LOSSES = (1.5, 1.0, 0.6, 0.58, 0.5, 0.44, 0.41, 0.38, 0.36, 0.35, 0.35, 0.35, 0.35)
ACCURACIES = (0.5, 0.7, 0.8, 0.9, 0.85, 0.9, 0.92, 0.93, 0.94, 0.95, 0.94, 0.94, 0.94)
BASE = History(LOSSES, ACCURACIES, tuple(10.0 * n for n in range(1, 14)))


def test_each_rule_ends_the_same_training_in_its_own_epoch() -> None:
    found = views(BASE, BASE, Rules(3, 0.01, 13))
    ends = {view: figures.epochs for view, figures in found.items() if figures is not None}
    # .44 is the last step of .05 (to .38 it is .06, from .44); then .36, .35, .35 are none.
    assert ends == {"13 epochs": 13, "absolute 0.05": 11, "relative 5 %": 12, "first crossing": 9}
    absolute = found["absolute 0.05"]
    assert absolute is not None
    assert (absolute.joules, absolute.accuracy) == (110.0, 0.95)


def test_what_the_recorded_epochs_do_not_show_is_not_known() -> None:
    short = History(LOSSES[:5], ACCURACIES[:5])
    found = views(short, BASE, Rules(3, 0.01))
    assert {view: figures and figures.epochs for view, figures in found.items()} == {
        "as trained": 5,
        "absolute 0.05": None,
        "relative 5 %": None,
        "first crossing": None,
    }
    assert list(views(short, BASE, Rules())) == ["as trained"]  # the run does not say the rules
    again = History(LOSSES, ACCURACIES, trainings=2)
    assert [view for view, f in views(again, BASE, Rules(3, 0.01)).items() if f] == ["as trained"]


def trained(seed: int = 3, **rules: object) -> Training:
    """A small net on made images, trained by these rules."""
    random = torch.Generator().manual_seed(0)
    labels = torch.arange(60) % 3
    images = torch.rand(60, 6, generator=random) + 2 * nn.functional.one_hot(labels, 6)
    data = splits_of((images, labels), (images, labels), (images, labels), CPU)
    torch.manual_seed(seed)
    settings = TrainSettings(batch_size=20, seed=seed, learning_rate=0.05, **rules)  # type: ignore[arg-type]
    plan = CompressionPlan(nn.Sequential(nn.Linear(6, 3)), adjust=lambda *_: Retrain())
    if settings.fixed_epochs is None:
        plan = CompressionPlan(plan.model)
    return prepare(plan, settings, CPU, "views").train(data)


def history(training: Training) -> History:
    scores = [epoch.validation for epoch in training.history]
    return History(tuple(s.loss for s in scores), tuple(s.accuracy for s in scores))


def test_a_rule_s_own_run_has_the_figures_that_its_view_has_of_a_longer_one() -> None:
    longer = trained(fixed_epochs=25)
    assert (longer.epochs, longer.trainings, longer.capped) == (25, 1, False)
    by_rule = trained(min_delta=0.05)
    found = views(history(longer), history(longer), Rules(3, 0.01, 25))["absolute 0.05"]
    assert found is not None
    assert 4 < found.epochs == by_rule.epochs < 25
    assert history(longer).losses[: found.epochs] == history(by_rule).losses
    assert found.accuracy == by_rule.best.validation.accuracy


def case(
    method: str, *per_epoch: float, epochs: int = 13, seeds: Sequence[int | None] = (5, 6)
) -> Case:
    """Rounds with these seeds, which took so many joules an epoch."""
    joules = [[(n, each * n) for n in range(1, epochs + 1)] for each in per_epoch]
    curves = {"validation loss": LOSSES, "validation accuracy": ACCURACIES}
    return Case(
        nodeid=method,
        name=method,
        params={"model": "vgg16", "method": method},
        outcome="passed",
        metrics={"accuracy": 0.9},
        rounds=[
            Round(started="", duration_s=1, energy_j={}, total_j=points[-1][1], seed=seed)
            for seed, points in zip(seeds, joules, strict=False)
        ],
        series=[
            *(
                Series(name=name, x="epoch", points=list(enumerate(c[:epochs], 1)), round=number)
                for number in range(len(per_epoch))
                for name, c in curves.items()
            ),
            *(
                Series(name="joules so far", x="epoch", points=points, round=number)
                for number, points in enumerate(joules)
            ),
        ],
    )


def test_joules_so_far_with_the_idle_power_do_not_mix_with_those_without() -> None:
    gross = case("half", 5.0, 6.0)
    net = replace(gross, rounds=[replace(each, idle_j={"cpu": 3.0}) for each in gross.rounds])
    assert all(each is not None and each.joules for each in histories(gross))
    assert all(each is not None and not each.joules for each in histories(net))


def table_of(*cases: Case, **settings: int | float) -> PaperTable:
    return view_table(Matrix.of(Run(machine=MACHINE, settings=dict(settings), cases=list(cases))))


MACHINE = Machine(fingerprint="", cpu="", cores=1, memory_bytes=1)
RULES = {"patience": 3, "max_drop": 0.01, "fixed_epochs": 13}


def test_the_table_has_joules_per_epoch_and_epochs_apart_each_with_bounds() -> None:
    base, half = case("baseline", 10.0, 12.0), case("half", 5.0, 6.6, epochs=12)
    amp = case("amp", 9.0, 9.0)
    table = table_of(half, amp, base, **RULES)
    names = list(dict.fromkeys(row[:2] for row in table.rows))
    assert names == [("VGG16", "mixed precision"), ("VGG16", "half")]  # as in the other tables
    rows = {
        row[2]: dict(zip([c.name for c in table.columns], row, strict=True))
        for row in table.rows
        if row[1] == "half"
    }
    whole = rows["13 epochs"]
    assert whole["per_epoch_ratio"] == pytest.approx(math.sqrt(0.5 * 0.55))
    assert whole["epochs_ratio"] == whole["epochs_lower"] == pytest.approx(12 / 13)
    assert whole["energy_ratio"] == pytest.approx(math.sqrt(0.5 * 0.55) * 12 / 13)
    assert whole["per_epoch_lower"] < whole["per_epoch_ratio"] < whole["per_epoch_upper"]  # type: ignore[operator]
    assert (whole["rounds"], whole["epochs_mean"], whole["baseline_epochs_mean"]) == ("2", 12, 13)
    assert rows["absolute 0.05"]["epochs_ratio"] == 1
    short = case("half", 5.0, 6.6, epochs=8)
    table = table_of(base, short, **RULES)
    assert {(row[2], row[3], row[4]) for row in table.rows[1:]} == {
        (view, "0 of 2", None) for view in ("absolute 0.05", "relative 5 %", "first crossing")
    }
    table = table_of(base, half, max_drop=0)
    assert [row[2] for row in table.rows] == ["as trained", "first crossing"]
    assert table.note.endswith("Views that need patience are left out: the run does not say it.")


@pytest.mark.parametrize(
    ("ours", "theirs", "rounds", "joules"),
    [
        ((5, 6), (6, 5), "2", [(4.0, 20.0), (8.0, 10.0)]),  # by seed, not by place
        ((5, None), (5, 6), "1 of 2", None),
        ((None, None), (0, 1), None, None),  # a seed is no number of a round
        ((None, None), (None, None), "1", [(6.0, 15.0)]),  # without seeds: one sample, no bounds
        ((5, 5), (5, 5), "1", [(6.0, 15.0)]),
    ],
)
def test_rounds_are_paired_as_everywhere_in_the_paper(
    ours: tuple[int | None, ...],
    theirs: tuple[int | None, ...],
    rounds: str | None,
    joules: list[tuple[float, float]] | None,
) -> None:
    base = case("baseline", 10.0, 20.0, epochs=1, seeds=theirs)
    half = case("half", 4.0, 8.0, epochs=1, seeds=ours)
    pairs = paired_views(half, base, Rules())
    known = [(a.joules, b.joules) for a, b in pairs[0].known()] if pairs else []
    assert known == (joules or [])
    table = table_of(base, half)
    assert [row[3] for row in table.rows] == ([rounds] if rounds else [])
    if joules is not None:
        assert (table.rows[0][11] is None) == (len(joules) == 1)  # the energy's lower bound
        matrix = Matrix.of(Run(machine=MACHINE, cases=[base, half]))
        assert matrix.pairs("vgg16", "half", energy_j) == joules
