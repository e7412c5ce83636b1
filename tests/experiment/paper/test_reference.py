"""The published facts, held against themselves: each is printed in the paper more than once."""

import msgspec
import pytest

from pytest_energybench.experiment.paper.reference import Reference, reference


def test_nine_models_in_the_paper_s_order():
    assert [model.paper_name for model in reference().models] == [
        "AlexNet", "ResNet18", "ResNet34", "ResNet50", "ResNet101",
        "InceptionV3", "DenseNet121", "VGG16", "ConvNeXt-Base",
    ]  # fmt: skip


def test_the_compression_rate_is_zeroed_bits_of_32():
    for model in reference().models:
        assert model.table6.compression_rate == pytest.approx(
            model.table6.zeroed_bits / 32, abs=5e-5
        )


def test_extremes_enclose_what_lies_between():
    for model in reference().models:
        assert model.table7.layer_rate_min < model.table7.compression_rate
        assert model.table7.compression_rate < model.table7.layer_rate_max
        assert model.table8.rank_min < model.table8.rank_mean < model.table8.rank_max


def test_changes_that_the_text_states():
    """Sections 3.3 and 3.4, in points."""
    drops = {
        model.name: (
            100 * (model.table7.accuracy - model.table6.baseline_accuracy),
            100 * (model.table8.accuracy - model.table6.baseline_accuracy),
        )
        for model in reference().models
    }
    assert drops["resnet18"][1] == pytest.approx(-4.58)
    assert drops["vgg16"][0] == pytest.approx(-3.9)
    assert drops["densenet121"][0] == pytest.approx(-2.06)


def test_claims_are_about_models_of_the_paper():
    names = {model.name for model in reference().models}
    claimed = msgspec.structs.asdict(reference().claims)
    assert len(claimed["energy_halved"]) == 6
    assert len(claimed["time_halved"]) == 5
    for models in claimed.values():
        assert models
        assert names.issuperset(models)


def test_a_fact_without_a_name_is_refused():
    content = msgspec.json.decode(msgspec.json.encode(reference()))
    content["models"][0]["table7"]["rate"] = 0.5
    with pytest.raises(msgspec.ValidationError, match="rate"):
        msgspec.convert(content, Reference)
