"""What the figures hold, as matplotlib has it before it draws."""

from functools import cache

import pytest
from msgspec.structs import replace

from pytest_energybench.experiment.paper import figures
from pytest_energybench.experiment.paper.canvas import WIDTHS_MM, method_name
from pytest_energybench.experiment.paper.figures import PAPER, SEARCHED
from pytest_energybench.experiment.paper.matrix import Matrix
from pytest_energybench.experiment.paper.reference import reference
from pytest_energybench.experiment.paper.trials import energy_j, epochs, with_search
from tests.experiment.paper import samples

pytest.importorskip("matplotlib")

WIDE, NARROW = WIDTHS_MM
NAMES = [model.paper_name for model in reference().models]
METHODS = [method_name(method) for method in samples.METHODS[1:]]
PAIRS = (
    figures.energy_and_accuracy,
    figures.time_and_compression,
    figures.accuracy_and_epochs,
    figures.energy_per_epoch_and_epochs,
)


@pytest.fixture(scope="module")
def drawn(matrix):
    """A figure of the whole matrix, drawn once."""
    return cache(lambda draw: draw(matrix, WIDE))


@pytest.fixture(scope="module")
def part(run):
    """One model of the run: a figure of it is drawn sooner."""
    return samples.only(run, models=("convnext_base",))


def legend(drawing):
    (only,) = drawing.legends
    return [text.get_text() for text in only.get_texts()]


def plotted(axes, *, hollow=False):
    """Marker by marker, the points of a panel."""
    return [
        list(zip(*line.get_data(), strict=True))
        for line in axes.lines
        if line.get_linestyle() == "None"
        and line.get_marker() not in "|_"
        and (line.get_markerfacecolor() == "none") == hollow
        and len(line.get_xdata())
    ]


def foot(drawing):
    return drawing.texts[-1].get_text().replace("\n", " ")


@pytest.mark.parametrize("draw", PAIRS)
def test_a_model_is_a_row_and_a_method_a_marker(drawn, draw):
    drawing = drawn(draw)
    assert [label.get_text() for label in drawing.axes[0].get_yticklabels()] == NAMES
    assert [name for name in METHODS if name not in legend(drawing)] == []
    for axes in drawing.axes:
        assert axes.get_xlabel()
        assert all(len(points) == 9 for points in plotted(axes))


@pytest.mark.parametrize("draw", [figure.draw for figure in figures.PAPER_FIGURES])
def test_a_figure_is_as_wide_as_a_page_s_column_and_its_print_fits(drawn, part, draw):
    for drawing, width in ((drawn(draw), WIDE), (draw(Matrix.of(part), NARROW), NARROW)):
        assert drawing.get_figwidth() * 25.4 == pytest.approx(width)
        (only,) = drawing.legends
        frame = drawing.bbox
        lowest = min(axes.get_tightbbox().y0 for axes in drawing.axes)
        for printed in (only, *drawing.texts):
            box = printed.get_window_extent()
            assert frame.x0 <= box.x0
            assert box.x1 <= frame.x1
        assert drawing.texts[-1].get_window_extent().y1 <= lowest
        assert foot(drawing).endswith(
            "Run: digits, Intel Xeon Platinum 8488C, 1 seed; energy from cpu-time (estimated) and"
            " ram-size (estimated). One seed has no bounds."
        )


def test_figure_1_has_the_probed_points_of_every_model(matrix, drawn):
    drawing = drawn(figures.bits_and_accuracy)
    assert [axes.get_title() for axes in drawing.axes] == NAMES
    for axes, model in zip(drawing.axes, matrix.models, strict=True):
        search = matrix.cases[model, "steganographic"].search
        assert plotted(axes) == [sorted(search.curve)]
        found, paper = axes.lines[-2:]
        assert found.get_xdata()[0] == samples.BITS[model]
        published = {each.name: each.table6.zeroed_bits for each in reference().models}
        assert paper.get_xdata()[0] == published[model]


def test_figure_1_marks_what_was_broken_off_at_the_most_it_can_be(part):
    search = next(c.search for c in part.cases if c.params["method"] == "steganographic")
    cases = [
        replace(c, search=replace(search, at_most=[(28.0, 0.9), (30.0, 0.88)]))
        if c.params["method"] == "steganographic"
        else c
        for c in part.cases
    ]
    drawing = figures.bits_and_accuracy(Matrix.of(replace(part, cases=cases)), WIDE)
    assert plotted(drawing.axes[0], hollow=True) == [[(28.0, 0.9), (30.0, 0.88)]]
    assert "broken off: at most" in legend(drawing)


