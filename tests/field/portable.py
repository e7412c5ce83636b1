"""What a user does in a day, in plain Python and nothing of one system: on any that is at hand,

    python tests/field/portable.py

ends with status 0 where it works, and at the line that doesn't where it doesn't. `--minute` leaves
out all that takes a session of pytest.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

from pytest_energybench import measure
from pytest_energybench.cli.main import main
from pytest_energybench.metering.errors import LockTimeoutError
from pytest_energybench.metering.locks import MachineLock, Patience
from pytest_energybench.results.atomic import write_atomically
from pytest_energybench.results.errors import WriteError
from pytest_energybench.results.journal import HeldError, Journal

ALONE = ("-p", "no:cacheprovider", "-p", "pytest_energybench.plugin", "--capture=sys")
SUITE = """
import os, subprocess, sys

WORK = "import os, time; end = time.process_time() + float(os.environ['WORK_S'])\\n"
WORK += "while time.process_time() < end: pass\\ntime.sleep(2 * float(os.environ['WORK_S']))"

def test_here(energy):
    with energy.measure():
        exec(WORK)
    energy.assert_below("{limit}")

def test_elsewhere(energy):
    with energy.measure():
        subprocess.run([sys.executable, "-S", "-c", WORK], check=True)
"""
HOLDER = """
import sys
from pytest_energybench.metering.locks import MachineLock
MachineLock().enter()
print("held", flush=True)
sys.stdin.readline()
"""


def minute() -> None:
    """What all else stands on: a window, a file, a journal."""
    with measure() as window:
        sum(range(2_000_000))
    assert window.total_j > 0, window
    assert not window.errors, window.errors
    for content in b"1\n", b"2\n":
        write_atomically("folder/file", content, overwrite=True)
    assert Path("folder/file").read_bytes() == b"2\n"
    with pytest.raises(WriteError, match="is there already"):
        write_atomically("folder/file", b"3", overwrite=False)
    journal = Journal.claim("energy.journal")
    with pytest.raises(HeldError):
        Journal.claim("energy.journal")
    journal.move_aside(Path("left"))
    Journal.claim("energy.journal").discard()
    assert sorted(os.listdir()) == ["folder", "left", "locks"]


def day() -> None:
    """Meter, judge, store, compare, report, merge, and go on after a crash."""
    Path("test_day.py").write_text(SUITE.format(limit="1 kJ"))
    os.environ["WORK_S"] = "0.12"
    said = session("--energy-save=main", "--energy-report")
    assert "main.json" in said, said
    run = json.loads(Path("reports/energy.json").read_bytes())
    for case in run["cases"]:
        assert case["result"]["kind"] == "pass", case
        assert case["total_j"] > 0
        assert not {"cpu", "cpu:0", "psys:0"}.isdisjoint(case["energy_j"]), case
        # Work in a process that has ended counts as well; no core draws less than a watt.
        assert case["energy_j"].get("cpu", 1.0) > 0.1, case
        assert not case["errors"], case
    assert "test_elsewhere" in Path("reports/energy.html").read_text("utf-8")
    assert b"\r" not in Path("reports/energy.json").read_bytes()
    assert sorted(os.listdir("reports")) == ["energy.html", "energy.json"]

    Path("test_limit.py").write_text(SUITE.format(limit="1 mJ"))
    told = session("test_limit.py", "-k", "test_here", status=1)
    assert "J > 1.00 mJ" in told, told

    os.environ["WORK_S"] = "0.01"
    assert "is there already" in session("--energy-save=main", status=4)
    with pytest.raises(WriteError, match="is there already"):
        write_atomically(".energy/main.json", b"", overwrite=False)
    session("--energy-save=main", "--energy-overwrite")

    told = session("--energy-compare=main", "--energy-fail-on=nothing", "--energy-json=now.json")
    assert "main" in told, told

    Path("reports/energy.journal").write_bytes(Path("left.journal").read_bytes())
    assert "is kept as" in session("--energy-report", "--energy-json=again.json")
    assert Path("reports/energy.journal.old").exists()
    assert not Path("reports/energy.journal").exists()
    Path("reports/energy.journal").write_bytes(Path("left.journal").read_bytes()[:-9])
    assert "taken over" in session("--energy-report", "--energy-resume")

    command("merge", "again.json", "-o", "merged.json")
    command("report", "merged.json", "-o", "merged.html")
    command("compare", "now.json", "again.json")
    doctor = json.loads(command("doctor", "--quick", "--json", status=None))
    assert doctor["domains"], doctor


def journal_of_a_crash() -> None:
    """A journal as it is left where the process ends between two tests."""
    crash = f"import os\n{SUITE.format(limit='1 kJ')}\ndef test_end():\n    os._exit(3)\n"
    Path("test_crash.py").write_text(crash)
    run = [sys.executable, "-m", "pytest", *ALONE, "--energy-report", "test_crash.py"]
    done = subprocess.run(run, capture_output=True, env={**os.environ, "WORK_S": "0.01"})
    assert done.returncode == 3, done.stdout.decode() + done.stderr.decode()
    left = Path("reports/energy.journal")
    Path("left.journal").write_bytes(left.read_bytes().replace(b"test_crash.py", b"test_day.py"))
    left.unlink()


def windows_exclude_each_other() -> None:
    """While another process meters, a window of this one waits for it."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdin
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        lock = MachineLock(patience=Patience(limit_s=0.2, tell=lambda _: None))
        assert lock.problem is None, lock.problem
        with pytest.raises(LockTimeoutError, match=f"process {holder.pid}"):
            lock.enter()
        holder.stdin.write("\n")
    lock.enter()
    assert lock.leave() is None


def session(*options: str, status: int | None = 0) -> str:
    """What a session says; all tests of `test_day.py` unless a file is named."""
    files = [] if any(option.endswith(".py") for option in options) else ["test_day.py"]
    said = StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        done = pytest.main([*ALONE, *files, *options])
    assert status is None or done == status, said.getvalue()
    return said.getvalue()


def command(*arguments: str, status: int | None = 0) -> str:
    """What a command prints."""
    said, trouble = StringIO(), StringIO()
    with redirect_stdout(said), redirect_stderr(trouble):
        done = main(arguments)
    assert status is None or done == status, said.getvalue() + trouble.getvalue()
    return said.getvalue()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        os.environ["ENERGYBENCH_LOCK_DIR"] = str(Path(folder, "locks"))
        os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        before = os.getcwd()
        os.chdir(folder)
        try:
            minute()
            if "--minute" not in sys.argv:
                journal_of_a_crash()
                day()
                windows_exclude_each_other()
        finally:
            os.chdir(before)
