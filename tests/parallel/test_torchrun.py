"""pytest under torchrun: real ranks, one report, one meter a host, and no hang when one fails."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]

CONFTEST = """
import os, pytest, torch
from pytest_energybench.session.role import ranks_of
from pytest_energybench.experiment.training.distributed import ManyRanks, enter

RANK = int(os.environ.get("RANK", 0))
torch.set_num_threads(1)

def pytest_energy_ranks(config):
    from pytest_energybench.experiment.training.rank_coordinator import RankCoordinator
    return RankCoordinator.of_torchrun()

@pytest.fixture(scope="session", autouse=True)
def together(pytestconfig):
    roll = ranks_of(pytestconfig)
    if roll is not None:
        enter(ManyRanks(roll, torch.device("cpu")))
"""

TRAINING = """
import os, signal
import pytest
from torch.nn import Linear
from torch.nn.modules.module import register_module_forward_hook
from conftest import RANK
from pytest_energybench.experiment.compression.plan import CompressionPlan
from pytest_energybench.experiment.compression.run import prepare, warm_up
from pytest_energybench.experiment.training.datasets.named_sets import digits
from pytest_energybench.experiment.training.evaluate import evaluate
from pytest_energybench.experiment.training.settings import TrainSettings
from tests.experiment.training.nets import CPU, small_net

SETTINGS = TrainSettings(batch_size=32, max_epochs=4, evaluation_batch=60)
DATA = digits(16, CPU)

def train(energy, method="plain", every_epoch=lambda: 0.0):
    plan = CompressionPlan(small_net(), mixed_precision=method == "narrow")
    with energy.heavy_work():
        warm_up(plan, DATA, SETTINGS, CPU)
        prepared = prepare(plan, SETTINGS, CPU, "net")
    with energy.measure("train"):
        prepared.train(DATA, every_epoch)
    score = evaluate(prepared.plan.model, DATA.test, 60)
    energy.record(correct=score.correct, total=score.total, pid=os.getpid())
"""

SHORT = TRAINING.replace("max_epochs=4", "max_epochs=1")

GROUP = """
@pytest.mark.parametrize("method", [
    pytest.param("plain", marks=pytest.mark.energy_baseline), "narrow"])
@pytest.mark.energy_group("net")
def test_net(energy, method):
    train(energy, method)
    energy.assert_accuracy_within_baseline(max_drop=0.05)
    print("said by", RANK)
"""


EXPERIMENT = """
import pytest, torch
from torch import nn
from conftest import RANK
from pytest_energybench.experiment import Experiment, experiment as module, methods
from pytest_energybench.experiment.training.settings import TrainSettings

if RANK == 1:  # it knows nothing of what rank 0 has recorded, as after a run that was resumed
    module.recorded_by_baseline = lambda *_: None

def images(seed):
    random = torch.Generator().manual_seed(seed)
    labels = (torch.arange(60) % 2).sort().values  # each rank's half of them is of one class
    return torch.rand(60, 4, generator=random) + 2 * nn.functional.one_hot(labels, 4), labels

def model():
    torch.manual_seed(3)
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for _ in range(30):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(images(0)[0]), images(0)[1]).backward()
        optimizer.step()
    return net

@pytest.fixture(scope="module")
def experiment():
    return Experiment(
        "tiny", model=model, train=images(0), validation=images(1), test=images(2), device="cpu",
        train_settings=TrainSettings(batch_size=20, max_epochs=2, evaluation_batch=60),
    )

@methods("steganographic", "pruning")
def test_tiny(experiment, energy, method):
    experiment.run(energy, method)
"""


@dataclass(frozen=True)
class Ran:
    """What torchrun printed, how it ended, and the run file."""

    status: int
    printed: str
    seconds: float
    cases: Mapping[str, Any]
    run: Mapping[str, Any]


class Project:
    """A project of somebody who trains with torch."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{folder}")
        monkeypatch.setenv("OMP_NUM_THREADS", "1")
        self.write("conftest.py", CONFTEST)

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    def run(self, *args: str, ranks: int = 2) -> Ran:
        """pytest under torchrun; with one rank plain pytest."""
        python = [sys.executable, "-m"]
        if ranks > 1:
            python += ["torch.distributed.run", f"--nproc-per-node={ranks}", "-m"]
        began = time.monotonic()
        done = subprocess.run(
            [*python, "pytest", "--energy-json=run.json", *args],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
        )
        seconds = time.monotonic() - began
        file = self.folder / "run.json"
        run = json.loads(file.read_text()) if file.exists() else {"cases": []}
        cases = {case["name"]: case for case in run["cases"]}
        return Ran(done.returncode, done.stdout, seconds, cases, run)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    return Project(tmp_path, monkeypatch)


