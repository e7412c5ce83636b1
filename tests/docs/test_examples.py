"""The examples are tests that pass where nothing is but the package and what they import."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT

EXAMPLES = sorted((ROOT / "examples").glob("test_*.py"))


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_passes(example: Path, tmp_path: Path) -> None:
    (tmp_path / example.name).write_text(example.read_text("utf-8"), "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", example.name, "--energy-json=run.json"],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": str(Path(__file__).parent / "support"),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTEST_PLUGINS": "pytest_energybench.plugin,cpu_meter",
            "OMP_NUM_THREADS": "1",
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    cases = json.loads((tmp_path / "run.json").read_text("utf-8"))["cases"]
    if "machine busy" in {case["result"]["reason"] for case in cases}:
        pytest.skip("needs a machine that nothing else keeps busy: its energy decides nothing")
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(cases) >= 2
    assert {case["result"]["kind"] for case in cases} == {"pass"}
    assert any(case["result"]["reason"] == "" for case in cases)
