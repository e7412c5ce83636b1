"""Rounds of a case are of one work, each with figures of its own: else no gate passes on them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

ALL = ("--energy-rounds=3", "--energy-json=run.json")
RERUNS = ("-p", "pytest_rerunfailures", "--reruns=1")


def only_case() -> dict[str, Any]:
    (case,) = json.loads(Path("run.json").read_text())["cases"]
    return dict(case)


ENDS_EARLY = """
import unittest
import pytest

class Case(unittest.TestCase):
    @pytest.fixture(autouse=True)
    def take_energy(self, energy, work):
        self.energy, self.work = energy, work

    @pytest.mark.energy_budget(max="10 kJ")
    def test_it(self):
        with self.energy.measure():
            self.work(1.0)
        with {catches}:
            self.energy.assert_below("1 J")
        with self.energy.measure():
            self.work(100.0)
        self.energy.assert_below("10 kJ")
"""


@pytest.mark.parametrize(
    "catches",
    [
        "pytest.raises(AssertionError)",
        "pytest.raises((OSError, Exception))",
        "self.assertRaises(AssertionError)",
        "self.assertRaises((OSError, BaseException), msg='cheap')",
    ],
)
def test_a_round_that_ended_before_the_last_ones_work_is_of_a_part(
    suite: pytest.Pytester, catches: str
) -> None:
    suite.makepyfile(ENDS_EARLY.format(catches=catches))
    assert suite.runpytest("--energy-json=run.json", "--energy-save=main").ret == 0
    result = suite.runpytest(*ALL, "--energy-save=other", "--energy-compare=main")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*the budget can't be judged: a round ended at an assertion that was to fail, and the"
            " last one went on behind it: put it at the test's end*",
        ]
    )
    case = only_case()
    assert [each["total_j"] for each in case["rounds"]] == [None, None, 12.0 + 1200.0]
    assert (case["total_j"], case["outcome"]) == (None, "failed")
    assert not Path(".energy/other.json").exists()


def test_an_assertion_that_was_to_fail_inside_a_window_cuts_it_short(
    suite: pytest.Pytester,
) -> None:
    suite.makepyfile(
        """
        import pytest

        def test_it(energy, work):
            with energy.measure():
                work(1.0)
                with pytest.raises(AssertionError):
                    energy.assert_accuracy(0.1, baseline=0.9)
                work(100.0)
            energy.assert_below("1 kJ")
        """
    )
    result = suite.runpytest(*ALL)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*DID NOT RAISE*"])


@pytest.mark.parametrize("expected", ["OSError", "(OSError, ValueError)"])
@pytest.mark.parametrize("catches", ["pytest.raises({})", "unittest.TestCase().assertRaises({})"])
def test_what_no_energy_assertion_raises_is_missed_in_every_round(
    suite: pytest.Pytester, catches: str, expected: str
) -> None:
    suite.makepyfile(
        f"""
        import unittest
        import pytest

        def test_it(energy, work):
            with energy.measure():
                work(1.0)
            energy.assert_below("1 kJ")
            if energy.round == 0:
                with {catches.format(expected)}:
                    pass
        """
    )
    suite.runpytest(*ALL).assert_outcomes(failed=1)


def test_what_an_attempt_lost_that_broke_off_is_no_loss_of_the_others(
    suite: pytest.Pytester,
) -> None:
    suite.makepyfile(
        """
        CALLS = []

        def test_it(energy, work):
            CALLS.append(1)
            window = energy.measure("left open")
            window.__enter__()
            work(1.0)
            assert len(CALLS) != 2
            window.__exit__(None, None, None)
        """
    )
    assert suite.runpytest(*RERUNS, *ALL, "--energy-save=main").ret == 0
    case = only_case()
    assert [each["total_j"] for each in case["rounds"]] == [12.0] * 3
    assert (case["outcome"], case["errors"]) == ("passed", [])
    assert Path(".energy/main.json").exists()


class TestAccuracyWithoutAWindow:
    @pytest.fixture(autouse=True)
    def at_least(self, suite: pytest.Pytester) -> None:  # noqa: ARG002
        Path("energy-budgets.toml").write_text('[budget."*"]\nmin_accuracy = 0.95\n')

    @pytest.mark.parametrize("window", ["", "if energy.round: energy(work, 1.0)"])
    def test_that_of_the_last_round_is_not_that_of_all(
        self, suite: pytest.Pytester, window: str
    ) -> None:
        suite.makepyfile(
            f"""
            def test_it(energy, work):
                {window}
                energy.record(accuracy=[0.5, 0.96][energy.round], size=3)
            """
        )
        result = suite.runpytest("--energy-rounds=2", "--energy-json=run.json")
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines(["*the case's accuracy is not known*"])
        assert only_case()["metrics"] == {"size": 3}

    @pytest.mark.parametrize("window", ["pass", "energy(work, 1.0)"])
    def test_one_that_is_asserted_is_that_of_all_rounds(
        self, suite: pytest.Pytester, window: str
    ) -> None:
        Path("energy-budgets.toml").unlink()
        suite.makepyfile(
            f"""
            def test_it(energy, work):
                {window}
                energy.assert_accuracy([0.5, 0.96][energy.round], baseline=0.95)
            """
        )
        suite.runpytest("--energy-rounds=2").assert_outcomes(failed=1)

    def test_one_that_all_rounds_have_is(self, suite: pytest.Pytester) -> None:
        suite.makepyfile("def test_it(energy): energy.record(correct=96, total=100)")
        suite.runpytest("--energy-rounds=2").assert_outcomes(passed=1)


INCLUDES = """
import pytest

