"""Where this Python lacks a module or a call, it meters, judges and reports all the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_energybench.metering import cpu_time, nvml, proc
from pytest_energybench.results.redaction import _home_folders, private_text

START = """
import importlib, os, sys
for part in sys.argv[1].split():
    module, _, name = part.rpartition(".")
    if not module:
        sys.modules[name] = None
    for each in (module, "posix" * (module == "os")):
        if each and hasattr(importlib.import_module(each), name):
            delattr(importlib.import_module(each), name)
import pytest
status = pytest.main(sys.argv[2:])
from pytest_energybench.cli.main import main
assert main(["report", "energy.json", "-o", "page.html"]) == 0
assert main(["report", "energy.json", "-o", "run.md"]) == 0
sys.exit(status)
"""
SUITE = """
def test_within(energy):
    with energy.measure():
        sum(range(1_000_000))
    energy.assert_below("1 MJ")

def test_above(energy):
    with energy.measure():
        sum(range(1_000_000))
    energy.assert_below("0.000001 mJ")
"""
ENVIRONMENT = ("LOGNAME", "USER", "LNAME", "USERNAME")
"""Without these, the user's name is asked of the system."""


@pytest.mark.parametrize(
    "parts",
    [
        "fcntl",
        "pwd grp",
        "ctypes",
        "fcntl pwd grp ctypes",
        "os.waitid os.pread",
        "os.sched_getaffinity os.sched_setaffinity os.process_cpu_count",
        "os.fork os.forkpty",
        "signal.SIGKILL signal.SIGHUP signal.SIGALRM signal.SIGUSR1 signal.SIGSTOP signal.SIGTSTP",
        "os.O_DIRECTORY os.O_NOFOLLOW os.fchmod os.symlink os.mkfifo",
        "pwd os.getuid os.geteuid os.getgid os.setsid os.getpgid os.killpg os.getloadavg",
        "time.clock_gettime_ns time.thread_time os.pidfd_open os.wait4 os.posix_spawn",
    ],
)
def test_a_session_without_a_part_of_python(parts: str, tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(SUITE)
    environment = {name: value for name, value in os.environ.items() if name not in ENVIRONMENT}
    environment |= {
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "ENERGYBENCH_LOCK_DIR": str(tmp_path / "locks"),
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "TMPDIR": str(tmp_path),
    }
    options = ("-p", "pytest_energybench.plugin", "-p", "no:cacheprovider", "--rootdir=.", "-v")
    report = ("--energy-report", "--energy-report-dir=.")
    done = subprocess.run(
        [sys.executable, "-c", START, parts, *options, *report],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    told = done.stdout + done.stderr
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, told
    assert "Traceback" not in told
    assert "INTERNALERROR" not in told
    cases = json.loads((tmp_path / "energy.json").read_text())["cases"]
    assert [case["result"]["kind"] for case in cases] == ["pass", "fail"], told
    assert all(case["total_j"] > 0.0 for case in cases)
    page, markdown = (tmp_path / name for name in ("page.html", "run.md"))
    assert "FAILED" in page.read_text()
    assert markdown.read_text().startswith("**FAILED**")


def test_cpu_seconds_come_from_psutil_where_linux_cannot_be_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for part in ("waitid", "pread", "sysconf"):
        with monkeypatch.context() as patch:
            patch.delattr(os, part)
            assert isinstance(cpu_time.cpu_time(), cpu_time.PortableCpuTime)
    monkeypatch.setattr(proc, "_resource", None)
    assert isinstance(cpu_time.cpu_time(), cpu_time.PortableCpuTime)


def test_a_user_whose_name_nothing_tells_is_no_obstacle(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows under tox, which passes no USERNAME on."""
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setitem(sys.modules, "pwd", None)
    _home_folders.cache_clear()
    assert private_text("as it is") == "as it is"
    _home_folders.cache_clear()


def test_gpus_that_python_cannot_ask_for_are_lost_and_not_absent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(nvml, "DRIVER_FILES", ("/dev/null",))
    monkeypatch.setitem(sys.modules, "pynvml", None)
    found = nvml.find_gpus("0")
    assert list(found.lost) == [nvml.UNCOUNTED]
    (problem,) = found.problems
    assert "can't be loaded" in problem
    assert not problem.absent
    monkeypatch.setattr(nvml, "DRIVER_FILES", ())
    monkeypatch.setitem(sys.modules, "ctypes", None)
    assert nvml.find_gpus("0").problems[0].absent
