"""A run seen as models x methods."""

import pytest
from msgspec.structs import replace

from pytest_energybench.experiment.paper.matrix import Matrix
from pytest_energybench.experiment.paper.trials import (
    accuracy,
    compression,
    duration_s,
    energy_j,
    epochs,
    per_epoch,
    trials,
    with_search,
)
from pytest_energybench.results.model import Window
from tests.experiment.paper import samples
from tests.report import samples as others


def test_models_and_methods_come_in_the_paper_s_order(run):
    mixed = Matrix.of(replace(run, cases=run.cases[::-1]))
    assert mixed.models == samples.MODELS
    assert mixed.methods == samples.METHODS


def test_a_method_of_another_name_comes_last(run):
    case = replace(run.cases[3], params={"model": "resnet18", "method": "a-new-one"})
    assert Matrix.of(replace(run, cases=[case, *run.cases])).methods[-1] == "a-new-one"


def test_cases_of_other_tests_stay_outside(run):
    ci = others.ci_run()
    assert not Matrix.of(ci).cases
    more = replace(run.cases[0], params={"model": "alexnet", "method": "baseline", "size": 3})
    assert len(Matrix.of(replace(run, cases=[more, *ci.cases])).cases) == 0


@pytest.mark.parametrize(("outcome", "there"), [("failed", True), ("error", False)])
def test_a_case_that_missed_a_limit_counts_and_one_that_broke_does_not(run, outcome, there):
    cases = [replace(run.cases[0], outcome=outcome)]
    assert bool(Matrix.of(replace(run, cases=cases)).cases) is there


def test_a_training_that_broke_off_has_joules_and_no_accuracy_and_does_not_count(run):
    metrics = {name: value for name, value in run.cases[0].metrics.items() if name != "accuracy"}
    broken = replace(run.cases[0], outcome="failed", metrics=metrics)
    assert not Matrix.of(replace(run, cases=[broken])).cases


def test_ratio_and_change_are_against_the_same_model_s_baseline(run):
    matrix = Matrix.of(samples.relative(run, "pruning", 0.8))
    assert matrix.ratio("vgg16", "pruning", energy_j) == pytest.approx(0.8)
    assert matrix.ratio("vgg16", "pruning", duration_s) == pytest.approx(0.8)
    assert matrix.ratio("vgg16", "baseline", energy_j) == 1
    run = samples.recorded(run, "vgg16", "baseline", accuracy=0.95)
    run = samples.recorded(run, "vgg16", "pruning", accuracy=0.93)
    assert Matrix.of(run).change("vgg16", "pruning", accuracy) == pytest.approx(-0.02)


def test_what_is_missing_is_not_zero(run):
    matrix = Matrix.of(samples.only(run, methods=("pruning",)))
    assert matrix.ratio("vgg16", "pruning", energy_j) is None
    assert matrix.change("vgg16", "pruning", accuracy) is None
    assert matrix.value("vgg16", "lowrank", energy_j) is None
    case = replace(run.cases[0], metrics={}, total_j=None, duration_s=0.0)
    (bare,) = trials(case)
    assert [figure(bare) for figure in (accuracy, epochs, energy_j, duration_s)] == [None] * 4
    assert per_epoch(energy_j)(bare) is None


def test_the_headline_rate_is_the_method_s_own(run):
    case = next(case for case in run.cases if case.params["method"] == "steganographic")

    def rate(**changes):
        return compression(trials(replace(case, **changes))[0])

    assert rate(metrics={"compression_rate": 0.4}) == 0.4
    assert rate(metrics={"theoretical_rate": 0.6}) == 0.6
    assert rate(metrics={}) is None
    assert rate(params={"model": "x", "method": "baseline"}) == 0


