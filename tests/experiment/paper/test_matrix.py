"""A run seen as models x methods."""

import pytest
from msgspec.structs import replace

from pytest_energybench.experiment.paper.matrix import (
    Matrix,
    accuracy,
    compression,
    duration_s,
    energy_j,
    epochs,
    per_epoch,
)
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
    assert [figure(case) for figure in (accuracy, epochs, energy_j, duration_s)] == [None] * 4
    assert per_epoch(energy_j)(case) is None


def test_the_headline_rate_is_the_method_s_own(run):
    case = next(case for case in run.cases if case.params["method"] == "steganographic")
    assert compression(replace(case, metrics={"compression_rate": 0.4})) == 0.4
    assert compression(replace(case, metrics={"theoretical_rate": 0.6})) == 0.6
    assert compression(replace(case, metrics={})) is None
    assert compression(replace(case, params={"model": "x", "method": "baseline"})) == 0


def test_energy_is_called_what_it_is(run):
    assert Matrix.of(run).energy_kind == "estimated"
    assert Matrix.of(samples.metered(run)).energy_kind == "measured"
    both = [replace(run.cases[0], provenance={"cpu:0": "measured", "ram": "estimated"})]
    assert Matrix.of(replace(run, cases=both)).energy_kind == "partly estimated"
