"""The pages of results say what the committed runs say."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.docs.pages import ROOT


@pytest.mark.parametrize("generator", ["make_results.py", "make_language_results.py"])
def test_the_figures_are_those_of_the_committed_run(generator: str) -> None:
    command = [sys.executable, f"docs/{generator}", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
