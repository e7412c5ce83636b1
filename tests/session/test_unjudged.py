"""A budget or an assertion that nothing can be held against fails: it has not held."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_energybench.cli.main import main
from pytest_energybench.results.model import Outcome
from pytest_energybench.session.runtest import outcome_after

STRICT = '[budget."*"]\nmax_energy = "1 kJ"\nmax_duration = "1 h"\n'


def cases(path: str = "run.json") -> dict[str, dict[str, Any]]:
    return {case["name"]: case for case in json.loads(Path(path).read_text())["cases"]}


@pytest.mark.parametrize(
    ("phases", "outcome"),
    [
        ((("call", "failed"), ("teardown", "skipped")), "failed"),
        ((("call", "failed"), ("call", "skipped"), ("call", "passed")), "failed"),  # subtests
        ((("call", "skipped"), ("teardown", "failed")), "error"),
        ((("setup", "skipped"), ("teardown", "passed")), "skipped"),
        ((("call", "passed"), ("teardown", "skipped")), "passed"),  # a fixture's end
        ((("setup", "passed"), ("call", "passed"), ("teardown", "passed")), "passed"),
    ],
)
def test_a_case_came_to_the_worst_of_its_phases(
    phases: tuple[tuple[Any, Any], ...], outcome: str
) -> None:
    found: Outcome = "passed"
    for when, result in phases:
        report = pytest.TestReport("a", ("a", 1, "a"), {}, result, None, when)
        found = outcome_after(report, found)
    assert found == outcome


class TestMarker:
    def test_each_instance_of_a_parametrized_test_is_metered(self, suite: pytest.Pytester) -> None:
        suite.makepyfile(
            """
            import pytest

            @pytest.mark.energy_budget(max="1 J")
            @pytest.mark.parametrize("seconds", [1, 2, 3])
            def test_x(work, seconds):
                work(seconds)
            """
        )
        result = suite.runpytest("--energy-json=run.json")
        result.assert_outcomes(failed=3)
        assert [case["total_j"] for case in cases().values()] == [12.0, 24.0, 36.0]

    def test_one_instance_of_several_has_a_budget(self, suite: pytest.Pytester) -> None:
        suite.makepyfile(
            """
            import pytest

            limited = pytest.mark.energy_budget(max="1 J")

            @pytest.mark.parametrize("seconds", [1, pytest.param(2, marks=limited), 3])
            def test_x(work, seconds):
                work(seconds)
            """
        )
        result = suite.runpytest("--energy-json=run.json")
        result.assert_outcomes(passed=2, failed=1)
        assert list(cases()) == ["test_x[2]"]

    def test_whatever_carries_it_is_metered(self, suite: pytest.Pytester) -> None:
        conftest = Path("conftest.py")
        conftest.write_text(
            conftest.read_text()
            + """
class Recipe(pytest.File):
    def collect(self):
        item = Step.from_parent(self, name="step")
        item.add_marker(pytest.mark.energy_budget(max="1 J"))
        yield item

class Step(pytest.Item):
    def runtest(self):
        METER.clock.advance(1.0)

def pytest_collect_file(file_path, parent):
    if file_path.suffix == ".recipe":
        return Recipe.from_parent(parent, path=file_path)
