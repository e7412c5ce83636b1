"""Verdicts follow the figures, and no further than their bounds."""

import math
import random
from collections import Counter

import pytest
from msgspec.structs import replace

from pytest_energybench.base.flags import BACKGROUND_LOAD, BROKEN_OFF, LAST_BROKE_OFF
from pytest_energybench.experiment.paper import claims as of
from pytest_energybench.experiment.paper.claim import (
    AT_THE_LIMIT,
    Conditions,
    Statement,
    answered,
    of_all_together,
    of_each,
)
from pytest_energybench.experiment.paper.claims import claims
from pytest_energybench.experiment.paper.matrix import Matrix
from pytest_energybench.experiment.paper.reference import reference
from pytest_energybench.results.model import Run
from tests.experiment.paper import samples

SAVES = (
    (of.steganographic_halves_energy, 0.48, 0.52, "convnext_base"),
    (of.steganographic_halves_time, 0.58, 0.62, "vgg16"),
    (of.steganographic_least_per_epoch, 0.3, 1.5, "resnet18"),
)


def judged(claim, run):
    """What became of a claim in a run."""
    return claim(Matrix.of(run))


def wobble(model, method, seed):
    """One per cent up and down: enough for an interval."""
    return 1 + 0.01 * ((seed * 7 + len(model) * 3 + len(method)) % 3 - 1)


def with_seeds(run):
    """Three seeds whose joules differ by a per cent and whose accuracies by .02 points."""
    accuracy = lambda *place: (wobble(*place) - 1) / 50  # noqa: E731
    return samples.seeded(run, 3, energy=wobble, accuracy=accuracy)


@pytest.fixture(scope="module")
def like_paper(run):
    return samples.as_in_the_paper(run)


@pytest.mark.parametrize(("claim", "holds", "fails", "model"), SAVES)
def test_a_saving_must_be_there_on_every_model(like_paper, claim, holds, fails, model):
    good = samples.relative(like_paper, "steganographic", holds)
    found = judged(claim, with_seeds(good))
    assert found.words == "reproduced (ImageNet, this GPU, 3 seeds)"
    assert {finding.answer for finding in found.findings} == {"yes"}
    bad = judged(
        claim, with_seeds(samples.relative(good, "steganographic", fails, models=(model,)))
    )
    assert bad.words == "contradicted (ImageNet, this GPU, 3 seeds)"
    name = reference().paper_name(model)
    assert [finding.model for finding in bad.findings if finding.answer != "yes"] == [name]
    one_seed = judged(claim, good)
    assert one_seed.words == "undecided (ImageNet, this GPU, 1 seed): one seed has no interval"


@pytest.mark.parametrize(("claim", "holds", "fails", "model"), SAVES)
def test_what_other_conditions_do_not_show_contradicts_nothing(run, claim, holds, fails, model):
    about_time = claim is of.steganographic_halves_time
    start, end = ("", "") if about_time else ("time ", "; energy not testable on this meter")
    good = samples.relative(run, "steganographic", holds)
    assert (
        judged(claim, with_seeds(good)).words
        == f"{start}reproduced (digits, this CPU, 3 seeds){end}"
    )
    bad = samples.relative(good, "steganographic", fails, models=(model,))
    assert judged(claim, with_seeds(bad)).words == (
        f"{start}undecided (digits, this CPU, 3 seeds): not seen here, under other conditions than"
        f" the paper's (digits images, unknown weights and no GPU){end}"
    )


def test_rounds_on_a_busy_machine_decide_nothing_about_energy(like_paper):
    run = with_seeds(samples.relative(like_paper, "steganographic", 0.4))
    last = next(c for c in run.cases if c.params == {"model": "vgg16", "method": "steganographic"})
    busy = replace(last.rounds[0], flags=[f"{BACKGROUND_LOAD}: other processes used 3 CPU-s"])
    cases = [replace(c, rounds=[busy, *c.rounds[1:]]) if c is last else c for c in run.cases]
    disturbed = replace(run, cases=cases)
    assert judged(of.steganographic_halves_energy, disturbed).words == (
        "undecided (ImageNet, this GPU, 3 seeds): machine busy in some rounds"
    )
    assert "busy" not in judged(of.idle_bits, disturbed).words


