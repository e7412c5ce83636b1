"""What a suite meets on other people's machines: made trees, drivers and suites."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.metering.conftest import (  # noqa: F401  # fixtures, found by their names
    Tree,
    fake_nvml,
    tree,
)

PART = """
import mmap
import os
from time import sleep

counters = [mmap.mmap(os.open(path, os.O_RDWR), 0) for path in {paths}]


def work():
    sleep(0.06)  # a shorter window is too short to be judged
    for counter in counters:
        counter[:-1] = str(int(counter[:-1]) + 1_000_000).encode()
"""
"""The module `part` of a suite: work draws a joule of each counter. It writes through a mapping,
where no fake file system comes between, and by itself, so that no thread comes too late."""
DRIVER = Path(__file__).with_name("nvml.c")


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A suite that meters in a process of its own, with this plugin alone and its own locks."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_PLUGINS", "pytest_energybench.plugin")
    monkeypatch.setenv("ENERGYBENCH_LOCK_DIR", str(pytester.path / "locks"))
    return pytester


@pytest.fixture
def only_named_plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each suite names the plugins that it is about with `-p`; its locks are its own."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_PLUGINS", "pytest_energybench.plugin")
    monkeypatch.setenv("ENERGYBENCH_LOCK_DIR", str(tmp_path / "locks"))


@pytest.fixture
def package(tmp_path: Path, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Tree:
    """A processor package with its memory in a made powercap tree, for the suite as well: there,
    `part.work` takes 60 ms and a joule of each."""
    made = Tree(tmp_path / "powercap")
    made.root.mkdir()
    paths = [
        str(made.add("intel-rapl:0", "package-0", 5_000_000_000)),
        str(made.add("intel-rapl:0:0", "dram", 1_000_000_000)),
    ]
    pytester.makepyfile(part=PART.format(paths=paths))
    monkeypatch.setenv("ENERGYBENCH_POWERCAP_ROOT", str(made.root))
    return made
