"""Code of the how-tos that takes too long to run with its page."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, blocks

HOW_TO = ROOT / "docs" / "how-to"


def files_of(page: Path, folder: Path) -> None:
    """Write the page's files into `folder`."""
    for block in blocks(page.read_text("utf-8")):
        if block.key == "file":
            (folder / block.value).write_text(block.text, "utf-8")


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(folder)}
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.slow
def test_a_training_of_ones_own_runs_with_torchrun_and_without(tmp_path: Path) -> None:
    files_of(HOW_TO / "train-on-many-gpus.md", tmp_path)
    torchrun = ("torch.distributed.run", "--nproc-per-node=2", "-m")
    for start in (torchrun, ()):
        done = run(tmp_path, *start, "pytest", "test_ddp.py", "--energy-report")
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.count("1 passed") == 1
        assert (tmp_path / "reports" / "energy.html").exists()
