"""What a run was made at, by and under."""

from msgspec.structs import replace

from pytest_energybench.report.build import run_view
from pytest_energybench.report.digest import digest
from pytest_energybench.report.html import render_html
from pytest_energybench.report.markdown import render_markdown
from pytest_energybench.report.terminal import terminal_report
from pytest_energybench.results.compatibility import with_hosts
from pytest_energybench.results.model import Commit, Host
from tests.report.samples import STORED, ci_run, paper_run, passing_run


def test_another_machine_is_told_where_it_is_compared_all_the_same():
    stored = replace(STORED, differences=["cores is 2 here and 8 there"])
    found = digest(run_view(replace(passing_run(), compared_with=stored)))
    assert "cores is 2 here and 8 there" in found.conditions
    assert "same machine" not in found.conditions


def test_a_busy_machine_is_told_with_its_rounds():
    run = ci_run()
    busy = "background load: other processes kept 1.6 of 2 cores busy"
    case = run.cases[0]
    rounds = [replace(each, flags=[busy]) for each in case.rounds[:2]]
    cases = [replace(case, rounds=[*rounds, *case.rounds[2:]]), *run.cases[1:]]
    assert "machine busy in 2 of 40 rounds" in digest(run_view(replace(run, cases=cases))).meters
    assert digest(run_view(passing_run())).meters[-1] == "no round was flagged"


def test_meters_of_every_host_are_told_wherever_meters_are():
    """The second host has no counter, and is without its GPU."""
    measured, estimated = passing_run(), paper_run()
    hosts = [
        Host(name="host 1", machine=measured.machine, meters=measured.meters),
        Host(
            name="host 2",
            machine=estimated.machine,
            meters=estimated.meters,
            settings={"without": "gpu:0"},
        ),
    ]
    view = run_view(with_hosts(measured, hosts))
    said = ["measured: cpu:0 by rapl, gpu:0 by nvml", "estimated: cpu by cpu-time, ram by ram-size"]
    missing = "without gpu:0 on host 2, which was allowed to be missing"
    assert list(digest(view).meters) == [*said, missing, "no round was flagged"]
    every = "cpu:0 rapl (measured ±2 %), gpu:0 nvml (measured ±5 %), cpu cpu-time"
    for text, meters in (
        (terminal_report(view), every),
        (render_markdown(view), every),
        (render_html(view), " · ".join(said)),
    ):
        told = " ".join(text.split())
        assert meters in told
        assert missing in told


def test_what_was_allowed_to_be_missing_stands_on_the_first_screen():
    run = replace(passing_run(), settings={"without": "gpu:1,gpu:2"})
    missing = "without gpu:1,gpu:2, which was allowed to be missing"
    assert missing in digest(run_view(run)).meters
    assert missing in terminal_report(run_view(run))


def test_a_run_of_several_commits_says_so_on_the_first_screen():
    commits = [Commit(id=letter * 40, dirty=letter == "b") for letter in "abcdefg"]
    found = digest(run_view(replace(passing_run(), commits=commits[:2]))).scope
    assert found.startswith("stitched of cases made at 2 commits: aaaaaaa, bbbbbbb with changes")
    once = [commits[0], replace(commits[0], branch="main")]
    assert digest(run_view(replace(passing_run(), commits=once))).scope.startswith("main aaaaaaa")
    found = digest(run_view(replace(passing_run(), commits=commits))).scope
    assert "at 7 commits: aaaaaaa, " in found
    assert "eeeeeee, 2 more" in found
