"""What a gate judges: joules of rounds, and where they come from."""

import math

import pytest

from pytest_energybench.gates.figures import Figures, provenance_word, unlike
from pytest_energybench.results.model import Case, Round

ESTIMATED = {"cpu": "estimated", "ram": "estimated"}


def test_the_figures_of_a_case_are_its_rounds_and_its_provenance():
    rounds = [
        Round(started="", duration_s=1.0, energy_j={"cpu": joules}, total_j=joules)
        for joules in (1.0, 3.0)
    ]
    case = Case(nodeid="a", name="a", rounds=rounds, total_j=2.0, provenance=dict(ESTIMATED))
    assert Figures.of(case) == Figures(2.0, (1.0, 3.0), ESTIMATED, "a")
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


def test_domains_are_compared_by_kind_whatever_their_number_or_host():
    assert unlike({"gpu:0": "measured"}, {"b/gpu:3": "measured", "b/gpu:4": "measured"}) is None
    assert unlike(ESTIMATED, dict(reversed(ESTIMATED.items()))) is None


def test_what_is_unlike_is_told_domain_by_domain():
    assert unlike({"cpu": "estimated"}, {"cpu:0": "measured", "dram:0": "measured"}) == (
        "cpu is estimated here and measured there, dram is not metered here and measured there"
    )
    assert unlike({"gpu:0": "measured", "gpu:1": "integrated"}, {"gpu:0": "measured"}) == (
        "gpu is integrated + measured here and measured there"
    )
