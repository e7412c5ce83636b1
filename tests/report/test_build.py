"""From a run to its view."""

import msgspec
import pytest

from pytest_energybench.report.build import run_view
from pytest_energybench.results.model import Case, Comparison, Run, Verdict
from tests.report.samples import MACHINE, empty_run


def run_of(*cases, **changes):
    return Run(machine=MACHINE, cases=list(cases), **changes)


def test_headline_of_a_ci_run(ci):
    assert run_view(ci).headline == (
        "Of 8 judged cases, 1 ended in error, 1 regressed, 1 inconclusive, 3 within limits "
        "and 2 improved; 1 more was not judged."
    )


def test_headline_of_nothing():
    assert run_view(empty_run()).headline == "No case was metered in this run."


def test_headline_tells_foreseen_regressions(paper):
    assert "8 regressed as expected" in run_view(paper).headline


def test_cost_names_searches_facility_and_their_kind(paper):
    cost = run_view(paper).cost
    assert cost.startswith("Measuring took ~219 kJ (~60.8 Wh)")
    assert "beside the cases" in cost
    assert "(PUE 1.58)" in cost


def test_emissions_are_an_estimate_with_their_source(ci):
    given = msgspec.structs.replace(
        ci, settings={**ci.settings, "carbon_intensity_source": "Ember 2025"}
    )
    assert "~2.9 g CO₂e estimated at 380 g/kWh, Ember 2025" in run_view(given).cost
    without = msgspec.structs.replace(ci, settings={})
    assert "CO₂e" not in run_view(without).cost


def test_looks_come_worst_first_and_leave_out_what_was_expected(ci, paper):
    assert [case.kind for case in run_view(ci).looks] == ["error", "regressed", "inconclusive"]
    assert run_view(paper).looks == ()


def test_a_failed_test_needs_a_look_whatever_its_energy_did():
    better = Verdict(kind="improved", reason="less")
    case = Case(nodeid="t", name="t", outcome="failed", total_j=1.0, verdict=better)
    assert [c.label for c in run_view(run_of(case)).looks] == ["t"]


def test_unknown_energy_is_an_error_and_a_skip_is_not():
    lost = Case(nodeid="a", name="a")
    skipped = Case(nodeid="b", name="b", outcome="skipped")
    view = run_view(run_of(lost, skipped))
    assert [(case.kind, case.word) for case in view.cases] == [
        ("error", "error"),
        ("unjudged", "skipped"),
    ]


def test_delta_comes_from_the_verdict_then_from_the_groups_baseline():
    provenance = {"cpu": "estimated"}
    base = Case(
        nodeid="a", name="a", group="g", baseline=True, total_j=100.0, provenance=provenance
    )
    plain = Case(nodeid="b", name="b", group="g", total_j=60.0, provenance=provenance)
    judged = Case(
        nodeid="c",
        name="c",
        group="g",
        total_j=60.0,
        comparisons=[
            Comparison(
                origin="baseline", nodeid="a", verdict=Verdict(kind="within", reason="", delta=0.5)
            )
        ],
    )
    view = run_view(run_of(base, plain, judged))
    assert [case.delta.value for case in view.cases] == [None, pytest.approx(-0.4), 0.5]
    assert [case.time_ratio for case in view.cases] == [False, True, False]
    assert view.cases[1].delta.text == "~−40.0 %"


def test_an_accuracy_difference_is_told_in_points():
    verdict = Verdict(kind="within", reason="", delta=-0.004, interval=(-0.02, 0.01))
    case = Case(
        nodeid="a",
        name="a",
        total_j=1.0,
        comparisons=[Comparison(origin="budget", quantity="accuracy", limit=0.97, verdict=verdict)],
        verdict=verdict,
    )
    comparison = run_view(run_of(case)).cases[0].comparisons[0]
    assert (comparison.delta, comparison.limit, comparison.interval) == ("−0.4 points", "0.970", "")


def test_keys_are_stable_and_told_apart():
    twice = Case(nodeid="a", name="a", total_j=1.0)
    first = [case.key for case in run_view(run_of(twice, twice)).cases]
    again = [case.key for case in run_view(run_of(twice)).cases]
    assert first[0] == again[0]
    assert first[1] == f"{first[0]}-2"


def test_provenance_of_a_mixture_names_the_estimated_part():
    case = Case(
        nodeid="a",
        name="a",
        total_j=100.0,
        energy_j={"gpu:0": 90.0, "ram": 10.0},
        provenance={"gpu:0": "measured", "ram": "estimated"},
    )
    shown = run_view(run_of(case)).cases[0]
    assert shown.provenance == "estimated in part (ram, 10 %)"
    assert shown.energy.text.startswith("~")


@pytest.mark.parametrize("host", [None, "build-7.example"])
def test_host_name_only_where_the_run_has_it(ci, host):
    machine = msgspec.structs.replace(ci.machine, hostname=host)
    rows = dict(run_view(msgspec.structs.replace(ci, machine=machine)).provenance)
    assert rows.get("Host") == host
    assert rows["Commit"] == "0123456789ab on faster-webp: Vectorise the filter"


def test_a_reason_about_accuracy_is_no_ratio_of_times(paper):
    energy = next(case for case in run_view(paper).cases if case.reason_is_time_ratio)
    lost = Verdict(kind="regressed", reason="accuracy 0.95 drops by more than 1 point")
    accuracy = Comparison(origin="baseline", quantity="accuracy", verdict=lost)
    worse = msgspec.structs.replace(
        energy.source, verdict=lost, comparisons=[accuracy, *energy.source.comparisons]
    )
    cases = [worse if case.nodeid == worse.nodeid else case for case in paper.cases]
    shown = run_view(msgspec.structs.replace(paper, cases=cases)).cases
    judged = next(case for case in shown if case.source is worse)
    assert judged.time_ratio
    assert not judged.reason_is_time_ratio