def test_two_ranks_report_as_one_and_spend_for_two(project: Project) -> None:
    project.write("test_net.py", TRAINING + GROUP)
    ran = project.run("--junitxml=junit.xml", "-s")
    assert ran.status == 0, ran.printed
    assert ran.printed.count("test session starts") == 1
    assert "2 passed" in ran.printed
    assert "said by 0" in ran.printed
    assert "said by 1" not in ran.printed
    assert (project.folder / "junit.xml").read_text().count("<testcase ") == 2
    assert not list(project.folder.rglob("energy.journal"))
    alone = project.run(ranks=1)
    for name, case in ran.cases.items():
        assert case["outcome"] == "passed"
        one = alone.cases[name]
        assert case["metrics"]["accuracy"] == pytest.approx(one["metrics"]["accuracy"], abs=0.02)
        # Both ranks' CPU seconds: more than the one rank that reports can have used.
        seconds = case["energy_j"]["cpu"] / one["energy_j"]["cpu"]
        assert seconds > 1.2, (case["energy_j"], one["energy_j"])
        assert not case["errors"]
    assert [meter["domain"] for meter in ran.run["meters"]] == ["cpu", "ram"]


def test_ranks_run_an_experiment_together_whatever_each_of_them_knows(project: Project) -> None:
    project.write("test_net.py", EXPERIMENT)
    ran = project.run()
    cases = {case["params"]["method"]: case for case in ran.cases.values()}
    assert set(cases) == {"baseline", "steganographic", "pruning"}, ran.printed
    for method, case in cases.items():  # whether so small a net saves energy is not the point
        assert case["outcome"] in ("passed", "failed", "xfailed"), ran.printed
        assert case["errors"] == []
        assert (case["metrics"]["total"], case["metrics"]["accuracy"] > 0.9) == (60, True)
        assert (case["search"] is not None) == (method != "baseline")


def test_a_rank_that_raises_ends_the_case_for_all_and_the_next_one_runs(project: Project) -> None:
    project.write(
        "test_net.py",
        SHORT
        + """
def test_raises(energy):
    def every_epoch():
        if RANK == 1:
            raise ValueError("no more images")
        return 0.0
    train(energy, every_epoch=every_epoch)

def test_setup_raises(energy, request):
    if RANK == 1:
        pytest.skip("not for me")
    train(energy)

def test_after(energy):
    train(energy)
""",
    )
    ran = project.run()
    assert ran.status == 1
    assert "rank 1 failed: ValueError: no more images" in ran.printed
    assert "1 failed, 1 passed, 1 skipped" in ran.printed
    assert ran.cases["test_raises"]["outcome"] == "error"
    assert ran.cases["test_raises"]["errors"] == ["rank 1 failed: ValueError: no more images"]
    assert ran.cases["test_after"]["outcome"] == "passed"


def test_a_rank_that_raises_in_a_window_waits_for_nobody_and_is_named(project: Project) -> None:
    project.write(
        "test_net.py",
        """
import pytest
from conftest import RANK
from pytest_energybench.experiment.training.distributed import current

def test_search(energy):
    with energy.measure("search", counted=False):
        if RANK:
            raise ValueError("no such layer")
        current().roll.gather("a figure")
""",
    )
    ran = project.run()
    assert ran.cases["test_search"]["errors"] == ["rank 1 failed: ValueError: no such layer"]


def test_an_error_after_the_test_is_everybodys(project: Project) -> None:
    project.write(
        "test_net.py",
        """
import pytest
from conftest import RANK

@pytest.fixture
def data():
    yield
    if RANK:
        raise OSError("no room left")

def test_it(energy, data):
    with energy.measure():
        sum(range(1000))

def test_after(energy):
    with energy.measure():
        sum(range(1000))
""",
    )
    ran = project.run()
    assert ran.status == 1
    assert "rank 1 failed: OSError: no room left" in ran.printed
    assert "2 passed, 1 error" in ran.printed


