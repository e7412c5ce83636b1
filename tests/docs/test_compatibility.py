"""What another plugin does to a gate is seen, and the page of compatibility has every row."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bench_cases.tool_comparison.environments import Environment
from docs.make_compatibility import NEIGHBOURS, SUITES, TARGET, Neighbour, Project, deviations, page

ALONE = ["-p", "no:randomly", "-p", "no:run-parallel", "-p", "no:asyncio"]


def test_the_page_is_of_these_plugins() -> None:
    lines = TARGET.read_text("utf-8").splitlines()
    rows = [line.split(" | ")[0].strip("| ") for line in lines if line.startswith("|")]
    assert rows[2:] == [each.name for each in NEIGHBOURS]


def test_what_does_not_work_is_named() -> None:
    good = {"version": "1.0", "pytest": "9.2", "date": "2026-11-27", "alone": [], "workers": []}
    found = {each.name: good for each in NEIGHBOURS}
    found["pytest-cov"] = {**good, "workers": ["limits that don't: test_over: pass"]}
    printed = page(found)
    assert "| pytest-cov | 1.0 | `--cov=.` | works | no |" in printed
    assert "with `-n 2`: limits that don't: test_over: pass" in printed


def test_every_suite_is_used() -> None:
    used = {f"plugin_{each.suite}" for each in NEIGHBOURS if each.suite}
    assert used == {path.stem for path in SUITES.glob("plugin_*.py")}


@pytest.mark.slow
@pytest.mark.parametrize(("more", "holds"), [((), True), (("--energy-disable",), False)])
def test_a_gate_that_does_not_judge_is_seen(
    tmp_path: Path, more: tuple[str, ...], holds: bool
) -> None:
    alone = Neighbour("pytest alone", "pytest")
    project = Project(tmp_path / "project", alone, Environment(Path(sys.prefix)))
    found = list(deviations(project, alone, [*ALONE, *more]))
    if holds:
        assert found == []
    else:
        assert any(line.startswith("limits that don't: exit status 0") for line in found), found