def test_where_a_training_broke_off_the_others_do_not_decide(like_paper):
    run = with_seeds(samples.relative(like_paper, "steganographic", 0.4))
    place = {"model": "vgg16", "method": "steganographic"}
    cases = [
        replace(c, rounds=c.rounds[:2], flags=[LAST_BROKE_OFF], outcome="failed")
        if c.params == place
        else c
        for c in run.cases
    ]
    for claim in (of.steganographic_halves_energy, of.idle_bits):
        assert judged(claim, replace(run, cases=cases)).words.endswith(
            ": steganographic of VGG16 broke off with seed 2"
        )
    rerun = [replace(c, flags=[BROKEN_OFF]) if c.params == place else c for c in run.cases]
    found = judged(of.steganographic_halves_energy, replace(run, cases=rerun))
    assert found.verdict == "reproduced"


@pytest.mark.parametrize("claim", of.CLAIMS, ids=lambda claim: claim.__name__)
def test_a_run_that_allows_another_drop_answers_another_question(like_paper, claim):
    loose = replace(like_paper, settings={**like_paper.settings, "max_drop": 0.05})
    found = judged(claim, with_seeds(loose))
    assert found.verdict == "not testable here"
    assert "a compression may cost 5 points here, and 1 in the paper" in found.words


def test_trainings_of_a_fixed_length_tell_nothing_of_what_a_training_takes(like_paper):
    run = samples.relative(like_paper, "steganographic", 0.4)
    fixed = with_seeds(replace(run, settings={**run.settings, "fixed_epochs": 12}))
    found = judged(of.steganographic_halves_energy, fixed)
    assert found.verdict == "not testable here"
    assert "every training has 12 epochs here" in found.words
    assert judged(of.steganographic_least_per_epoch, fixed).verdict == "reproduced"


def test_the_scope_has_the_seeds_of_the_models_that_the_claim_is_about(like_paper):
    run = with_seeds(like_paper)
    cases = [
        c if c.params["model"] == "vgg16" else replace(c, rounds=c.rounds[:2]) for c in run.cases
    ]
    unlike = replace(run, cases=cases)
    assert judged(of.pruning_drops, unlike).scope.endswith("3 seeds")
    assert judged(of.lowrank_drops, unlike).scope.endswith("2 seeds")
    assert judged(of.idle_bits, unlike).scope.endswith("2 to 3 seeds")


def test_models_that_a_claim_is_not_about_do_not_matter(like_paper):
    good = samples.relative(like_paper, "steganographic", 0.4)
    spoilt = samples.relative(good, "steganographic", 2.0, models=("alexnet", "resnet18"))
    assert judged(of.steganographic_halves_energy, with_seeds(spoilt)).verdict == "reproduced"


@pytest.mark.parametrize(
    "claim", [*(row[0] for row in SAVES), of.alexnet_not_least_per_epoch], ids=lambda c: c.__name__
)
def test_a_device_without_a_narrow_type_tells_nothing_of_what_it_saves(like_paper, claim):
    run = samples.relative(like_paper, "steganographic", 1.3)
    for model in samples.MODELS:
        run = samples.recorded(run, model, "steganographic", number_type="float32")
    told = judged(claim, run)
    assert told.words == (
        "not testable here (ImageNet, this GPU, 1 seed): the device was found to compute in no"
        " 16-bit type: the models trained in float32"
    )
    assert told.findings
    for model in samples.MODELS:  # with so few bits zeroed it is not the device's fault
        run = samples.recorded(run, model, "steganographic", zeroed_bits=15)
    assert judged(claim, with_seeds(run)).verdict != "not testable here"


def test_where_energy_is_estimated_only_time_counts(run):
    run = samples.relative(run, "steganographic", 0.4)
    odd = replace(run, cases=[replace(case, total_j=1.0) for case in run.cases])
    assert judged(of.steganographic_halves_energy, with_seeds(odd)).verdict == "reproduced"
    measured = samples.as_in_the_paper(odd)
    assert judged(of.steganographic_halves_energy, with_seeds(measured)).verdict == "contradicted"


