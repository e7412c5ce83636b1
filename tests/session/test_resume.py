"""A run that is cut short goes on where it stopped; shards are parts of one whole."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from pytest_energybench.results.journal import has_begun, read_journal
from tests.session.suites import GROUPS

SUITE = (
    GROUPS
    + """
CASES = [case(group, method) for group in "ABC" for method in ("plain", "pruned")]

@pytest.mark.parametrize(("group", "method"), CASES)
def test_it(energy, work, group, method):
    import conftest
    with energy.measure():
        work(10.0 if method == "plain" else 5.0)
    energy.assert_below_baseline()
    conftest.after(group, method)
"""
)


ALL = [f"test_it[{group}-{method}]" for group in "ABC" for method in ("plain", "pruned")]
"""In the order of the tests, whenever they ran."""


def names(path: str) -> list[str]:
    return [case["name"] for case in json.loads(Path(path).read_text())["cases"]]


@pytest.fixture
def groups(suite: pytest.Pytester) -> pytest.Pytester:
    conftest = Path("conftest.py")
    conftest.write_text(
        conftest.read_text()
        + """
import os, time
def after(group, method):
    print("RAN", group, method)
    if os.environ.get("HANG_AT") == group + method:
        open("hanging", "w").close()
        time.sleep(60)
"""
    )
    suite.makepyfile(test_it=SUITE)
    return suite


TWO_WORKERS = ["-p", "xdist.plugin", "-n2"]
ONE_WORKER = ["-p", "xdist.plugin", "-n1"]  # that others take part is in test_killed and test_xdist
BOTH = pytest.mark.parametrize("workers", [[], ONE_WORKER], ids=["n0", "n1"])


def kept() -> int:
    """How many cases the journal holds."""
    journal = Path("reports/energy.journal")
    return len(read_journal(journal).run.cases) if has_begun(journal) else 0


def killed_at(place: str, *args: str, at_least: int = 0) -> None:
    """Leave in this folder what a run leaves that is killed, hard, inside the case named, with so
    many others kept by then."""
    for path, content in left_by_a_kill(place, *args, at_least=at_least).items():
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)


@cache
def left_by_a_kill(place: str, *args: str, at_least: int) -> dict[Path, bytes]:
    """The files of such a run, which are the same in every folder that holds the suite.

    Workers finish cases before the process that writes the journal hears of them.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", "--energy-report", "-p", "no:cacheprovider", *args],
        env={**os.environ, "HANG_AT": place},
        stdout=subprocess.DEVNULL,
    )
    while not Path("hanging").exists() or kept() < at_least:
        assert process.poll() is None  # it ends by itself after a minute
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    return {path: path.read_bytes() for path in Path("reports").iterdir()}


