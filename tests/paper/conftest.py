"""One synthetic matrix for all tests here, and their golden files."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_energybench.paper.matrix import Matrix
from pytest_energybench.results.model import Run
from tests.paper import samples

UPDATE = "ENERGYBENCH_UPDATE_GOLDEN"
_GOLDEN = Path(__file__).with_name("golden")


@pytest.fixture(scope="session")
def run() -> Run:
    return samples.paper_run()


@pytest.fixture(scope="session")
def matrix(run: Run) -> Matrix:
    return Matrix.of(run)


@pytest.fixture
def golden() -> Callable[[str, str], None]:
    """Compare with a kept file; `ENERGYBENCH_UPDATE_GOLDEN=1 pytest tests/paper` renews it."""

    def check(name: str, text: str) -> None:
        path = _GOLDEN / name
        if os.environ.get(UPDATE):
            path.write_text(text, "utf-8")
        assert text == path.read_text("utf-8"), f"{name} differs; if meant, set {UPDATE}=1"

    return check
