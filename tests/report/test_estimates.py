"""Joules of a model are marked wherever they stand, also beside FAIL and in a mixed run."""

import csv
import json
import re

import pytest
from msgspec.structs import replace

from pytest_energybench.gates.comparisons import judge_budget, judge_group
from pytest_energybench.gates.judge import judge_run
from pytest_energybench.gates.results import judged
from pytest_energybench.gates.stored import compare_stored
from pytest_energybench.report.build import run_view
from pytest_energybench.report.export import FORMATS
from pytest_energybench.report.html import render_html
from pytest_energybench.report.markdown import render_markdown
from pytest_energybench.report.tables import compared_csv, compared_rows, render_csv
from pytest_energybench.report.terminal import terminal_report
from pytest_energybench.results.model import Case, MeterInfo, Round, Run
from tests.report.samples import MACHINE

LIMIT_J = 55.0
FIGURE = re.compile(r"(~?)\b([\d.]+)(?= J\b| → )")


def case(name, total_j, provenance, **fields):
    joules = {"cpu:0": total_j * 0.75, "ram": total_j * 0.25}
    return judged(
        Case(
            nodeid=f"f.py::{name}",
            name=name,
            total_j=total_j,
            duration_s=1.0,
            energy_j=joules,
            provenance=provenance,
            rounds=[Round(started="", duration_s=1.0, energy_j=joules, total_j=total_j)],
            **fields,
        )
    )


def run_of(ram):
    provenance = {"cpu:0": "measured", "ram": ram}
    budget = judge_budget(123.0, LIMIT_J, provenance=provenance)
    plain = case("plain", 81.0, provenance, group="g", baseline=True)
    pruned = case("pruned", 97.0, provenance, group="g")
    against = judge_group(pruned, plain, margin=0.0, interleaved=False)
    cases = [
        case("over", 123.0, provenance, outcome="failed", comparisons=[budget]),
        plain,
        judged(replace(pruned, outcome="failed", comparisons=[against])),
        case("grown", 71.0, provenance),
        case("shrunk", 42.0, provenance),
        case("new", 33.0, provenance),
    ]
    meters = [
        MeterInfo(domain=domain, source="fake", provenance=word)
        for domain, word in provenance.items()
    ]
    run = Run(machine=MACHINE, meters=meters, cases=cases)
    earlier = [
        replace(each, comparisons=[], total_j=61.0, rounds=[replace(each.rounds[0], total_j=61.0)])
        for each in cases
        if each.name in ("grown", "shrunk")
    ]
    stored = replace(run, cases=earlier)
    return compare_stored(judge_run(run), stored, name="main", margin=0.03)[0], stored


def entries_of(text):
    return [line for line in text.splitlines() if re.search(r"FAIL|less|new", line)]


def joules_of(lines):
    """The figures of cases on these lines, with the mark before each."""
    found = [each for line in lines for each in FIGURE.findall(line)]
    return [mark + figure for mark, figure in found if float(figure) != LIMIT_J]


OUTPUTS = {
    "terminal": lambda run: terminal_report(run_view(run), width=200),
    "quiet terminal": lambda run: terminal_report(run_view(run), width=200, verbosity=-1),
    "markdown": lambda run: render_markdown(run_view(run)).replace("\\", ""),
}


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("ram", ["estimated", "integrated"])
def test_what_failed_or_changed_is_marked_where_a_part_of_it_is_estimated(output, ram):
    found = joules_of(entries_of(OUTPUTS[output](run_of(ram)[0])))
    assert len(found) >= 5
    assert {each.startswith("~") for each in found} == {ram == "estimated"}, found


def test_runs_side_by_side_say_of_each_figure_and_ratio_what_it_rests_on():
    run, stored = run_of("estimated")
    head, rows = compared_rows(["a", "b"], [stored, run])
    energies = [cell for row in rows for place, cell in enumerate(row) if head[place] in "ab"]
    assert {each[0] for each in energies if each != "absent"} == {"~"}
    whole = {"cpu": "estimated"}
    cases = [replace(each, provenance=whole, energy_j={"cpu": 61.0}) for each in run.cases[3:5]]
    head, _ = compared_rows(["a", "b"], [replace(run, cases=cases)] * 2)
    assert "b vs main (time ratio)" in head


def test_a_figure_in_a_table_of_values_has_its_provenance_beside_it():
    run, stored = run_of("estimated")
    for text in (compared_csv(["a", "b"], [stored, run]), render_csv(run)):
        head, *rows = csv.reader(text.splitlines())
        for place, name in enumerate(head):
            if name.endswith("energy_j"):
                assert head[place + 2].endswith("provenance")
                words = {row[place + 2][:23] for row in rows if row[place]}
                assert words == {"estimated in part (ram,"}


@pytest.mark.parametrize("form", ["openmetrics", "hyperfine", "github-benchmark"])
def test_what_other_tools_read_names_the_provenance_of_every_energy(form):
    run, _ = run_of("estimated")
    text = FORMATS[form](run)
    if form == "openmetrics":
        energies = re.findall(r"^energybench_energy_joules.*", text, re.M)
        assert len(energies) == 6
        assert all('provenance="estimated and measured"' in line for line in energies)
    elif form == "hyperfine":
        energies = [each["energy"]["provenance"] for each in json.loads(text)["results"]]
        assert energies == ["estimated and measured"] * 6
    else:
        energies = [each for each in json.loads(text) if each["unit"] == "J"]
        assert all("ram estimated" in each["extra"] for each in energies)


def test_what_is_estimated_in_part_is_not_called_an_estimate_nor_its_ratio_one_of_times():
    run, _ = run_of("estimated")
    shown = terminal_report(run_view(run), width=200, verbosity=1)
    page = render_html(run_view(run))
    assert "* estimated in part (ram not stated); ram is 25 % of the energy\n" in shown
    assert "Energy (estimated in part)</th>" in page
    for said in (shown, page.partition('id="reading"')[0]):
        assert "ratio of times" not in said
        assert "time ratio" not in said
        assert "not read from a counter" not in said
    whole = replace(run.cases[0], provenance={"cpu": "estimated"})
    both = replace(run, cases=[whole, *run.cases[1:]])
    shown = terminal_report(run_view(both), width=200, verbosity=1)
    assert "* estimated, some in part (ram not stated)" in shown


def test_of_an_estimate_that_does_not_go_by_time_nothing_is_said_of_times():
    """A GPU whose power a model tells, and not a counter."""
    gpu = {"provenance": {"gpu:0": "estimated"}}
    plain = case("plain", 81.0, group="g", baseline=True, **gpu)
    pruned = case("pruned", 97.0, group="g", **gpu)
    against = judge_group(pruned, plain, margin=0.5, interleaved=False)
    run = Run(machine=MACHINE, cases=[plain, judged(replace(pruned, comparisons=[against]))])
    shown = terminal_report(run_view(run), width=200)
    assert "* estimated, not read from a counter\n" in shown
    for said in (shown, render_markdown(run_view(run))):
        assert "ratio" not in said
        assert "CPU time" not in said


def test_in_detail_a_domain_is_marked_where_it_is_estimated_itself():
    shown = terminal_report(run_view(run_of("estimated")[0]), width=100, verbosity=1)
    assert re.search(r"\n  cpu:0 92\.2 J, ram ~30\.8 J\n", shown), shown
