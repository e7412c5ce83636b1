"""However a command is broken off or its output lost, it ends in a line and never as if it held."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pytest_energybench.cli import history
from pytest_energybench.cli.main import main
from pytest_energybench.results.run_file import write_run
from tests.results.samples import make_case, make_run

pytestmark = pytest.mark.skipif(os.name == "nt", reason="streams and signals are POSIX's")

CODE = "import sys; from pytest_energybench.cli.main import main; sys.exit(main(sys.argv[1:]))"


def ended(*args: str, code: str = CODE, **given: Any) -> tuple[int, list[str]]:
    """Exit status, and the lines of standard error."""
    streams: dict[str, Any] = {"stdout": subprocess.DEVNULL, **given}
    done = subprocess.run(
        [sys.executable, "-c", code, *args],
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        **streams,
    )
    return done.returncode, done.stderr.splitlines()


@pytest.fixture
def file(tmp_path: Path) -> str:
    write_run(make_run(make_case("a", 1.0)), tmp_path / "run.json")
    return str(tmp_path / "run.json")


def test_output_that_nobody_reads_is_no_result_that_holds(file: str) -> None:
    read, write = os.pipe()
    os.close(read)
    assert ended("export", file, "--format=csv", stdout=write) == (141, [])
    os.close(write)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no full device")
@pytest.mark.parametrize("command", [["export", "--format=csv"], ["comment"], ["compare"]])
def test_output_that_finds_no_room_is_told_in_a_line(command: list[str], file: str) -> None:
    with open("/dev/full", "w") as full:
        status, lines = ended(*command, file, *[file] * (command == ["compare"]), stdout=full)
    assert (status, lines) == (4, [f"energybench {command[0]}: output: No space left on device"])


@pytest.mark.parametrize("closed", [1, 2])
def test_a_stream_that_is_closed_is_nothing_to_fail_on(closed: int, file: str) -> None:
    status, lines = ended(
        *("run", "--meters=estimate", "--export=json=x.json", "--", "true"),
        cwd=Path(file).parent,
        preexec_fn=lambda: os.close(closed),
    )
    assert (status, lines) == (0, [])
    assert (Path(file).parent / "x.json").exists()


def test_a_folder_that_is_gone_is_no_commit(tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    command = ["run", "--meters=estimate", "--", "rmdir", str(tmp_path / "gone")]
    assert ended(*command, cwd=tmp_path / "gone") == (0, [])


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_an_interrupt_is_a_line_and_a_status(
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    number = getattr(signal, name)
    monkeypatch.setattr(history, "run", lambda _: signal.raise_signal(number) or 0)
    usual = signal.default_int_handler if name == "SIGINT" else signal.SIG_DFL
    before = signal.signal(number, usual)  # a shell's background jobs ignore Ctrl-C, nohup SIGHUP
    try:
        assert main(["history"]) == 128 + number
    finally:
        signal.signal(number, before)
    assert capsys.readouterr().err == "energybench history: interrupted\n"


def test_a_signal_that_is_ignored_stays_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(history, "run", lambda _: signal.raise_signal(signal.SIGHUP) or 0)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert main(["history"]) == 0
    finally:
        signal.signal(signal.SIGHUP, before)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("command", [["export", "--format=csv"], ["comment"], ["report"]])
def test_no_output_replaces_the_run_file(
    command: list[str], file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = Path(file).read_bytes()
    link = Path(file).with_name("out.md")
    link.symlink_to(file)
    assert main([*command, file, "-o", str(link)]) == 4
    assert "this is the run file, which would be lost" in capsys.readouterr().err
    assert Path(file).read_bytes() == before
    link.unlink()
    assert main([*command, file, "-o", str(link)]) == 0
    assert capsys.readouterr().out == f"{link}: 1 case\n"


def test_what_the_system_refuses_is_a_line_behind_what_was_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(_: object) -> int:
        print("said")
        raise PermissionError(13, "Permission denied", "a/file")

    monkeypatch.setattr(history, "run", refused)
    assert main(["history"]) == 4
    assert capsys.readouterr() == ("said\n", "energybench history: a/file: Permission denied\n")


LOADED = """
import sys
from contextlib import contextmanager
from pytest_energybench.metering.meter import Meter
measure = Meter.measure

@contextmanager
def watched(*args):
    with measure(*args) as window:
        before = set(sys.modules)
        yield window
        print(*sorted(set(sys.modules) - before), file=sys.stderr)

Meter.measure = watched
"""


def test_the_first_commands_window_holds_nothing_that_is_loaded_for_it() -> None:
    args = ["run", "--meters=estimate", "-r2", "--", "true"]
    assert ended(*args, code=LOADED + CODE) == (0, ["", ""])
