"""Entries and budgets of tests that are gone, as far as it is known which tests there are."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.session.test_gates import ONE, save, set_seconds


def test_a_budget_is_stale_only_if_its_own_file_was_collected_whole(suite: pytest.Pytester) -> None:
    suite.makepyfile(test_a=ONE, test_b="def test_y(): pass")
    set_seconds(suite, 1.0)
    Path("energy-budgets.toml").write_text(
        "".join(
            f'[budget."{each}"]\nmax_energy = "1 kJ"\n'
            for each in ("test_a.py::test_x", "test_b.py::test_y", "test_b.py::test_gone")
        )
    )
    for arguments in (["test_a.py"], ["test_a.py", "test_b.py::test_y"]):
        suite.runpytest(*arguments).stdout.no_fnmatch_line("*matches no case")
    result = suite.runpytest("test_a.py", "test_b.py")
    result.stdout.fnmatch_lines(["*budget 'test_b.py::test_gone' matches no case"])
    Path("test_b.py").unlink()
    result = suite.runpytest("test_a.py")
    result.stdout.fnmatch_lines(["*budget 'test_b.py::test_y' matches no case"])


@pytest.mark.parametrize("written", ["./test_a.py", "{root}/test_a.py", "x/../test_a.py"])
def test_a_budget_for_a_file_that_no_node_id_names_so_is_told(
    suite: pytest.Pytester, written: str
) -> None:
    suite.makepyfile(test_a=ONE)
    set_seconds(suite, 1.0)
    pattern = written.format(root=suite.path) + "::test_x"
    Path("energy-budgets.toml").write_text(f'[budget."{pattern}"]\nmax_energy = "1 J"\n')
    result = suite.runpytest()
    result.stdout.fnmatch_lines([f"*budget '{pattern}' matches no case"])


@pytest.mark.parametrize("content", ["", "# none yet\n", "[budget]\n"])
def test_a_budgets_file_that_states_none_is_told(suite: pytest.Pytester, content: str) -> None:
    suite.makepyfile(test_a=ONE)
    set_seconds(suite, 1.0)
    Path("energy-budgets.toml").write_text(content)
    result = suite.runpytest()
    assert result.ret == 0
    result.stdout.fnmatch_lines(["energy-budgets.toml: states no budget"])


def test_an_entry_is_stale_where_all_tests_of_its_file_are_known(suite: pytest.Pytester) -> None:
    suite.makepyfile(test_it=ONE + ONE.replace("test_x", "test_y"), test_gone=ONE)
    set_seconds(suite, 10.0)
    save(suite)
    gate = ("--energy-compare=main", "--energy-fail-on=stale")
    assert suite.runpytest(*gate, "test_it.py::test_x").ret == 0
    suite.makepyfile(test_it=ONE + "    assert False\n" + ONE.replace("test_x", "test_y"))
    suite.runpytest()
    result = suite.runpytest("--lf", *gate)
    result.stdout.no_fnmatch_line("*no longer metered*")
    Path("test_gone.py").unlink()
    result = suite.runpytest(*gate, "test_it.py::test_y")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["  FAIL  test_gone.py::test_x: in main, and no longer metered"])
    result.stdout.no_fnmatch_line("*test_it.py::test_x: in main*")


def test_an_entry_of_a_test_that_is_no_longer_metered_is_stale(suite: pytest.Pytester) -> None:
    """It has run, so it is no test that was left out."""
    suite.makepyfile(test_it=ONE + ONE.replace("test_x", "test_y"))
    set_seconds(suite, 10.0)
    save(suite)
    suite.makepyfile(test_it=ONE + "def test_y(): pass")
    for arguments in ((), ("test_it.py::test_y",), ("test_it.py::test_x", "test_it.py::test_y")):
        result = suite.runpytest("--energy-compare=main", "--energy-fail-on=stale", *arguments)
        assert result.ret == pytest.ExitCode.TESTS_FAILED
        result.stdout.fnmatch_lines(["*test_it.py::test_y: in main, and no longer metered"])
    result = suite.runpytest("--energy-compare=main", "-k", "test_x")
    result.stdout.fnmatch_lines(["*1 not run: test_it.py::test_y*"])
