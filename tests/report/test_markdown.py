"""The summary for a pull request."""

import re

import msgspec
import pytest

from pytest_energybench.gates.results import judged
from pytest_energybench.gates.stored import compare_stored
from pytest_energybench.report.build import run_view
from pytest_energybench.report.html import render_html
from pytest_energybench.report.markdown import LONGEST_COMMENT, render_markdown
from pytest_energybench.results.model import Case, Run
from pytest_energybench.results.storage import Floor
from tests.report.samples import MACHINE, empty_run
from tests.results.samples import make_case, make_run


def test_paper(paper, golden):
    golden("paper.md", render_markdown(run_view(paper)))


def test_ci(ci, golden):
    golden("ci.md", render_markdown(run_view(ci)))


def test_the_head_says_whether_the_machine_was_quiet_and_can_tell_the_margin_apart():
    case = make_case("test_a", 10.0)
    floor = Floor(
        machine=make_run().machine.fingerprint,
        meters="cpu cpu-time, ram ram-size",
        nodeid=case.nodeid,
        floor=0.075,
        pairs=5,
    )
    stored = make_run(case)
    run, _ = compare_stored(stored, stored, name="main", margin=0.03, floors=[floor])
    head = render_markdown(run_view(run)).splitlines()[0]
    page = render_html(run_view(run)).partition('<details class="part"')[0]
    for said in (head, page):
        assert "no round was flagged" in said
        assert "below this machine" in said
        assert "noise floor of 7.5 %" in said
    assert "noise floor" not in render_markdown(run_view(stored))


def test_nothing_metered():
    assert "0 cases" not in render_markdown(run_view(empty_run()))
    assert "<details>" not in render_markdown(run_view(empty_run()))


def before_the_fold(text):
    return text.partition("<details>")[0]


def test_only_what_needs_a_look_or_changed_stands_before_the_fold(ci):
    text = render_markdown(run_view(ci))
    rows = [line for line in before_the_fold(text).splitlines() if line.startswith("| ")]
    words = [row.split("|")[1].split()[-1] for row in rows[2:]]
    assert words == ["FAIL", "FAIL", "UNKNOWN", "less", "less", "new"]
    assert "test_index_build" not in before_the_fold(text)
    assert "test_index_build" in text


@pytest.fixture(scope="module")
def long(big):
    """More than fits: 1,000 cases of 2 kB after the 2,000 of `big`."""
    told = [
        judged(Case(nodeid=f"{'n' * 300}{n}", name=f"{n}{'猫' * 300}", errors=["e" * 500 + str(n)]))
        for n in range(1_000)
    ]
    return msgspec.structs.replace(big, cases=[*big.cases, *told])


@pytest.mark.parametrize("most", [10_000, LONGEST_COMMENT, 3 * LONGEST_COMMENT])
def test_it_is_never_longer_than_its_place_holds_and_says_what_is_left_out(long, most):
    text = render_markdown(run_view(long), most=most)
    assert len(text.encode()) <= most
    (left_out,) = re.findall(r"^([\d,]+) further cases left out", text, re.MULTILINE)
    shown = len([line for line in text.partition("<details>")[2].splitlines() if "`" in line])
    assert shown + int(left_out.replace(",", "")) == 3_000


def test_the_failures_of_a_session_are_told_before_the_cases(ci):
    text = render_markdown(
        run_view(
            msgspec.structs.replace(
                ci, failures=["energy-budgets.toml: budget 'x' matches no case"]
            )
        )
    )
    assert "budget 'x' matches no case" in before_the_fold(text)


@pytest.mark.parametrize(
    "name", ["a|b", "tick`tick", "``", "<img src=x>", "@everyone", "line\nbreak", "[x](http://y)"]
)
def test_a_name_is_only_ever_code_in_its_own_cell(name):
    run = Run(machine=MACHINE, cases=[judged(Case(nodeid=name, name=name, errors=[name]))])
    lines = render_markdown(run_view(run)).splitlines()
    row = next(line for line in lines if line.startswith("| `"))
    assert len(re.findall(r"(?<!\\)\|", row)) == 5
    reason = next(line for line in lines if line.startswith("| ? UNKNOWN |"))
    assert len(re.findall(r"(?<!\\)\|", reason)) == 5
    outside = re.sub(r"(`+).*?\1(?!`)", "", reason, count=1)
    assert "<" not in outside.replace("\\<", "")
    assert not re.search("@\\w", outside)
    assert not re.search(r"(?<!\\)[\[`]", outside)


def test_several_cases_of_one_reason_are_each_named_whole():
    names = [f"test_a_rather_long_name_of_a_test[{letter * 30}|`]" for letter in "abcde"]
    cases = [judged(Case(nodeid=f"f.py::{n}", name=n, errors=["lost"])) for n in names]
    text = render_markdown(run_view(Run(machine=MACHINE, cases=cases)))
    (row,) = (line for line in text.splitlines() if "5 cases: " in line)
    for name in names[:3]:
        assert "`` " + name.replace("|", "\\|") + " ``" in row
    assert " and 2 more |" in row
