"""A method in a file of its own, as the how-to shows it, selected by name on the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench_cases.conftest import Run
from tests.docs.pages import ROOT, blocks

PAGE = ROOT / "docs" / "how-to" / "extend-the-paper-cases.md"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the how-to's method in it."""
    (method,) = (b for b in blocks(PAGE.read_text("utf-8")) if b.value == "half.py")
    (tmp_path / "half.py").write_text(method.text, "utf-8")
    return tmp_path


def cases(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-p", "half", "bench_cases/test_paper.py", *options]
    return subprocess.run(
        [*command, "-p", "no:cacheprovider"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.mark.usefixtures("own_methods")
def test_it_is_selected_by_name_alone_and_in_a_combination(
    folder: Path, run_pytest: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(folder)
    selected = ("bench_cases/test_paper.py", "--bench-methods=half,half+channel", "-k", "alexnet")
    done = run_pytest("-p", "half", *selected, "--collect-only", "-q")
    assert done.ret == pytest.ExitCode.OK, done.stderr.str()
    found = [line.partition("[")[2] for line in done.outlines if "[" in line]
    assert found == ["alexnet-baseline]", "alexnet-half]", "alexnet-half+channel]"]


@pytest.mark.slow
def test_it_is_trained_checked_and_judged_as_any_other(folder: Path) -> None:
    done = cases(
        folder,
        "--bench-methods=half",
        "--bench-epochs=1",
        "-k",
        "resnet18",
        f"--energy-report-dir={folder}",
        f"--energy-json={folder}/run.json",
    )
    run = json.loads((folder / "run.json").read_text("utf-8"))
    case = {each["params"]["method"]: each for each in run["cases"]}["half"]
    busy = case["result"]["reason"] == "machine busy"  # then its energy decides nothing
    assert done.returncode == int(busy), done.stdout + done.stderr
    assert case["metrics"]["compression_rate"] == 0.5
    assert case["metrics"]["number_type"] in ("bfloat16", "float16", "float32")
    assert "half of the bits, without a search" in case["flags"]
