"""The table at the end of a run."""

import cProfile
import pstats
import re

import msgspec
import pytest

from pytest_energybench.gates.comparisons import judge_budget
from pytest_energybench.gates.results import judged
from pytest_energybench.report.build import run_view
from pytest_energybench.report.terminal import MOST_ROWS, terminal_report
from pytest_energybench.report.text import ELLIPSIS, display_width
from pytest_energybench.results.model import Case, Commit, Round, Run, StoredRun
from tests.report.samples import MACHINE, ci_run, empty_run


def test_paper(paper, golden):
    golden("paper.txt", terminal_report(run_view(paper)) + "\n")


def test_ci(ci, golden):
    golden("ci.txt", terminal_report(run_view(ci)) + "\n")


def test_ci_in_detail(ci, golden):
    golden("ci-verbose.txt", terminal_report(run_view(ci), verbosity=1) + "\n")


def test_quiet_shows_what_needs_a_look_and_else_one_line(ci, paper):
    quiet = terminal_report(run_view(ci), verbosity=-1)
    assert "FAIL     not measured    test_stream" in quiet
    assert "meters: " not in quiet
    assert terminal_report(run_view(paper), verbosity=-1).splitlines() == [
        "PASSED: 19 lower, 9 references, 8 failed as expected, worst of those that pass −3.2 %"
    ]


def test_quiet_says_that_the_figures_of_a_failure_are_estimated(ci, paper):
    run = msgspec.structs.replace(ci, meters=paper.meters)
    assert "(estimated ±" in terminal_report(run_view(run), verbosity=-1)


def test_a_passing_gate_is_one_line_with_its_worst_case(ci):
    cases = [case for case in ci.cases if case.result.kind == "pass" and case.comparisons]
    stored = StoredRun(
        name="main", created="2026-11-25T01:00", commit=Commit(id="a1b2c3d" + "0" * 33)
    )
    run = msgspec.structs.replace(ci, cases=cases, compared_with=stored)
    (line,) = terminal_report(run_view(run), width=200, verbosity=-1).splitlines()
    assert line == (
        "PASSED against main (a1b2c3d, 2026-11-25): 3 unchanged, "
        "2 less: test_thumbnail −31.0 %, test_encode[webp] −22.0 %, "
        "worst +1.0 % [−0.8, +2.8] of 5 % allowed"
    )


def test_what_fails_stands_beside_how_quiet_the_machine_was(ci):
    assert "of 5 % allowed   1 case flagged\n" in terminal_report(run_view(ci))
    busy = "background load: other processes kept 1.6 of 2 cores busy"
    case = ci.cases[0]
    rounds = [msgspec.structs.replace(each, flags=[busy]) for each in case.rounds]
    loud = msgspec.structs.replace(case, rounds=rounds)
    run = msgspec.structs.replace(ci, cases=[loud, *ci.cases[1:]])
    for verbosity in (-1, 0, 1):
        assert "machine busy in 5 of 40 rounds" in terminal_report(
            run_view(run), verbosity=verbosity
        )


def test_a_run_that_passes_says_that_the_machine_was_busy():
    """It may be the one that is stored, which every later run is then held against."""
    busy = "background load: other processes kept 1.6 of 2 cores busy"
    made = Round(started="", duration_s=1.0, energy_j={}, total_j=1.0, flags=[busy])
    case = Case(nodeid="t.py::t", name="t", total_j=1.0, rounds=[made, made])
    within = msgspec.structs.replace(case, comparisons=[judge_budget(1.0, 2.0)])
    for each in (judged(case), judged(within)):
        for verbosity in (-1, 0):
            lines = terminal_report(
                run_view(Run(machine=MACHINE, cases=[each])), verbosity=verbosity
            ).splitlines()
            assert "  machine busy in 2 of 2 rounds" in lines


def test_nothing_metered():
    assert (
        terminal_report(run_view(empty_run()))
        .splitlines()[0]
        .startswith("No test asked for energy")
    )


def test_a_first_run_shows_rows_up_to_a_number_and_counts_the_rest():
    cases = [judged(Case(nodeid=f"t.py::t{n}", name=f"t{n}", total_j=1.0)) for n in range(2_000)]
    lines = terminal_report(run_view(Run(machine=MACHINE, cases=cases))).splitlines()
    assert len([line for line in lines if "1.00 J" in line]) == MOST_ROWS
    assert "... and 1,960 more cases: -v shows all" in lines
    assert "2,000 cases metered; no limit or stored run to judge them by" in lines
    every = terminal_report(run_view(Run(machine=MACHINE, cases=cases)), verbosity=1).splitlines()
    assert len([line for line in every if line.startswith("  t") and "1.00 J" in line]) == 2_000


def test_no_reason_of_many_hides_another(big):
    lost = [
        judged(Case(nodeid=f"l.py::l{n}", name=f"l{n}", errors=["dram:0 lost"])) for n in range(100)
    ]
    run = msgspec.structs.replace(big, cases=[*lost, *big.cases])
    lines = terminal_report(run_view(run)).splitlines()
    assert len(lines) <= 50
    text = " ".join(" ".join(lines).split())
    assert "100 cases: l0, l1, l2 and 97 more dram:0 lost" in text
    assert "  and 90 more: FAIL more than main (-v shows all)" in lines
    assert any(line.startswith("  1,700 unchanged") for line in lines)


