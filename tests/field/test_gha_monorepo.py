"""A repository whose Python project is one of its folders, on GitHub."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.session.conftest import (  # noqa: F401  # fixtures, found by their names
    locks_of_its_own,
    only_this_plugin,
    suite,
)

TEST = """
import pytest

@pytest.mark.energy_budget(max="1 mJ")
def test_hot(work):
    work(1.0)

def test_lost(energy, work, lose):
    with energy.measure():
        work(1.0)
        lose("dram:0")
"""


def test_an_annotation_stands_at_the_test_seen_from_the_workspace(
    suite: pytest.Pytester,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(suite.path))
    project = suite.path / "services" / "api"
    (project / "tests").mkdir(parents=True)
    (project / "pytest.ini").write_text("[pytest]\n")
    (project / "tests" / "test_x.py").write_text(TEST)
    os.rename("conftest.py", project / "conftest.py")
    for folder, asked in ((project, "tests"), (suite.path, "services/api/tests")):
        os.chdir(folder)
        result = suite.runpytest_inprocess(asked, "-p", "no:cacheprovider")
        assert result.ret == pytest.ExitCode.TESTS_FAILED
        annotations = [line for line in result.outlines if line.startswith("::")]
        hot, lost = annotations
        place = "file=services/api/tests/test_x.py,line={},title=energy%3A {}::"
        assert hot.startswith("::error " + place.format(4, "over budget"))
        # A lost domain that nothing was asserted on fails no run.
        assert lost.startswith("::warning " + place.format(8, "not measured"))
    assert Path.cwd() == suite.path
