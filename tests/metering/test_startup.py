"""What the first window of a process imports: the light parts only."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.metering.conftest import Tree

FIRST = """
import sys
from pytest_energybench.metering import measure
with measure("first"): pass
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""
HEAVY = {"psutil", "pynvml", "torch", "pytest", "msgspec", "tabulate", "numpy", "dataclasses"}


def imported() -> set[str]:
    run = subprocess.run([sys.executable, "-c", FIRST], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


@pytest.mark.usefixtures("two_packages")
def test_with_counters() -> None:
    assert not imported() & HEAVY


@pytest.mark.skipif(sys.platform != "linux", reason="psutil reads other systems")
def test_with_estimates(tree: Tree) -> None:
    assert tree.root.is_dir()
    assert not imported() & HEAVY
