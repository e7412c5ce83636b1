"""A repository whose commits do more or less work, for the tests of actions and workflows."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.docs.pages import ROOT

WORKFLOWS = ROOT / "docs" / "workflows"
MARKER = "<!-- energybench: energy -->"
"""First line of a comment."""
NAMED = ("tests/test_work.py::test_work", "-k work tests", "tests/test_w*.py tests/test_new.py")
"""Ways to name what pytest runs, of which not all is there in the base."""
SUITE = """
def test_work(energy):
    with energy.measure():
        for i in range({work}):
            abs(i)
"""


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


def merged(folder: Path, base: str) -> str:
    """What HEAD is then: a merge of it into `base`, with its own files."""
    merge = git(folder, "commit-tree", "HEAD^{tree}", "-p", base, "-p", "HEAD", "-m", "merge")
    git(folder, "checkout", "-q", "--detach", merge)
    return merge
