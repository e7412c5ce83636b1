"""Suites whose meter is a power trace, run by a real pytest that something happens to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.processes import hear_signals
from tests.session.conftest import (  # noqa: F401  # fixtures, found by their names
    locks_of_its_own,
    only_this_plugin,
    suite,
)

Cases = dict[str, dict[str, Any]]


@pytest.fixture
def run_file() -> Callable[..., dict[str, Any]]:
    """The run file that was written."""

    def read(path: str = "reports/energy.json") -> dict[str, Any]:
        run: dict[str, Any] = json.loads(Path(path).read_text())
        return run

    return read


@pytest.fixture
def cases(run_file: Callable[..., dict[str, Any]]) -> Callable[..., Cases]:
    """Its cases by name."""
    return lambda *path: {case["name"]: case for case in run_file(*path)["cases"]}


class Started:
    """pytest in a process of its own, up to the moment that its tests make a file `here`."""

    def __init__(self, *options: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "COLUMNS": "200"},
            preexec_fn=hear_signals,
        )
        deadline = time.monotonic() + 60
        while not Path("here").exists():
            assert self.process.poll() is None, self.ended()
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def ended(self) -> str:
        """Wait for its end; what it printed."""
        return self.process.communicate(timeout=60)[0]


@pytest.fixture
def start() -> Iterator[Callable[..., Started]]:
    """Start one; what still runs after the test is ended, or later tests would meter it."""
    started: list[Started] = []

    def start(*options: str) -> Started:
        started.append(Started(*options))
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.process.wait()


HANGING = """
import pathlib
import time

def test_finished(energy, work):
    with energy.measure():
        work(1.0)

def test_hangs(energy, work):
    with energy.measure("hanging"):
        work(2.0)
        pathlib.Path("here").touch()
        time.sleep({seconds})

def test_later(energy, work):
    with energy.measure():
        work(4.0)
"""


@pytest.fixture
def hanging(suite: pytest.Pytester) -> pytest.Pytester:  # noqa: F811
    """Three tests, the second of which hangs inside its window for a minute."""
    suite.makepyfile(test_hanging=HANGING.format(seconds=60))
    return suite
