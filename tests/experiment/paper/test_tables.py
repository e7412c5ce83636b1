"""Tables 2, 6, 7 and 8: every published number, ours beside it, the difference."""

import csv
import io

import pytest

from pytest_energybench.experiment.paper.matrix import Matrix
from pytest_energybench.experiment.paper.reference import reference
from pytest_energybench.experiment.paper.tables import csv_text, paper_tables
from tests.experiment.paper import samples

PUBLISHED = {
    2: ("table2", {"depth": "depth", "parameters_m_paper": "parameters_m"}),
    6: (
        "table6",
        {
            "zeroed_bits_paper": "zeroed_bits",
            "compression_rate_paper": "compression_rate",
            "baseline_accuracy_paper": "baseline_accuracy",
            "accuracy_paper": "accuracy",
        },
    ),
    7: (
        "table7",
        {
            "layer_rate_min_paper": "layer_rate_min",
            "layer_rate_max_paper": "layer_rate_max",
            "compression_rate_paper": "compression_rate",
            "accuracy_paper": "accuracy",
        },
    ),
    8: (
        "table8",
        {
            "rank_min_paper": "rank_min",
            "rank_max_paper": "rank_max",
            "rank_mean_paper": "rank_mean",
            "compression_rate_paper": "compression_rate",
            "accuracy_paper": "accuracy",
        },
    ),
}


def rows(matrix, number):
    """The CSV file of a table, as a reader gets it."""
    table = next(t for t in paper_tables(matrix) if t.title.startswith(f"Table {number}:"))
    return {row["model"]: row for row in csv.DictReader(io.StringIO(csv_text(table)))}


@pytest.mark.parametrize("number", PUBLISHED)
def test_every_published_number_is_there_as_printed(matrix, number):
    attribute, columns = PUBLISHED[number]
    found = rows(matrix, number)
    assert len(found) == 9
    for model in reference().models:
        published = getattr(model, attribute)
        assert set(columns.values()) >= {
            name
            for name in published.__struct_fields__
            if name not in ("type", "torchvision_parameters")
        }
        for column, name in columns.items():
            assert float(found[model.paper_name][column]) == getattr(published, name)


@pytest.mark.parametrize("number", PUBLISHED)
def test_a_difference_is_ours_less_the_paper_s(matrix, number):
    for row in rows(matrix, number).values():
        for column in row:
            if column.endswith("_difference"):
                stem = column.removesuffix("_difference")
                ours, paper = float(row[f"{stem}_ours"]), float(row[f"{stem}_paper"])
                assert float(row[column]) == pytest.approx(ours - paper, abs=1.01e-4)


def test_ours_comes_from_the_method_s_case(run):
    run = samples.recorded(run, "vgg16", "pruning", accuracy=0.9012, layer_rate_min=0.0321)
    run = samples.recorded(run, "vgg16", "lowrank", rank_mean=77.125, model_rate=0.1234)
    run = samples.recorded(run, "vgg16", "baseline", accuracy=0.9112, parameters=134_301_514)
    matrix = Matrix.of(run)
    assert rows(matrix, 2)["VGG16"]["parameters_m_ours"] == "134.3"
    assert rows(matrix, 6)["VGG16"]["baseline_accuracy_ours"] == "0.9112"
    assert rows(matrix, 7)["VGG16"]["layer_rate_min_ours"] == "0.0321"
    assert rows(matrix, 7)["VGG16"]["accuracy_change_ours"] == "-0.0100"
    assert rows(matrix, 8)["VGG16"]["rank_mean_ours"] == "77.12"
    assert rows(matrix, 8)["VGG16"]["model_rate_ours"] == "0.1234"


def test_table_8_names_both_searches_and_the_set_of_layers(run):
    note = next(t.note for t in paper_tables(Matrix.of(run)) if t.title.startswith("Table 8"))
    assert (
        "The paper searches layer by layer; this run's search is joint, its set of layers wide"
        in note
    )
    bare = samples.recorded(run, "vgg16", "lowrank", lowrank_layers="paper")
    note = next(t.note for t in paper_tables(Matrix.of(bare)) if t.title.startswith("Table 8"))
    assert "its set of layers paper and wide" in note


def test_a_part_of_the_matrix_keeps_all_rows(run):
    matrix = Matrix.of(samples.only(run, models=("resnet18",), methods=("baseline",)))
    found = rows(matrix, 8)
    assert len(found) == 9
    assert found["ResNet18"]["rank_min_paper"] == "40"
    assert found["ResNet18"]["rank_min_ours"] == ""
    assert found["ResNet18"]["rank_min_difference"] == ""
    assert rows(matrix, 6)["ResNet18"]["baseline_accuracy_ours"]
