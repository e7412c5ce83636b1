"""The actions and workflows do what their page says: their own steps, run here in their order."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tests.docs.checkout import MARKER, NAMED, WORKFLOWS, commit, git, merged
from tests.docs.pages import ROOT
from tests.docs.runner import Runner, yaml

GITHUB = [WORKFLOWS / "energy.yml", WORKFLOWS / "energy-comment.yml"]
GITHUB += sorted((ROOT / ".github" / "workflows").glob("*.yml"))
COMMENT = ROOT / ".github" / "actions" / "comment"
ACTIONS = [ROOT / "action.yml", COMMENT / "action.yml"]
BOT = "github-actions[bot]"


def push(sha: str) -> dict[str, Any]:
    return {"event_name": "push", "sha": sha}


def pull(base: str, *labels: str, of: str = "o/r") -> dict[str, Any]:
    head = {"repo": {"full_name": of}}
    request = {"base": {"sha": base}, "labels": list(labels), "head": head, "number": 7}
    return {"event_name": "pull_request", "event": {"pull_request": request}}


def test_a_pull_request_is_compared_with_the_stored_run_and_told_so_once(
    checkout: Path, runner: Runner
) -> None:
    base = git(checkout, "rev-parse", "HEAD")
    assert runner.job(push(base))
    assert len(runner.cache) == 1
    badge = json.loads((runner.temp / "energy-report" / "badge.json").read_text())
    assert (badge["label"], badge["schemaVersion"]) == ("energy", 1)
    commit(checkout, 1500)
    stranger = {"id": 1, "login": "somebody", "body": "<!-- energybench: energy -->\nmine"}
    other = {"id": 2, "login": BOT, "body": "<!-- energybench: gpu -->\n"}
    runner.answers["comments"] = [stranger, other]
    assert not runner.job(pull(base))
    assert "measure the base on this machine" not in runner.ran
    assert (runner.temp / "energy-report" / "energy.html").exists()
    ((method, path, text),) = runner.changes()
    assert (method, path) == ("POST", "repos/o/r/issues/7/comments")
    assert text.startswith("<!-- energybench: energy -->\n\n**FAILED against main")
    runner.answers["comments"] += [{"id": 3, "login": BOT, "body": text}]
    (next(iter(runner.cache.values())).parent / ".energy-ci").rename(checkout / "cached")
    assert not runner.job(pull(base))
    assert runner.changes()[1][:2] == ("PATCH", "repos/o/r/issues/comments/3")


def test_without_one_the_base_is_measured_in_the_same_job(checkout: Path, runner: Runner) -> None:
    base = git(checkout, "rev-parse", "HEAD")
    commit(checkout, 1010)
    runner.answers["refuses"] = True  # a comment that can't be written changes nothing
    assert runner.job(pull(base))
    assert "measure the base on this machine" in runner.ran
    assert "::warning title=energy gate::the comment could not be written" in runner.output
    assert "PASSED against main" in (runner.temp / "energy-report" / "comment.md").read_text()


def test_an_increase_fails_although_no_comment_can_be_written(
    checkout: Path, runner: Runner
) -> None:
    base = git(checkout, "rev-parse", "HEAD")
    commit(checkout, 1500)
    runner.answers["refuses"] = True
    assert not runner.job(pull(base))
    assert runner.ran[-1] == "comment"


def test_a_fork_gets_no_comment_from_its_own_job(checkout: Path, runner: Runner) -> None:
    base = git(checkout, "rev-parse", "HEAD")
    assert not runner.job(pull(base, of="fork/r"), if_missing="fail")
    assert runner.ran[-1] == "keep the report"
    assert not runner.changes()


@pytest.mark.parametrize(("if_missing", "good"), [("fail", False), ("pass", True)])
def test_a_missing_stored_run_is_told_and_passes_only_where_asked(
    checkout: Path, runner: Runner, if_missing: str, good: bool
) -> None:
    base = git(checkout, "rev-parse", "HEAD")
    assert runner.job(pull(base), if_missing=if_missing) == good
    level = "warning" if good else "error"
    assert f"::{level} title=energy gate::there is no stored run of the base" in runner.output
    text = (runner.temp / "energy-report" / "comment.md").read_text()
    assert "Compared with no stored run." in text
    assert "Note: there is no stored run of the base on this kind of machine" in text


def test_a_commit_without_figures_replaces_the_comment_on_an_earlier_one(
    checkout: Path, runner: Runner
) -> None:
    base = git(checkout, "rev-parse", "HEAD")
    runner.answers["comments"] = [{"id": 3, "login": BOT, "body": "<!-- energybench: energy -->"}]
    assert not runner.job(pull(base), options="--no-such-option", if_missing="pass")
    ((method, _, text),) = runner.changes()
    assert method == "PATCH"
    assert "**No figures of this commit**" in text


def test_a_label_lets_an_increase_through(checkout: Path, runner: Runner) -> None:
    base = git(checkout, "rev-parse", "HEAD")
    commit(checkout, 1500)
    assert runner.job(pull(base, "energy-accepted"))
    assert "PASSED against main" in runner.changes()[0][2]
    assert re.search(r"1 more: test\\_work \+[45].*, worst \+[45]", runner.changes()[0][2])


@pytest.mark.parametrize(
    "suite",
    ["def test_work(energy): assert False", "def test_work(energy): pass", "import no_such_module"],
)
def test_a_label_lets_nothing_else_through(checkout: Path, runner: Runner, suite: str) -> None:
    base = git(checkout, "rev-parse", "HEAD")
    (checkout / "tests" / "test_work.py").write_text(suite)
    git(checkout, "commit", "-q", "-a", "-m", "broken")
    assert not runner.job(pull(base, "energy-accepted"))


@pytest.mark.parametrize("is_the_checkout", [True, False])
def test_the_base_is_what_the_checkout_was_merged_into(
    checkout: Path, runner: Runner, is_the_checkout: bool
) -> None:
    """GitHub merges into the branch as it is now; the event names the branch as it was."""
    before = git(checkout, "rev-parse", "HEAD")
    cheaper = commit(checkout, 500)
    git(checkout, "checkout", "-q", "-b", "change", before)
    head = commit(checkout, 1001)
    merge = merged(checkout, cheaper)
    sha = merge if is_the_checkout else head  # a checkout of something else has its own base
    assert runner.job({**pull(before), "sha": sha}) != is_the_checkout
    assert ("more than main" in runner.output) == is_the_checkout


def test_a_commit_that_merges_nothing_is_held_against_the_event_s_base(
    checkout: Path, runner: Runner
) -> None:
    base = git(checkout, "rev-parse", "HEAD")
    commit(checkout, 1500)
    sha = commit(checkout, 1501)
    assert not runner.job({**pull(base), "sha": sha})
    assert "more than main" in runner.output


def test_a_base_that_failed_stands_in_no_later_job_s_way(checkout: Path, runner: Runner) -> None:
    base = git(checkout, "rev-parse", "HEAD")
    commit(checkout, 1010)
    assert not runner.job(pull(base), install='[ "$PWD" != "$RUNNER_TEMP/base" ]')
    assert (runner.temp / "base").exists()
    assert runner.job(pull(base))
    assert not runner.job(pull(base), install='[ "$PWD" != "$RUNNER_TEMP/base" ]')
    shutil.rmtree(runner.temp / "base")  # as the runner does; git still knows of it
    assert runner.job(pull(base))


def test_two_gates_in_one_job_share_no_figures(checkout: Path, runner: Runner) -> None:
    """The first has measured its base; what the second one's base would be is not known."""
    base = git(checkout, "rev-parse", "HEAD")
    commit(checkout, 1010)
    assert runner.job(pull(base))
    assert not runner.job(pull(base), if_missing="fail", name="gpu", options="--no-such-option")
    assert "there is no stored run of the base" in runner.output
    assert "**No figures of this commit**" in runner.changes()[-1][2]