"""
        )
        Path("a.recipe").touch()
        suite.makepyfile(
            """
            import unittest

            import pytest

            pytestmark = pytest.mark.energy_budget(max="1 J")

            class TestClass:
                def test_method(self, work):
                    work(1.0)

            class Case(unittest.TestCase):
                def test_unit(self):
                    import conftest
                    conftest.METER.clock.advance(1.0)

            @pytest.fixture
            def through(work):
                return work

            def test_fixture(through):
                through(1.0)

            @pytest.mark.asyncio
            async def test_async(work):
                work(1.0)

            def test_with_a_closure(work, request):
                request.getfixturevalue("through")(1.0)
            """
        )
        result = suite.runpytest("-p", "pytest_asyncio.plugin", "--energy-json=run.json")
        result.assert_outcomes(failed=6)
        found = cases()
        assert {name: case["total_j"] for name, case in found.items()} == dict.fromkeys(
            [
                "step",
                "test_method",
                "test_unit",
                "test_fixture",
                "test_async",
                "test_with_a_closure",
            ],
            12.0,
        )

    @pytest.mark.parametrize("rounds", [1, 3])
    def test_rounds_and_reruns_meter_it_again(self, suite: pytest.Pytester, rounds: int) -> None:
        suite.makepyfile(
            """
            import pytest

            @pytest.mark.energy_budget(max="1 J")
            @pytest.mark.parametrize("x", "ab")
            def test_x(work, x):
                work(1.0)
            """
        )
        args = ("-p", "pytest_rerunfailures", "--reruns=1", "--energy-json=run.json")
        result = suite.runpytest(*args, f"--energy-rounds={rounds}")
        assert result.ret == 1
        # The last round is judged, and run again since it failed: it adds to the sample.
        assert [len(case["rounds"]) for case in cases().values()] == [rounds + 1] * 2

    def test_a_window_that_was_not_opened_leaves_it_unjudged(self, suite: pytest.Pytester) -> None:
        suite.makepyfile(
            """
            import pytest

            @pytest.mark.energy_budget(max="1 kJ")
            def test_none(energy, work):
                work(1.0)

            @pytest.mark.energy_budget(max="1 kJ")
            def test_beside(energy, work):
                with energy.measure(counted=False):
                    work(1.0)

            @pytest.mark.energy_budget(max="1 kJ")
            def test_not_entered(energy, work):
                energy.measure("train")
                with energy.measure("other"):
                    work(1.0)
            """
        )
        result = suite.runpytest("--energy-json=run.json")
        result.assert_outcomes(failed=3)
        result.stdout.fnmatch_lines(
            [
                "the budget can't be judged: nothing was metered in this test; put the work into *",
                "the budget can't be judged: energy.measure('train') was never entered: *`with`",
            ]
        )
        assert {case["result"]["reason"] for case in cases().values()} == {"not measured"}

    @pytest.mark.parametrize(
        ("marks", "said"),
        [
            ("", "this test belongs to no group"),
            ("@pytest.mark.energy_group('net')", "group 'net' has no baseline"),
        ],
    )
    def test_a_limit_against_a_baseline_that_is_not_there(
        self, suite: pytest.Pytester, marks: str, said: str
    ) -> None:
        suite.makepyfile(
            f"""
            import pytest

            {marks}
            @pytest.mark.energy_budget(margin="3 %", max_accuracy_drop="1 %")
            def test_x(energy, work):
                with energy.measure():
                    work(1.0)
            """
        )
        result = suite.runpytest()
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines([f"the budget can't be judged: {said}*"])

    def test_a_test_that_skips_itself_fails_the_run_and_one_that_a_fixture_skips_a_strict_one(
        self, suite: pytest.Pytester
    ) -> None:
        suite.makepyfile(
            test_it="""
            import pytest

            @pytest.mark.energy_budget(max="1 J")
            def test_x(work):
                work(1.0)
                pytest.skip("no")

            @pytest.fixture
            def gpu():
                pytest.skip("no GPU")

            @pytest.mark.energy_budget(max="1 J")
            def test_fixture(gpu): pass

            @pytest.mark.skip
            @pytest.mark.energy_budget(max="1 J")
            def test_marked(): pass
            """
        )
        result = suite.runpytest()
        result.assert_outcomes(skipped=3)
        assert result.ret == pytest.ExitCode.TESTS_FAILED
        result.stdout.fnmatch_lines(
            [
                "  FAIL  test_it.py::test_x: its budget was not judged: the test skipped itself*",
                "  UNKNOWN  not judged  test_fixture  its budget was not judged: a fixture*",
            ]
        )
        result.stdout.no_fnmatch_line("*test_marked*")
        result = suite.runpytest("-k", "not test_x")
        assert result.ret == 0
        result = suite.runpytest("--energy-strict-budgets")
        assert result.ret == pytest.ExitCode.TESTS_FAILED
        result.stdout.fnmatch_lines(["  FAIL  test_it.py::test_fixture: its budget*"])


class TestFile:
    def test_a_test_that_meters_nothing_fails(self, suite: pytest.Pytester) -> None:
        Path("energy-budgets.toml").write_text(STRICT)
        suite.makepyfile("def test_x(energy, work):\n    work(1.0)")
        result = suite.runpytest("--energy-json=run.json")
        result.assert_outcomes(failed=1)
        kinds = {c["quantity"]: c["judged"]["reason"] for c in cases()["test_x"]["comparisons"]}
        assert kinds == {"energy": "not measured", "duration": "not measured"}

    def test_an_accuracy_is_judged_without_a_window(self, suite: pytest.Pytester) -> None:
        Path("energy-budgets.toml").write_text('[budget."*"]\nmin_accuracy = 0.9\n')
        suite.makepyfile(
            """
            def test_good(energy):
                energy.record(correct=9, total=10)

            def test_bad(energy):
                energy.record(correct=8, total=10)

            def test_none(energy):
                pass
            """
        )
        result = suite.runpytest("-rf")
        result.assert_outcomes(passed=1, failed=2)
        result.stdout.fnmatch_lines(["accuracy 0.8000 is below the minimum of 0.9000*"])


class TestAssertion:
    def test_inside_an_open_window_it_says_where_to_go(self, suite: pytest.Pytester) -> None:
        suite.makepyfile(
            """
            def test_x(energy, work):
                with energy.measure("train"):
                    work(1.0)
                    energy.assert_below("1 kJ")
            """
        )
        result = suite.runpytest()
        result.stdout.fnmatch_lines(
            ["E * window 'train' is still open: move the assertion out of the with block"]
        )

    def test_after_a_window_that_was_never_entered(self, suite: pytest.Pytester) -> None:
        suite.makepyfile(
            """
            def test_x(energy, work):
                energy.measure("train")
                work(1.0)
                energy.assert_below("1 kJ")
            """
        )
        result = suite.runpytest()
        result.stdout.fnmatch_lines(["E * energy.measure('train') was never entered: write `with`"])


def test_a_test_that_takes_energy_and_meters_nothing_is_told(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        def test_none(energy): pass

        def test_forgotten(energy): energy.measure("train")

        def test_fine(energy, work): energy(work, 1.0)
        """
    )
    result = suite.runpytest("--energy-json=run.json")
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        [
            "  UNKNOWN  not measured  test_none",
            "      nothing was metered in this test; put the work into *",
            "  UNKNOWN  not measured  test_forgotten",
            "      energy.measure('train') was never entered: *",
        ]
    )
    results = {name: case["result"] for name, case in cases().items()}
    assert results["test_fine"] == {"kind": "pass", "reason": "not judged", "text": ""}
    assert (results["test_none"]["kind"], results["test_none"]["reason"]) == (
        "unknown",
        "not measured",
    )
    assert "nothing was metered" in results["test_none"]["text"]


