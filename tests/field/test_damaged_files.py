"""Files that something has damaged: refused in a line or read, never a traceback or a hang.

A thousand of them; fifty in the quick suite, and a sample through real processes.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from pytest_energybench.cli.main import main
from pytest_energybench.gates.budgets import BudgetsError, parse_budgets
from pytest_energybench.results.errors import ResultsError
from pytest_energybench.results.journal import Journal, read_journal
from pytest_energybench.results.run_file import encode_run
from tests.field.mutator import damaged
from tests.results.samples import full_run
from tests.session.conftest import (  # noqa: F401  # fixtures, found by their names
    locks_of_its_own,
    only_this_plugin,
    suite,
)

BUDGETS = b"""\
[budget."*"]
margin = "5 %"
floor = "2 J"

[budget."tests/test_x.py::*"]
max_energy = "40 Wh"
max_duration = "10 min"
min_accuracy = 0.95
"""
LONGEST_CPU_S = 2.0
MOST_BYTES = 500 * 2**20


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A file of each kind that nothing has happened to."""
    path = tmp_path_factory.mktemp("good") / "energy.journal"
    run = full_run()
    with Journal.create(path, run) as journal:
        for case in run.cases:
            journal.append(case)
    return {"run": encode_run(run), "budgets": BUDGETS, "journal": path.read_bytes()}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def commands(capsys: pytest.CaptureFixture[str]) -> None:
    """Every command on `odd.json`: it says why not in a line, or does it."""
    for command in (
        ["report", "odd.json", "-o", "out.html"],
        ["report", "odd.json", "-o", "out.csv"],
        ["report", "odd.json", "-o", "out.md"],
        ["compare", "good.json", "odd.json", "--allow-mismatch"],
        ["merge", "odd.json", "-o", "out.json", "--overwrite"],
    ):
        status = main(command)
        said, told = capsys.readouterr()
        assert status in (0, 1, 4), command
        if status == 4:
            assert (said, told.count("\n")) == ("", 1), command
            assert "odd.json" in told, command


def one_line(use: Callable[[], object], *errors: type[Exception]) -> None:
    said = "fine"
    try:
        use()
    except errors as error:
        said = str(error)
    assert len(said.splitlines()) == 1


def try_one(seed: int, good: dict[str, bytes], capsys: pytest.CaptureFixture[str]) -> None:
    kind = ("run", "run", "budgets", "journal")[seed % 4]
    content = damaged(seed, good[kind])
    Path("odd.json").write_bytes(content)
    started = time.process_time()
    if kind == "run":
        commands(capsys)
    elif kind == "budgets":
        one_line(lambda: parse_budgets(content).limits("tests/test_x.py::test_a"), BudgetsError)
    else:
        one_line(lambda: read_journal("odd.json"), ResultsError)
    assert time.process_time() - started < 5 * LONGEST_CPU_S, (seed, kind)


@pytest.mark.usefixtures("here")
def test_fifty_damaged_files(good: dict[str, bytes], capsys: pytest.CaptureFixture[str]) -> None:
    Path("good.json").write_bytes(good["run"])
    for seed in range(50):
        try_one(seed, good, capsys)


@pytest.mark.slow
@pytest.mark.usefixtures("here")
def test_a_thousand_damaged_files(
    good: dict[str, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("good.json").write_bytes(good["run"])
    for seed in range(50, 1050):
        try_one(seed, good, capsys)


COMMAND = """
import sys
from pytest_energybench.cli.main import main
try:
    status = main(sys.argv[1:])
finally:
    lines = open("/proc/self/status").read().splitlines()
    open("peak", "w").write(next(line for line in lines if line.startswith("VmHWM")))
sys.exit(status)
"""
"""The command, which leaves its own peak of memory: what `wait4` tells begins with the parent's."""


def limited() -> None:
    """A process that takes more than it may is killed for it, or told that there is no memory."""
    resource.setrlimit(resource.RLIMIT_CPU, (20, 20))


@pytest.mark.parametrize("seed", [1, 4, 9, 20, 53, 56])
@pytest.mark.usefixtures("here")
def test_the_real_command(good: dict[str, bytes], seed: int) -> None:
    Path("good.json").write_bytes(good["run"])
    Path("odd.json").write_bytes(damaged(seed, good["run"]))
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, "compare", "good.json", "odd.json", "--allow-mismatch"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        preexec_fn=limited,
    )
    assert process.stdout is not None
    said = process.stdout.read().decode()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode in (0, 1, 4), said
    assert "Traceback" not in said
    peak_kib = int(Path("peak").read_text().split()[1])
    assert peak_kib * 1024 < MOST_BYTES
    assert used.ru_utime < 10 * LONGEST_CPU_S


@pytest.mark.parametrize("seed", [2, 6, 10, 3, 7, 11])
def test_a_real_session(
    suite: pytest.Pytester,  # noqa: F811
    good: dict[str, bytes],
    seed: int,
) -> None:
    """Budgets, stored run and journal of one session are damaged; it says so, or goes on."""
    suite.makepyfile("def test_a(energy, work):\n    with energy.measure(): work(1.0)\n")
    Path(".energy").mkdir()
    Path("reports").mkdir()
    Path("energy-budgets.toml").write_bytes(damaged(seed, good["budgets"]))
    Path(".energy/main.json").write_bytes(damaged(seed + 1, good["run"]))
    Path("reports/energy.journal").write_bytes(damaged(seed + 2, good["journal"]))
    for options in (["--energy-compare=main"], ["--energy-report", "--energy-resume"]):
        result = suite.runpytest_inprocess(*options, "-p", "no:cacheprovider")
        assert result.ret in (0, 1, pytest.ExitCode.USAGE_ERROR)
        assert "INTERNALERROR" not in result.stdout.str() + result.stderr.str()
        assert "Traceback" not in result.stdout.str() + result.stderr.str()


def test_the_same_seed_is_the_same_damage(good: dict[str, bytes]) -> None:
    found = [damaged(seed, good["run"]) for seed in range(40)]
    assert found == [damaged(seed, good["run"]) for seed in range(40)]
    assert len(set(found)) == 40
    assert msgspec.json.decode(good["run"])
