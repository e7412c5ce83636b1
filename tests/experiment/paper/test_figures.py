"""What the figures hold, as matplotlib has it before it draws."""

import dataclasses
import math
from functools import cache

import pytest
from msgspec.structs import replace

from pytest_energybench.experiment.paper import figures
from pytest_energybench.experiment.paper.matrix import Matrix
from pytest_energybench.experiment.paper.reference import reference
from pytest_energybench.experiment.paper.trials import energy_j
from tests.experiment.paper import samples

pytest.importorskip("matplotlib")

NAMES = [model.paper_name for model in reference().models]
PAIRS = (
    figures.energy_and_accuracy,
    figures.time_and_compression,
    figures.accuracy_and_epochs,
    figures.energy_per_epoch_and_epochs,
)


@pytest.fixture(scope="module")
def drawn(matrix):
    """A figure of the whole matrix, drawn once."""
    return cache(lambda draw: draw(matrix))


@pytest.fixture(scope="module")
def part(run):
    """One model of the run: a figure of it is drawn sooner."""
    return samples.only(run, models=("convnext_base",))


def legend(drawing):
    (only,) = drawing.legends
    return [text.get_text() for text in only.get_texts()]


def heights(axes):
    """Method after method, the heights of its bars."""
    return [[bar.get_height() for bar in container] for container in axes.containers]


@pytest.mark.parametrize("draw", PAIRS)
def test_all_models_and_methods_are_in_it(drawn, draw):
    drawing = drawn(draw)
    assert [label.get_text() for label in drawing.axes[-1].get_xticklabels()] == NAMES
    assert legend(drawing) == list(samples.METHODS)


@pytest.mark.parametrize("draw", PAIRS)
def test_bars_start_at_zero_and_axes_have_units(drawn, draw):
    for axes in drawn(draw).axes:
        assert axes.get_ylabel()
        if axes.containers:
            assert axes.get_ylim()[0] == 0
            assert len(axes.containers) == 5
            assert all(len(container) == 9 for container in axes.containers)


def test_figure_1_has_the_probed_points_of_every_model(matrix, drawn):
    drawing = drawn(figures.bits_and_accuracy)
    assert [axes.get_title() for axes in drawing.axes] == NAMES
    for axes, model in zip(drawing.axes, matrix.models, strict=True):
        curve, found, paper = axes.lines
        search = matrix.cases[model, "steganographic"].search
        assert list(zip(*curve.get_data(), strict=True)) == sorted(search.curve)
        assert found.get_xdata()[0] == samples.BITS[model]
        published = {each.name: each.table6.zeroed_bits for each in reference().models}
        assert paper.get_xdata()[0] == published[model]
    assert legend(drawing) == ["probed", "capacity found", "capacity in the paper"]


def test_figure_1_marks_what_was_broken_off_at_the_most_it_can_be(matrix):
    case = matrix.cases["alexnet", "steganographic"]
    search = replace(case.search, at_most=[(28.0, 0.9), (30.0, 0.88)])
    broken_off = {**matrix.cases, ("alexnet", "steganographic"): replace(case, search=search)}
    drawing = figures.bits_and_accuracy(dataclasses.replace(matrix, cases=broken_off))
    marked = [axes for axes in drawing.axes if axes.collections]
    assert [axes.get_title() for axes in marked] == ["AlexNet"]
    (points,) = marked[0].collections
    assert points.get_offsets().tolist() == [[28.0, 0.9], [30.0, 0.88]]
    assert "broken off: at most" in legend(drawing)


def test_figure_2_shows_the_data_centre_s_watt_hours(matrix, drawn):
    upper, lower = drawn(figures.energy_and_accuracy).axes
    baseline = heights(upper)[0]
    case = matrix.cases["alexnet", "baseline"]
    assert baseline[0] == pytest.approx(1.58 * case.total_j / 3600)
    assert "(Wh)" in upper.get_ylabel()
    assert len(lower.collections) == 5