@pytest.fixture(scope="{scope}")
def fitted(energy_meter, work):
    with energy_meter.measure("fit") as window:
        work(1.0)
    return window

CALLS = []

def test_it(energy, fitted):
    energy.include(fitted)
    CALLS.append(energy.round)
    assert len(CALLS) > {fails}
"""


@pytest.fixture
def shared_work(suite: pytest.Pytester) -> pytest.Pytester:
    """A suite whose `work` a fixture of any scope may take."""
    conftest = Path("conftest.py")
    conftest.write_text(
        conftest.read_text().replace(
            "@pytest.fixture\ndef work", "@pytest.fixture(scope='session')\ndef work"
        )
    )
    return suite


class TestIncludedWindow:
    def test_one_measurement_is_one_round(self, shared_work: pytest.Pytester) -> None:
        shared_work.makepyfile(INCLUDES.format(scope="module", fails=0))
        result = shared_work.runpytest(*ALL)
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines(
            [
                "E *RuntimeError: energy.include('fit'): an earlier round included it, and it is"
                " one measurement: include one of a function-scoped fixture, or use one round"
            ]
        )
        assert len(only_case()["rounds"]) == 1

    def test_one_of_each_round_is_that_rounds(self, shared_work: pytest.Pytester) -> None:
        shared_work.makepyfile(INCLUDES.format(scope="function", fails=0))
        shared_work.runpytest(*ALL).assert_outcomes(passed=1)
        assert len(only_case()["rounds"]) == 3

    def test_an_attempt_that_broke_off_has_included_nothing(
        self, shared_work: pytest.Pytester
    ) -> None:
        shared_work.makepyfile(INCLUDES.format(scope="module", fails=1))
        assert shared_work.runpytest(*RERUNS, "--energy-json=run.json").ret == 0
        assert len(only_case()["rounds"]) == 1


SKIPS = """
import pytest

CALLS = []

@pytest.fixture
def gpu():
    CALLS.append(1)
    if {fixture} and len(CALLS) == 2:
        pytest.skip("no GPU")

@pytest.mark.energy_budget(max="20 J")
def test_it(gpu, energy, work):
    if len(CALLS) == 2:
        pytest.skip("not here")
    energy(work, {seconds})
