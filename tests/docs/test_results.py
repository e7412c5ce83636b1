"""docs/paper-results.md says what the committed run says."""

from __future__ import annotations

import subprocess
import sys

from tests.docs.pages import ROOT


def test_the_figures_are_those_of_the_committed_run() -> None:
    command = [sys.executable, "docs/make_results.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