@pytest.mark.parametrize(("ranks", "killed"), [(2, 1), (4, 2)])
def test_a_rank_that_is_killed_ends_the_run_with_its_name(
    project: Project, ranks: int, killed: int
) -> None:
    project.write(
        "test_net.py",
        SHORT
        + f"""
def test_before(energy):
    train(energy)

def test_killed(energy):
    steps = iter(range(10**6))

    def every_step(module, *_):
        # Two steps of warming up, then the fifth of an epoch that has 22.
        if module.training and isinstance(module, Linear) and next(steps) == 6:
            with open("killed", "w") as file:
                print(os.getpid(), file=file)
            os.kill(os.getpid(), signal.SIGKILL)

    handle = register_module_forward_hook(every_step) if RANK == {killed} else None
    train(energy)
    if handle is not None:
        handle.remove()

def test_after(energy):
    train(energy)
""",
    )
    ran = project.run("--energy-report", ranks=ranks)
    assert time.time() - (project.folder / "killed").stat().st_mtime < 60
    assert ran.status == 1
    pid = (project.folder / "killed").read_text().strip()
    lost = f"rank {killed} (process {pid}) was lost: killed or crashed, no sign of life"
    assert lost in ran.printed
    assert ran.cases["test_before"]["outcome"] == "passed"
    assert ran.cases["test_killed"]["outcome"] == "error"
    assert ran.cases["test_killed"]["errors"] == [lost]
    assert "test_after" not in ran.cases
    # What was measured can be resumed from: with ranks that live, it goes on where it was.
    assert (project.folder / "reports" / "energy.journal").exists()
    project.write(
        "test_net.py",
        (project.folder / "test_net.py").read_text().replace(f"RANK == {killed}", "False"),
    )
    again = project.run("--energy-report", "--energy-resume", ranks=ranks)
    assert again.status == 0, again.printed
    assert "2 passed" in again.printed
    before = again.cases["test_before"]["metrics"]["pid"]
    assert before == ran.cases["test_before"]["metrics"]["pid"]


def test_ranks_that_collect_other_tests_are_told_so(project: Project) -> None:
    project.write(
        "test_net.py",
        """
import os, pytest

@pytest.mark.parametrize("i", range(3 - int(os.environ.get("RANK", 0))))
def test_it(energy, i):
    with energy.measure():
        pass
""",
    )
    ran = project.run()
    assert ran.status == 1
    assert (
        "ERROR: the ranks collected different tests: as number 3, rank 0 has"
        " test_net.py::test_it[2] and rank 1 has nothing"
    ) in ran.printed
    assert not ran.cases


def test_only_the_first_rank_judges_and_all_end_as_it_does(project: Project) -> None:
    project.write(
        "test_net.py",
        """
def test_too_much(energy):
    with energy.measure():
        sum(range(10**6))
    energy.assert_below("1 nJ")

def test_after(energy):
    with energy.measure():
        pass
""".replace("1 nJ", "0.000001 mJ"),
    )
    ran = project.run("-x")
    assert ran.status == 1
    assert "1 failed" in ran.printed
    assert list(ran.cases) == ["test_too_much"]
    assert ran.cases["test_too_much"]["outcome"] == "failed"


TWO_HOSTS = (
    CONFTEST.replace("of_torchrun()", "of_torchrun(host=f'node{RANK}')")
    + """
from pytest_energybench.metering.fake import FakeMeter
from pytest_energybench.metering.meter import Meter

METER = FakeMeter({"gpu:0": 100.0 * (RANK + 1)})

def pytest_energy_meter(config):
    return Meter(()) if RANK and "NO_METER" in os.environ else METER
"""
)

TEN_SECONDS = """
from conftest import METER, RANK

def test_it(energy):
    with energy.measure():
        METER.clock.advance(10.0)
    energy.per(token=10 + RANK)
    energy.per(token=4, **{"answer": 1} if RANK else {})
    energy.assert_below("2 MJ")
    energy.assert_below("104 J/token")  # 3,000 J over 29; rank 0 alone counted 14

def test_calls(energy):
    energy(METER.clock.advance, 1.0, rounds=3)
"""


def test_hosts_are_summed_by_name(project: Project) -> None:
    project.write("conftest.py", TWO_HOSTS)
    project.write("test_net.py", TEN_SECONDS)
    ran = project.run()
    assert ran.status == 0, ran.printed
    assert ran.cases["test_it"]["energy_j"] == {"node0/gpu:0": 1000.0, "node1/gpu:0": 2000.0}
    assert ran.cases["test_it"]["total_j"] == 3000.0
    assert ran.cases["test_it"]["units"] == {"answer": 1.0, "token": 29.0}
    assert ran.cases["test_calls"]["total_j"] == 300.0
    assert len(ran.cases["test_calls"]["rounds"]) == 3
    assert [meter["domain"] for meter in ran.run["meters"]] == ["node0/gpu:0", "node1/gpu:0"]


def test_a_host_without_a_meter_is_an_error_and_no_smaller_sum(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_METER", "1")
    project.write("conftest.py", TWO_HOSTS)
    project.write("test_net.py", TEN_SECONDS)
    ran = project.run("-k", "test_it")
    assert ran.status == 1
    assert ran.cases["test_it"]["total_j"] is None
    assert ran.cases["test_it"]["errors"] == ["node1: nothing can be metered there"]
