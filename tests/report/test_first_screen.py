"""What a page says before anything is unfolded."""

import re

import msgspec
import pytest

from pytest_energybench.gates.comparisons import judge_budget
from pytest_energybench.gates.results import judged
from pytest_energybench.report.attachments import Headline, Table
from pytest_energybench.report.build import run_view
from pytest_energybench.report.html import render_html
from pytest_energybench.report.markdown import render_markdown
from pytest_energybench.results.model import Case, Result, Round, Run, Window
from tests.report import samples
from tests.report.outline import Outline, outline
from tests.report.samples import MACHINE


def test_the_title_is_short_and_says_the_result(ci, paper):
    assert "<title>Failed: energy report</title>" in render_html(run_view(ci))
    assert "<title>Passed: energy report</title>" in render_html(run_view(samples.passing_run()))
    assert "<title>energy report</title>" in render_html(run_view(paper), [Headline("Found.")])


def first_screen(page):
    """What is read before anything is unfolded."""
    end = page.index('<details class="part"')
    return " ".join("".join(outline_of(page[page.index("<body>") : end])).split())


def outline_of(part):
    parser = Outline()
    parser.feed(part)
    return parser.text


def test_a_failing_page_answers_what_how_much_against_what_and_how_sure(ci):
    said = first_screen(render_html(run_view(ci)))
    for answer in (
        "FAILED 1 case uses more than main, 1 could not be measured, 1 undecided",
        "faster-webp 0123456 against main (fedcba9, 2026-02-27)",
        "same machine · margin 5 % · 5 rounds",
        "measured: cpu:0 by rapl, gpu:0 by nvml",
        "fail: more than main 40.8 J → 45.7 J +12.0 %",
        "+10.2 to +13.8 %; 5 rounds; +5 % allowed; 1.12 times as much as main",
        "gpu:0 was lost at 12:03:11",
        "Lines: change and its bounds, logarithmic",
        "the most that is allowed",
        "about 77 rounds of both runs would tell",
        "⚑ another process used gpu:0",
        "Less than main: test_thumbnail −31.0 %, test_encode[webp] −22.0 %",
        "New, not in main: test_query 4.2 mJ",
        "In main, no longer metered: tests/test_codec.py::test_encode[gif]",
    ):
        assert answer in said


def test_a_passing_page_names_the_case_nearest_to_its_limit():
    said = first_screen(render_html(run_view(samples.passing_run())))
    assert "PASSED 5 of 6 cases, 1 not judged" in said
    assert (
        "Nearest to its energy limit: test_encode[png], +1.0 % (−0.8 to +2.8 %) against main,"
        " 5 % allowed"
    ) in said


@pytest.mark.parametrize(
    ("finding", "heading"),
    [
        ("more", "More than main, which does not fail this run:"),
        ("higher", "Higher than main, 1 round:"),
    ],
)
def test_an_increase_that_was_let_pass_stands_where_the_reader_looks_first(ci, finding, heading):
    case = next(each for each in ci.cases if each.name == "test_thumbnail")
    (made,) = case.comparisons
    rule = msgspec.structs.replace(
        made,
        finding=finding,
        estimate=0.6,
        interval=(0.5, 0.7) if finding == "more" else None,
        judged=Result(kind="pass", reason="more than main"),
    )
    let_pass = judged(msgspec.structs.replace(case, comparisons=[rule]))
    view = run_view(msgspec.structs.replace(ci, cases=[let_pass]))
    assert f"{heading} test_thumbnail +60.0 %" in first_screen(render_html(view))
    rows = render_markdown(view).partition("<details>")[0]
    assert f"▲ {finding}".replace("▲ higher", "△ higher") + " | more than main | `test_thum" in rows


@pytest.mark.parametrize("rounds", [1, 5])
def test_a_budget_is_told_without_the_rounds_that_a_comparison_needs(rounds):
    budget = judge_budget(50.0, 100.0, n=rounds)
    made = [Round(started="", duration_s=1.0, energy_j={}, total_j=50.0)] * rounds
    case = judged(Case(nodeid="f.py::t", name="t", rounds=made, comparisons=[budget]))
    page = render_html(run_view(Run(machine=MACHINE, cases=[case])))
    assert "rest on 1 round" not in page
    charts = page.partition('id="baseline"')[2].partition("</details>")[0]
    assert "95 % bounds" not in charts
    assert "lower and higher: the median against the limit, without bounds" in charts
    assert re.findall(r'class="v (\w+)"', charts.partition("<table>")[0]) == [
        *("lower", "same", "higher", "unclear")
    ]


def test_what_fails_beside_the_cases_fails_the_page():
    run = msgspec.structs.replace(samples.passing_run(), failures=["test_x: missing from main"])
    said = first_screen(render_html(run_view(run)))
    assert "FAILED 1 fault of the run beside its cases" in said
    assert "test_x: missing from main" in said


