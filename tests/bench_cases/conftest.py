"""The cases collected in this process, which has torch: loading it is most of what that takes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

# Before a run of pytester's begins: it forgets modules that are loaded meanwhile, and those with
# torch in them can't be loaded twice.
import bench_cases.experiments  # noqa: F401
from pytest_energybench.experiment.compression import registry

ROOT = Path(__file__).parents[2]

Run = Callable[..., pytest.RunResult]


@pytest.fixture
def own_methods(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a run registers is gone after the test."""
    monkeypatch.setattr(registry, "_METHODS", dict(registry._METHODS))


@pytest.fixture
def run_pytest(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Run pytest with these arguments in the checkout; what it sets is unset after the test.

    Of all plugins it has ours, and xdist, whose options are in the checkout's ini file: others take
    more than half of a start (pytest-benchmark asks git seven times)."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_PLUGINS", "pytest_energybench.plugin,xdist.plugin")

    def run(*arguments: str, plugins: tuple[object, ...] = ()) -> pytest.RunResult:
        given = (*arguments, "-p", "no:cacheprovider")
        return pytester.runpytest_inprocess(*given, plugins=plugins)

    with patch.dict(os.environ):
        yield run
