"""What a gate judges: joules of rounds, and where they come from."""

import math

import pytest

from pytest_energybench.gates.energy import judge_change
from pytest_energybench.gates.figures import Figures, known_as, provenance_word, unlike
from pytest_energybench.results.model import NOT_COMPARABLE, Case, Round

ESTIMATED = {"cpu": "estimated", "ram": "estimated"}


def test_the_figures_of_a_case_are_its_rounds_and_its_provenance():
    rounds = [
        Round(started="", duration_s=1.0, energy_j={"cpu": joules}, total_j=joules)
        for joules in (1.0, 3.0)
    ]
    case = Case(nodeid="a", name="a", rounds=rounds, total_j=2.0, provenance=dict(ESTIMATED))
    assert Figures.of(case) == Figures(2.0, (1.0, 3.0), ESTIMATED, "a", ([], []))
    assert Figures(2.0).samples == (2.0,)


@pytest.mark.parametrize("joules", [None, math.nan, math.inf, -1.0])
def test_one_round_that_is_not_known_leaves_no_sample(joules):
    assert Figures(1.0, (1.0, joules)).samples == ()
    assert Figures(joules).samples == ()


def test_a_mixed_total_says_all_it_is_made_of_the_surest_first():
    assert provenance_word(ESTIMATED) == "estimated"
    mixed = {"ram": "estimated", "cpu:0": "measured", "gpu:0": "integrated"}
    assert provenance_word(mixed) == "measured + integrated + estimated"
    assert provenance_word({}) == "provenance unknown"


def test_domains_are_compared_by_kind_whatever_they_are_numbered_or_on_which_host():
    assert unlike({"gpu:0": "measured"}, {"b/gpu:3": "measured"}) is None
    two_hosts = {f"{host}/{name}": "measured" for host in "ab" for name in ("gpu:0", "cpu:0")}
    one_host = {f"{name}:{n}": "measured" for n in (0, 1) for name in ("gpu", "cpu")}
    assert unlike(two_hosts, one_host) is None
    assert unlike(ESTIMATED, dict(reversed(ESTIMATED.items()))) is None


def test_what_is_unlike_is_told_domain_by_domain():
    assert unlike({"cpu": "estimated"}, {"cpu:0": "measured", "dram:0": "measured"}) == (
        "cpu is estimated here and measured there, dram is not metered here and measured there"
    )
    assert unlike({"gpu:0": "measured", "gpu:1": "integrated"}, {"gpu:0": "measured"}) == (
        "gpu is integrated + measured here and measured there"
    )


def test_a_device_less_is_told_and_not_compared():
    one, two = ({f"gpu:{n}": "measured" for n in range(count)} for count in (1, 2))
    assert unlike(one, two) == "gpu is measured here and 2 x measured there"
    assert unlike({**two, "cpu": "estimated"}, {**one, "cpu": "estimated"}) == (
        "gpu is 2 x measured here and measured there"
    )
    for ours, theirs in ((one, two), (two, one)):
        sides = (Figures(5.0, (5.0,), ours), Figures(9.0, (9.0,), theirs))
        found = judge_change(*sides, name="plain")
        assert (found.finding, found.judged.reason) == ("unclear", NOT_COMPARABLE)


@pytest.mark.parametrize(
    ("reference", "case", "name"),
    [
        ({"method": "plain"}, {"method": "pruned"}, "plain"),
        ({"model": "m", "method": "plain"}, {"model": "m", "method": "pruned"}, "plain"),
        ({"a": 1, "b": "x"}, {"a": 2, "b": "y"}, "x"),
        ({"a": 1, "b": 2}, {"a": 2, "b": 3}, "1-2"),
        ({}, {}, "test_plain"),
        ({"method": "plain"}, {}, "test_plain"),
    ],
)
def test_a_reference_is_called_by_what_sets_it_apart(reference, case, name):
    base = Case(nodeid="t::test_plain", name="test_plain", params=reference)
    assert known_as(base, Case(nodeid="t::test_x", name="test_x", params=case)) == name
