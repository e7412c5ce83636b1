"""What a case costs where many of them come together: bytes sent, bytes kept, the driver's time.

    pytest bench_cases/test_scale.py -m slow -s

prints the figures of `docs/scale.md`. It needs Ray, and starts one here.
"""

from __future__ import annotations

import json
import os
import pickle
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tabulate import tabulate

pytestmark = pytest.mark.slow

CONFTEST = """
import pytest
from pytest_energybench.metering.fake import FakeMeter

METER = FakeMeter({"cpu:0": 10.0, "dram:0": 2.0})

def pytest_energy_meter(config):
    return METER

@pytest.fixture
def work():
    return METER.clock.advance

def pytest_unconfigure(config):
    from tests.processes import peak_bytes
    print("PEAK", peak_bytes())
"""

SUITE = """
import pytest

@pytest.mark.parametrize("number", range({number}))
def test_case(energy, work, number):
    with energy.measure("train"):
        work(1.0)
    energy.record(correct=9, total=10, epochs=3)
"""

GROUPS = """
import pytest

CASES = [
    pytest.param(number, marks=pytest.mark.energy_group(f"g{{number}}"))
    for number in range({number})
]

@pytest.mark.parametrize("number", CASES)
def test_case(energy, work, number):
    with energy.measure():
        work(1.0)
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project with a meter that costs nothing."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_PLUGINS", "pytest_energybench.plugin")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    (tmp_path / "conftest.py").write_text(CONFTEST)
    return tmp_path


def run(*arguments: str) -> tuple[float, str]:
    """Seconds of a pytest, and what it printed."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return time.monotonic() - began, done.stdout


def test_bytes_of_a_case(project: Path) -> None:
    from pytest_energybench.parallel.ray.task import TaskSpec, run_job

    number = 200
    (project / "test_it.py").write_text(SUITE.format(number=number))
    nodeids = tuple(f"test_it.py::test_case[{each}]" for each in range(number))
    files = (str(project / "test_it.py"),)
    job = TaskSpec((), str(project), files, nodeids, {}, safe_path=True, basetemp="")
    answer = run_job(job, "node")
    run("--energy-json=run.json")
    rows = [
        ("sent to a host: the job", len(pickle.dumps(job)) / number),
        ("sent back: journal", len(answer.journal) / number),
        ("sent back: pytest's reports", len(answer.log) / number),
        ("written: run file", os.path.getsize("run.json") / number),
    ]
    assert answer.status == 0
    print("\n" + tabulate(rows, ("bytes a case", ""), floatfmt=".0f"))


def test_what_the_driver_holds(project: Path) -> None:
    pytest.importorskip("ray", reason="needs Ray: pip install 'pytest-energybench[ray]'")
    rows = []
    for number in (1_000, 5_000):
        (project / "test_it.py").write_text(SUITE.format(number=number))
        alone_s, alone = run("--energy-json=alone.json")
        seconds, printed = run("--energy-ray=local", "--energy-json=run.json")
        assert len(json.loads(Path("run.json").read_text())["cases"]) == number
        elsewhere = re.search(r"ended on host 1 after (\d+) s", printed)
        assert elsewhere is not None
        rows.append((number, alone_s, _peak(alone), seconds - int(elsewhere[1]), _peak(printed)))
    head = ("cases", "s without Ray", "MiB", "s of the driver", "MiB")
    print("\n" + tabulate(rows, head, floatfmt=".0f"))
    slopes = [(more - less) / (rows[1][0] - rows[0][0]) for less, more in zip(*rows, strict=True)]
    print("a case more: {1:.4f} s, {2:.4f} MiB; {3:.4f} s, {4:.4f} MiB".format(*slopes))


def _peak(printed: str) -> float:
    """MiB that the pytest of the project's conftest held at most."""
    found = re.search(r"PEAK (\d+)", printed)
    assert found is not None
    return int(found[1]) / 2**20


def test_seconds_of_a_task(project: Path) -> None:
    pytest.importorskip("ray", reason="needs Ray: pip install 'pytest-energybench[ray]'")
    spent = {}
    for number in (2, 22):
        (project / "test_it.py").write_text(GROUPS.format(number=number))
        spent[number], _ = run("--energy-ray=local")
    print(f"\n{(spent[22] - spent[2]) / 20:.2f} s a task, {spent[2]:.1f} s for two")