def test_the_exception_of_alexnet(like_paper):
    cheap = samples.relative(like_paper, "steganographic", 0.2, models=("alexnet",))
    assert judged(of.alexnet_not_least_per_epoch, with_seeds(cheap)).verdict == "contradicted"
    dear = samples.relative(like_paper, "steganographic", 2.0, models=("alexnet",))
    assert judged(of.alexnet_not_least_per_epoch, with_seeds(dear)).verdict == "reproduced"


@pytest.mark.parametrize(
    ("claim", "method", "model", "paper"),
    [
        (of.pruning_drops, "pruning", "vgg16", "−3.9"),
        (of.lowrank_drops, "lowrank", "resnet18", "−4.6"),
    ],
)
def test_a_significant_drop_is_more_than_a_point(like_paper, claim, method, model, paper):
    run = samples.recorded(like_paper, model, "baseline", accuracy=0.95)
    small = judged(claim, with_seeds(samples.recorded(run, model, method, accuracy=0.945)))
    assert small.verdict == "contradicted"
    at_limit = judged(claim, with_seeds(samples.recorded(run, model, method, accuracy=0.94)))
    assert at_limit.words.endswith("the bounds leave both open")
    beyond = judged(claim, with_seeds(samples.recorded(run, model, method, accuracy=0.935)))
    assert beyond.verdict == "reproduced"
    assert beyond.findings[0].text.startswith("−1.5 points (")
    assert beyond.findings[0].text.endswith(f"(paper {paper})")


def test_steganographic_accuracy(like_paper):
    run = like_paper
    for model in samples.MODELS:
        run = samples.recorded(run, model, "baseline", accuracy=0.95)
        run = samples.recorded(run, model, "steganographic", accuracy=0.945)
    assert judged(of.steganographic_keeps_accuracy, with_seeds(run)).verdict == "reproduced"
    lost = samples.recorded(run, "vgg16", "steganographic", accuracy=0.935)
    assert judged(of.steganographic_keeps_accuracy, with_seeds(lost)).verdict == "contradicted"


def test_idle_bits(like_paper):
    enough = samples.recorded(like_paper, "resnet101", "steganographic", zeroed_bits=19)
    enough = samples.recorded(enough, "densenet121", "steganographic", zeroed_bits=19)
    assert judged(of.idle_bits, with_seeds(enough)).verdict == "reproduced"
    assert judged(of.idle_bits, enough).verdict == "undecided"
    assert judged(of.idle_bits, with_seeds(like_paper)).words.endswith(AT_THE_LIMIT)
    few = samples.recorded(like_paper, "vgg16", "steganographic", zeroed_bits=17)
    assert judged(of.idle_bits, with_seeds(few)).verdict == "contradicted"


def test_a_part_of_the_matrix_gives_figures_but_no_verdict(run):
    part = samples.only(run, models=("convnext_base",))
    for claim in claims(Matrix.of(part)):
        assert claim.verdict == "not testable here"
    energy = judged(of.steganographic_halves_energy, part)
    assert [finding.model for finding in energy.findings] == ["ConvNeXt-Base"]
    assert energy.words == (
        "not testable here (digits, this CPU, 1 seed): needs steganographic and baseline for"
        " ResNet50, ResNet101, InceptionV3, DenseNet121 and VGG16"
    )


def test_a_missing_method_is_named(run):
    without = samples.only(run, methods=("baseline", "steganographic"))
    assert "needs pruning for" in judged(of.pruning_saves_nothing, without).words
    assert (
        "needs pruning and lowrank for" in judged(of.steganographic_least_per_epoch, without).words
    )
    bare = samples.recorded(run, "vgg16", "steganographic", zeroed_bits=None)
    assert "needs all figures for VGG16" in judged(of.idle_bits, bare).words


def test_the_search_and_mixed_precision_stand_beside_a_saving(run):
    text = judged(of.steganographic_halves_energy, run).findings[0].text
    assert " with its search" in text
    assert "mixed precision alone 0.70" in text
    without = samples.only(run, methods=("baseline", "steganographic"))
    assert "alone" not in judged(of.steganographic_halves_energy, without).findings[0].text