def test_many_faults_beside_the_cases_are_counted_and_lead_to_no_case():
    failures = [f"t.py::t{number}: missing from main" for number in range(30)]
    run = msgspec.structs.replace(samples.passing_run(), failures=failures)
    page = render_html(run_view(run))
    assert "20 more of the run beside its cases" in first_screen(page)
    assert "“fail: ”" not in page


def test_the_nearest_of_a_window_names_the_window():
    budget = judge_budget(90.0, 100.0, window="decode")
    case = judged(Case(nodeid="f.py::t", name="t", comparisons=[budget]))
    said = first_screen(render_html(run_view(Run(machine=MACHINE, cases=[case]))))
    assert "t, −10.0 % against its budget of window 'decode'" in said


def test_an_experiment_opens_with_its_finding_and_not_with_a_gate(paper, tmp_path):
    for stem in ("figure_4_x", "figure_5_y"):
        (tmp_path / f"{stem}.svg").write_bytes(b"<svg xmlns='http://www.w3.org/2000/svg'/>")
    page = render_html(
        run_view(paper),
        [
            Headline("It took less.", ["On digits."], figure="figure_4_x", table="Claims"),
            *sorted(tmp_path.iterdir()),
            Table("Claims", ["claim"], [["it takes less"]], prose=True),
        ],
    )
    said = first_screen(page)
    assert "It took less. On digits." in said
    assert "PASSED" not in said
    assert "it takes less" in said
    assert page.count("<img") == 2
    outline(page)


def test_an_expected_failure_is_grey_says_why_and_counts_with_what_passes(paper):
    case = next(each for each in paper.cases if each.outcome == "xfailed")
    told = msgspec.structs.replace(case, expected="paper, Section 3.3")
    cases = [told if each is case else each for each in paper.cases]
    page = render_html(run_view(msgspec.structs.replace(paper, cases=cases)))
    assert "expected: more than baseline, paper, Section 3.3" in page
    assert '<span class="v xfail">' in page
    said = first_screen(page)
    assert "27 of 36 cases, 8 of them expected failures" in said
    assert re.search(
        r"Nearest to its energy limit of those that pass: \S+, −3\.2 % est\. against base", said
    )
    assert "xfail</span>" not in page


def test_a_reference_named_xfail_keeps_its_name():
    result = Result(kind="fail", reason="more than xfail")
    case = Case(nodeid="f.py::t", name="t", result=result)
    assert "fail: more than xfail" in render_html(run_view(Run(machine=MACHINE, cases=[case])))


def test_the_rounds_of_the_reference_are_drawn_beneath(ci):
    page = render_html(run_view(ci))
    assert page.count('class="dot was"') == 5 * 7
    assert "beneath, hollow, main: 5 rounds from" in page


def test_each_rule_that_failed_is_drawn_at_its_own_change():
    """Two budgets of one case; a third is of a window, and no line is drawn of that."""
    rules = [
        judge_budget(200.0, 100.0),
        judge_budget(0.5, 0.4, unit="token"),
        judge_budget(30.0, 10.0, window="decode"),
    ]
    case = judged(Case(nodeid="f.py::t", name="t", outcome="failed", comparisons=rules))
    page = render_html(run_view(Run(machine=MACHINE, cases=[case])))
    looks = page.partition('<ul class="looks">')[2].partition("</ul>")[0]
    drawn = [re.findall(r"<title>(.*?):", entry) for entry in looks.split("<li>")[1:]]
    assert drawn == [[], ["+100.0 %"], ["+25.0 %"]]
    assert "Lines: change, logarithmic" in page
    assert "the most that is allowed" not in page, "no line of the legend's is drawn"


def lost_case():
    """A domain was lost in its only window, and what it has of another is no total."""
    lost = "dram:0: lost 1.000 s into the window"
    window = Window(
        name="load",
        started="",
        duration_s=2.0,
        energy_j={"cpu:0": 20.0},
        total_j=None,
        provenance={"cpu:0": "measured"},
        errors=[lost],
    )
    return judged(
        Case(
            nodeid="f.py::t",
            name="t",
            energy_j={"cpu:0": 20.0},
            provenance={"cpu:0": "measured"},
            windows=[window],
            rounds=[Round(started="", duration_s=2.0, energy_j={"cpu:0": 20.0}, total_j=None)],
            errors=[lost],
        )
    )


def test_a_page_says_nothing_of_a_total_that_is_not_known_and_names_what_was_flagged():
    page = render_html(run_view(Run(machine=MACHINE, cases=[lost_case()])))
    assert "1 case flagged" in page
    assert "no round was flagged" not in page
    assert "Energy by domain: the total is not known" in page
    assert "100 %" not in page.partition("Energy by domain")[2].partition("</figure>")[0]
