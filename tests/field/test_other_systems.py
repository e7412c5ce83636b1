"""On macOS and Windows it meters by estimate, judges, stores, reports and goes on after a crash.

Both are played here (`elsewhere/`); `portable.py` is the same day on a machine that really is one.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pytest_energybench.base import file_lock
from pytest_energybench.base.flags import spoils
from pytest_energybench.metering import windows_job
from pytest_energybench.metering.cpu_estimate import CpuEstimate
from pytest_energybench.metering.cpu_time import PortableCpuTime
from pytest_energybench.metering.errors import Problem
from pytest_energybench.metering.fake import FakeClock
from pytest_energybench.metering.load_monitor import LoadMonitor
from pytest_energybench.metering.locks import MachineLock
from pytest_energybench.results import atomic
from pytest_energybench.results.atomic import write_atomically
from pytest_energybench.results.errors import WriteError
from pytest_energybench.results.journal import HeldError, Journal
from tests.field.elsewhere.windows import Kernel32

HERE = Path(__file__).parent


@pytest.mark.parametrize(
    "day",
    [
        ["win32", "--minute"],
        pytest.param(["win32"], marks=pytest.mark.slow),
        pytest.param(["darwin"], marks=pytest.mark.slow),
    ],
    ids=" ".join,
)
def test_a_day_on_another_system(day: list[str], tmp_path: Path) -> None:
    system, *options = day
    path = os.pathsep.join([str(HERE.parents[1]), str(HERE / "elsewhere")])
    done = subprocess.run(
        [sys.executable, str(HERE / "portable.py"), *options],
        env={**os.environ, "ELSEWHERE": system, "PYTHONPATH": path, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_without_locks_nothing_is_said_to_be_exclusive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_lock, "_fcntl", None)
    lock = MachineLock(folder=tmp_path / "locks")
    assert "windows aren't exclusive: " in str(lock.problem)
    assert "no file locks" in str(lock.problem)
    lock.enter()
    assert "not exclusive" in str(lock.leave())
    with pytest.raises(WriteError, match="cannot be locked") as caught:
        Journal.claim(tmp_path / "energy.journal")
    assert not isinstance(caught.value, HeldError)  # or a session would try one name after another


def test_on_windows_a_file_that_somebody_reads_is_replaced_a_moment_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(atomic, "WINDOWS", True)
    monkeypatch.setattr(atomic, "_PAUSE_S", 0.0)
    refusals = [PermissionError(13, "used by another process")] * 3
    really = os.replace

    def replace(source: Path, target: Path) -> None:
        if refusals:
            raise refusals.pop()
        really(source, target)

    monkeypatch.setattr(os, "replace", replace)
    for name, age_s in ("old", 7200.0), ("young", 1.0):
        left = tmp_path / f".{name}.energybench.tmp"
        left.touch()
        os.utime(left, (time.time() - age_s,) * 2)
    write_atomically(tmp_path / "file", b"1", overwrite=True)
    assert sorted(os.listdir(tmp_path)) == [".young.energybench.tmp", "file"]
    refusals += [PermissionError(13, "used by another process")] * 100
    with pytest.raises(WriteError, match="used by another process"):
        write_atomically(tmp_path / "file", b"2", overwrite=True)
    assert (tmp_path / "file").read_bytes() == b"1"
    assert sorted(os.listdir(tmp_path)) == [".young.energybench.tmp", "file"]


def test_a_job_that_windows_refuses_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = windows_job.job_time(Kernel32(refuses=True))
    assert isinstance(refusal, Problem)
    monkeypatch.setattr("pytest_energybench.metering.cpu_time.WINDOWS", True)
    monkeypatch.setattr(windows_job, "job_time", lambda: refusal)
    cpu = PortableCpuTime()
    assert "aren't counted" in str(cpu.problem)
    assert cpu.tree_s() > 0.0


def test_a_job_that_does_not_answer_is_a_loss_and_no_nought() -> None:
    kernel32 = Kernel32()
    job = windows_job.job_time(kernel32)
    assert not isinstance(job, Problem)
    cpu = PortableCpuTime()
    cpu._own_tree_s = job
    source, load = CpuEstimate(cpu=cpu), LoadMonitor(cpu, clock=(clock := FakeClock()))
    answers, kernel32.QueryInformationJobObject = kernel32.QueryInformationJobObject, lambda *_: 0
    with pytest.raises(OSError, match="does not say what the processes"):
        job()
    assert "does not say" in source.read().lost["cpu"].why
    clock.advance(1.0)
    begin = load.begin()
    clock.advance(1.0)
    assert spoils(str(load.end(begin))) == "machine busy"
    source.open()
    assert source.read().lost
    kernel32.QueryInformationJobObject = answers
    source.open()
    assert not source.read().lost
