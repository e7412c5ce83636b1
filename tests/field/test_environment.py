"""Variables that schedulers, containers and shells leave in odd states."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.field.suites import cases, locks_of_its_own, only_this_plugin, suite  # noqa: F401

SUITE = """
def test_work(energy, work):
    with energy.measure():
        work(1.0)
    energy.assert_below("13 J")
"""
OUR_VARIABLES = ("ENERGYBENCH_METERS", "ENERGYBENCH_POWERCAP_ROOT", "ENERGYBENCH_CPU_TDP_W")
RANKS = """
def pytest_energy_ranks(config):
    raise AssertionError("one process alone meets nobody")
"""


@pytest.mark.parametrize("size", ["", " ", "auto", "-1", "4(x2)", "٣", "1e3"])
def test_a_size_of_the_world_that_is_no_number_costs_a_project_without_ranks_nothing(
    suite: pytest.Pytester,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    size: str,
) -> None:
    monkeypatch.setenv("WORLD_SIZE", size)
    for name in OUR_VARIABLES:
        monkeypatch.setenv(name, "")
    suite.makepyfile(SUITE)
    run = suite.runpytest("--energy-json=run.json")
    run.assert_outcomes(passed=1)
    assert cases("run.json")["test_work"]["total_j"] == 12.0


@pytest.mark.parametrize(
    ("size", "told"), [("", None), (" 1 ", None), ("auto", "*WORLD_SIZE='auto' is no number of*")]
)
def test_and_is_told_in_a_line_where_there_are_ranks(
    suite: pytest.Pytester,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    size: str,
    told: str | None,
) -> None:
    monkeypatch.setenv("WORLD_SIZE", size)
    suite.makepyfile(SUITE)
    conftest = suite.path / "conftest.py"
    conftest.write_text(conftest.read_text() + RANKS)
    run = suite.runpytest()
    if told is None:
        run.assert_outcomes(passed=1)
    else:
        assert run.ret == pytest.ExitCode.USAGE_ERROR
        run.stderr.fnmatch_lines([told])
        assert "Traceback" not in run.stderr.str()


@pytest.mark.parametrize("name", ["setuponly", "setupplan", "skipping", "stepwise", "debugging"])
def test_a_plugin_of_pytests_own_may_be_turned_off(
    suite: pytest.Pytester,  # noqa: F811
    name: str,
) -> None:
    suite.makepyfile("def test_x(energy, work):\n    energy(work, 1.0)")
    result = suite.runpytest("-p", f"no:{name}", "--energy-json=run.json")
    result.assert_outcomes(passed=1)
    assert list(cases("run.json")) == ["test_x"]


def test_a_test_after_which_no_file_can_be_opened_costs_nothing(
    suite: pytest.Pytester,  # noqa: F811
) -> None:
    pytest.importorskip("resource", reason="Windows has no such limit")
    suite.makepyfile(
        """
        import os, resource

        OPEN = []

        def test_x(energy, work):
            energy(work, 1.0)
            resource.setrlimit(resource.RLIMIT_NOFILE, (99, 99))
            try:
                while True:
                    OPEN.append(os.open(os.devnull, os.O_RDONLY))
            except OSError:
                pass

        def test_y(energy, work):
            energy(work, 1.0)
            list(map(os.close, OPEN))
        """
    )
    result = suite.runpytest_subprocess("--energy-report")
    result.assert_outcomes(passed=2)
    assert list(cases("reports/energy.json")) == ["test_x", "test_y"]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity here")
def test_a_run_names_the_cpus_that_it_had_before_its_first_test(
    suite: pytest.Pytester,  # noqa: F811
) -> None:
    suite.makepyfile(
        """
        import os

        def test_x(energy, work):
            energy(work, 1.0)
            os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
        """
    )
    settings = []
    for order in ("--energy-json=run.json", "--energy-json=again.json"):
        suite.runpytest_subprocess(order).assert_outcomes(passed=1)
        settings.append(json.loads(Path(order.partition("=")[2]).read_text())["settings"])
        suite.makepyfile("def test_x(energy, work):\n    energy(work, 1.0)")
    assert settings[0] == settings[1]
