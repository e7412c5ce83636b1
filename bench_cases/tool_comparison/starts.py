"""What a plugin adds to a start of pytest."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
from pathlib import Path

COLLECT = ("-m", "pytest", "-q", "--collect-only", "-p", "no:cacheprovider")


def added_cpu_ms(python: Path | str, plugin: str, folder: Path, *, pairs: int) -> float:
    """CPU time that a plugin adds to `pytest --collect-only` of one test, in milliseconds.

    The median of pairs that run side by side, so that what else runs here hits both alike. Other
    plugins are not loaded: their cost would be noise.
    """
    (folder / "test_one.py").write_text("def test_one(): pass\n")
    added = []
    for _ in range(pairs):
        without = _cpu_ms(python, folder)
        added.append(_cpu_ms(python, folder, "-p", plugin) - without)
    return statistics.median(added)


def _cpu_ms(python: Path | str, folder: Path, *arguments: str) -> float:
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [str(python), *COLLECT, *arguments]
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime) * 1e3