def test_a_machine_whose_doctor_complains_is_still_of_a_kind(
    checkout: Path, runner: Runner
) -> None:
    base = git(checkout, "rev-parse", "HEAD")
    command = checkout.parent / "bin" / "energybench"
    real = Path(sys.executable).with_name("energybench")
    command.write_text(f'#!/bin/sh\n{real} "$@" && [ "$1" != doctor ]\n')
    command.chmod(0o755)
    assert runner.job(push(base))
    (key,) = runner.cache
    command.unlink()
    shutil.rmtree(checkout / "cached")
    assert runner.job(push(base))
    assert list(runner.cache) == [key]


@pytest.mark.parametrize("action", ACTIONS, ids=["gate", "comment"])
def test_an_action_installs_its_own_source_unless_told_otherwise(
    checkout: Path, action: Path
) -> None:
    runner = Runner(checkout, action.parent)
    runner.answers |= {"head": "fork:x", "pulls": [{"number": 7, "sha": "a" * 40}]}
    report = runner.temp / "energy-report" / "energy.json"
    report.parent.mkdir()
    report.write_text("{}")
    of = {"head_repository": {"owner": {"login": "fork"}}, "head_branch": "x", "head_sha": "a" * 40}
    event = {"event_name": "pull_request_target", "event": {"workflow_run": of}}
    runner.job(event, install="true")  # which fails: what matters is what it had installed
    assert (Path(runner.installed) / "pyproject.toml").samefile(ROOT / "pyproject.toml")
    runner.job(event, install="true", package="pytest-energybench==1.0")
    assert runner.installed == "pytest-energybench==1.0"


