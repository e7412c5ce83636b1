"""Rounds that something disturbed show no change, whatever their figures are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_energybench.gates.comparisons import judge_budget, judge_change
from pytest_energybench.gates.figures import Figures, disturbances
from pytest_energybench.gates.results import failure_message

BUSY = "background load: other processes used 3.2 CPU-s (1.6 of 2 cores; own: 4 CPU-s)"
ASLEEP = "the machine was suspended for 5 s: what it drew meanwhile is in no figure"
SHORT = "too short for this counter (cpu:0): 0.005 s of at least 0.02 s; it updates every 0.001 s"
MEASURED = {"cpu:0": "measured"}
ESTIMATED = {"cpu": "estimated"}


def figures(*rounds, flags=(), provenance=ESTIMATED):
    every = tuple(flags for _ in rounds)
    return Figures(rounds[0], rounds, provenance, "tests/x.py::test_y", every)


@pytest.mark.parametrize("provenance", [MEASURED, ESTIMATED])
@pytest.mark.parametrize(
    ("flag", "word"), [(BUSY, "machine busy"), (ASLEEP, "machine busy"), (SHORT, "too short")]
)
@pytest.mark.parametrize("ours", [50.0, 100.0, 150.0])
@pytest.mark.parametrize("rounds", [1, 5])
@pytest.mark.parametrize("against", ["group", "stored"])
def test_a_disturbed_round_decides_nothing_and_says_why(
    provenance, flag, word, ours, rounds, against
):
    candidate = figures(*[ours] * rounds, flags=[flag], provenance=provenance)
    reference = figures(*[100.0] * rounds, provenance=provenance)
    found = judge_change(candidate, reference, against=against, name="main")
    assert (found.finding, found.judged.kind, found.judged.reason) == ("unclear", "fail", word)
    assert f"caution: {flag}" in failure_message(found)
    turned = judge_change(reference, candidate, against=against, name="main")
    assert (turned.finding, turned.judged.reason) == ("unclear", word)
    assert turned.judged.text.endswith(" of main")


def test_the_caution_counts_the_rounds():
    rounds = [[], [BUSY], [], ["overlaps window 'x' of this process"], [BUSY]]
    (found,) = disturbances(rounds)
    assert found.caution == f"caution: {BUSY} in 2 of 5 rounds"
    assert disturbances([[], ["head replaced"]]) == []
    assert [each.word for each in disturbances([[SHORT], [BUSY]])] == ["machine busy", "too short"]


@pytest.mark.parametrize("before", ["", "host-1/"])
def test_a_flag_means_what_its_beginning_says_and_nothing_that_follows(before):
    words = [each.word for flag in (BUSY, SHORT) for each in disturbances([[before + flag]])]
    assert words == ["machine busy", "too short"]
    for note in ("it was too short for this, I think", "gpu:0: no background load", "withouts"):
        assert disturbances([[before + note]]) == []


def test_a_busy_machine_only_adds_so_a_budget_that_holds_holds():
    within = judge_budget(9.0, 10.0, flags=[[BUSY]])
    assert (within.finding, within.judged.kind) == ("lower", "pass")
    assert "caution: background load" in within.judged.text
    above = judge_budget(11.0, 10.0, flags=[[BUSY]])
    assert (above.finding, above.judged.reason) == ("unclear", "machine busy")
    assert above.judged.text.startswith("energy 11.0 J")


def test_a_short_window_on_a_busy_machine_is_both():
    near = judge_budget(9.0, 10.0, flags=[[BUSY, SHORT]]).judged
    assert (near.kind, near.reason) == ("fail", "too short")
    assert f"caution: {BUSY}; caution: {SHORT}" in near.text
    assert judge_budget(0.5, 10.0, flags=[[BUSY], [SHORT]]).judged.kind == "pass"
    assert judge_budget(11.0, 10.0, flags=[[BUSY], [SHORT]]).judged.reason == "machine busy"


@pytest.mark.parametrize(
    ("joules", "reason"), [(0.0, "too short"), (0.5, ""), (9.0, "too short"), (11.0, "too short")]
)
def test_a_window_too_short_is_within_a_budget_that_is_far_off_alone(joules, reason):
    found = judge_budget(joules, 10.0, flags=[[SHORT]])
    assert found.judged.reason == reason
    assert found.finding == ("unclear" if reason else "lower")


@given(
    st.lists(st.floats(1, 1e6), min_size=1, max_size=6),
    st.lists(st.floats(1, 1e6), min_size=1, max_size=6),
    st.sampled_from([BUSY, ASLEEP, SHORT, "throttled: gpu:0 by heat for 3 s"]),
    st.booleans(),
    st.floats(0, 2),
)
def test_no_figures_of_a_disturbed_round_make_a_change(ours, theirs, flag, swap, margin):
    sides = [figures(*ours, flags=[flag]), figures(*theirs)]
    candidate, reference = reversed(sides) if swap else sides
    found = judge_change(candidate, reference, name="main", margin=margin)
    assert (found.finding, found.judged.kind) == ("unclear", "fail")