class TestResume:
    def test_a_killed_run_loses_the_case_in_flight_only(self, groups: pytest.Pytester) -> None:
        killed_at("Bpruned")
        result = groups.runpytest("--energy-report", "--energy-resume", "-s")
        assert result.ret == 0
        ran = [line.split("RAN ")[1] for line in result.outlines if "RAN" in line]
        assert ran == ["B pruned", "C plain", "C pruned"]
        result.stdout.fnmatch_lines(["energy: 3 finished cases taken over from *energy.journal"])
        assert names("reports/energy.json") == ALL
        assert not Path("reports/energy.journal").exists()

    @BOTH
    def test_what_is_taken_over_keeps_the_budgets_of_now_or_runs_again(
        self, groups: pytest.Pytester, workers: list[str]
    ) -> None:
        killed_at("Cplain")
        budget = '[budget."*{}]"]\nmax_energy = "{}"\n'
        Path("energy-budgets.toml").write_text(
            budget.format("plain", "1 kJ") + budget.format("B-pruned", "1 J")
        )
        result = groups.runpytest("--energy-report", "--energy-resume", *workers)
        result.assert_outcomes(passed=2, failed=1)
        result.stdout.fnmatch_lines(["*3 finished cases taken over*"])
        assert names("reports/energy.json") == ALL
        cases = json.loads(Path("reports/energy.json").read_text())["cases"]
        limits = [[each["limit"] for each in case["comparisons"]] for case in cases]
        assert [1000.0 in each for each in limits] == [True, False] * 3

    @BOTH
    @pytest.mark.parametrize(("limit", "runs"), [("1 kJ", 3), ("2 kJ", 3), ("130 J", 6)])
    def test_a_case_whose_marker_is_tighter_now_runs_again(
        self, groups: pytest.Pytester, workers: list[str], limit: str, runs: int
    ) -> None:
        test = Path("test_it.py")
        marked = test.read_text().replace(
            "def test_it", '@pytest.mark.energy_budget(max="1 kJ")\ndef test_it'
        )
        measure = "    with energy.measure"
        test.write_text(
            marked.replace(measure, f"    assert (group, method) != ('B', 'pruned')\n{measure}")
        )
        assert groups.runpytest("--energy-report", "-x").ret == 1
        test.write_text(marked.replace("1 kJ", limit))
        result = groups.runpytest("--energy-report", "--energy-resume", *workers)
        result.assert_outcomes(passed=runs)
        assert names("reports/energy.json") == ALL

    def test_a_run_that_is_resumed_looks_for_its_meters_once(self, groups: pytest.Pytester) -> None:
        killed_at("Bpruned")
        conftest = Path("conftest.py")
        hook = "def pytest_energy_meter(config):"
        conftest.write_text(conftest.read_text().replace(hook, f"{hook}\n    print('ASKED')"))
        result = groups.runpytest("--energy-report", "--energy-resume", "-s")
        assert result.ret == 0
        assert result.stdout.str().count("ASKED") == 1

    def test_without_the_wish_a_run_starts_anew_and_keeps_the_old_journal(
        self, groups: pytest.Pytester
    ) -> None:
        killed_at("Bpruned")
        result = groups.runpytest("--energy-report")
        result.assert_outcomes(passed=6)

    def test_a_journal_of_other_settings_is_refused(self, groups: pytest.Pytester) -> None:
        killed_at("Bpruned")
        result = groups.runpytest("--energy-report", "--energy-resume", "--energy-pue=2")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(["ERROR: --energy-resume: *pue is 2.0 here and 1.0 there*"])

    def test_the_run_names_the_commits_that_its_cases_were_made_at(
        self, groups: pytest.Pytester
    ) -> None:
        killed_at("Bpruned")
        journal = Path("reports/energy.journal")
        first, *lines = journal.read_bytes().split(b"\n")
        head = json.loads(first)
        head["run"]["commits"] = [{"id": "1" * 40}]
        journal.write_bytes(b"\n".join([json.dumps(head).encode(), *lines]))
        assert groups.runpytest("--energy-report", "--energy-resume").ret == 0
        run = json.loads(Path("reports/energy.json").read_text())
        assert [each["id"] for each in run["commits"]] == ["1" * 40]

    def test_a_damaged_journal_is_named_with_its_line(self, groups: pytest.Pytester) -> None:
        killed_at("Bpruned")
        journal = Path("reports/energy.journal")
        lines = journal.read_bytes().split(b"\n")
        lines[1] = lines[1][:50]
        journal.write_bytes(b"\n".join(lines))
        result = groups.runpytest("--energy-report", "--energy-resume")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(["ERROR: --energy-resume: *energy.journal: line 2*"])

    def test_a_torn_last_line_is_run_again(self, groups: pytest.Pytester) -> None:
        killed_at("Bpruned")
        journal = Path("reports/energy.journal")
        journal.write_bytes(journal.read_bytes()[:-40])
        result = groups.runpytest("--energy-report", "--energy-resume")
        result.assert_outcomes(passed=4, deselected=2)

    @BOTH
    def test_workers_take_over_what_one_process_finished(
        self, groups: pytest.Pytester, workers: list[str]
    ) -> None:
        killed_at("Bpruned")
        result = groups.runpytest("--energy-report", "--energy-resume", *workers)
        assert result.ret == 0
        result.stdout.fnmatch_lines(["energy: 3 finished cases taken over from *energy.journal"])
        assert names("reports/energy.json") == ALL
        assert not Path("reports/energy.journal").exists()

    @BOTH
    def test_one_process_takes_over_what_workers_finished(
        self, groups: pytest.Pytester, workers: list[str]
    ) -> None:
        killed_at("Cplain", *TWO_WORKERS, at_least=2)  # the group that this worker had before
        there = kept()
        result = groups.runpytest("--energy-report", "--energy-resume", *workers)
        assert result.ret == 0
        assert names("reports/energy.json") == ALL
        result.stdout.fnmatch_lines([f"energy: {there} finished cases taken over from *"])

    @BOTH
    def test_a_stored_run_has_the_cases_that_were_taken_over(
        self, groups: pytest.Pytester, workers: list[str]
    ) -> None:
        killed_at("Cpruned", "--energy-save=main")
        groups.runpytest("--energy-save=main", "--energy-resume", *workers)
        assert names(".energy/main.json") == ALL

    @BOTH
    def test_nothing_left_to_run_is_no_failure(
        self, groups: pytest.Pytester, workers: list[str]
    ) -> None:
        killed_at("Bpruned")
        only = ("--energy-report", "--energy-resume", "test_it.py::test_it[A-plain]", *workers)
        result = groups.runpytest(*only)
        assert result.ret == 0
        assert names("reports/energy.json") == ["test_it[A-plain]"]

    @BOTH
    def test_a_narrower_selection_leaves_the_other_cases_in_the_journal(
        self, groups: pytest.Pytester, workers: list[str]
    ) -> None:
        killed_at("Bpruned")
        narrow = ("--energy-report", "--energy-resume", "-k", "B-")
        result = groups.runpytest(*narrow, *workers)
        assert result.ret == 0
        result.stdout.fnmatch_lines(["energy: 2 cases of reports/energy.journal, *stays there*"])
        assert names("reports/energy.json") == [name for name in ALL if "[B" in name]
        result = groups.runpytest("--energy-report", "--energy-resume", *workers)
        assert names("reports/energy.json") == ALL
        assert not Path("reports/energy.journal").exists()

    @pytest.mark.parametrize(
        ("length", "workers"), [(0, []), (1, []), (200, []), (200, ONE_WORKER)]
    )
    def test_a_journal_that_was_killed_in_its_first_line_is_an_empty_one(
        self, groups: pytest.Pytester, length: int, workers: list[str]
    ) -> None:
        killed_at("Bpruned")
        journal = Path("reports/energy.journal")
        journal.write_bytes(journal.read_bytes()[:length])
        result = groups.runpytest("--energy-report", "--energy-resume", *workers)
        assert result.ret == 0
        assert names("reports/energy.json") == ALL

    def test_a_run_that_was_stopped_keeps_its_journal(self, groups: pytest.Pytester) -> None:
        test = Path("test_it.py")
        good = test.read_text()
        test.write_text(
            good.replace("energy.assert_below", "assert group != 'B'\n    energy.assert_below")
        )
        result = groups.runpytest("--energy-report", "-x")
        result.stdout.fnmatch_lines(["energy: what was finished is kept in *energy.journal;*"])
        test.write_text(good)
        result = groups.runpytest("--energy-report", "--energy-resume")
        result.assert_outcomes(passed=4, deselected=2)
        assert names("reports/energy.json") == ALL

    @BOTH
    def test_a_baseline_that_had_failed_is_what_it_is_now(
        self, groups: pytest.Pytester, workers: list[str]
    ) -> None:
        """Also for a worker, which sees in the journal what others have finished."""
        test = Path("test_it.py")
        good = test.read_text()
        test.write_text(
            good.replace("    energy.assert", "    assert group != 'B'\n    energy.assert")
        )
        assert groups.runpytest("--energy-report", "-x").ret == 1
        test.write_text(good)
        result = groups.runpytest("--energy-report", "--energy-resume", *workers)
        result.assert_outcomes(passed=4)
        cases = json.loads(Path("reports/energy.json").read_text())["cases"]
        assert {case["outcome"] for case in cases} == {"passed"}

    @BOTH
    def test_what_was_judged_against_a_baseline_that_runs_again_runs_again_too(
        self, groups: pytest.Pytester, workers: list[str]
    ) -> None:
        """What it was compared with is no figure of this run."""
        killed_at("Cplain")
        test = Path("test_it.py")
        baseline = "        marks.append(pytest.mark.energy_baseline)\n"
        limited = "        marks += [pytest.mark.energy_budget(max='1 kJ')] * (group == 'A')\n"
        content = test.read_text().replace(baseline, baseline + limited)
        test.write_text(content.replace("10.0 if", "4.0 if"))
        result = groups.runpytest("--energy-report", "--energy-resume", *workers)
        result.stdout.fnmatch_lines(["energy: 2 finished cases taken over from *energy.journal"])
        result.assert_outcomes(passed=2, failed=2)
        cases = json.loads(Path("reports/energy.json").read_text())["cases"]
        assert {case["name"]: case["outcome"] for case in cases}["test_it[A-pruned]"] == "failed"

    def test_a_crashed_workers_successor_runs_what_the_others_run(
        self, groups: pytest.Pytester
    ) -> None:
        """By then the journal holds more than it did when the others started."""
        killed_at("Bpruned")
        test = Path("test_it.py")
        test.write_text(
            test.read_text().replace(
                "    with energy.measure",
                "    if group + method == 'Cpruned':\n        import os\n        os._exit(3)\n"
                "    with energy.measure",
            )
        )
        groups.runpytest("--energy-report", "--energy-resume", *TWO_WORKERS)
        assert names("reports/energy.json") == ALL

    @BOTH
    def test_looking_at_the_tests_leaves_the_journal_alone(
        self, groups: pytest.Pytester, workers: list[str]
    ) -> None:
        killed_at("Bpruned")
        before = Path("reports/energy.journal").read_bytes()
        for look in ("--collect-only", "--setup-plan", "--fixtures"):
            groups.runpytest("--energy-report", "--energy-resume", look, *workers)
            assert Path("reports/energy.journal").read_bytes() == before
        assert not Path("reports/energy.json").exists()


