"""`--energy-history` and `--energy-compare=history:K`, and what `energybench history` shows."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from pytest_energybench.cli.main import main

SUITE = """
def test_a(energy, work):
    import conftest
    with energy.measure():
        work(conftest.SECONDS)
"""
COMPARE = "--energy-compare=history:10"


def git(*arguments: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run(["git", *identity, *arguments], check=True, capture_output=True)


def commit(suite: pytest.Pytester, seconds: float) -> None:
    """A commit on main with which the test works so long, at 12 W."""
    text = (suite.path / "conftest.py").read_text().split("\nSECONDS")[0]
    (suite.path / "conftest.py").write_text(f"{text}\nSECONDS = {seconds}\n")
    git("commit", "-qam", f"Work {seconds} s")


@pytest.fixture
def repository(suite: pytest.Pytester) -> pytest.Pytester:
    suite.makepyfile(test_a=SUITE)
    Path(".gitignore").write_text("reports\n.energy\n")
    git("init", "-q", "-b", "main")
    git("add", "-A")
    git("commit", "-qm", "Begin")
    return suite


def test_steps_that_no_gate_against_one_run_sees_are_seen_against_the_last_ones(
    repository: pytest.Pytester, capsys: pytest.CaptureFixture[str]
) -> None:
    suite = repository
    seconds = [10.0, 10.05, 9.95, 10.0, 10.2]
    for each in seconds:
        commit(suite, each)
        assert suite.runpytest("--energy-history", COMPARE if each == 10.2 else "-q").ret == 0
    commit(suite, 10.404)
    passes = suite.runpytest(COMPARE, "--energy-history", "--energy-json=run.json")
    assert passes.ret == 0
    commit(suite, 10.9)
    fails = suite.runpytest(COMPARE, "--energy-json=run.json", "--energy-report")
    assert fails.ret == 1
    fails.stdout.fnmatch_lines(["*more than history:10  test_a*"])
    (case,) = json.loads(Path("run.json").read_text())["cases"]
    (made,) = case["comparisons"]
    assert (made["reference"], made["method"], made["n"]) == ("stored", "prediction", 6)
    assert len(made["reference_j"]) == 6
    fails.stdout.fnmatch_lines(["FAILED against history:10 (*; margin 3 %; 1 round)"])
    assert [x for x, _ in case["series"][0]["points"]] == [-6, -5, -4, -3, -2, -1, 0]
    assert "runs before this one" in Path("reports/energy.html").read_text()
    capsys.readouterr()
    assert main(["history"]) == 0
    said = capsys.readouterr().out
    assert "test_a.py::test_a" in said
    assert "▁" in said
    assert main(["history", "test_a"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "test_a.py::test_a"
    assert [line for line in said if "Work 10.2 s" in line and "+2.0 %" in line]
    assert main(["history", "test_b"]) == 1
    assert main(["history", "--branch=other"]) == 1


def test_a_history_that_cant_be_used_is_said_before_the_work_begins(
    suite: pytest.Pytester,
) -> None:
    suite.makepyfile(SUITE)
    for asked, line in (
        ([COMPARE], "*--energy-compare:*history.jsonl*is not there; pytest --energy-history*"),
        (["--energy-compare=history:no"], "*--energy-compare: 'history:no': history:K*"),
    ):
        result = suite.runpytest(*asked)
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines([line])
    Path(".energy").mkdir()
    Path(".energy/history.jsonl").write_text("{\n")
    result = suite.runpytest("--energy-history")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--energy-history:*line 1:*"])


def test_a_case_without_a_like_run_is_not_comparable_and_a_new_one_is_missing(
    repository: pytest.Pytester,
) -> None:
    suite = repository
    commit(suite, 1.0)
    assert suite.runpytest("--energy-history").ret == 0
    commit(suite, 1.1)
    more = suite.runpytest(COMPARE, "--energy-rounds=2")
    assert more.ret == 1
    more.stdout.fnmatch_lines(
        [
            "FAILED; nothing compared with history:10 (*; 2 rounds)",
            "*not comparable*test_a*",
            "*no earlier run of the case (1) has*",
        ]
    )
    suite.makepyfile(test_b=SUITE.replace("test_a", "test_b"))
    assert suite.runpytest(COMPARE, "test_b.py").ret == 0
    assert suite.runpytest(COMPARE, "test_b.py", "--energy-fail-on=missing").ret == 1


def test_uncommitted_changes_are_held_against_the_runs_of_their_commit(
    repository: pytest.Pytester,
) -> None:
    suite = repository
    commit(suite, 1.0)
    assert suite.runpytest("--energy-history").ret == 0
    conftest = suite.path / "conftest.py"
    conftest.write_text(conftest.read_text().replace("SECONDS = 1.0", "SECONDS = 2.0"))
    fails = suite.runpytest(COMPARE)
    assert fails.ret == 1
    fails.stdout.fnmatch_lines(["*more than history:10  test_a*"])
    other = suite.runpytest(f"{COMPARE}@trunk")
    assert other.ret == pytest.ExitCode.USAGE_ERROR
    other.stderr.fnmatch_lines(["*--energy-compare: history.jsonl has no run of trunk*: main)"])


def test_a_history_that_git_knows_does_not_make_its_own_next_run_one_of_changed_files(
    repository: pytest.Pytester,
) -> None:
    suite = repository
    Path(".gitignore").write_text("reports\n")
    commit(suite, 1.0)
    assert suite.runpytest("--energy-history", "--energy-save=main").ret == 0
    git("add", "-A")
    git("commit", "-qm", "What was measured")
    for _ in range(2):
        run = suite.runpytest("--energy-history", "--energy-save=main", "--energy-overwrite")
        run.stdout.fnmatch_lines(["energy history, 1 more: *"])
    commit(suite, 1.1)
    assert suite.runpytest(COMPARE).ret == 1


def test_what_no_run_is_compared_with_is_said_where_it_is_added_and_where_it_is_missed(
    repository: pytest.Pytester, capsys: pytest.CaptureFixture[str]
) -> None:
    suite = repository
    commit(suite, 1.0)
    with (suite.path / "conftest.py").open("a") as file:
        file.write("# changed\n")
    dirty = suite.runpytest("--energy-history")
    dirty.stdout.fnmatch_lines(
        ["energy history, 1 more (left out of comparisons: uncommitted changes (1)): *"]
    )
    git("checkout", "-q", "-b", "feature")
    commit(suite, 1.1)
    assert suite.runpytest("--energy-history").ret == 0
    git("checkout", "-q", "--detach")
    git("branch", "-D", "feature")
    nowhere = suite.runpytest("--energy-history")
    nowhere.stdout.fnmatch_lines(["*(left out of comparisons: a commit of no branch that git*"])
    capsys.readouterr()
    assert main(["history", "test_a"]) == 1
    assert capsys.readouterr().out == (
        "no run of test_a on main or master to show; left out: uncommitted changes (1), a commit of"
        " no branch that git knows (1), other branches (1)\n"
    )
    git("checkout", "-q", "main")
    assert suite.runpytest("--energy-history").ret == 0
    assert main(["history"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("left out: uncommitted changes (1),")


def test_an_estimate_is_marked_as_one_in_every_table(
    repository: pytest.Pytester, capsys: pytest.CaptureFixture[str]
) -> None:
    suite = repository
    for estimated in (False, True):
        if estimated:
            conftest = suite.path / "conftest.py"
            made = 'METER = FakeMeter({"cpu": 12.0}, provenance={"cpu": "estimated"})'
            conftest.write_text(re.sub("METER = .*", made, conftest.read_text(), count=1))
        commit(suite, 10.0)
        assert suite.runpytest("--energy-history").ret == 0
        capsys.readouterr()
        for asked in ([], ["test_a"]):
            assert main(["history", *asked]) == 0
            assert ("~120 J" in capsys.readouterr().out) == estimated


def test_a_run_that_was_cut_short_adds_nothing_and_says_so(repository: pytest.Pytester) -> None:
    suite = repository
    commit(suite, 1.0)
    suite.makepyfile(test_b="import pytest\n\ndef test_b():\n    pytest.exit('enough')")
    cut = suite.runpytest("--energy-history")
    cut.stdout.fnmatch_lines(["energy history: nothing added, for the run was cut short"])
    assert not Path(".energy").exists()


def test_what_a_history_cant_tell_is_no_gate_on_it(repository: pytest.Pytester) -> None:
    commit(repository, 1.0)
    assert repository.runpytest("--energy-history").ret == 0
    result = repository.runpytest(COMPARE, "--energy-fail-on=more,stale")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--energy-fail-on=stale: a history doesn't tell*"])
