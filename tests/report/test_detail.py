"""What a row unfolds to."""

import math

import msgspec
import pytest

from pytest_energybench.report.build import run_view
from pytest_energybench.report.detail import case_detail
from pytest_energybench.results.model import Case, Comparison, Round, Run, Search, Series, Window
from tests.report.samples import MACHINE


def detail(**changes):
    case = Case(**{"nodeid": "t", "name": "t", "total_j": 10.0, **changes})
    return case_detail(run_view(Run(machine=MACHINE, cases=[case])).cases[0])


def search(**changes):
    base = Search(
        parameter="zeroed bits",
        found=20,
        curve=[(24, 0.6), (16, 0.98), (20, 0.97)],
        evaluations=5,
        images=3600,
        duration_s=14.0,
        total_j=500.0,
        reference_evaluations=21,
        pays_after=1.4,
    )
    return detail(search=msgspec.structs.replace(base, **changes)).searches[-1]


def test_rounds_lie_between_lowest_and_highest():
    totals = [10.0, 12.0, 11.0]
    rounds = [Round(started="", duration_s=1, energy_j={}, total_j=t) for t in totals]
    shown = detail(rounds=rounds).rounds
    assert shown.dots[0] < shown.dots[2] < shown.dots[1]
    assert shown.median == shown.dots[2]
    assert shown.finding == "3 rounds from 10.0 J to 12.0 J, standard deviation 9.1 %"


def test_one_round_is_no_distribution():
    assert detail(rounds=[Round(started="", duration_s=1, energy_j={}, total_j=1.0)]).rounds is None


def test_no_domain_has_a_share_of_a_total_that_nobody_knows():
    (part,) = detail(total_j=None, energy_j={"cpu:0": 5.0}).domains
    assert (part.joules, part.share_text) == ("5.00 J", "")


def test_domains_stack_up_to_the_whole():
    parts = detail(
        energy_j={"cpu:0": 2.0, "host/gpu:0": 6.0, "fpga": 2.0},
        provenance={"cpu:0": "measured", "host/gpu:0": "measured"},
    ).domains
    assert [(part.start, part.share) for part in parts] == [(0, 20), (20, 60), (80, 20)]
    assert [part.kind for part in parts] == ["cpu", "gpu", "other"]
    assert sum(part.share for part in parts) == 100


def test_a_combination_shows_every_search_and_the_cost_of_all_once():
    first = Search(
        parameter="channels", found=7, curve=[], evaluations=6, images=2154, duration_s=9.0
    )
    last = Search(
        parameter="zeroed bits",
        found=20,
        curve=[],
        evaluations=5,
        images=1795,
        duration_s=14.0,
        total_j=500.0,
        earlier=[first],
    )
    shown = detail(search=last).searches
    assert [each.found for each in shown] == ["channels 7", "zeroed bits 20"]
    assert shown[0].cost == "6 evaluations, 2,154 images, 9.00 s"
    assert shown[0].pays is None
    assert shown[1].cost == "5 evaluations, 1,795 images, 14.0 s; all searches 500 J"


def test_a_search_says_what_it_cost_and_when_it_has_paid():
    shown = search()
    assert shown.found == "zeroed bits 20"
    assert shown.cost == (
        "5 evaluations, 3,600 images, 14.0 s, 500 J. The paper's scan: 21 evaluations, at this rate"
        " 15,120 images, 58.8 s, 2.10 kJ"
    )
    assert shown.pays == "pays after 2 trainings (1.4)"
    assert shown.curve.line == "0,0 50,2.6 100,100"
    assert shown.curve.found == 50


def test_levels_that_were_broken_off_are_named_and_not_drawn():
    shown = search(at_most=[(28, 0.96), (26, 0.95)])
    assert shown.curve.line == "0,0 50,2.6 100,100"
    assert shown.curve.finding == (
        "3 levels of zeroed bits probed; 20 is the furthest that holds. "
        "Broken off, as too much was lost, and not drawn: 26, 28."
    )
    assert "at this rate at least 15,120 images" in shown.cost


@pytest.mark.parametrize(
    ("after", "text"),
    [
        (0.4, "pays after 1 training (0.4)"),
        (None, "doesn't pay: training saved nothing against the reference"),
        (math.inf, "doesn't pay: training saved nothing against the reference"),
    ],
)
def test_a_search_that_pays_at_once_or_never(after, text):
    assert search(pays_after=after).pays == text.replace("(0.4)", "(0.40)")


def test_whether_a_search_pays_is_not_shown_where_the_saving_is_unclear():
    def pays(finding):
        energy = Comparison(
            reference="group", name="plain", nodeid="p", quantity="energy", finding=finding
        )
        found = Search(parameter="n", found=1, curve=[], evaluations=1, images=1, total_j=5.0)
        return detail(search=found, comparisons=[energy]).searches[-1].pays

    assert pays("unclear") == "whether it pays isn't shown: what training saves is unclear"
    assert pays("more") == "doesn't pay: training saved nothing against the reference"


def test_power_is_drawn_from_zero_and_a_loss_is_not():
    power = Series(name="power", x="s", unit="W", points=[(0.0, 50.0), (1.0, 100.0)])
    loss = Series(name="loss", x="epoch", points=[(1.0, 50.0), (2.0, 100.0)])
    drawn = detail(series=[power, loss]).curves
    assert drawn[0].line == "0,50 100,0"
    assert drawn[1].line == "0,100 100,0"
    assert drawn[0].finding == "power: mean 75.0 W, highest 100 W."
    assert (drawn[0].y_low, drawn[0].x_high, drawn[1].x_high) == ("0 W", "1 s", "2")


def test_a_peak_survives_the_thinning_of_a_long_series():
    points = [(float(i), 1000.0 if i == 5_003 else 10.0) for i in range(10_000)]
    curve = detail(series=[Series(name="power", x="s", unit="W", points=points)]).curves[0]
    assert len(curve.line.split()) <= 122
    assert ",0" in {f",{pair.partition(',')[2]}" for pair in curve.line.split()}


def test_a_series_that_is_not_a_number_is_left_out():
    assert detail(series=[Series(name="p", x="s", points=[(0.0, math.nan)] * 3)]).curves == ()


def test_windows_say_where_their_joules_are():
    def window(name, place):
        return Window(
            name=name,
            started="",
            duration_s=2.0,
            energy_j={},
            total_j=5.0,
            provenance={},
            place=place,
            flags=["throttled"],
        )

    shown = detail(
        windows=[window("train", "counted"), window("train", "counted"), window("s", "beside")],
        flags=["throttled", "background load"],
    )
    assert shown.windows == (
        ("train", "10.0 J, 4.00 s in 2 windows"),
        ("s", "5.00 J, 2.00 s, kept outside the case's energy"),
    )
    assert shown.flags == ("throttled", "background load")
