"""One synthetic matrix for all tests here, and their golden files."""

from __future__ import annotations

import pytest

from pytest_energybench.experiment.paper.matrix import Matrix
from pytest_energybench.results.model import Run
from tests.experiment.paper import samples


@pytest.fixture(scope="session")
def run() -> Run:
    return samples.paper_run()


@pytest.fixture(scope="session")
def matrix(run: Run) -> Matrix:
    return Matrix.of(run)