class TestShards:
    def test_shards_split_groups_and_leave_none_out(self, groups: pytest.Pytester) -> None:
        parts: list[list[str]] = []
        for index in (1, 2):
            groups.runpytest(f"--energy-shard={index}/2", f"--energy-json={index}.json")
            parts.append(names(f"{index}.json"))
        assert not set(parts[0]) & set(parts[1])
        assert len(parts[0]) + len(parts[1]) == 6
        for part in parts:
            letters = [name[8] for name in part]
            assert all(letters.count(letter) == 2 for letter in letters)

    @BOTH
    def test_a_shard_says_which_it_is_and_what_it_planned(
        self, groups: pytest.Pytester, workers: list[str]
    ) -> None:
        groups.runpytest("--energy-shard=2/2", "--energy-json=2.json", *workers)
        shard: dict[str, Any] = json.loads(Path("2.json").read_text())["shard"]
        assert (shard["index"], shard["count"]) == (2, 2)
        assert [nodeid.split("::")[1] for nodeid in shard["planned"]] == names("2.json") != []

    @BOTH
    def test_a_resumed_shard_planned_what_was_taken_over_too(
        self, groups: pytest.Pytester, workers: list[str]
    ) -> None:
        shard = ("--energy-shard=1/2", "--energy-report")
        killed_at("Cplain", *shard)
        groups.runpytest(*shard, "--energy-resume", *workers)
        run = json.loads(Path("reports/energy.json").read_text())
        planned = [nodeid.split("::")[1] for nodeid in run["shard"]["planned"]]
        assert planned == names("reports/energy.json")
        assert len(planned) == 4

    @BOTH
    def test_a_shard_without_a_test_is_written_too(
        self, groups: pytest.Pytester, workers: list[str]
    ) -> None:
        groups.runpytest("--energy-shard=9/9", "--energy-json=9.json", *workers)
        assert json.loads(Path("9.json").read_text())["shard"]["planned"] == []
