"""Joules per functional unit: what limits and comparisons do with counts, and without them."""

import msgspec
import pytest

from pytest_energybench.base.flags import INSIDE_CALL
from pytest_energybench.gates.budgets import BudgetsError, judge_budgets, parse_budgets
from pytest_energybench.gates.comparisons import judge_energy, judge_group
from pytest_energybench.gates.judge import judge_run
from pytest_energybench.gates.parse import EnergyLimit, QuantityError, parse_energy_limit
from pytest_energybench.gates.stored import compare_stored
from pytest_energybench.results.model import Window
from tests.results.samples import make_case, make_run


def counted(case, *counts, unit="token"):
    rounds = [
        msgspec.structs.replace(each, units={} if count is None else {unit: count})
        for each, count in zip(case.rounds, counts, strict=True)
    ]
    return msgspec.structs.replace(case, rounds=rounds)


def window(name, round, total_j, **fields):
    return Window(
        name=name,
        started="",
        duration_s=2.0,
        energy_j={},
        total_j=total_j,
        provenance={"cpu": "measured"},
        round=round,
        **fields,
    )


def with_windows(case, *windows):
    return msgspec.structs.replace(case, windows=list(windows))


def test_a_limit_may_be_per_unit_and_nothing_is_guessed():
    assert parse_energy_limit("0.4 J/token") == EnergyLimit(0.4, "token")
    assert parse_energy_limit(" 2 Wh / 1k-images".replace("1k", "k")) == (7200.0, "k-images")
    assert parse_energy_limit("40 Wh") == parse_energy_limit(144_000) == (144_000.0, "")
    for text, part in (
        ("0.4 J/", "is no functional unit"),
        ("0.4 J/1000 tokens", "one word"),
        ("0.4 J/s", "is power"),
        ("0.4 j/token", "did you mean 0.4 J?"),
        ("0.4 J per token", "did you mean 0.4 J/token?"),
        ("0.4/token", "no unit"),
    ):
        with pytest.raises(QuantityError, match=part.replace("?", r"\?")):
            parse_energy_limit(text)


def test_a_budget_per_unit_judges_the_median_of_the_rounds_ratios():
    case = counted(make_case("a", 100.0, 300.0, 400.0), 50, 100, 400)  # 2, 3 and 1 J/token
    made = judge_energy(case, EnergyLimit(2.0, "token"))
    assert (made.judged.kind, made.unit, made.limit, made.n) == ("pass", "token", 2.0, 3)
    assert "2.00 J/token" in made.judged.text
    over = judge_energy(case, EnergyLimit(1.5, "token"))
    assert over.judged.reason == "over budget"
    assert "energy 2.00 J/token (estimated) is above the budget of 1.50 J/token" in over.judged.text


@pytest.mark.parametrize(
    ("counts", "why"),
    [
        ((None, None), "no token was counted: no energy.per(...) names it"),
        ((5, None), "no token was counted in 1 of 2 rounds"),
        ((5, 0), "the count of token is 0 in 1 of 2 rounds"),
    ],
)
def test_counts_that_are_0_or_missing_are_not_judged_and_fail(counts, why):
    case = counted(make_case("a", 10.0, 10.0), *counts)
    made = judge_energy(case, EnergyLimit(1e9, "token"))
    assert (made.judged.kind, made.judged.reason, made.finding) == ("fail", "not judged", "unclear")
    assert why in made.judged.text
    plain = counted(make_case("b", 10.0, 10.0), 5, 5)
    if any(count is not None for count in counts):
        against = judge_group(case, plain, margin=1e9, interleaved=True)
        assert (against.judged.kind, against.judged.reason) == ("fail", "not judged")
        run, stored = make_run(case), make_run(msgspec.structs.replace(plain, nodeid=case.nodeid))
        judged, _ = compare_stored(run, stored, name="main", margin=9.0)
        assert judged.cases[0].result.reason == "not judged"
        assert judged.cases[0].result.kind == "fail"


def test_more_work_is_no_regression_and_more_joules_for_the_same_work_is_one():
    before = counted(make_case("a", 100.0, 101.0, 100.5), 100, 100, 100)
    more_work = counted(make_case("a", 200.0, 202.0, 201.0), 200, 200, 200)
    worse = counted(make_case("a", 100.0, 101.0, 100.5), 50, 50, 50)
    for case, finding, kind in ((more_work, "same", "pass"), (worse, "more", "fail")):
        judged, _ = compare_stored(make_run(case), make_run(before), name="main", margin=0.03)
        (made,) = judged.cases[0].comparisons
        assert (made.finding, made.judged.kind, made.unit) == (finding, kind, "token")
        assert made.reference_j == [1.0, 1.01, 1.005]
        assert "J/token" in made.judged.text
        again = judge_run(judged).cases[0].comparisons[0]
        assert again == made


