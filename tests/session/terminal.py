"""A terminal: what is on it after a program has written to it."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

_PART = re.compile(r"\x1b\[(?P<number>\d*)(?:;\d+)*(?P<code>[A-Za-z])|(?P<char>[\s\S])")


def shown_on(columns: int, text: str) -> list[str]:
    """The lines on a terminal so wide, to the last that is not empty.

    Of escape sequences it knows those that are used here.
    """
    lines: list[list[str]] = [[]]
    row = column = 0
    for part in _PART.finditer(text):
        char, code = part["char"], part["code"]
        if char == "\r":
            column = 0
        elif char == "\n":
            row, column = row + 1, 0
        elif code == "A":
            row -= 1
        elif code == "G":
            column = min(int(part["number"]), columns) - 1
        elif code == "K":
            lines[row] = []
        elif char:
            if column == columns:
                row, column = row + 1, 0
            lines += [[] for _ in range(row + 1 - len(lines))]
            lines[row] += [" "] * (column + 1 - len(lines[row]))
            lines[row][column] = char
            column += 1
        lines += [[] for _ in range(row + 1 - len(lines))]
    return "\n".join("".join(line).rstrip() for line in lines).rstrip("\n").split("\n")


def run_on_terminal(folder: Path, *arguments: str) -> str:
    """What pytest writes where its output is a terminal of 80 columns."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    with subprocess.Popen(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        written = b""
        while chunk := _read(ours):
            written += chunk
        process.wait()
    os.close(ours)
    return written.decode()


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # the other side is closed (EIO, pty(7))
        return b""