def test_a_case_of_which_a_window_was_never_entered_passes_no_later_gate_either(
    suite: pytest.Pytester,
) -> None:
    test = """
    def test_it(energy, work):
        with energy.measure("a"):
            work(1.0)
        {word} energy.measure("b"):
            work(5.0)
    """
    suite.makepyfile(test_it=test.format(word="with"))
    assert suite.runpytest("--energy-save=main").ret == 0
    suite.makepyfile(test_it=test.format(word="if"))
    said = "energy.measure('b') was never entered"
    result = suite.runpytest("--energy-compare=main", "--energy-save=next", "--energy-history")
    assert result.ret == 1
    result.stdout.fnmatch_lines([f"  FAIL  not measured  test_it  {said}*"])
    assert not Path(".energy/next.json").exists()
    assert Path(".energy/history.jsonl").read_text() == ""
    assert suite.runpytest("--energy-json=run.json").ret == 0
    assert cases()["test_it"]["total_j"] is None
    Path("b.toml").write_text('[budget."*"]\nmax_energy = "1 kWh"\nmax_duration = "1 h"\n')
    assert main(["merge", "run.json", "-o", "whole.json", "--budgets=b.toml"]) == 1
    (whole,) = json.loads(Path("whole.json").read_text())["cases"]
    assert [each["judged"]["text"].partition(": ")[2] for each in whole["comparisons"]] == [
        f"{said}: write `with`"
    ] * 2


@pytest.mark.parametrize("rounds", [1, 2])
def test_a_case_whose_figures_no_file_can_hold_fails_the_run(
    suite: pytest.Pytester, rounds: int
) -> None:
    conftest = Path("conftest.py")
    conftest.write_text(conftest.read_text() + '\nMETER = FakeMeter({"cpu:0": 1e29})\n')
    suite.makepyfile(
        "def test_x(energy, work):\n    energy(work, 1.0)\n    energy.assert_below(2e29)"
    )
    result = suite.runpytest("--energy-pue=1000", f"--energy-rounds={rounds}")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*the case's figures can't be written: *facility_j*"])


def test_a_failing_subtest_makes_no_good_figure(suite: pytest.Pytester) -> None:
    pytest.importorskip("_pytest.subtests", reason="needs pytest 9")
    suite.makepyfile(
        """
        def test_x(energy, work, subtests):
            with energy.measure():
                work(1.0)
            with subtests.test():
                energy.assert_below("1 J")
        """
    )
    suite.runpytest("--energy-json=run.json")
    assert cases()["test_x"]["outcome"] == "failed"
