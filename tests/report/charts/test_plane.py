"""Energy against accuracy."""

from hypothesis import given
from hypothesis import strategies as st

from pytest_energybench.gates.accuracy import Score, judge_accuracy_floor
from pytest_energybench.gates.judge import with_changes
from pytest_energybench.report.build import run_view
from pytest_energybench.report.charts.plane import MOST_POINTS, pareto, planes
from pytest_energybench.results.model import Case, Comparison, Run
from tests.report.samples import MACHINE


def run_of(pairs, group="g"):
    cases = [
        Case(
            nodeid=f"c{i}",
            name=f"c{i}",
            group=group,
            total_j=energy,
            metrics={"accuracy": accuracy},
        )
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
        "3 of 3 cases have both figures. 2 are not beaten in both energy and accuracy: c0 and c1."
    )


def test_changes_are_drawn_where_groups_have_a_reference(paper):
    absolute, relative = planes(run_view(paper).cases)
    assert len(absolute.points) == 36
    assert len(relative.points) == 27
    assert relative.time_ratio
    shapes = {point.case.source.params["method"]: point.shape for point in absolute.points}
    assert {p.case.source.params["method"]: p.shape for p in relative.points}.items() <= (
        shapes.items()
    )


def test_unlike_work_has_no_common_front(paper):
    absolute, relative = planes(run_view(paper).cases)
    assert absolute.front == relative.front == ()
    assert "beaten" not in absolute.finding + relative.finding
    (plane,) = planes(run_of([(10.0, 0.9), (20.0, 0.95)], group=None))
    assert plane.front == ()
    assert plane.finding == "2 of 2 cases have both figures."


def test_no_plane_without_accuracies(ci):
    assert planes(run_view(ci).cases) == ()


def test_a_crowd_keeps_its_front():
    pairs = [(1000.0 + i, 0.5) for i in range(MOST_POINTS * 2)] + [(1.0, 0.99)]
    plane = planes(run_of(pairs))[0]
    assert len(plane.points) <= MOST_POINTS
    assert plane.left_out == len(pairs) - len(plane.points)
    assert [point.case.label for point in plane.front] == [f"c{MOST_POINTS * 2}"]


def test_changes_and_findings_are_those_against_the_group_whatever_else_was_compared():
    """A stored run, another function of the test, and the least accuracy of a budgets file."""
    figures = (("plain", 120.0, 0.2), ("quantised", 60.0, 0.004), ("pruned", 90.0, 0.1))
    cases = [
        Case(
            nodeid=name,
            name=name,
            group="g",
            baseline=name == "plain",
            total_j=joules,
            provenance={"cpu:0": "measured"},
            metrics={"accuracy": 0.9},
            comparisons=[
                Comparison(reference="stored", finding="more", estimate=change),
                Comparison(reference="group", name="the other", finding="more", estimate=change),
                judge_accuracy_floor(Score(0.9), 0.8, source="energy-budgets.toml"),
            ],
        )
        for name, joules, change in figures
    ]
    run = with_changes(Run(machine=MACHINE, cases=cases))
    plane = planes(run_view(run).cases)[1]
    assert [point.text.partition(",")[0] for point in plane.points] == [
        "energy −50.0 %",
        "energy −25.0 %",
    ]
    assert plane.finding == (
        "2 of 3 cases have both changes. Energy: 2 lower. Accuracy: 2 not judged."
    )
