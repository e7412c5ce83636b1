"""Consoles and logs that are no UTF-8: every line comes out, in look-alikes where it has to."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from pytest_energybench.report.encoding import LOOK_ALIKES, fitting
from tests.session.conftest import (  # noqa: F401  # fixtures, found by their names
    locks_of_its_own,
    only_this_plugin,
    suite,
)

TEST = """
import pytest

@pytest.mark.energy_group("g")
@pytest.mark.parametrize("m", [pytest.param("plain", marks=pytest.mark.energy_baseline), "\\u732b"])
def test_m(energy, work, m):
    with energy.measure():
        work(2.0 if m == "plain" else 1.0)
    energy.assert_below_baseline()
"""

ENCODINGS = {
    "cp1252": {"PYTHONUTF8": "0", "PYTHONIOENCODING": "cp1252"},
    "ascii": {"PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"},
    "LANG=C": {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"},
}


def said(command: list[str], encoding: str) -> list[str]:
    done = subprocess.run(
        command,
        env={**os.environ, **ENCODINGS[encoding]},
        capture_output=True,
        check=False,
    )
    assert b"Traceback" not in done.stdout + done.stderr
    return (done.stdout + done.stderr).decode("cp1252").splitlines()


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_table_stays_a_table(suite: pytest.Pytester, encoding: str) -> None:  # noqa: F811
    suite.makepyfile(test_m=TEST)
    lines = said([sys.executable, "-m", "pytest", "--energy-json=run.json"], encoding)
    head = next(place for place, line in enumerate(lines) if line.split()[:2] == ["energy", "time"])
    row = next(line for line in lines[head:] if "lower" in line)
    assert "-50" in row
    assert "\\n" not in "".join(lines)
    assert "\\u2212" not in "".join(lines)


COMMANDS = {
    "doctor --quick": "ram",
    "compare run.json run.json": "test_m[plain]",
    "report \u732b.json -o x.html": "cannot be read: No such file or directory",
}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_commands_too(suite: pytest.Pytester, encoding: str) -> None:  # noqa: F811
    suite.makepyfile(test_m=TEST)
    suite.runpytest_inprocess("--energy-json=run.json")
    run = "import sys; from pytest_energybench.cli.main import main; sys.exit(main(sys.argv[1:]))"
    for command, told in COMMANDS.items():
        lines = said([sys.executable, "-c", run, *command.split()], encoding)
        assert told in "\n".join(lines), command


def test_one_character_takes_the_place_of_one_in_a_table() -> None:
    shown = "~\u221219.9 %  12 \u00b5J  \u2013  a\u2026b  \u0394 baseline"
    assert fitting(shown, "ascii") == "~-19.9 %  12 uJ  -  a~b  d baseline"
    assert len(fitting(shown, "ascii")) == len(shown)
    assert fitting(shown, "cp1252").count("\u00b5") == 1
    assert fitting(shown, None) == fitting(shown, "utf-8") == shown
    assert fitting("\u732b \ud800", "ascii") == "\\u732b \\ud800"
    assert fitting("\ud800", "utf-8") == "\\ud800"
    assert fitting(shown, "no such encoding") == fitting(shown, "ascii")
    assert all(text.isascii() for text in LOOK_ALIKES.values())