def test_several_seeds_are_pairs_and_have_bounds(run):
    many = samples.seeded(
        run, 3, energy=lambda _, method, seed: 2.0**seed * (0.5 if method == "pruning" else 1)
    )
    matrix = Matrix.of(samples.relative(run, "pruning", 1.0))
    one = matrix.relative("vgg16", "pruning", energy_j)
    assert (one.value, one.bounds, one.n) == (pytest.approx(1), None, 1)
    matrix = Matrix.of(many)
    assert matrix.seeds == (3, 3)
    found = matrix.relative("vgg16", "pruning", energy_j)
    assert found.n == 3
    assert found.bounds == pytest.approx((found.value, found.value))
    alone = matrix.over("vgg16", "pruning", energy_j)
    assert alone.bounds[0] < alone.value < alone.bounds[1]
    shifted = [
        replace(c, rounds=[replace(r, seed=r.seed + 1) for r in c.rounds]) if c.baseline else c
        for c in many.cases
    ]
    both = Matrix.of(replace(many, cases=shifted)).pairs("vgg16", "pruning", energy_j)
    assert len(both) == 2


def test_a_round_without_its_own_figure_leaves_the_cell_unknown(run):
    many = samples.seeded(run, 2)
    cases = [
        replace(c, rounds=[replace(c.rounds[0], metrics={}), *c.rounds[1:]]) for c in many.cases
    ]
    assert Matrix.of(replace(many, cases=cases)).value("vgg16", "pruning", accuracy) is None


def test_a_search_belongs_to_its_round_and_else_to_all_that_trained_by_it(run):
    case = next(case for case in run.cases if case.params["method"] == "pruning")
    beside = [
        Window(
            name="search",
            started="",
            duration_s=float(joules),
            energy_j={},
            total_j=float(joules),
            provenance={},
            place="beside",
            round=number,
        )
        for number, joules in ((0, 3), (0, 1), (1, 8))
    ]
    rounds = samples.seeded(run, 3).cases[run.cases.index(case)].rounds
    made = trials(replace(case, rounds=rounds, windows=beside))
    assert [trial.search_j for trial in made] == [4, 8, 6]
    assert [trial.search_s for trial in made] == [4, 8, 6]
    total = with_search(energy_j)
    assert total(made[1]) == pytest.approx(made[1].total_j + 8)
    assert with_search(duration_s)(made[0]) == pytest.approx(made[0].duration_s + 4)
    unknown = [replace(beside[0], total_j=None), *beside[1:]]
    assert total(trials(replace(case, rounds=rounds, windows=unknown))[0]) is None
    assert trials(replace(case, search=None, windows=beside))[0].search_j == 0


def test_a_search_pays_after_what_it_took_over_what_a_training_saves(run):
    matrix = Matrix.of(samples.relative(run, "pruning", 0.5))
    base = matrix.value("vgg16", "baseline", energy_j)
    search = matrix.cases["vgg16", "pruning"].search.total_j
    assert matrix.pays_after("vgg16", "pruning") == pytest.approx(search / (base / 2))
    assert matrix.pays_after("vgg16", "amp") == 0
    dear = Matrix.of(samples.relative(run, "pruning", 1.2))
    assert dear.pays_after("vgg16", "pruning") == float("inf")
    assert dear.pays_after("vgg16", "lowest") is None


def test_whether_a_search_pays_is_not_known_where_the_seeds_do_not_show_a_saving(run):
    ratio = {0: 0.9, 1: 1.1, 2: 0.99}
    about = samples.relative(run, "pruning", 1.0)
    wide = samples.seeded(about, 3, energy=lambda _, m, s: ratio[s] if m == "pruning" else 1.0)
    assert Matrix.of(wide).pays_after("vgg16", "pruning") is None
    less = samples.relative(run, "pruning", 0.5)
    found = Matrix.of(samples.seeded(less, 3, energy=lambda _, __, s: 1 + s / 100))
    assert 0 < found.pays_after("vgg16", "pruning") < float("inf")


def test_energy_is_called_what_it_is(run):
    assert Matrix.of(run).energy_kind == "estimated"
    assert Matrix.of(samples.metered(run)).energy_kind == "measured"
    both = [replace(run.cases[0], provenance={"cpu:0": "measured", "ram": "estimated"})]
    assert Matrix.of(replace(run, cases=both)).energy_kind == "partly estimated"
    other = [replace(run.cases[0], provenance={"cpu": "estimated", "network": "estimated"})]
    assert Matrix.of(replace(run, cases=other)).energy_kind == "partly estimated"  # no time ratio
