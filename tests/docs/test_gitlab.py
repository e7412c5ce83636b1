"""The job for GitLab does what its page says: its own script, run here."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.docs.checkout import MARKER, NAMED, WORKFLOWS, commit, git
from tests.docs.runner import Runner, yaml

CURL = r"""#!{python}
import json, sys
from urllib.parse import parse_qs, urlsplit
words = sys.argv[1:]
(url,) = (word for word in words if word.startswith("https:"))
if url.endswith("/user"):
    print(json.dumps({{"id": 9}}))
elif "--request" not in words:
    asked = parse_qs(urlsplit(url).query)
    page, most = int(asked["page"][0]), int(asked["per_page"][0])
    print(json.dumps(json.load(open({notes!r}))[(page - 1) * most : page * most]))
else:
    body = next(word for word in words if word.startswith("body=<")).removeprefix("body=<")
    with open({changes!r}, "w") as out:
        out.write(json.dumps([words[words.index("--request") + 1], url, open(body).read()]))
"""


def gitlab(
    checkout: Path, runner: Runner, base: str, listed: list[dict[str, Any]], **variables: str
) -> tuple[bool, list[str]]:
    """Whether the job passes; then method, address and text of the comment that it leaves."""
    job = yaml.safe_load((WORKFLOWS / "energy.gitlab-ci.yml").read_text("utf-8"))["energy"]
    notes, changes = checkout.parent / "notes.json", checkout.parent / "changes.json"
    notes.write_text(json.dumps(listed))
    curl = checkout.parent / "bin" / "curl"
    curl.write_text(CURL.format(python=sys.executable, notes=str(notes), changes=str(changes)))
    curl.chmod(0o755)
    env = {
        "CI_PROJECT_DIR": str(checkout),
        "CI_MERGE_REQUEST_DIFF_BASE_SHA": base,
        "CI_MERGE_REQUEST_IID": "3",
        "CI_API_V4_URL": "https://gitlab.example/api/v4",
        "CI_PROJECT_ID": "12",
        "ENERGYBENCH_TOKEN": "t",
        **{name: str(value) for name, value in job["variables"].items()},
        **variables,
    }
    passed, _ = runner._run("\n".join(job["script"]), env)
    assert runner._run("\n".join(job["after_script"]), env)[0]
    if passed:
        metrics = (checkout / job["artifacts"]["reports"]["metrics"]).read_text()
        assert metrics.endswith("# EOF\n")
    return passed, json.loads(changes.read_text())


THERE = "https://gitlab.example/api/v4/projects/12/merge_requests/3/notes"


def test_gitlab_gets_over_a_base_that_failed(checkout: Path, runner: Runner) -> None:
    good = git(checkout, "rev-parse", "HEAD")
    (checkout / "tests" / "test_work.py").write_text("def test_work(energy): assert False")
    git(checkout, "commit", "-q", "-a", "-m", "base")
    bad = git(checkout, "rev-parse", "HEAD")
    commit(checkout, 1000)
    assert not gitlab(checkout, runner, bad, [])[0]
    assert (checkout.parent / "energy-base").exists()
    assert gitlab(checkout, runner, good, [])[0]


@pytest.mark.parametrize("before", [0, 99, 100, 250])
def test_gitlab_finds_its_earlier_comment_behind_any_number_of_notes(
    checkout: Path, runner: Runner, before: int
) -> None:
    listed = [{"id": i, "author": {"id": 1}, "body": "hello"} for i in range(before)]
    _, (method, url, _) = gitlab(checkout, runner, "", listed, OPTIONS="--no-such-option")
    assert (method, url) == ("POST", THERE)
    listed.append({"id": 999, "author": {"id": 9}, "body": f"{MARKER}\nold"})
    _, (method, url, _) = gitlab(checkout, runner, "", listed, OPTIONS="--no-such-option")
    assert (method, url) == ("PUT", f"{THERE}/999")


@pytest.mark.parametrize(("work", "good"), [(1010, True), (1500, False)])
def test_gitlab_compares_a_merge_request_with_its_base_and_comments(
    checkout: Path, runner: Runner, work: int, good: bool
) -> None:
    base = git(checkout, "rev-parse", "HEAD")
    commit(checkout, work)
    of = [(4, 1, MARKER), (5, 9, "hello"), *([(6, 9, f"{MARKER}\nold")] if good else [])]
    listed = [{"id": i, "author": {"id": user}, "body": body} for i, user, body in of]
    passed, (method, url, text) = gitlab(checkout, runner, base, listed)
    assert passed == good
    assert (method, url) == (("PUT", f"{THERE}/6") if good else ("POST", THERE))
    assert text.startswith(f"{MARKER}\n\n**{'PASSED' if good else 'FAILED'} against main")


@pytest.mark.parametrize("why", ["the base has no good figure", "pytest refuses to start"])
def test_gitlab_shows_no_other_figures_where_the_job_has_none_of_its_commit(
    checkout: Path, runner: Runner, why: str
) -> None:
    base = git(checkout, "rev-parse", "HEAD")
    if "base" in why:
        (checkout / "tests" / "test_work.py").write_text("def test_work(energy): assert False")
        git(checkout, "commit", "-q", "-a", "-m", "base")
        base = git(checkout, "rev-parse", "HEAD")
        commit(checkout, 1000)
    for folder, name in (("energy-report", "energy.json"), (".energy-ci", "main.json")):
        (checkout / folder).mkdir()
        (checkout / folder / name).write_text("left by an earlier job")
    options = {} if "base" in why else {"OPTIONS": "--no-such-option"}
    passed, (_, _, text) = gitlab(checkout, runner, base, [], **options)
    assert not passed
    assert text == f"{MARKER}\n\n**No figures of this commit**: the job wrote none.\n"


@pytest.mark.parametrize("tests", NAMED)
def test_gitlab_measures_the_base_however_its_tests_are_named(
    checkout: Path, runner: Runner, tests: str
) -> None:
    base = git(checkout, "rev-parse", "HEAD")
    (checkout / "tests" / "test_new.py").write_text("")
    commit(checkout, 1500)
    passed, (_, _, text) = gitlab(checkout, runner, base, [], TESTS=tests)
    assert not passed
    assert "FAILED against main" in text
