"""A model of one's own, as the how-to shows it: trained, checked and judged as the paper's are."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, blocks

PAGE = ROOT / "docs" / "how-to" / "your-own-model.md"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A stranger's repository with the files of the how-to."""
    for block in blocks(PAGE.read_text("utf-8")):
        if block.key == "file":
            (tmp_path / block.value).write_text(block.text, "utf-8")
    return tmp_path


def pytest_in(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_every_method_of_the_paper_is_a_case_with_its_figures(folder: Path) -> None:
    done = pytest_in(folder, "test_mynet.py", "--energy-json=run.json")
    cases = {
        case["params"]["method"]: case
        for case in json.loads((folder / "run.json").read_text("utf-8"))["cases"]
    }
    assert set(cases) == {"baseline", "amp", "steganographic", "pruning", "lowrank"}, done.stdout
    assert len({case["group"] for case in cases.values()}) == 1
    for method, case in cases.items():
        figures = case["metrics"]
        assert figures["total"] == 500
        assert figures["accuracy"] > 0.9
        assert figures["epochs"] >= 4
        assert (case["search"] is not None) == (method not in ("baseline", "amp"))
    assert cases["steganographic"]["metrics"]["compression_rate"] > 0
    # Whether so small a net saves energy is the machine's affair; nothing else may go wrong.
    errors = [
        line for line in done.stdout.splitlines() if line.startswith("E   ") and "Error" in line
    ]
    assert all("energy" in line for line in errors), done.stdout


def test_a_registered_model_is_collected_beside_the_papers(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", f"{folder}:{ROOT}")
    done = pytest_in(
        ROOT, "-p", "mynet", "bench_cases/test_paper.py", "-k", "mynet", "--collect-only", "-q"
    )
    assert "test_paper[mynet-baseline]" in done.stdout, done.stdout + done.stderr
    assert "test_paper[mynet-steganographic]" in done.stdout


BROKEN = """
import pytest, torch
from pytest_energybench.experiment import Experiment, methods

GOOD = torch.zeros(4, 1, 8, 8), torch.arange(4)

@pytest.mark.parametrize(
    ("train", "message"),
    [
        ((torch.zeros(4, 1, 8, 8), torch.arange(3)), "train: 4 images, and class numbers of 3"),
        ((torch.zeros(4, 1, 8, 8), torch.zeros(4)), "train: class numbers are torch.float32"),
        ((torch.zeros(0, 1, 8, 8), torch.zeros(0).long()), "train has no images"),
        (iter(()), "train: tuple_iterator is no data"),
    ],
)
def test_it(train, message):
    from pytest_energybench.experiment.training.errors import DataError
    with pytest.raises(DataError, match=message):
        Experiment("x", model=None, train=train, validation=GOOD, test=GOOD)

@methods("no-such-method")
def test_unknown(energy, method):
    Experiment(
        "x", model=lambda: torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 4)),
        train=GOOD, validation=GOOD, test=GOOD
    ).run(energy, method)
"""


def test_what_cannot_be_used_is_said_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "test_broken.py").write_text(BROKEN, "utf-8")
    done = pytest_in(tmp_path, "test_broken.py", "-q")
    assert "5 passed, 1 failed" in done.stdout or "1 failed, 5 passed" in done.stdout, done.stdout
    assert "SettingError: unknown method 'no-such-method': choose from" in done.stdout
    assert "Traceback" not in done.stdout