def test_a_floor_is_one_of_whole_joules():
    before = counted(make_case("a", 100.0), 100)
    after = counted(make_case("a", 208.0), 200)  # 4 % more per token: 4 J of the stored 100 J
    for floor_j, kind in ((5.0, "pass"), (3.0, "fail")):
        budgets = parse_budgets(f'[budget."*"]\nfloor = "{floor_j} J"')
        judged, _ = compare_stored(
            make_run(after), make_run(before), name="main", margin=0.03, budgets=budgets
        )
        assert judged.cases[0].result.kind == kind


def test_cases_that_count_different_things_are_not_comparable():
    tokens = counted(make_case("a", 10.0), 5)
    images = counted(make_case("b", 10.0), 5, unit="image")
    for reference in (images, make_case("b", 10.0)):
        for ours, theirs in ((tokens, reference), (reference, tokens)):
            made = judge_group(ours, theirs, margin=9.0, interleaved=False)
            assert (made.judged.kind, made.judged.reason) == ("fail", "not comparable")
    allowed = judge_group(tokens, images, margin=9.0, interleaved=False, allow_mismatch=True)
    assert (allowed.judged.kind, allowed.unit) == ("pass", "")


WINDOWS = """
[budget."*"]
max_energy = "1 MJ"

[budget."*".window.decode]
max_energy = "0.4 J/token"
max_duration = "3 s"
"""


def judged_windows(case):
    limits = parse_budgets(WINDOWS, "b.toml").limits(case.nodeid)
    whole, *found = judge_budgets(case, limits)
    assert (whole.window, whole.judged.kind) == ("", "pass")
    return found


def test_windows_have_budgets_by_their_name():
    case = counted(make_case("a", 100.0, 100.0), 100, 100)
    decode = [window("decode", number, 15.0) for number in (0, 0, 1, 1)]
    energy, duration = judged_windows(with_windows(case, window("prefill", 0, 70.0), *decode))
    assert (energy.window, energy.unit, energy.judged.kind) == ("decode", "token", "pass")
    assert "energy of 'decode' 300 mJ/token (measured)" in energy.judged.text
    assert (duration.window, duration.quantity, duration.judged.kind) == (
        "decode",
        "duration",
        "fail",
    )
    more = [window("decode", number, 50.0) for number in (0, 1)]
    assert judged_windows(with_windows(case, *more))[0].judged.reason == "over budget"


@pytest.mark.parametrize(
    ("windows", "why"),
    [
        ([window("prefill", 0, 1.0)], "no window 'decode' (it has 'prefill')"),
        ([window("decode", 0, 1.0)], "in 1 of 2 rounds"),
        ([window("decode", 0, 1.0), window("decode", 1, None)], "not known"),
        (
            [window("decode", 0, 1.0), window("decode", 1, 1.0, flags=[INSIDE_CALL])],
            "measured call",
        ),
    ],
)
def test_windows_without_a_figure_of_their_own_are_not_measured(windows, why):
    case = with_windows(counted(make_case("a", 9.0, 9.0), 1e6, 1e6), *windows)
    energy = judged_windows(case)[0]
    assert (energy.judged.kind, energy.judged.reason) == ("fail", "not measured")
    assert why in energy.judged.text


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ('[budget."a".window.x]\nmin_accuracy = 1', ['[budget."a".window."x"]', "max_energy"]),
        ('[budget."a".window.x]\n', ["states no limit"]),
        ('[budget."a".window]\nmax_energy = "4 J"', ["is no table"]),
        (
            '[budget."a".window.""]\nmax_energy = "4 J"',
            ['[budget."a".window.""]', "without a name"],
        ),
        ('[budget."a"]\nwindow = 4', ["tables by their names"]),
        ('[budget."a"]\nmax_energy = "4 J/s"', ["is power"]),
        ('[budget."a"]\nfloor = "4 J/token"', ["floor"]),
    ],
)
def test_budgets_of_windows_that_mean_nothing_are_refused(content, parts):
    with pytest.raises(BudgetsError) as refusal:
        parse_budgets(content, "b.toml")
    for part in parts:
        assert part in str(refusal.value)


def test_of_several_tables_the_last_that_states_a_windows_limit_counts():
    later = '[budget."t.py::*".window.decode]\nmax_energy = "1 J"'
    budgets = parse_budgets(f"{WINDOWS}\n{later}", "b.toml")
    limits = budgets.limits("t.py::a").windows["decode"]
    assert (limits.max_energy, limits.max_duration) == ((1.0, ""), 3.0)
    assert limits.sources["max_energy"] == "b.toml, t.py::*"
    assert budgets.has_limits("t.py::a")