"""


class TestSkippedAtLast:
    """What came before was not judged, or was over the limit."""

    @pytest.mark.parametrize(
        ("fixture", "strict", "said"),
        [
            ("False", [], "the test skipped itself"),
            ("True", ["--energy-strict-budgets"], "a fixture skipped the test"),
        ],
    )
    def test_in_the_round_that_judges(
        self, suite: pytest.Pytester, fixture: str, strict: list[str], said: str
    ) -> None:
        suite.makepyfile(test_it=SKIPS.format(fixture=fixture, seconds=100.0))
        Path("energy-budgets.toml").write_text('[budget."*"]\nmax_energy = "20 J"\n')
        result = suite.runpytest("--energy-rounds=2", "--energy-json=run.json", *strict)
        assert result.ret == pytest.ExitCode.TESTS_FAILED
        result.stdout.fnmatch_lines([f"  FAIL *test_it: its budget was not judged: {said}*"])
        assert only_case()["outcome"] == "skipped"

    def test_in_the_round_before(self, suite: pytest.Pytester) -> None:
        suite.makepyfile(SKIPS.format(fixture="False", seconds=1.0))
        result = suite.runpytest("--energy-rounds=3", "--energy-json=run.json")
        assert result.ret == 0
        assert [each["total_j"] for each in only_case()["rounds"]] == [12.0, 12.0]

    @pytest.mark.parametrize("limit", ["by a marker", "in the test"])
    def test_in_a_rerun(self, suite: pytest.Pytester, limit: str) -> None:
        test = SKIPS.format(fixture="False", seconds=100.0)
        if limit == "in the test":
            marker = '@pytest.mark.energy_budget(max="20 J")\n'
            test = test.replace(marker, "") + "    energy.assert_below('20 J')\n"
        suite.makepyfile(test)
        result = suite.runpytest(*RERUNS, "--energy-json=run.json")
        assert result.ret == pytest.ExitCode.TESTS_FAILED
        assert only_case()["result"]["kind"] == "fail"


FLAKY = """
import pytest

SECONDS = {seconds}

@pytest.mark.xfail(reason="flaky")
def test_it(energy, work):
    with energy.measure():
        work(1.0)
        {before}
        work(SECONDS[energy.round])
    assert SECONDS[energy.round] > 1.0
    energy.assert_below("{limit}")
"""


class TestExpectedFailures:
    def test_beside_rounds_that_came_to_the_end_they_add_none(self, suite: pytest.Pytester) -> None:
        """They may have broken off after a part of the work."""
        broken = "assert SECONDS[energy.round] > 1.0"
        suite.makepyfile(FLAKY.format(seconds=[1.0, 1.0, 99.0], before=broken, limit="1 kJ"))
        assert suite.runpytest(*ALL).ret == 0  # its failure is an expected one
        assert [each["total_j"] for each in only_case()["rounds"]] == [1200.0]
        assert only_case()["result"]["reason"] == "over budget"
        suite.makepyfile(FLAKY.format(seconds=[99.0, 1.0, 99.0], before=broken, limit="2 kJ"))
        assert suite.runpytest(*ALL, "--energy-save=main").ret == 0
        for case in (only_case(), json.loads(Path(".energy/main.json").read_text())["cases"][0]):
            assert [each["total_j"] for each in case["rounds"]] == [1200.0, 1200.0]
            assert case["outcome"] == "xpassed"

    def test_in_the_last_round_they_leave_the_others(self, suite: pytest.Pytester) -> None:
        suite.makepyfile(FLAKY.format(seconds=[99.0, 99.0, 1.0], before="", limit="2 kJ"))
        assert suite.runpytest(*ALL).ret == 0
        case = only_case()
        assert [each["total_j"] for each in case["rounds"]] == [1200.0, 1200.0]
        assert (case["outcome"], case["expected"]) == ("xfailed", "flaky")

    def test_in_all_rounds_they_are_alike(self, suite: pytest.Pytester) -> None:
        suite.makepyfile(FLAKY.format(seconds=[1.0, 1.0, 1.0], before="", limit="2 kJ"))
        assert suite.runpytest(*ALL).ret == 0
        assert [each["total_j"] for each in only_case()["rounds"]] == [24.0] * 3


def test_an_assertion_that_the_last_round_does_not_make_is_not_judged(
    suite: pytest.Pytester,
) -> None:
    suite.makepyfile(
        """
        def test_it(energy, work):
            energy(work, 100.0)
            energy.record(accuracy=0.5)
            if energy.round == 0:
                energy.assert_below("1 J")
                energy.assert_accuracy(0.5, baseline=0.9)
        """
    )
    result = suite.runpytest("--energy-rounds=2", "--energy-json=run.json")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "energy.assert_accuracy(...) was called in an earlier round and not in the last one,*",
            "energy.assert_below(...) was called in an earlier round and not in the last one, *",
        ]
    )
    case = only_case()
    assert (case["result"]["reason"], len(case["rounds"])) == ("not judged", 2)
