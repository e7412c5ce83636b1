"""A whole run judged again."""

from pytest_energybench.gates.accuracy import Score, judge_accuracy
from pytest_energybench.gates.budgets import parse_budgets
from pytest_energybench.gates.energy import judge_baseline, judge_budget, judge_duration
from pytest_energybench.gates.figures import Figures
from pytest_energybench.gates.judge import judge_run
from pytest_energybench.results.model import Comparison, Verdict
from tests.results.samples import make_case, make_run

PLAIN = make_case("test_m[plain]", 10.0, group="g", baseline=True, metrics={"accuracy": 0.98})


def pruned(*joules, **fields):
    """A case that was compared with the baseline when that took 10 J."""
    case = make_case("test_m[pruned]", *joules, group="g", metrics={"accuracy": 0.975}, **fields)
    energy = judge_baseline(Figures.of(case), Figures.of(PLAIN), margin=0.1)
    accuracy = judge_accuracy(Score(0.975), Score(0.98), 0.01, nodeid=PLAIN.nodeid)
    return make_case(
        "test_m[pruned]", *joules, group="g", metrics=case.metrics, comparisons=[energy, accuracy]
    )


def test_the_same_figures_give_the_same_verdicts():
    case = pruned(10.5)
    again = judge_run(make_run(PLAIN, case)).cases[1]
    assert again.comparisons == case.comparisons


def test_a_comparison_is_made_again_with_its_own_margin_on_new_figures():
    heavier = make_case("test_m[plain]", 9.0, group="g", baseline=True, metrics={"accuracy": 0.99})
    energy, accuracy = judge_run(make_run(heavier, pruned(10.5))).cases[1].comparisons
    assert (energy.verdict.kind, energy.margin) == ("regressed", 0.1)
    assert energy.limit == 9.9
    assert accuracy.verdict.kind == "regressed"
    assert (
        judge_run(make_run(heavier, pruned(9.8))).cases[1].comparisons[0].verdict.kind == "within"
    )


def test_the_method_stays_the_one_it_was_judged_by():
    plain = make_case("test_m[plain]", 10.0, 11.0, group="g", baseline=True)
    case = make_case("test_m[pruned]", 8.0, 9.0, group="g")
    for interleaved, method in ((True, "paired"), (False, "welch")):
        made = judge_baseline(Figures.of(case), Figures.of(plain), interleaved=interleaved)
        run = make_run(plain, make_case("test_m[pruned]", 8.0, 9.0, comparisons=[made]))
        assert judge_run(run).cases[1].comparisons[0].verdict.method == method


def test_what_was_judged_inside_a_test_or_against_a_stored_run_stays():
    kept = [
        Comparison(
            origin="stored", nodeid=PLAIN.nodeid, verdict=Verdict(kind="improved", reason="")
        ),
        Comparison(origin="baseline", verdict=Verdict(kind="within", reason="A/B in the test")),
        Comparison(origin="baseline", nodeid="gone", verdict=Verdict(kind="within", reason="")),
        judge_budget(10.0, 20.0),
    ]
    case = make_case("test_a", 10.0, comparisons=kept)
    assert judge_run(make_run(PLAIN, case)).cases[1].comparisons == kept


def test_a_comparison_of_a_case_with_itself_stays():
    verdict = Verdict(kind="within", reason="A/B in the test")
    own = [
        Comparison(
            origin="baseline", nodeid="tests/test_x.py::test_m[pruned]", margin=0.0, verdict=verdict
        )
    ]
    alone = make_case("test_m[pruned]", 10.5, group="g", comparisons=own)
    assert judge_run(make_run(alone)).cases[0].comparisons == own


def test_a_budget_from_elsewhere_and_comparisons_of_another_kind_stay_beside_the_files():
    budgets = parse_budgets('[budget."*"]\nmax_energy = "5 J"')
    kept = [
        judge_budget(10.0, 7.0),
        judge_duration(1.0, 5.0),
        Comparison(origin="baseline", limit=5.0, verdict=Verdict(kind="within", reason="")),
    ]
    case = judge_run(make_run(make_case("test_a", 10.0, comparisons=kept)), budgets=budgets)
    assert case.cases[0].comparisons[:-1] == kept
    assert case.cases[0].comparisons[-1].limit == 5.0


def test_budgets_are_added_once():
    budgets = parse_budgets('[budget."*test_a"]\nmax_energy = "5 J"')
    run = make_run(make_case("test_a", 10.0), make_case("test_b", 10.0))
    once = judge_run(run, budgets=budgets)
    assert once.cases[0].verdict.kind == "regressed"
    assert once.cases[1].verdict is None
    assert judge_run(once, budgets=budgets) == once


def test_the_verdict_is_the_worst_and_a_lost_domain_is_an_error():
    budgets = parse_budgets('[budget."*"]\nmax_energy = "50 J"\nmax_duration = "1 ms"')
    case = judge_run(make_run(make_case("test_a", 10.0)), budgets=budgets).cases[0]
    assert case.verdict.kind == "regressed"
    lost = make_case("test_a", 10.0, errors=["gpu:0 was lost"])
    assert judge_run(make_run(lost), budgets=budgets).cases[0].verdict.kind == "error"
