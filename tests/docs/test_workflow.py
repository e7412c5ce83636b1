"""The workflow for GitHub does what its page says: its own steps, run here in their order."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.docs.pages import ROOT

yaml = pytest.importorskip("yaml")

FILE = ROOT / "docs" / "workflows" / "energy.yml"

SUITE = """
def test_work(energy):
    with energy.measure():
        for i in range({work}):
            abs(i)
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with a commit on main."""
    folder = tmp_path / "checkout"
    (folder / "tests").mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main")
    commit(folder, 1000)
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    (bin_ / "pip").write_text("#!/bin/sh\n")  # everything is installed already
    (bin_ / "pip").chmod(0o755)
    return folder


def git(folder: Path, *words: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    command = ["git", *identity, *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def commit(folder: Path, work: int) -> str:
    (folder / "tests" / "test_work.py").write_text(SUITE.format(work=work))
    git(folder, "add", "tests")
    git(folder, "commit", "-q", "-m", f"work {work}")
    return git(folder, "rev-parse", "HEAD")


class Runner:
    """As much of GitHub's runner as this workflow needs: expressions, outputs, a cache."""

    def __init__(self, checkout: Path) -> None:
        self.checkout = checkout
        self.cache: dict[str, Path] = {}
        self.ran: list[str] = []

    def job(self, event: str, *, sha: str, base: str = "", labels: tuple[str, ...] = ()) -> bool:
        """Whether the job succeeds."""
        workflow = yaml.safe_load(FILE.read_text("utf-8"))
        github = {"event_name": event, "sha": sha, "base": base, "labels": labels}
        outputs: dict[str, dict[str, str]] = {}
        self.ran = []
        ok = True
        for step in workflow["jobs"]["energy"]["steps"]:
            condition = str(step.get("if", "True"))
            if not (ok or "always()" in condition):
                continue
            if not evaluate(condition, github, outputs):
                continue
            self.ran.append(step.get("name", step.get("uses")))
            found: dict[str, str] = {}
            if "run" in step:
                passed, found = self._run(fill(step["run"], github, outputs), workflow["env"])
                allowed = str(step.get("continue-on-error", "False")).strip("${} ")
                ok &= passed or bool(evaluate(allowed, github, outputs))
            elif "cache/" in step["uses"]:
                key = fill(step["with"]["key"], github, outputs)
                found = self._cache(step["uses"], key, self.checkout / step["with"]["path"])
            outputs[step.get("id", "")] = found
        return ok

    def _run(self, script: str, env: Mapping[str, str]) -> tuple[bool, dict[str, str]]:
        output = self.checkout.parent / "output"
        output.write_text("")
        path = [self.checkout.parent / "bin", Path(sys.executable).parent, os.environ["PATH"]]
        done = subprocess.run(
            ["bash", "-e", "-c", script],
            cwd=self.checkout,
            env={
                "PATH": os.pathsep.join(map(str, path)),
                "HOME": str(self.checkout.parent),
                "PYTHONPATH": str(Path(__file__).parent / "support"),
                "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
                "PYTEST_PLUGINS": "pytest_energybench.plugin,docs_meter",
                "GITHUB_OUTPUT": str(output),
                "GITHUB_WORKSPACE": str(self.checkout),
                **env,
            },
            capture_output=True,
            text=True,
            check=False,
        )
        print(script, done.stdout, done.stderr, sep="\n")
        pairs = (line.split("=", 1) for line in output.read_text().splitlines())
        return done.returncode == 0, dict(pairs)

    def _cache(self, action: str, key: str, path: Path) -> dict[str, str]:
        if "/save@" in action:
            self.cache[key] = path.rename(path.with_name("cached"))
        elif key in self.cache:
            self.cache[key].rename(path)
            return {"cache-hit": "true"}
        return {}


def evaluate(expression: str, github: Mapping[str, Any], outputs: Mapping[str, Any]) -> Any:
    """A workflow's expression: names are looked up, operators are Python's."""
    words = {"&&": " and ", "||": " or ", "always()": "True"}
    for theirs, ours in words.items():
        expression = expression.replace(theirs, ours)
    expression = re.sub(r"contains\(([^,]+), ([^)]+)\)", r"(\2 in \1)", expression)

    def value(found: re.Match[str]) -> str:
        name = found[0]
        if name.startswith("steps."):
            _, step, _, output = name.split(".")
            return repr(outputs.get(step, {}).get(output, ""))
        last = name.split(".")[-1] if "labels" not in name else "labels"
        return repr(github["base" if name.endswith("base.sha") else last])

    expression = re.sub(r"(?:github|steps)\.[\w.*-]+", value, expression)
    return eval(expression, {"__builtins__": {}})  # its operands are quoted above


def fill(text: str, github: Mapping[str, Any], outputs: Mapping[str, Any]) -> str:
    return re.sub(
        r"\$\{\{ (.*?) \}\}", lambda found: str(evaluate(found[1], github, outputs)), text
    )


def test_a_pull_request_is_compared_with_the_baseline_of_main(checkout: Path) -> None:
    runner = Runner(checkout)
    base = git(checkout, "rev-parse", "HEAD")
    assert runner.job("push", sha=base)
    assert len(runner.cache) == 1
    worse = commit(checkout, 1500)
    assert not runner.job("pull_request", sha=worse, base=base)
    assert "measure the base on this machine" not in runner.ran
    assert runner.ran[-1] == "keep the report"
    assert (checkout / "reports" / "energy.html").exists()


def test_without_one_the_base_is_measured_in_the_same_job(checkout: Path) -> None:
    base = git(checkout, "rev-parse", "HEAD")
    alike = commit(checkout, 1010)
    runner = Runner(checkout)
    assert runner.job("pull_request", sha=alike, base=base)
    assert "measure the base on this machine" in runner.ran


def test_a_label_lets_an_increase_through(checkout: Path) -> None:
    base = git(checkout, "rev-parse", "HEAD")
    worse = commit(checkout, 1500)
    assert Runner(checkout).job("pull_request", sha=worse, base=base, labels=("energy-accepted",))


def test_the_first_pull_request_with_energy_tests_has_nothing_to_compare_with(
    checkout: Path,
) -> None:
    git(checkout, "rm", "-q", "-r", "tests")
    git(checkout, "commit", "-q", "-m", "no tests")
    base = git(checkout, "rev-parse", "HEAD")
    (checkout / "tests").mkdir(exist_ok=True)
    first = commit(checkout, 1000)
    assert Runner(checkout).job("pull_request", sha=first, base=base)


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
    checkout: Path, suite: str, good: bool
) -> None:
    (checkout / "tests" / "test_work.py").write_text(suite)
    git(checkout, "commit", "-q", "-a", "-m", "base")
    base = git(checkout, "rev-parse", "HEAD")
    assert Runner(checkout).job("pull_request", sha=commit(checkout, 1000), base=base) == good