@pytest.mark.parametrize("tests", NAMED)
def test_the_base_is_measured_however_its_tests_are_named(
    checkout: Path, runner: Runner, tests: str
) -> None:
    base = git(checkout, "rev-parse", "HEAD")
    (checkout / "tests" / "test_new.py").write_text("")
    commit(checkout, 1500)
    assert not runner.job(pull(base), tests=tests)
    assert "more than main" in runner.output


def test_the_first_pull_request_with_energy_tests_has_nothing_to_compare_with(
    checkout: Path, runner: Runner
) -> None:
    git(checkout, "rm", "-q", "-r", "tests")
    git(checkout, "commit", "-q", "-m", "no tests")
    base = git(checkout, "rev-parse", "HEAD")
    (checkout / "tests").mkdir(exist_ok=True)
    commit(checkout, 1000)
    assert runner.job(pull(base))
    assert "the base has no metered test" in runner.output


@pytest.mark.parametrize(
    ("suite", "good"),
    [
        ("def test_work(): pass", True),
        ("def test_work(energy): assert False", False),
        ("import nothing_of_that_name", False),
    ],
    ids=["no metered test", "no good figure", "no import"],
)
def test_a_base_that_tells_nothing_fails_unless_nothing_was_metered_there(
    checkout: Path, runner: Runner, suite: str, good: bool
) -> None:
    (checkout / "tests" / "test_work.py").write_text(suite)
    git(checkout, "commit", "-q", "-a", "-m", "base")
    base = git(checkout, "rev-parse", "HEAD")
    commit(checkout, 1000)
    assert runner.job(pull(base)) == good


def test_a_merge_queue_is_compared_with_its_base(checkout: Path, runner: Runner) -> None:
    base = git(checkout, "rev-parse", "HEAD")
    commit(checkout, 1500)
    group = {"event_name": "merge_group", "event": {"merge_group": {"base_sha": base}}}
    assert not runner.job(group)
    assert "FAILED against main" in (runner.temp / "energy-report" / "comment.md").read_text()
    assert not runner.changes()


def test_an_event_whose_checkout_is_the_base_is_refused(checkout: Path, runner: Runner) -> None:
    base = git(checkout, "rev-parse", "HEAD")
    assert not runner.job({**pull(base), "event_name": "pull_request_target"})
    assert "gate" not in runner.ran
    assert "use pull_request" in runner.output


