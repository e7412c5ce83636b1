"""The budgets file: strict to read, and which of its limits hold for a case."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_energybench.gates.budgets import BudgetsError, Limits, judge_budgets, parse_budgets
from pytest_energybench.results.model import Case
from tests.results.samples import make_case

FILE = """
[budget."*"]
margin = "5 %"
floor = "2 J"

[budget."tests/test_x.py::*"]
max_energy = "40 Wh"
max_duration = "10 min"
min_accuracy = 0.95

[budget."tests/test_x.py::test_big[a]"]
max_energy = 200
"""


def test_limits_are_read_in_joules_seconds_and_fractions():
    limits = parse_budgets(FILE).limits("tests/test_x.py::test_small")
    assert (limits.max_energy, limits.max_duration) == ((144_000.0, ""), 600.0)
    assert (limits.min_accuracy, limits.margin, limits.floor) == (0.95, pytest.approx(0.05), 2.0)


def test_each_limit_comes_from_the_last_table_that_states_it():
    limits = parse_budgets(FILE, "b.toml").limits("tests/test_x.py::test_big[a]")
    assert limits.max_energy == (200.0, "")
    assert limits.max_duration == 600.0
    assert limits.sources["max_energy"] == "b.toml, tests/test_x.py::test_big[a]"
    assert limits.sources["margin"] == "b.toml, *"


def test_brackets_are_themselves_and_a_pattern_matches_the_whole_node_id():
    budgets = parse_budgets('[budget."t.py::test[a?]"]\nmax_energy = 1')
    assert budgets.limits("t.py::test[ab]").max_energy == (1.0, "")
    for other in ("t.py::testa", "t.py::test[a]", "t.py::test[ab]x", "xt.py::test[ab]"):
        assert budgets.limits(other) == Limits()


def test_a_star_stands_for_any_text_and_many_stars_cost_no_more():
    budgets = parse_budgets(f'[budget."{"*" * 60}x"]\nmax_energy = 1')
    assert budgets.limits("a/b.py::C::test\nx").max_energy == (1.0, "")
    assert budgets.limits("a" * 5000) == Limits()


def test_tables_that_match_no_case_and_cases_without_a_limit_are_found():
    budgets = parse_budgets(FILE)
    assert budgets.unmatched_tables(["tests/test_x.py::test_a"]) == ["tests/test_x.py::test_big[a]"]
    cases = ["tests/test_x.py::test_a", "tests/test_y.py::test_b"]
    assert budgets.unmatched_cases(cases) == ["tests/test_y.py::test_b"]  # a margin limits nothing


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ('[budget."a"]\nmax_energy = "40 kwh"', ['[budget."a"]', "max_energy", "'kwh'", "Wh, kWh"]),
        ('[budget."a"]\nmax_energie = "4 J"', ['[budget."a"]', "'max_energie'", "max_energy"]),
        ('[budget."a"]\nmax_energy = nan', ['[budget."a"]', "max_energy", "finite"]),
        ('[budget."a"]\nmax_energy = -1', ["negative"]),
        ('[budget."a"]\nmax_energy = true', ["True"]),
        ('[budget."a"]\nmax_duration = "3 Wh"', ["max_duration", "ms, s, min, h"]),
        ('[budget."a"]\nmargin = "3"', ["margin", "no unit"]),
        ('[budget."a"]\nmin_accuracy = 95', ["min_accuracy", "0.95"]),
        ('[budget."a"]\nmargin = 3', ["margin", "300 %", "0.03"]),
        ('[budget."a"]\n', ["states no limit"]),
        ("budget = 3", ["tables"]),
        ("[budget]\na = 3", ['[budget."a"] is no table']),
        ("[limits]\n", ["'limits'"]),
        ('[budget."a"]\nfloor = 1\n[budget."a"]\nfloor = 2', ["line 3"]),
        ("[budget", ["end of a table declaration"]),
        (b"\xff", ["UTF-8"]),
        ("x = " + "[" * 5000, ["nested"]),
    ],
)
def test_what_means_nothing_is_refused_with_file_table_and_key(content, parts):
    with pytest.raises(BudgetsError) as refusal:
        parse_budgets(content, "ci/budgets.toml")
    message = str(refusal.value)
    assert message.startswith("ci/budgets.toml: ")
    assert len(message.splitlines()) == 1
    for part in parts:
        assert part in message


def parse_or_message(content):
    try:
        return parse_budgets(content)
    except BudgetsError as refusal:
        return str(refusal)


def assert_read_or_one_line(content):
    answer = parse_or_message(content)
    assert not isinstance(answer, str) or len(answer.splitlines()) == 1


@given(st.binary(max_size=100) | st.text(max_size=100))
def test_whatever_is_read_the_answer_is_budgets_or_one_line(content):
    assert_read_or_one_line(content)


@given(
    st.sampled_from(["max_energy", "max_duration", "min_accuracy", "margin", "floor", "x"]),
    st.text(st.characters(codec="utf-8"), max_size=20) | st.floats() | st.integers(),
)
def test_whatever_a_value_is_the_answer_is_budgets_or_one_line(key, value):
    written = f"'''{value}'''" if isinstance(value, str) else value
    assert_read_or_one_line(f'[budget."*"]\n{key} = {written}')


def test_a_perfect_accuracy_may_be_asked_for():
    for written in ("1", "1.0", '"100 %"'):
        budgets = parse_budgets(f'[budget."*"]\nmin_accuracy = {written}')
        assert budgets.limits("a").min_accuracy == 1.0


def test_a_case_is_judged_by_every_limit_stated_for_it():
    limits = parse_budgets(FILE, "b.toml").limits("tests/test_x.py::test_big[a]")
    case = make_case("test_big[a]", 250.0, metrics={"accuracy": 0.96, "correct": 96, "total": 100})
    energy, duration, accuracy = judge_budgets(case, limits)
    assert (energy.quantity, energy.limit, energy.finding) == ("energy", 200.0, "higher")
    assert "(b.toml, tests/test_x.py::test_big[a])" in energy.judged.text
    assert (duration.quantity, duration.judged.kind) == ("duration", "pass")
    assert (accuracy.quantity, accuracy.finding) == ("accuracy", "kept")


def test_a_case_that_recorded_no_accuracy_does_not_pass_a_minimum():
    (judged,) = judge_budgets(make_case("test_a", 1.0), Limits(min_accuracy=0.5))
    assert (judged.judged.kind, judged.judged.reason) == ("fail", "not measured")


def test_nothing_is_judged_where_no_maximum_is_stated():
    assert judge_budgets(make_case("test_a", 1.0), Limits(margin=0.1, floor=2.0)) == []


def test_a_duration_that_is_not_known_holds_no_budget():
    case = Case(nodeid="a", name="a", errors=["cpu:0: lost"])
    (made,) = judge_budgets(case, Limits(max_duration=1.0))
    assert made.judged is not None
    assert made.judged.reason == "not measured"