@pytest.mark.parametrize("width", [60, 80, 100])
def test_no_id_is_cut(paper, width):
    text = terminal_report(run_view(paper), width=width, verbosity=1)
    assert ELLIPSIS not in text.replace("-…]", "")
    long = "n" * 200
    case = Case(nodeid=f"t.py::{long}", name=long, total_j=1.0)
    shown = terminal_report(run_view(Run(machine=MACHINE, cases=[case])), width=width)
    assert long in "".join(shown.split())


def test_a_long_id_ends_its_lines_where_a_part_of_it_ends():
    long = "test_methods[" + "-".join(["efficientnet", "steganographic", "bfloat16"] * 4) + "]"
    made = judged(Case(nodeid=f"t.py::{long}", name=long, errors=["dram:0 lost"]))
    for verbosity in (0, 1):
        lines = terminal_report(
            run_view(Run(machine=MACHINE, cases=[made])), width=60, verbosity=verbosity
        ).splitlines()
        broken = [line for line in lines if "efficientnet" in line or "bfloat16" in line]
        assert broken
        assert all(line.endswith(("-", "]")) for line in broken)


@pytest.mark.parametrize("width", [72, 100, 200])
@pytest.mark.parametrize("verbosity", [-1, 0, 1])
def test_no_line_is_wider_than_asked(paper, width, verbosity):
    names = ["x" * 400, "日本語のとても長い名前" * 20, "plain"]
    cases = [
        Case(nodeid=f"tests/{name}.py::t", name=name, total_j=12.3, flags=["f" * 300])
        for name in names
    ]
    for run in (paper, Run(machine=MACHINE, cases=cases)):
        lines = terminal_report(run_view(run), width=width, verbosity=verbosity).splitlines()
        assert max(map(display_width, lines)) <= width


def test_a_narrow_terminal_loses_the_least_telling_columns_first(paper):
    header = terminal_report(run_view(paper), width=80).splitlines()[0]
    assert "facility" not in header
    assert "vs baseline" in header


def test_short_names_leave_no_figure_cut_at_any_width(paper):
    cases = [
        msgspec.structs.replace(case, nodeid=f"t.py::{n}", name=str(n), group=None)
        for n, case in enumerate(paper.cases)
    ]
    view = run_view(msgspec.structs.replace(paper, cases=cases))
    for width in range(60, 141):
        rows = terminal_report(view, width=width, verbosity=1).partition("\nPASSED")[0]
        assert ELLIPSIS not in rows, width


def test_wide_characters_push_no_figure_out_of_line():
    cases = [Case(nodeid=n, name=n, total_j=12.3) for n in ("日本語", "latin")]
    lines = terminal_report(run_view(Run(machine=MACHINE, cases=cases))).splitlines()
    places = {display_width(line[: line.index("12.3")]) for line in lines if "12.3" in line}
    assert len(places) == 1


def test_a_column_has_one_unit_and_one_precision(paper):
    rows = [line for line in terminal_report(run_view(paper)).splitlines() if " kJ " in line]
    assert len(rows) == 36
    assert len({line.index(" kJ ") - line.index(".") for line in rows}) == 1


def test_estimates_are_marked_once_in_the_head_or_each_where_only_some_are(paper, ci):
    text = terminal_report(run_view(paper))
    assert "energy*" in text.splitlines()[0]
    assert "* estimated, not read from a counter" in text
    assert "~" not in text
    assert "*" not in terminal_report(run_view(ci))
    mixed = msgspec.structs.replace(paper, cases=[*paper.cases[:2], *ci.cases[:1]])
    rows = terminal_report(run_view(mixed), verbosity=1).splitlines()
    assert "energy*" not in rows[0]
    assert len([row for row in rows if " kJ* " in row]) == 2


def test_colour_only_when_asked(ci):
    assert "\x1b" not in terminal_report(run_view(ci))
    coloured = terminal_report(run_view(ci), color=True)
    assert "\x1b[31;1mFAIL\x1b[0m" in coloured
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == terminal_report(run_view(ci))


def test_a_name_cannot_speak_to_the_terminal():
    case = Case(nodeid="a", name="evil\x1b]0;title\x07", total_j=1.0, errors=["\x1b[2J"])
    assert "\x1b" not in terminal_report(run_view(Run(machine=MACHINE, cases=[case])), verbosity=1)


def test_an_estimate_says_what_its_ratios_mean(paper, ci):
    text = " ".join(terminal_report(run_view(paper), width=120).split())
    assert "ram is 13 % of the energy; a ratio of two estimates is a ratio of times" in text
    assert "ratio of times" not in terminal_report(run_view(ci))


def test_what_could_not_be_metered_is_named():
    missing = "RAPL: /sys/class/powercap/intel-rapl:0/energy_uj can't be read; run as root"
    run = msgspec.structs.replace(ci_run(), errors=[missing])
    assert f"note: {missing}" in terminal_report(run_view(run)).replace("\n", " ")
    assert "note:" not in terminal_report(run_view(run), verbosity=-1)


def test_twice_the_rows_are_not_four_times_the_work(big):
    def calls(number):
        run = msgspec.structs.replace(big, cases=big.cases[:number])
        profile = cProfile.Profile()
        profile.runcall(lambda: terminal_report(run_view(run), verbosity=1))
        return pstats.Stats(profile).total_calls

    assert calls(400) < 2.5 * calls(200)