class TestOfAFork:
    """The second workflow: it holds a token, so what a fork has written is not believed."""

    RUN: ClassVar[dict[str, Any]] = {
        "head_repository": {"owner": {"login": "fork"}},
        "head_branch": "x; touch y $(touch z)",
        "head_sha": "a" * 40,
        "id": 5,
    }

    @pytest.fixture
    def runner(self, checkout: Path) -> Runner:
        runner = Runner(checkout, COMMENT)
        pulls = [{"number": 7, "sha": "a" * 40}, {"number": 8, "sha": "b" * 40}]
        runner.answers |= {"head": f"fork:{self.RUN['head_branch']}", "pulls": pulls}
        folder = runner.temp / "energy-report"
        folder.mkdir()
        (folder / "comment.md").write_text("<!-- energybench: energy -->\n@everyone")
        (folder / "number").write_text("1")
        return runner

    def test_the_run_file_is_commented_on_the_request_that_ran(self, runner: Runner) -> None:
        from pytest_energybench.results.run_file import write_run
        from tests.results.samples import make_case, make_run

        run = make_run(make_case("@everyone", 5.0))
        write_run(run, runner.temp / "energy-report" / "energy.json")
        assert runner.job({"event": {"workflow_run": self.RUN}})
        ((method, path, text),) = runner.changes()
        assert (method, path) == ("POST", "repos/o/r/issues/7/comments")
        assert text.startswith("<!-- energybench: energy -->\n\nCompared with no stored run.")
        assert "whether the gate holds, its check says" in text
        assert sorted(path.name for path in runner.checkout.iterdir()) == [".git", "tests"]

    def test_what_is_no_run_file_is_refused(self, runner: Runner) -> None:
        (runner.temp / "energy-report" / "energy.json").write_text('{"cases": "`touch x`"}')
        assert not runner.job({"event": {"workflow_run": self.RUN}})
        assert not runner.changes()

    def test_a_commit_without_figures_replaces_the_comment_on_an_earlier_one(
        self, runner: Runner
    ) -> None:
        runner.answers["comments"] = [{"id": 3, "login": BOT, "body": f"{MARKER}\nold"}]
        assert runner.job({"event": {"workflow_run": self.RUN}})
        ((method, path, text),) = runner.changes()
        assert (method, path) == ("PATCH", "repos/o/r/issues/comments/3")
        assert text.startswith(f"{MARKER}\n\n**No figures of this commit**")

    def test_a_commit_that_no_open_request_is_at_gets_nothing(self, runner: Runner) -> None:
        assert runner.job({"event": {"workflow_run": self.RUN | {"head_sha": "c" * 40}}})
        assert runner.ran == ["find the pull request"]


@pytest.mark.parametrize(
    ("schema", "files"),
    [
        ("github-workflows", GITHUB),
        ("github-actions", ACTIONS),
        ("gitlab-ci", [WORKFLOWS / "energy.gitlab-ci.yml"]),
    ],
)
def test_each_file_is_what_its_forge_reads(schema: str, files: list[Path]) -> None:
    pytest.importorskip("check_jsonschema")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}"]
    done = subprocess.run([*command, *files], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_a_label_and_a_merge_queue_start_the_gate() -> None:
    """A job that is run again gets the event of its first run, whose labels are the old ones."""
    workflow = yaml.safe_load(GITHUB[0].read_text("utf-8"))
    events = workflow[True]  # `on`, to YAML 1.1
    assert {"push", "pull_request", "merge_group"} <= events.keys()
    of_labels, of_commits = {"labeled", "unlabeled"}, {"opened", "synchronize", "reopened"}
    assert set(events["pull_request"]["types"]) == of_labels | of_commits


def tool(name: str) -> str:
    """Where it is, beside this Python or on the path."""
    found = shutil.which(name, path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    return found or pytest.skip(f"no {name}")


def test_nothing_in_them_lets_strangers_in() -> None:
    """By the rules of zizmor, but for versions that are pinned by name and not by hash."""
    files = [*GITHUB, *ACTIONS]
    command = [tool("zizmor"), "--offline", "--no-exit-codes", "--format=json", *files]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    findings = [each for each in json.loads(done.stdout) if not each["ignored"]]
    assert [each["ident"] for each in findings if each["ident"] != "unpinned-uses"] == []


def test_actionlint_finds_nothing() -> None:
    done = subprocess.run(
        [tool("actionlint"), *GITHUB], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
