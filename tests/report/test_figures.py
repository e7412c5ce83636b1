"""What a case's joules rest on."""

import math

import pytest

from pytest_energybench.report import figures
from pytest_energybench.results.model import Case, MeterInfo, Round, Run, Search, Window
from tests.report.samples import MACHINE


def case(**changes):
    return Case(**{"nodeid": "t.py::t", "name": "t", **changes})


def rounds(*totals, iterations=1):
    return [
        Round(started="", duration_s=1.0, energy_j={}, total_j=total, iterations=iterations)
        for total in totals
    ]


def meter(domain, **changes):
    return MeterInfo(domain=domain, source="s", provenance="measured", **changes)


def test_errors_of_domains_add_up_and_join_the_spread_in_quadrature():
    one = case(energy_j={"a": 100.0, "b": 50.0}, rounds=rounds(140.0, 150.0, 160.0))
    meters = {"a": meter("a", error=0.1), "b": meter("b", error=0.2, resolution=3.0)}
    expected = math.sqrt((10 + 10) ** 2 + 3**2 + 10**2)
    assert figures.uncertainty_j(one, meters) == pytest.approx(expected)


def test_nothing_known_about_the_uncertainty_is_none():
    assert figures.uncertainty_j(case(energy_j={"a": 1.0}), {}) is None


def test_measuring_costs_every_iteration_of_every_round_and_the_searches():
    searched = Search(parameter="n", found=1, curve=[], evaluations=1, images=1, total_j=7.0)
    run = Run(
        machine=MACHINE,
        cases=[
            case(total_j=10.0, rounds=rounds(10.0, 12.0, iterations=5), search=searched),
            case(total_j=3.0),
            case(total_j=None),
            case(total_j=None, outcome="skipped"),
        ],
    )
    spent = figures.spent(run)
    assert spent.total_j == pytest.approx(5 * 22 + 3 + 7)
    assert spent.searches_j == 7.0
    assert spent.unknown == 1


def test_windows_beside_the_case_count_where_no_search_is_reported():
    beside = Window(
        name="search",
        started="",
        duration_s=1,
        energy_j={},
        total_j=4.0,
        provenance={},
        place="beside",
    )
    spent = figures.spent(Run(machine=MACHINE, cases=[case(total_j=1.0, windows=[beside])]))
    assert (spent.total_j, spent.searches_j) == (5.0, 4.0)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ({"cpu": "estimated"}, {"cpu": "estimated", "ram": "estimated"}, True),
        ({"host 1/cpu": "estimated"}, {"cpu": "estimated"}, True),
        ({"gpu:0": "estimated"}, {"gpu:0": "estimated"}, False),
        ({"cpu": "estimated"}, {"cpu:0": "measured"}, False),
        ({"cpu:0": "measured", "ram": "estimated"}, {"ram": "estimated"}, False),
        ({}, {}, False),
    ],
)
def test_only_two_estimates_by_time_make_a_time_ratio(one, other, expected):
    assert figures.is_time_ratio(case(provenance=one), case(provenance=other)) is expected


def test_an_estimates_idle_share_is_told_unless_it_is_subtracted_already():
    cpu = meter("cpu", idle_w=2.0)
    one = case(energy_j={"cpu": 50.0, "ram": 5.0}, duration_s=4.0)
    meters = [cpu, meter("ram", idle_w=1.0)]
    assert figures.idle_share_j(one, "cpu", meters) == 8.0
    assert figures.idle_share_j(one, "ram", meters) is None
    assert figures.idle_share_j(one, "cpu", [meter("cpu")]) is None
    net = case(energy_j={"cpu": 42.0}, idle_j={"cpu": 8.0}, duration_s=4.0)
    assert figures.idle_share_j(net, "cpu", meters) is None
    exact = {"cpu": meter("cpu", error=0.5)}
    assert figures.uncertainty_j(net, exact) == pytest.approx(25.0)  # the whole's, not the rest's


def test_memorys_share_is_told_where_memory_is_estimated():
    known = {"total_j": 4.0, "provenance": {"ram": "estimated"}}
    assert figures.memory_share([case(energy_j={"cpu": 3.0, "ram": 1.0}, **known)]) == 0.25
    assert figures.memory_share([case(energy_j={"cpu": 3.0, "dram:0": 1.0}, **known)]) is None
    assert figures.memory_share([]) is None


def test_memory_has_no_share_of_what_is_not_known():
    """A processor that was lost leaves memory as all that is there."""
    provenance = {"cpu": "estimated", "ram": "estimated"}
    known = case(total_j=4.0, energy_j={"cpu": 3.0, "ram": 1.0}, provenance=provenance)
    lost = case(energy_j={"ram": 9.0}, provenance=provenance)
    assert figures.memory_share([known, lost]) == 0.25
    assert figures.memory_share([lost]) is None
