"""From a run to its view."""

import msgspec
import pytest
from msgspec.structs import replace

from pytest_energybench.gates.results import judged
from pytest_energybench.report.build import run_view
from pytest_energybench.report.html import render_html
from pytest_energybench.report.terminal import terminal_report
from pytest_energybench.results.model import Case, Comparison, Host, Result, Run
from tests.report.samples import MACHINE


def run_of(*cases, **changes):
    return Run(machine=MACHINE, cases=list(cases), **changes)


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
    # What differs from host to host is not known of the whole.
    hosts = [
        Host(name=f"host {n}", machine=MACHINE, settings={"carbon_intensity": n}) for n in (1, 2)
    ]
    assert "CO₂e" not in run_view(msgspec.structs.replace(given, hosts=hosts)).cost


def test_unknown_energy_is_unknown_and_a_skip_is_not_judged():
    lost = judged(Case(nodeid="a", name="a", errors=["gpu:0 was lost"]))
    skipped = judged(Case(nodeid="b", name="b", outcome="skipped"))
    view = run_view(run_of(lost, skipped))
    assert [(case.kind, case.word) for case in view.cases] == [
        ("unknown", "unknown: not measured"),
        ("unjudged", "skipped"),
    ]


def changed(estimate, reference, name, finding, interval=None):
    return Comparison(
        reference=reference,
        name=name,
        nodeid="a",
        finding=finding,
        estimate=estimate,
        interval=interval,
        judged=Result(kind="pass"),
    )


def test_each_reference_has_a_column_of_its_own_the_stored_run_first():
    provenance = {"cpu": "estimated"}
    base = Case(
        nodeid="a", name="a", group="g", baseline=True, total_j=100.0, provenance=provenance
    )
    both = Case(
        nodeid="b",
        name="b",
        group="g",
        total_j=60.0,
        provenance=provenance,
        comparisons=[
            changed(-0.4, "group", "plain", "lower"),
            changed(0.254, "stored", "main", "more", (0.23, 0.28)),
        ],
    )
    view = run_view(run_of(base, both))
    assert list(view.versus.items()) == [("stored", "vs main"), ("group", "vs plain")]
    assert view.cases[0].changes == {}
    found = view.cases[1].changes
    assert (found["group"].value, found["group"].finding) == (-0.4, "lower")
    assert (found["stored"].value, found["stored"].finding) == (0.254, "more")
    assert found["group"].time_ratio


@pytest.mark.parametrize("kinds", [("fail", "pass"), ("pass", "fail"), ("fail", None)])
def test_of_two_rules_on_one_reference_the_one_that_decides_takes_the_column(kinds):
    """An assertion that fails, one with a larger margin, and what nobody asked for."""
    rules = [
        replace(
            changed(0.2, "group", "plain", "more" if kind == "fail" else "same"),
            judged=Result(kind=kind, reason="more than plain" * (kind == "fail")) if kind else None,
        )
        for kind in kinds
    ]
    case = judged(Case(nodeid="b", name="b", total_j=60.0, comparisons=rules))
    (shown,) = run_view(run_of(case)).cases
    assert shown.word == "fail: more than plain"
    assert shown.changes["group"].finding == "more"


def test_references_of_several_names_share_a_column():
    cases = [
        Case(nodeid=name, name=name, comparisons=[changed(0.1, "group", name, "higher")])
        for name in "xy"
    ]
    assert run_view(run_of(*cases)).versus == {"group": "vs reference"}


@pytest.mark.parametrize(
    ("result", "kind", "word"),
    [
        (Result(kind="fail", reason="more than main"), "fail", "fail: more than main"),
        (Result(kind="pass"), "pass", "pass"),
        (Result(kind="xfail", reason="over budget"), "xfail", "xfail: over budget"),
        (Result(kind="pass", reason="not judged"), "unjudged", "not judged"),
        (Result(kind="fail", reason="not judged"), "fail", "fail"),
        (
            Result(kind="dubious", reason="of a later version"),
            "fail",
            "dubious: of a later version",
        ),
        (None, "unjudged", "not judged"),
    ],
)
def test_a_result_is_shown_with_its_reason(result, kind, word):
    (case,) = run_view(run_of(Case(nodeid="a", name="a", result=result))).cases
    assert (case.kind, case.word) == (kind, word)


def test_an_accuracy_difference_is_told_in_points():
    comparison = Comparison(
        reference="budget",
        quantity="accuracy",
        finding="kept",
        limit=0.97,
        estimate=-0.004,
        interval=(-0.02, 0.01),
        judged=Result(kind="pass"),
    )
    case = Case(nodeid="a", name="a", metrics={"accuracy": 0.966}, comparisons=[comparison])
    (shown,) = run_view(run_of(case)).cases
    (found,) = shown.comparisons
    shown_bounds = "−2.00 to +1.00 points"
    assert (found.estimate, found.limit, found.interval) == ("−0.40 points", "0.970", shown_bounds)
    assert shown.accuracy_finding == "kept"


def test_a_limit_of_a_quantity_that_is_new_here_is_a_plain_number():
    power = Comparison(reference="budget", quantity="power", finding="dim", limit=100.0)
    (found,) = (
        run_view(run_of(Case(nodeid="a", name="a", comparisons=[power]))).cases[0].comparisons
    )
    assert (found.limit, found.finding, found.paint) == ("100", "dim", "unclear")


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


def test_page_and_detailed_terminal_name_the_versions_of_libraries(ci):
    machine = replace(ci.machine, python="CPython 3.11.9", libraries={"torch": "2.9", "numpy": "2"})
    run = replace(ci, machine=machine)
    page, shown = render_html(run_view(run)), terminal_report(run_view(run), verbosity=1)
    assert "<dt>Libraries installed</dt><dd>torch 2.9, numpy 2</dd>" in page
    assert "CPython 3.11.9; installed: torch 2.9, numpy 2\n" in shown
    assert "installed" not in terminal_report(run_view(run))
    hosts = [Host(name="host 1", machine=machine), Host(name="host 2", machine=machine)]
    assert render_html(run_view(replace(run, hosts=hosts))).count("torch 2.9, numpy 2") == 2
