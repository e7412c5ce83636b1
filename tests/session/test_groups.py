"""Groups: the baseline runs first and is brought back when it was left out."""

from __future__ import annotations

import pytest

SUITE = """
import pytest

METHODS = ["pruned", pytest.param("plain", marks=pytest.mark.energy_baseline), "other"]

@pytest.mark.parametrize("method", METHODS)
@pytest.mark.energy_group("net")
def test_methods(method):
    pass

def test_alone():
    pass
"""


def order(result: pytest.RunResult) -> list[str]:
    """The tests in the order they ran, from the verbose output."""
    lines = (line for line in result.outlines if "::" in line and "PASSED" in line)
    return [line.split("::")[1].split(" ")[0] for line in lines]


def test_the_baseline_runs_before_the_rest_of_its_group(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(SUITE)
    result = pytester.runpytest("-v")
    assert order(result) == [
        "test_methods[plain]",
        "test_methods[pruned]",
        "test_methods[other]",
        "test_alone",
    ]


@pytest.mark.parametrize("selection", [["-k", "pruned"], ["-m", "energy_group", "-k", "pruned"]])
def test_a_deselected_baseline_is_brought_back(
    pytester: pytest.Pytester, selection: list[str]
) -> None:
    pytester.makepyfile(SUITE)
    result = pytester.runpytest("-v", *selection)
    assert order(result) == ["test_methods[plain]", "test_methods[pruned]"]
    result.assert_outcomes(passed=2, deselected=2)


def test_a_baseline_left_out_by_a_node_id_is_brought_back(pytester: pytest.Pytester) -> None:
    path = pytester.makepyfile(SUITE)
    result = pytester.runpytest("-v", f"{path.name}::test_methods[pruned]")
    assert order(result) == ["test_methods[plain]", "test_methods[pruned]"]


def test_a_group_that_nothing_was_selected_of_stays_out(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(SUITE)
    result = pytester.runpytest("-v", "-k", "alone")
    assert order(result) == ["test_alone"]
    result.assert_outcomes(passed=1, deselected=3)


def test_a_baseline_that_alone_is_selected_brings_nothing_along(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(SUITE)
    assert order(pytester.runpytest("-v", "-k", "plain")) == ["test_methods[plain]"]


def test_two_baselines_in_one_group_are_refused_by_name(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        pytestmark = pytest.mark.energy_group("net")

        @pytest.mark.energy_baseline
        def test_a(): pass

        @pytest.mark.energy_baseline
        def test_b(): pass
        """
    )
    result = pytester.runpytest()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["ERROR: energy group 'net' has two baselines: *test_a and *test_b*"]
    )


@pytest.mark.parametrize("mark", ["energy_group", "energy_group()", "energy_group('a', 'b')"])
def test_a_group_without_one_name_is_refused(pytester: pytest.Pytester, mark: str) -> None:
    pytester.makepyfile(
        f"""
        import pytest

        @pytest.mark.{mark}
        def test_a(): pass
        """
    )
    result = pytester.runpytest()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: *test_a: energy_group takes one name*"])


def test_a_test_that_is_named_like_a_marker_is_no_group(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_x(): pass\ndef test_energy_group(): pass")
    pytester.runpytest().assert_outcomes(passed=2)
