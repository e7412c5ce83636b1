"""Energy against accuracy."""

from hypothesis import given
from hypothesis import strategies as st

from pytest_energybench.report.build import run_view
from pytest_energybench.report.charts.plane import MOST_POINTS, pareto, planes
from pytest_energybench.results.model import Case, Run
from tests.report.samples import MACHINE


def run_of(pairs):
    cases = [
        Case(nodeid=f"c{i}", name=f"c{i}", total_j=energy, metrics={"accuracy": accuracy})
        for i, (energy, accuracy) in enumerate(pairs)
    ]
    return run_view(Run(machine=MACHINE, cases=cases)).cases


@given(st.lists(st.tuples(st.floats(1, 100), st.floats(0, 1)), min_size=1, max_size=40))
def test_the_front_is_exactly_what_nothing_beats(pairs):
    entries = [(None, energy, accuracy) for energy, accuracy in pairs]
    front = {entry[1:] for entry in pareto(entries)}
    unbeaten = {
        (e, a)
        for e, a in pairs
        if not any((x <= e and y >= a) and (x, y) != (e, a) for x, y in pairs)
    }
    assert front == unbeaten


def test_up_is_better_and_left_is_cheaper():
    plane = planes(run_of([(10.0, 0.9), (20.0, 0.95), (30.0, 0.8)]))[0]
    cheap, best, beaten = plane.points
    assert cheap.x < best.x < beaten.x
    assert best.y < cheap.y < beaten.y
    assert [point.case.label for point in plane.front] == ["c0", "c1"]
    assert beaten.rank is None
    assert plane.finding == (
        "2 of 3 cases are not beaten by another with less energy and higher accuracy: c0 and c1."
    )


def test_changes_are_drawn_where_groups_have_baselines(paper):
    absolute, relative = planes(run_view(paper).cases)
    assert len(absolute.points) == 36
    assert len(relative.points) == 27
    assert relative.time_ratio
    shapes = {point.case.source.params["method"]: point.shape for point in absolute.points}
    assert {p.case.source.params["method"]: p.shape for p in relative.points}.items() <= (
        shapes.items()
    )


def test_no_plane_without_accuracies(ci):
    assert planes(run_view(ci).cases) == ()


def test_a_crowd_keeps_its_front():
    pairs = [(1000.0 + i, 0.5) for i in range(MOST_POINTS * 2)] + [(1.0, 0.99)]
    plane = planes(run_of(pairs))[0]
    assert len(plane.points) <= MOST_POINTS
    assert plane.left_out == len(pairs) - len(plane.points)
    assert [point.case.label for point in plane.front] == [f"c{MOST_POINTS * 2}"]