def test_figure_3_shows_time_and_compression(matrix, drawn):
    upper, lower = drawn(figures.time_and_compression).axes
    assert heights(upper)[0][0] == pytest.approx(
        matrix.cases["alexnet", "baseline"].duration_s / 60
    )
    assert "(min)" in upper.get_ylabel()
    assert heights(lower)[2][0] == pytest.approx(100 * 22 / 32)
    assert heights(lower)[0] == [0] * 9


def test_figure_4_has_a_panel_a_method_and_a_marker_a_model(matrix, drawn):
    drawing = drawn(figures.energy_against_compression)
    assert [axes.get_title() for axes in drawing.axes] == list(samples.METHODS[1:])
    assert legend(drawing) == NAMES
    for axes, method in zip(drawing.axes, samples.METHODS[1:], strict=True):
        points = [tuple(each.get_offsets()[0]) for each in axes.collections]
        assert [y for _, y in points] == pytest.approx(
            [matrix.ratio(model, method, energy_j) for model in matrix.models]
        )
        assert axes.get_ylim()[0] == 0
        assert axes.get_ylim()[1] > max(y for _, y in points)


def test_figure_6_is_energy_by_epoch(matrix, drawn):
    upper, lower = drawn(figures.energy_per_epoch_and_epochs).axes
    case = matrix.cases["vgg16", "baseline"]
    place = matrix.models.index("vgg16")
    epochs = case.metrics["epochs"]
    assert heights(lower)[0][place] == epochs
    assert heights(upper)[0][place] == pytest.approx(case.facility_j / 3600 / epochs)


@pytest.mark.parametrize("draw", [figures.energy_and_accuracy, figures.energy_per_epoch_and_epochs])
def test_an_estimate_is_named_on_its_axis(part, draw):
    estimated = draw(Matrix.of(part)).axes[0].get_ylabel()
    assert "estimated" in estimated
    assert "estimated" not in draw(Matrix.of(samples.metered(part))).axes[0].get_ylabel()


def test_an_estimated_ratio_is_named_on_its_axis(part):
    words = [
        figures.energy_against_compression(Matrix.of(each))._supylabel.get_text()
        for each in (part, samples.metered(part))
    ]
    assert ["estimated" in word for word in words] == [True, False]


def test_a_figure_that_is_not_known_leaves_a_gap(part):
    cases = [replace(part.cases[0], total_j=None, facility_j=None), *part.cases[1:]]
    upper, _ = figures.energy_and_accuracy(Matrix.of(replace(part, cases=cases))).axes
    assert math.isnan(heights(upper)[0][0])


@pytest.mark.parametrize(
    ("draw", "methods"),
    [
        (figures.bits_and_accuracy, ("baseline", "pruning")),
        (figures.energy_against_compression, ("baseline",)),
        (figures.energy_against_compression, ("pruning", "lowrank")),
    ],
)
def test_nothing_to_show_is_no_figure(run, draw, methods):
    assert draw(Matrix.of(samples.only(run, methods=methods))) is None


def test_without_energies_the_figures_of_energy_are_left_out(part):
    bare = replace(part, cases=[replace(c, total_j=None, facility_j=None) for c in part.cases])
    assert figures.energy_and_accuracy(Matrix.of(bare)) is None
    assert figures.energy_per_epoch_and_epochs(Matrix.of(bare)) is None
    assert figures.time_and_compression(Matrix.of(bare)) is not None


@pytest.mark.parametrize("draw", [figure.draw for figure in figures.PAPER_FIGURES])
def test_the_legend_fits_into_the_figure(drawn, part, draw):
    for drawing in (drawn(draw), draw(Matrix.of(part))):
        drawing.draw_without_rendering()
        (only,) = drawing.legends
        box, frame = only.get_window_extent(), drawing.bbox
        assert box.x0 >= frame.x0
        assert box.x1 <= frame.x1
