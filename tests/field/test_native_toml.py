"""pytest 9 takes `[tool.pytest]`, where a number is a number."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.field.suites import cases, locks_of_its_own, only_this_plugin, suite  # noqa: F401

pytestmark = pytest.mark.skipif(pytest.version_tuple < (9,), reason="needs pytest 9")


def run(suite: pytest.Pytester, *lines: str) -> pytest.RunResult:  # noqa: F811
    Path("pyproject.toml").write_text("\n".join(["[tool.pytest]", *lines]))
    suite.makepyfile(test_it="def test_x(energy, work):\n    energy(work, 1.0)")
    return suite.runpytest("--energy-json=run.json")


def setting(name: str) -> Any:
    return json.loads(Path("run.json").read_text())["settings"][name]


def test_whole_numbers(suite: pytest.Pytester) -> None:  # noqa: F811
    for two in ("2", '"2"'):
        assert run(suite, f"energy_rounds = {two}").ret == 0
        assert len(cases("run.json")["test_x"]["rounds"]) == 2


def test_other_numbers(suite: pytest.Pytester) -> None:  # noqa: F811
    lines = ("energy_pue = 1.58", "energy_margin = 0.03", "energy_wait = 5")
    assert run(suite, *lines, "energy_carbon_intensity = 300").ret == 0
    assert setting("pue") == 1.58
    assert setting("carbon_intensity") == 300.0


def test_booleans(suite: pytest.Pytester) -> None:  # noqa: F811
    assert run(suite, "energy_report = false").ret == 0
    assert not Path("reports/energy.html").exists()
    assert run(suite, "energy_report = true").ret == 0
    assert Path("reports/energy.html").exists()


def test_lists(suite: pytest.Pytester) -> None:  # noqa: F811
    assert run(suite, 'energy_fail_on = ["more", "not-measured"]').ret == 0
    result = run(suite, 'energy_fail_on = ["mor"]')
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: ini option energy_fail_on=mor: *"])


@pytest.mark.parametrize(
    "line",
    [
        *("energy_rounds = 2.5", "energy_rounds = true", "energy_report = 1", "energy_pue = 0.5"),
        "energy_margin = 3",
    ],
)
def test_what_is_no_value_is_named(suite: pytest.Pytester, line: str) -> None:  # noqa: F811
    result = run(suite, line)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: *{line.split()[0]}*"])