def test_figure_2_shows_ratios_with_the_search_beside_and_the_paper_s_points_hollow(matrix, drawn):
    left, right = drawn(figures.energy_and_accuracy).axes
    assert left.get_xscale() == "log"
    ours = [x for points in plotted(left) for x, _ in points]
    assert ours == pytest.approx(
        [matrix.ratio(model, m, energy_j) for m in matrix.methods[1:] for model in matrix.models]
    )
    ends = [x for line in left.lines if line.get_marker() == "|" for x in line.get_xdata()]
    assert ends == pytest.approx(
        [
            matrix.ratio(model, method, with_search(energy_j))
            for method in ("steganographic", "pruning", "lowrank")
            for model in matrix.models
        ]
    )
    hollow = plotted(right, hollow=True)
    vgg16 = reference().models[matrix.models.index("vgg16")]
    change = vgg16.table7.accuracy - vgg16.table6.baseline_accuracy
    assert len(hollow) == 3
    assert hollow[1][matrix.models.index("vgg16")][0] == pytest.approx(100 * change)
    assert legend(drawn(figures.energy_and_accuracy))[-2:] == [SEARCHED, PAPER]


def test_figures_3_and_4_have_stored_bytes_over_the_baseline_s(matrix, drawn):
    _, right = drawn(figures.time_and_compression).axes
    assert [points[0][0] for points in plotted(right)] == pytest.approx([0, 50, 50, 0, 20])
    drawing = drawn(figures.energy_against_compression)
    assert [axes.get_title() for axes in drawing.axes] == METHODS
    assert legend(drawing) == NAMES
    for axes, method in zip(drawing.axes, samples.METHODS[1:], strict=True):
        assert [points[0][1] for points in plotted(axes)] == pytest.approx(
            [matrix.ratio(model, method, energy_j) for model in matrix.models]
        )
        assert len(plotted(axes, hollow=True)) == (0 if method == "amp" else 9)


def test_figure_6_parts_the_ratio_of_figure_2_into_two(matrix, drawn):
    each, counted = drawn(figures.energy_per_epoch_and_epochs).axes
    place, method = matrix.models.index("vgg16"), samples.METHODS.index("pruning") - 1
    factors = [plotted(axes)[method][place][0] for axes in (each, counted)]
    assert factors[1] == pytest.approx(matrix.ratio("vgg16", "pruning", epochs))
    assert factors[0] * factors[1] == pytest.approx(matrix.ratio("vgg16", "pruning", energy_j))


def test_several_seeds_have_bars(part):
    many = samples.seeded(part, 3, energy=lambda _, method, seed: 1 + seed * len(method) / 100)
    drawing = figures.energy_and_accuracy(Matrix.of(many), NARROW)
    ranges = [line.get_segments() for line in drawing.axes[0].collections]
    bounds = Matrix.of(many).relative("convnext_base", "pruning", energy_j).bounds
    drawn_bars = [tuple(segment[:, 0]) for segments in ranges for segment in segments]
    assert any(found == pytest.approx(bounds) for found in drawn_bars)
    assert "Bars: one-sided 95 % t bounds over seeds" in foot(drawing)


def test_an_estimate_is_named_as_a_time_ratio_on_its_axis(part):
    for draw in (figures.energy_and_accuracy, figures.energy_per_epoch_and_epochs):
        estimated = draw(Matrix.of(part), WIDE).axes[0].get_xlabel()
        assert estimated.startswith("energy (estimated: a time ratio)")
    measured = figures.energy_and_accuracy(Matrix.of(samples.metered(part)), WIDE)
    assert measured.axes[0].get_xlabel() == "energy, over the baseline's"


@pytest.mark.parametrize(
    ("draw", "methods"),
    [
        (figures.bits_and_accuracy, ("baseline", "pruning")),
        (figures.energy_against_compression, ("baseline",)),
        (figures.energy_and_accuracy, ("pruning", "lowrank")),
    ],
)
def test_nothing_to_show_is_no_figure(part, draw, methods):
    assert draw(Matrix.of(samples.only(part, methods=methods)), WIDE) is None


def test_without_energies_the_figures_of_energy_are_left_out(part):
    bare = replace(part, cases=[replace(c, total_j=None, facility_j=None) for c in part.cases])
    assert figures.energy_and_accuracy(Matrix.of(bare), WIDE) is None
    assert figures.energy_per_epoch_and_epochs(Matrix.of(bare), WIDE) is None
    assert figures.time_and_compression(Matrix.of(bare), WIDE) is not None
