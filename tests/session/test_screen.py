"""What is written beside pytest's own lines, and where the cursor is afterwards."""

from __future__ import annotations

import io
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from _pytest._io import TerminalWriter

from pytest_energybench.metering.fake import FakeClock
from pytest_energybench.session.screen import Screen
from tests.session.terminal import shown_on


@pytest.fixture
def file() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def writer(file: io.StringIO) -> TerminalWriter:
    writer = TerminalWriter(file)
    writer.fullwidth = 40
    return writer


@pytest.fixture
def screen(writer: TerminalWriter) -> Screen:
    return Screen(SimpleNamespace(_tw=writer), FakeClock().monotonic)


@pytest.mark.parametrize("begun", ["", "test_a.py ..", "x" * 40, "x" * 57])
def test_pytest_goes_on_where_it_was(
    begun: str, file: io.StringIO, writer: TerminalWriter, screen: Screen
) -> None:
    writer.write(begun)
    screen.show("[1/2] train, 1 s")
    screen.show("[1/2] 2 s")
    assert shown_on(40, file.getvalue())[-1] == "[1/2] 2 s"
    with screen.aside():
        writer.write("F")
    alone = io.StringIO(begun + "F")
    assert shown_on(40, file.getvalue()) == shown_on(40, alone.getvalue())


def test_a_status_line_comes_back_after_what_others_wrote(
    file: io.StringIO, writer: TerminalWriter, screen: Screen
) -> None:
    writer.write("test_a.py ")
    screen.show("[1/2] 1 s")
    with screen.aside():
        writer.line()
        writer.line("waiting for the machine")
    screen.show("[1/2] 2 s")
    lines = shown_on(40, file.getvalue())
    assert lines == ["test_a.py", "waiting for the machine", "[1/2] 2 s"]


def test_lines_of_a_log_stand_alone(
    file: io.StringIO, writer: TerminalWriter, screen: Screen
) -> None:
    writer.write("test_a.py ")
    screen.line("[1/2] 30 s")
    screen.line("[1/2] 60 s")
    with screen.aside():
        writer.write(".")
    screen.line("[2/2] 30 s")
    assert file.getvalue() == "test_a.py \n[1/2] 30 s\n[1/2] 60 s\n.\n[2/2] 30 s\n"


def test_a_pipe_that_nobody_reads_ends_nothing() -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as pipe:
        screen = Screen(SimpleNamespace(_tw=TerminalWriter(pipe)), FakeClock().monotonic)
        os.close(reading)
        screen.line("[1/2] 30 s")
        screen.close()


def test_it_writes_past_what_is_captured(tmp_path: Path) -> None:
    real, captured = (os.open(tmp_path / name, os.O_CREAT | os.O_RDWR) for name in ("real", "test"))
    with os.fdopen(os.dup(real), "w") as file:
        screen = Screen(SimpleNamespace(_tw=TerminalWriter(file)), FakeClock().monotonic)
        os.dup2(captured, file.fileno())
        screen.line("[1/2] 30 s")
        screen.close()
    assert (tmp_path / "real").read_text() == "[1/2] 30 s\n"
    assert (tmp_path / "test").read_text() == ""
