"""The summary for a pull request."""

import re

import pytest

from pytest_energybench.report.markdown import MOST_LINES, render_markdown
from pytest_energybench.results.model import Case, Run
from tests.report.samples import MACHINE, empty_run


def test_paper(paper, golden):
    golden("paper.md", render_markdown(paper))


def test_ci(ci, golden):
    golden("ci.md", render_markdown(ci))


def test_nothing_metered():
    assert render_markdown(empty_run()).startswith("**No case was metered in this run.**")


def test_at_most_sixty_lines_whatever_the_run(big):
    text = render_markdown(big)
    assert len(text.splitlines()) <= MOST_LINES
    assert "further cases not shown" in text
    assert text.count("▲ regressed |") == 30


@pytest.mark.parametrize(
    "name", ["a|b", "tick`tick", "``", "<img src=x>", "@everyone", "line\nbreak", "[x](http://y)"]
)
def test_a_name_is_only_ever_code_in_its_own_cell(name):
    run = Run(machine=MACHINE, cases=[Case(nodeid=name, name=name, errors=[name])])
    lines = render_markdown(run).splitlines()
    row = next(line for line in lines if line.startswith("| `"))
    assert len(re.findall(r"(?<!\\)\|", row)) == 5
    reason = next(line for line in lines if line.startswith("- "))
    outside = re.sub(r"(`+).*?\1(?!`)", "", reason, count=1)
    assert "<" not in outside.replace("\\<", "")
    assert not re.search("@\\w", outside)
    assert not re.search(r"(?<!\\)[\[`|]", outside)
