"""Verdicts follow the figures."""

import pytest
from msgspec.structs import replace

from pytest_energybench.experiment.paper import claims as of
from pytest_energybench.experiment.paper.claims import claims
from pytest_energybench.experiment.paper.reference import reference
from tests.experiment.paper import samples

SAVES = (
    (of.steganographic_halves_energy, 0.499, 0.5, "convnext_base"),
    (of.steganographic_halves_time, 0.6, 0.601, "vgg16"),
    (of.steganographic_least_per_epoch, 0.3, 1.5, "resnet18"),
)


@pytest.fixture
def metered(run):
    return samples.metered(run)


@pytest.mark.parametrize(("claim", "holds", "fails", "model"), SAVES)
def test_a_saving_must_be_there_on_every_model(metered, claim, holds, fails, model):
    good = samples.relative(metered, "steganographic", holds)
    assert claim(good).words == "reproduced"
    bad = claim(samples.relative(good, "steganographic", fails, models=(model,)))
    assert bad.words == "refuted"
    name = reference().paper_name(model)
    assert [finding.model for finding in bad.findings if not finding.holds] == [name]


def test_models_that_a_claim_is_not_about_do_not_matter(metered):
    good = samples.relative(metered, "steganographic", 0.4)
    spoilt = samples.relative(good, "steganographic", 2.0, models=("alexnet", "resnet18"))
    assert of.steganographic_halves_energy(spoilt).verdict == "reproduced"


@pytest.mark.parametrize(("claim", "holds", "fails", "model"), SAVES)
def test_estimated_energy_is_judged_on_time_and_says_so(run, claim, holds, fails, model):
    expected = (
        "{}"
        if claim is of.steganographic_halves_time
        else ("time {}; energy not testable on this meter")
    )
    good = samples.relative(run, "steganographic", holds)
    assert claim(good).words == expected.format("reproduced")
    bad = samples.relative(good, "steganographic", fails, models=(model,))
    assert claim(bad).words == expected.format("refuted")


@pytest.mark.parametrize(
    "claim", [*(row[0] for row in SAVES), of.alexnet_not_least_per_epoch], ids=lambda c: c.__name__
)
def test_a_device_without_a_narrow_type_tells_nothing_of_what_it_saves(metered, claim):
    run = samples.relative(metered, "steganographic", 1.3)
    for model in samples.MODELS:
        run = samples.recorded(run, model, "steganographic", number_type="float32")
    told = claim(run)
    assert told.words == (
        "not testable here: the device was found to compute in no 16-bit type:"
        " the models trained in float32"
    )
    assert told.findings
    for model in samples.MODELS:  # with so few bits zeroed it is not the device's fault
        run = samples.recorded(run, model, "steganographic", zeroed_bits=15)
    assert not claim(run).lacks
    assert claim(run).verdict != "not testable here"
    assert of.pruning_saves_nothing(run).verdict == "reproduced"


def test_where_energy_is_estimated_only_time_counts(run):
    run = samples.relative(run, "steganographic", 0.4)
    odd = replace(run, cases=[replace(case, total_j=1.0) for case in run.cases])
    assert of.steganographic_halves_energy(odd).verdict == "reproduced"
    assert of.steganographic_halves_energy(samples.metered(odd)).verdict == "refuted"


def test_the_exception_of_alexnet(metered):
    cheap = samples.relative(metered, "steganographic", 0.2, models=("alexnet",))
    assert of.alexnet_not_least_per_epoch(cheap).verdict == "refuted"
    dear = samples.relative(metered, "steganographic", 2.0, models=("alexnet",))
    assert of.alexnet_not_least_per_epoch(dear).verdict == "reproduced"


@pytest.mark.parametrize(
    ("claim", "method"),
    [(of.pruning_saves_nothing, "pruning"), (of.lowrank_saves_nothing, "lowrank")],
)
def test_one_model_without_a_saving_is_enough_to_call_it_inconsistent(metered, claim, method):
    saves = samples.relative(metered, method, 0.9)
    assert claim(saves).verdict == "refuted"
    assert claim(samples.relative(saves, method, 1.0, models=("vgg16",))).verdict == "reproduced"


@pytest.mark.parametrize(
    ("claim", "method", "model", "paper"),
    [
        (of.pruning_drops, "pruning", "vgg16", "−3.9"),
        (of.lowrank_drops, "lowrank", "resnet18", "−4.6"),
    ],
)
def test_a_significant_drop_is_more_than_a_point(run, claim, method, model, paper):
    run = samples.recorded(run, model, "baseline", accuracy=0.95)
    at_limit = claim(samples.recorded(run, model, method, accuracy=0.94))
    assert at_limit.verdict == "refuted"
    beyond = claim(samples.recorded(run, model, method, accuracy=0.938))
    assert beyond.verdict == "reproduced"
    assert beyond.findings[0].text == f"−1.2 points (paper {paper})"


def test_steganographic_accuracy(run):
    run = samples.recorded(run, "vgg16", "baseline", accuracy=0.95)
    held = samples.recorded(run, "vgg16", "steganographic", accuracy=0.94)
    assert of.steganographic_keeps_accuracy(held).verdict == "reproduced"
    lost = samples.recorded(run, "vgg16", "steganographic", accuracy=0.938)
    assert of.steganographic_keeps_accuracy(lost).verdict == "refuted"


def test_idle_bits(run):
    assert of.idle_bits(run).verdict == "reproduced"
    few = samples.recorded(run, "vgg16", "steganographic", zeroed_bits=17)
    assert of.idle_bits(few).verdict == "refuted"


def test_a_part_of_the_matrix_gives_figures_but_no_verdict(run):
    part = samples.only(run, models=("convnext_base",))
    for claim in claims(part):
        assert claim.verdict == "not testable here"
    energy = of.steganographic_halves_energy(part)
    assert [finding.model for finding in energy.findings] == ["ConvNeXt-Base"]
    assert energy.words == (
        "not testable here: needs steganographic and baseline for"
        " ResNet50, ResNet101, InceptionV3, DenseNet121 and VGG16"
    )


def test_a_missing_method_is_named(run):
    without = samples.only(run, methods=("baseline", "steganographic"))
    assert "needs pruning for" in of.pruning_saves_nothing(without).words
    assert "needs pruning and lowrank for" in of.steganographic_least_per_epoch(without).words
    bare = samples.recorded(run, "vgg16", "steganographic", zeroed_bits=None)
    assert of.idle_bits(bare).words == "not testable here: needs all figures for VGG16"


def test_mixed_precision_stands_beside_a_saving(run):
    assert "mixed precision alone 0.70" in of.steganographic_halves_energy(run).findings[0].text
    without = samples.only(run, methods=("baseline", "steganographic"))
    assert "alone" not in of.steganographic_halves_energy(without).findings[0].text


def test_every_claim_of_the_module_is_judged(run):
    assert len(claims(run)) == len(of.CLAIMS) == 10
    assert len({claim.text for claim in claims(run)}) == 10
