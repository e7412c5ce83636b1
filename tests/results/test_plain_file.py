"""Whatever lies under a name that a user gives: it is read, or refused in a line, at once."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_energybench.results.errors import RunFileError
from pytest_energybench.results.run_file import read_bytes


def folder(path: Path) -> None:
    path.mkdir()


def dangling(path: Path) -> None:
    path.symlink_to("nowhere")


def loop(path: Path) -> None:
    path.symlink_to(path)


def listening(path: Path) -> None:
    os.chdir(path.parent)  # a socket's name is short
    socket.socket(socket.AF_UNIX).bind(path.name)


def large(path: Path) -> None:
    path.touch()
    os.truncate(path, 2**40)


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


ODD: dict[str, tuple[Callable[[Path], None], str]] = {
    "a folder": (folder, "it is a folder, no plain file"),
    "a pipe": (os.mkfifo, "it is a pipe, no plain file"),
    "a socket": (listening, "it is a socket, no plain file"),
    "an endless device": (endless, "it is a device, no plain file"),
    "a dangling link": (dangling, "No such file or directory"),
    "a loop of links": (loop, "Too many levels of symbolic links"),
    "a file of a terabyte": (large, "it is larger than 1,024 MiB"),
}


@pytest.mark.parametrize("kind", ODD)
def test_what_is_no_file_to_read_is_refused_with_the_cause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.chdir(tmp_path)
    make, said = ODD[kind]
    make(tmp_path / "run.json")
    with pytest.raises(RunFileError) as refused:
        read_bytes(tmp_path / "run.json")
    assert str(refused.value) == f"{tmp_path / 'run.json'}: cannot be read: {said}"


def test_a_file_that_lies_about_its_length_is_read_no_further_than_allowed(
    tmp_path: Path,
) -> None:
    status = Path("/proc/self/status")
    assert status.stat().st_size == 0
    assert b"VmRSS" in read_bytes(status)
    with pytest.raises(RunFileError, match="larger than"):
        read_bytes(status, most=10)
    (tmp_path / "small").write_bytes(b"x" * 11)
    with pytest.raises(RunFileError, match="larger than"):
        read_bytes(tmp_path / "small", most=10)
    assert read_bytes(tmp_path / "small", most=11) == b"x" * 11


def test_a_pipe_that_takes_the_place_of_a_file_meanwhile_does_not_hang(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "run.json")
    (tmp_path / "file").touch()
    before = os.stat(tmp_path / "file")
    assert stat.S_ISREG(before.st_mode)
    monkeypatch.setattr(os, "stat", lambda _: before)
    with pytest.raises(RunFileError, match="it is a pipe"):
        read_bytes(tmp_path / "run.json")


def test_a_link_to_a_file_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"here")
    (tmp_path / "link").symlink_to("real")
    assert read_bytes(tmp_path / "link") == b"here"