def test_every_claim_of_the_module_is_judged(run):
    assert len(claims(Matrix.of(run))) == len(of.CLAIMS) == 10
    assert len({claim.text for claim in claims(Matrix.of(run))}) == 10


@pytest.mark.parametrize("seed", [7, None])
def test_trainings_of_one_seed_or_of_unknown_ones_are_no_replicates(run, seed):
    run = with_seeds(samples.relative(run, "steganographic", 0.4))
    cases = [replace(c, rounds=[replace(r, seed=seed) for r in c.rounds]) for c in run.cases]
    found = judged(of.steganographic_halves_time, replace(run, cases=cases))
    assert found.words.startswith("undecided (digits, this CPU, 1 seed)")


TRIALS, SEEDS = 200, 5
RARE = 0.05 * TRIALS + 2.5 * math.sqrt(0.05 * 0.95 * TRIALS)
CONDITIONS = Conditions(
    Matrix.of(
        Run(
            machine=samples.MACHINE,
            settings={"data": "imagenet:a", "weights": "imagenet", "device": "cuda"},
        )
    ),
    (),
)


def statements(chance, means, spread):
    """Models whose figures scatter about their means."""
    return [
        Statement(model, [[chance.gauss(mean, spread) for _ in range(SEEDS)]], 0.0, "")
        for model, mean in zip(samples.MODELS, means, strict=False)
    ]


@pytest.mark.parametrize(
    ("ratio", "often", "rare"),
    [
        (0.8, "contradicted", "reproduced"),
        (1.0, "", "contradicted"),
        (1.3, "reproduced", "contradicted"),
    ],
)
def test_no_consistent_saving_can_be_shown_false_and_is_seldom_wrong(ratio, often, rare):
    """Every model truly takes `ratio` of its baseline's energy, and chance in the epochs scatters
    a training's logarithm by .25."""
    chance, least = random.Random(f"{ratio}"), math.log(1 - of.LEAST_SAVING)
    means = [math.log(ratio)] * len(samples.MODELS)
    found = Counter(
        of_all_together("", "", statements(chance, means, 0.25), CONDITIONS, least=least).verdict
        for _ in range(TRIALS)
    )
    assert found[rare] <= RARE, found
    assert not often or found[often] > 0.9 * TRIALS, found


def test_pruning_is_judged_by_the_mean_over_models(like_paper):
    saves = judged(
        of.pruning_saves_nothing, with_seeds(samples.relative(like_paper, "pruning", 0.8))
    )
    assert saves.verdict == "contradicted"
    dearer = samples.relative(like_paper, "pruning", 0.8)
    dearer = samples.relative(dearer, "pruning", 1.1, models=("vgg16",))
    assert judged(of.pruning_saves_nothing, with_seeds(dearer)).verdict == "undecided"
    none = judged(
        of.pruning_saves_nothing, with_seeds(samples.relative(like_paper, "pruning", 1.05))
    )
    assert none.verdict == "reproduced"


def test_a_claim_about_each_of_several_models_is_seldom_wrong():
    """At the limit in one model, or in all: one in twenty is called, and never more."""
    chance = random.Random(3)
    for means, wrong in (((0.0, -9.0, -9.0), "reproduced"), ((0.0, 0.0, 0.0), "contradicted")):
        found = Counter(
            of_each("", "", statements(chance, means, 1), CONDITIONS).verdict for _ in range(TRIALS)
        )
        assert 0 < found[wrong] <= RARE, found


def test_one_figure_is_open_and_equal_ones_are_what_they_are():
    assert answered([-1.0], 0.0) == "open"
    assert answered([1.8, 1.8], 1.8) == "yes"
    assert answered([1.9, 1.9], 1.8) == "no"


def test_equal_counts_tell_nothing_at_the_limit_itself():
    """Of counts that are 17 once in five, three are 18 every other time."""
    chance = random.Random(5)
    drawn = [[-chance.choice((17, 18, 18, 18, 18)) for _ in range(3)] for _ in range(TRIALS)]
    found = Counter(answered(each, -18.0, step=1) for each in drawn)
    assert found["yes"] <= RARE, found
    assert answered([-19.0, -19.0], -18.0, step=1) == "yes"
    assert answered([-17.0, -17.0], -18.0, step=1) == "no"
