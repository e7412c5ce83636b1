"""A checkout, and a machine that runs actions in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.checkout import commit, git
from tests.docs.pages import ROOT
from tests.docs.runner import Runner


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with a commit on main."""
    folder = tmp_path / "checkout"
    (folder / "tests").mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main")
    commit(folder, 1000)
    return folder


@pytest.fixture
def runner(checkout: Path) -> Runner:
    """The action of the gate."""
    return Runner(checkout, ROOT)
