"""The table at the end of a run."""

import re

import msgspec
import pytest

from pytest_energybench.report.terminal import terminal_table
from pytest_energybench.report.text import display_width
from pytest_energybench.results.model import Case, Run
from tests.report.samples import MACHINE, ci_run, empty_run


def test_paper(paper, golden):
    golden("paper.txt", terminal_table(paper) + "\n")


def test_ci(ci, golden):
    golden("ci.txt", terminal_table(ci) + "\n")


def test_ci_in_detail(ci, golden):
    golden("ci-verbose.txt", terminal_table(ci, verbosity=1) + "\n")


def test_quiet_shows_what_needs_a_look_and_the_verdict(ci, paper):
    quiet = terminal_table(ci, verbosity=-1)
    assert "test_stream" in quiet
    assert "test_thumbnail" not in quiet
    assert "Of 8 judged cases" in quiet
    assert "alexnet" not in terminal_table(paper, verbosity=-1)


def test_nothing_metered():
    assert terminal_table(empty_run()).splitlines()[0].startswith("No case was metered")


@pytest.mark.parametrize("width", [72, 100, 200])
@pytest.mark.parametrize("verbosity", [-1, 0, 1])
def test_no_line_is_wider_than_asked_nor_than_100(paper, width, verbosity):
    names = ["x" * 400, "日本語のとても長い名前" * 20, "plain"]
    cases = [
        Case(nodeid=f"tests/{name}.py::t", name=name, total_j=12.3, flags=["f" * 300])
        for name in names
    ]
    for run in (paper, Run(machine=MACHINE, cases=cases)):
        lines = terminal_table(run, width=width, verbosity=verbosity).splitlines()
        assert max(map(display_width, lines)) <= min(width, 100)


def test_a_narrow_terminal_loses_the_least_telling_columns_first(paper):
    header = terminal_table(paper, width=80).splitlines()[0]
    assert "facility" not in header
    assert "Δ baseline" in header


def test_wide_characters_push_no_figure_out_of_line():
    cases = [Case(nodeid=n, name=n, total_j=12.3) for n in ("日本語", "latin")]
    lines = terminal_table(Run(machine=MACHINE, cases=cases)).splitlines()[2:4]
    assert len({display_width(line[: line.index("12.3")]) for line in lines}) == 1


def test_decimal_points_stand_under_each_other(ci):
    rows = [line for line in terminal_table(ci).splitlines() if line.startswith("test_")]
    points = {
        match.start() for row in rows if (match := re.search(r"(?<=\d)\.(?=\d+ +[mk]?J)", row))
    }
    assert len(points) == 1


def test_colour_only_when_asked(ci):
    assert "\x1b" not in terminal_table(ci)
    coloured = terminal_table(ci, color=True)
    assert "\x1b[31;1mregressed\x1b[0m" in coloured
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == terminal_table(ci)


def test_a_name_cannot_speak_to_the_terminal():
    case = Case(nodeid="a", name="evil\x1b]0;title\x07", total_j=1.0, errors=["\x1b[2J"])
    assert "\x1b" not in terminal_table(Run(machine=MACHINE, cases=[case]), verbosity=1)


def test_an_estimate_says_what_its_ratios_mean(paper, ci):
    assert "every energy ratio is a time ratio" in terminal_table(paper)
    assert "time ratio" not in terminal_table(ci)


def test_what_could_not_be_metered_is_named():
    missing = "RAPL: /sys/class/powercap/intel-rapl:0/energy_uj can't be read; run as root"
    run = msgspec.structs.replace(ci_run(), errors=[missing])
    assert f"note: {missing}" in terminal_table(run).replace("\n", " ")
    assert "note:" not in terminal_table(run, verbosity=-1)
