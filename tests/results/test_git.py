"""The commit a run is made at."""

import os
import subprocess

import pytest

from pytest_energybench.results.git import read_commit


def git(folder, *arguments):
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def tree(tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    git(tmp_path, "init", "-q", "-b", "main")
    (tmp_path / "file").write_text("1")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "-q", "-m", "Überschrift\n\nand more")
    (tmp_path / "sub").mkdir()
    return tmp_path


def test_the_commit_is_told_with_branch_and_subject(tree):
    commit = read_commit(tree / "sub")
    assert commit.id == git(tree, "rev-parse", "HEAD")
    assert (commit.dirty, commit.branch, commit.subject) == (False, "main", "Überschrift")


def test_a_changed_file_makes_it_dirty_and_a_new_one_does_not(tree):
    (tree / "report.html").touch()
    assert not read_commit(tree).dirty
    (tree / "file").write_text("2")
    assert read_commit(tree).dirty


@pytest.mark.parametrize("storage", [".energy", "sub/runs [1]"])
def test_runs_that_earlier_runs_have_stored_are_no_change_of_the_code(tree, storage):
    folder = tree / storage
    folder.mkdir(parents=True)
    files = [folder / "history.jsonl", folder / "main.json"]
    for file in files:
        file.write_text("1")
    git(tree, "add", "-A")
    git(tree, "commit", "-q", "-m", "Runs")
    for file in files:
        file.write_text("2")
    assert read_commit(tree).dirty
    assert not read_commit(tree, folder).dirty
    assert not read_commit(tree / "sub", folder).dirty
    (tree / "file").write_text("2")
    assert read_commit(tree, folder).dirty


def test_a_folder_of_runs_that_holds_the_code_or_lies_elsewhere_excuses_nothing(tree, tmp_path):
    (tree / "data.json").write_text("1")
    git(tree, "add", "-A")
    git(tree, "commit", "-q", "-m", "Data")
    (tree / "data.json").write_text("2")
    for storage in (tree, tree.parent, tmp_path.parent / "elsewhere"):
        assert read_commit(tree, storage).dirty


def test_a_detached_head_is_of_main_where_that_contains_it(tree):
    git(tree, "branch", "older")
    git(tree, "commit", "-q", "--allow-empty", "-m", "2")
    git(tree, "branch", "feature")
    git(tree, "checkout", "-q", "--detach", "HEAD~1")
    assert read_commit(tree).branch == "main"


def test_a_detached_head_is_else_of_the_only_branch_that_ends_there_or_contains_it(tree):
    git(tree, "checkout", "-q", "--detach")
    git(tree, "commit", "-q", "--allow-empty", "-m", "A pull request merged into main")
    assert read_commit(tree).branch is None
    git(tree, "update-ref", "refs/remotes/pull/7/merge", "HEAD")
    git(tree, "update-ref", "refs/remotes/origin/HEAD", "HEAD")
    assert read_commit(tree).branch == "7/merge"
    git(tree, "update-ref", "refs/heads/feature/x", "HEAD")
    assert read_commit(tree).branch is None
    git(tree, "commit", "-q", "--allow-empty", "-m", "Further")
    git(tree, "branch", "tip")
    assert read_commit(tree).branch == "tip"


def test_without_a_commit_a_tree_a_folder_or_git_there_is_none(tree, tmp_path_factory, monkeypatch):
    empty = tmp_path_factory.mktemp("empty")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(empty.parent))
    assert read_commit(empty) is None
    git(empty, "init", "-q")
    assert read_commit(empty) is None
    assert read_commit(empty / "none") is None
    monkeypatch.setenv("PATH", str(empty))
    assert read_commit(tree) is None


def test_a_git_that_hangs_is_given_up(tree, tmp_path_factory, monkeypatch):
    fake = tmp_path_factory.mktemp("bin")
    (fake / "git").write_text("#!/bin/sh\nexec /bin/sleep 60\n")
    (fake / "git").chmod(0o755)
    monkeypatch.setenv("PATH", str(fake))
    monkeypatch.setattr("pytest_energybench.results.git._TIMEOUT_S", 0.2)
    assert read_commit(tree) is None
