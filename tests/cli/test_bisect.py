"""`energybench bisect`: git's bisection with the gate as its judge, in a tree of its own."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from pytest_energybench.cli.main import main

SUITE = """
import pytest
from lib import SECONDS

@pytest.mark.skipif(SECONDS == 0, reason="broken")
def test_a(energy, work):
    with energy.measure():
        work(SECONDS)
"""


def git(*arguments: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    done = subprocess.run(
        ["git", *identity, *arguments], check=True, capture_output=True, text=True
    )
    return done.stdout


def commit(branch: str, *seconds: float, subject: str = "Work") -> None:
    """A new branch with a commit for each time that the test works, checked out; 0 is broken."""
    git("checkout", "-q", "--orphan", branch)
    for number, each in enumerate(seconds):
        Path("lib.py").write_text(f"SECONDS = {each}  # {number}\n")
        git("add", "-A")
        git("commit", "-qm", f"{subject} {each} s, {number}")


@pytest.mark.slow
def test_the_first_commit_that_uses_more_is_named_and_the_users_tree_stays(
    suite: pytest.Pytester, capsys: pytest.CaptureFixture[str]
) -> None:
    suite.makepyfile(test_a=SUITE)
    git("init", "-q")
    commit("whole", 10.0, 10.0, 10.0, 12.0, 12.0)
    Path("untracked.txt").write_text("mine")
    assert main(["bisect", "test_a.py", "--good=HEAD~4", "--rounds=2"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("bad ")
    assert "+20.0 % [+20.0, +20.0]" in said[0]
    assert said[-1].startswith("first to use more: ")
    assert said[-1].endswith("Work 12.0 s, 3")
    assert main(["bisect", "test_a.py", "--good=HEAD~1", "--rounds=2"]) == 1
    assert "nothing to search for" in capsys.readouterr().out
    assert len(git("worktree", "list").splitlines()) == 1
    assert Path("untracked.txt").exists()
    assert git("status", "--porcelain", "--untracked-files=no") == ""
    commit("broken", 10.0, 0, 12.0)
    assert main(["bisect", "test_a.py", "--good=HEAD~2", "--bad=HEAD", "--rounds=2"]) == 1
    said = capsys.readouterr().out.splitlines()
    assert said[1].startswith("skip  ")
    place = said.index("one of these, which could not be told apart:")
    assert sorted(line[-1] for line in said[place + 1 :]) == ["1", "2"]


@pytest.mark.slow
def test_a_bad_commit_right_after_the_good_one_is_measured_once(
    suite: pytest.Pytester, capsys: pytest.CaptureFixture[str]
) -> None:
    suite.makepyfile(test_a=SUITE)
    git("init", "-q")
    commit("short", 10.0, 12.0)
    assert main(["bisect", "test_a.py", "--good=HEAD~1", "--rounds=1"]) == 0
    bad, found = capsys.readouterr().out.splitlines()
    assert bad.startswith("bad ")
    assert found == f"first to use more: {git('log', '-1', '--format=%h %s').strip()}"


@pytest.mark.slow
def test_where_energy_is_estimated_from_time_the_search_says_so_first(
    suite: pytest.Pytester, capsys: pytest.CaptureFixture[str]
) -> None:
    conftest = suite.path / "conftest.py"
    made = 'METER = FakeMeter({"cpu": 12.0}, provenance={"cpu": "estimated"})'
    conftest.write_text(re.sub("METER = .*", made, conftest.read_text(), count=1))
    suite.makepyfile(test_a=SUITE)
    git("init", "-q")
    commit("estimated", 10.0, 12.0)
    assert main(["bisect", "test_a.py", "--good=HEAD~1", "--rounds=1"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "energy is estimated from CPU time here: each change is a time ratio"


@pytest.mark.slow
@pytest.mark.parametrize(
    "subject", ["HEAD is the first bad commit", "only 'skip'ped commits left to test"]
)
def test_what_a_commits_subject_says_is_no_word_of_git(
    suite: pytest.Pytester, capsys: pytest.CaptureFixture[str], subject: str
) -> None:
    suite.makepyfile(test_a=SUITE)
    git("init", "-q")
    commit("hostile", 10.0, 10.0, 10.0, 12.0, subject=subject)
    assert main(["bisect", "test_a.py", "--good=HEAD~3", "--rounds=1"]) == 0
    assert capsys.readouterr().out.endswith(f"{subject} 12.0 s, 3\n")


@pytest.mark.slow
def test_what_tests_leave_in_the_tree_is_put_back_and_a_folder_may_be_missing(
    suite: pytest.Pytester, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    suite.makepyfile(
        test_a=f"{SUITE}\n    [open(name, 'a').write('x') for name in ('known.txt', 'later.txt')]"
    )
    git("init", "-q")
    Path("known.txt").write_text("a")
    commit("changed", 10.0, 10.0)
    Path("known.txt").write_text("b")
    Path("later.txt").write_text("b")
    git("add", "-A")
    git("commit", "-qm", "Other files")
    Path("lib.py").write_text("SECONDS = 12.0")
    git("commit", "-qam", "More")
    assert main(["bisect", "test_a.py", "--good=HEAD~3", "--rounds=2"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith("More")
    Path("sub").mkdir()
    monkeypatch.chdir("sub")
    Path("test_b.py").write_text("")
    git("add", "-A")
    git("commit", "-qm", "A folder")
    monkeypatch.chdir("../sub")
    assert main(["bisect", "test_b.py", "--good=HEAD~1"]) == 4
    assert capsys.readouterr().err.endswith("has no figures: it has no folder sub\n")


def test_what_is_no_commit_is_told_in_one_line(
    suite: pytest.Pytester, capsys: pytest.CaptureFixture[str]
) -> None:
    assert suite.path == Path.cwd()
    assert main(["bisect", "test_a.py", "--good=no"]) == 4
    assert capsys.readouterr().err.startswith("energybench bisect: git rev-parse: fatal:")
    git("init", "-q")
    assert main(["bisect", "test_a.py", "--good=HEAD"]) == 4
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert main(["bisect", "test_a.py", "--good=HEAD", "--rounds=0"]) == 4
