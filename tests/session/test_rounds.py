"""`--energy-rounds`: whole tests again, interleaved within the group, as one case."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from pytest_energybench.cli.main import main
from pytest_energybench.measurement import aggregate
from pytest_energybench.results.model import Case

GROUP = """
import pytest

LOG = []

@pytest.fixture
def fresh():
    LOG.append("setup")
    return []

@pytest.mark.parametrize("method", [pytest.param("a", marks=pytest.mark.energy_baseline), "b"])
@pytest.mark.energy_group("net")
def test_it(energy, work, fresh, method):
    assert fresh == []
    fresh.append(method)
    LOG.append(method)
    with energy.measure("search", counted=False):
        work(1.0 + energy.round)
    with energy.measure():
        work({"a": 10.0, "b": 9.0}[method] + 0.01 * len(LOG))
    energy.record(accuracy=0.9, seed=7 + energy.round, epochs=energy.round)
    energy.record_series("loss", [(1, energy.round)], x="epoch")
    energy.record_search(parameter="n", found=3, curve=[], evaluations=1, images=1)
    energy.assert_below_baseline()
    energy.assert_accuracy_within_baseline()

def test_plain():
    LOG.append("plain")

def test_log():
    print("LOG", "".join(entry for entry in LOG if entry in "ab"), LOG.count("plain"))
"""


@pytest.mark.parametrize(("rounds", "order"), [(1, "ab"), (2, "baab"), (3, "abbaab")])
def test_a_group_runs_forwards_and_backwards_in_turn(
    suite: pytest.Pytester, rounds: int, order: str
) -> None:
    suite.makepyfile(GROUP)
    result = suite.runpytest("-s", f"--energy-rounds={rounds}")
    result.stdout.fnmatch_lines([f"*LOG {order} 1*"])
    assert result.ret == 0


def test_rounds_are_one_case_judged_in_pairs(suite: pytest.Pytester) -> None:
    suite.makepyfile(GROUP)
    suite.runpytest("--energy-rounds=4", "--energy-json=run.json")
    a, b = json.loads(Path("run.json").read_text())["cases"]
    assert (len(a["rounds"]), len(b["rounds"])) == (4, 4)
    energy, accuracy = b["comparisons"]
    assert (energy["finding"], energy["method"], energy["n"]) == ("less", "paired", 4)
    assert energy["interval"][0] < energy["estimate"] < energy["interval"][1]
    assert (accuracy["finding"], accuracy["method"], accuracy["n"]) == ("kept", "paired", 4)
    assert [each["metrics"]["accuracy"] for each in b["rounds"]] == [0.9] * 4
    for case in (a, b):
        assert [each["seed"] for each in case["rounds"]] == [7, 8, 9, 10]
        assert case["metrics"] == {"accuracy": 0.9, "epochs": 1.5}
        curves = [(each["round"], each["points"]) for each in case["series"]]
        assert curves == [(number, [[1, number]]) for number in range(4)]
        searches = [each["total_j"] for each in case["windows"] if each["name"] == "search"]
        assert case["search"]["total_j"] == pytest.approx(sum(searches) / 4)
    assert b["search"]["pays_after"] == pytest.approx(
        b["search"]["total_j"] / (a["total_j"] - b["total_j"])
    )


def test_rounds_of_other_seeds_make_no_pairs(suite: pytest.Pytester) -> None:
    suite.makepyfile(GROUP.replace("7 + energy.round", "len(LOG)"))
    suite.runpytest("--energy-rounds=4", "--energy-json=run.json")
    energy = json.loads(Path("run.json").read_text())["cases"][1]["comparisons"][0]
    assert (energy["method"], energy["n"]) == ("welch", 4)


def test_several_rounds_of_a_call_have_the_seed_of_what_is_called(suite: pytest.Pytester) -> None:
    """So runs with other seeds are put together, in which those of one seed are one sample."""
    suite.makepyfile(
        """
        import os
        import pytest

        SEED = int(os.environ["SEED"])

        A = pytest.param("a", marks=pytest.mark.energy_baseline)

        @pytest.mark.parametrize("method", [A, "b"])
        @pytest.mark.energy_group("net")
        def test_it(energy, work, method):
            energy.record(seed=SEED, size=3)
            energy.record_series("in turn", [(1, SEED), (2, SEED)], x="pair")
            seconds = iter(range(SEED, 100))
            energy(lambda: work(next(seconds)), rounds=2, warmup=0)
            energy.per(token=4)
        """
    )
    for seed in (7, 8, 9):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SEED", str(seed))
            assert suite.runpytest(f"--energy-json={seed}.json").ret == 0
    assert main(["merge", "9.json", "7.json", "8.json", "-o", "whole.json"]) == 0
    a, b = json.loads(Path("whole.json").read_text())["cases"]
    for case in (a, b):
        assert [each["seed"] for each in case["rounds"]] == [7, 7, 8, 8, 9, 9]
        assert [each["round"] for each in case["series"]] == [0, 2, 4]
        assert case["metrics"] == {"size": 3}
    (energy,) = b["comparisons"]
    assert (energy["method"], energy["n"], energy["judged"]) == ("paired", 3, None)


RERUN = ("-p", "pytest_rerunfailures", "--reruns=2", "--energy-json=run.json")


def test_a_rerun_adds_to_the_sample(suite: pytest.Pytester) -> None:
    """Where the energy was judged, a second execution never replaces the first: no best of N."""
    suite.makepyfile(
        """
        SECONDS = [30.0, 10.0, 10.0]

        def test_it(energy, work):
            with energy.measure():
                work(SECONDS.pop(0))
            energy.assert_below("240 J")
        """
    )
    assert suite.runpytest(*RERUN).ret == 0
    (case,) = json.loads(Path("run.json").read_text())["cases"]
    assert [entry["total_j"] for entry in case["rounds"]] == [360.0, 120.0]
    assert (case["total_j"], case["outcome"]) == (240.0, "passed")


def test_a_round_joins_its_case_once_and_the_last_once_more_to_be_judged(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    joined: list[int] = []
    join = aggregate.join

    def counted(earlier: Case, later: Case, **options: Any) -> Case:
        joined.append(len(earlier.rounds))
        return join(earlier, later, **options)

    monkeypatch.setattr(aggregate, "join", counted)
    suite.makepyfile("def test_x(energy, work):\n    with energy.measure(): work(1.0)")
    suite.runpytest_inprocess("--energy-rounds=4").assert_outcomes(passed=1)
    assert joined == [1, 2, 3, 3]


@pytest.mark.parametrize("workers", [[], ["-p", "xdist.plugin", "-n1"]], ids=["n0", "n1"])
@pytest.mark.parametrize("rounds", [1, 2])
def test_an_attempt_that_broke_off_adds_no_round(
    suite: pytest.Pytester, rounds: int, workers: list[str]
) -> None:
    suite.makepyfile(
        """
        import pytest

        def fails():
            assert False

        def raises():
            raise OSError

        def times_out():
            pytest.fail("timeout")

        WAYS = [fails, raises, times_out, None]
        CALLS = []

        @pytest.mark.parametrize("way", WAYS, ids=["fails", "raises", "times_out", "refused"])
        def test_it(energy, work, way):
            CALLS.append(way)
            first = CALLS.count(way) == 1
            with energy.measure():
                work(1.0 if first else 10.0)
            if first:
                way() if way else energy.record(x=[])
            energy.assert_below("120 J")
        """
    )
    result = suite.runpytest(*RERUN, f"--energy-rounds={rounds}", "--energy-save=main", *workers)
    assert result.ret == 0
    for path in ("run.json", ".energy/main.json"):
        cases = json.loads(Path(path).read_text())["cases"]
        assert len(cases) == 4
        for case in cases:
            assert [entry["total_j"] for entry in case["rounds"]] == [120.0] * rounds
            assert (case["total_j"], case["outcome"]) == (120.0, "passed")
            assert "an attempt that broke off before its end adds no round" in case["flags"]


@pytest.mark.parametrize("workers", [[], ["-p", "xdist.plugin", "-n1"]], ids=["n0", "n1"])
def test_an_attempt_that_broke_off_takes_no_round_with_it(
    suite: pytest.Pytester, workers: list[str]
) -> None:
    suite.makepyfile(
        """
        SECONDS = [1.0, 10.0, 1.0, 20.0, 1.0, 1.0, 30.0]

        def test_it(energy, work):
            with energy.measure():
                work(seconds := SECONDS.pop(0))
            assert seconds >= 10.0
        """
    )
    args = ("-p", "pytest_rerunfailures", "--reruns=2", "--energy-json=run.json")
    assert suite.runpytest(*args, "--energy-rounds=3", *workers).ret == 0
    (case,) = json.loads(Path("run.json").read_text())["cases"]
    assert [entry["total_j"] for entry in case["rounds"]] == [120.0, 240.0, 360.0]
    assert case["outcome"] == "passed"
    assert "an attempt that broke off before its end adds no round" in case["flags"]


def test_a_round_that_failed_is_not_made_good_by_a_later_one(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        CALLS = []

        def test_it(energy, work):
            with energy.measure():
                work(1.0)
            CALLS.append(1)
            assert len(CALLS) != 2
        """
    )
    result = suite.runpytest("--energy-rounds=4", "--energy-json=run.json", "--energy-save=main")
    assert result.ret == 1
    (case,) = json.loads(Path("run.json").read_text())["cases"]
    assert case["outcome"] == "failed"
    assert not Path(".energy").exists()


@pytest.mark.parametrize("rounds", [1, 3])
def test_what_is_expected_to_fail_may_wait_for_the_round_that_judges(
    suite: pytest.Pytester, rounds: int
) -> None:
    suite.makepyfile(
        """
        import unittest

        import pytest

        def test_raises(energy, work):
            with energy.measure():
                work(1.0)
            with pytest.raises(AssertionError, match="above the budget"):
                energy.assert_below("1 J")

        @pytest.mark.xfail(strict=True)
        def test_xfail(energy, work):
            with energy.measure():
                work(1.0)
            energy.assert_below("1 J")

        @pytest.mark.xfail
        def test_may_fail(energy, work):
            with energy.measure():
                work(1.0)
            energy.assert_below("1 J")

        @pytest.mark.xfail(strict=True)
        @pytest.mark.energy_budget(max="1 J")
        def test_limited(work):
            work(1.0)

        class Case(unittest.TestCase):
            @pytest.fixture(autouse=True)
            def take_energy(self, energy, work):
                self.energy, self.work = energy, work

            @unittest.expectedFailure
            def test_expected(self):
                with self.energy.measure():
                    self.work(1.0)
                self.energy.assert_below("1 J")

            def test_asserts(self):
                with self.energy.measure():
                    self.work(1.0)
                with self.assertRaises(AssertionError):
                    self.energy.assert_below("1 J")
        """
    )
    result = suite.runpytest(f"--energy-rounds={rounds}", "--energy-json=run.json")
    assert result.ret == 0
    assert (
        "X" not in result.stdout.str().partition("test_what_is_expected")[2].partition("[100%]")[0]
    )
    cases = json.loads(Path("run.json").read_text())["cases"]
    assert [len(case["rounds"]) for case in cases] == [rounds] * 6
    assert {case["outcome"] for case in cases} == {"passed", "xfailed"}


@pytest.mark.parametrize("body", ["with pytest.raises(OSError): pass", "assert 0, 'not raised'"])
def test_a_failure_that_waits_for_no_judgement_is_one_in_every_round(
    suite: pytest.Pytester, body: str
) -> None:
    suite.makepyfile(
        f"""
        import pytest

        CALLS = []

        def test_it(energy, work):
            CALLS.append(1)
            with energy.measure():
                work(1.0)
            if len(CALLS) == 1:
                {body}
            energy.assert_below("1 kJ")
        """
    )
    assert suite.runpytest("--energy-rounds=3").ret == 1


def test_a_case_that_is_run_twice_is_one_case_with_both_rounds(suite: pytest.Pytester) -> None:
    path = suite.makepyfile("def test_it(energy, work):\n    energy(work, 1.0)")
    result = suite.runpytest("--keep-duplicates", path.name, path.name, "--energy-json=run.json")
    result.assert_outcomes(passed=2)
    (case,) = json.loads(Path("run.json").read_text())["cases"]
    assert [entry["total_j"] for entry in case["rounds"]] == [12.0, 12.0]


@pytest.mark.parametrize("workers", [[], ["-p", "xdist.plugin", "-n2"]], ids=["n0", "n2"])
def test_progress_goes_over_all_rounds_and_the_summary_counts_cases(
    suite: pytest.Pytester, workers: list[str]
) -> None:
    suite.makepyfile(GROUP)
    result = suite.runpytest("--energy-rounds=4", *workers, "-v")
    result.assert_outcomes(passed=4)
    shown = [int(found) for found in re.findall(r"\[ *(\d+)%\]", result.stdout.str())]
    assert len(set(shown)) > 5
    assert shown[-1] == 100


def test_rounds_that_are_left_out_count_for_the_progress_once(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize("fails_in", [0, 1, 3, 9])
        def test_it(energy, work, fails_in):
            energy(work, 1.0)
            assert energy.round != fails_in

        def test_skips(energy):
            pytest.skip("not here")

        def test_plain():
            pass
        """
    )
    result = suite.runpytest("--energy-rounds=4", "-v")
    shown = [int(found) for found in re.findall(r"\[ *(\d+)%\]", result.stdout.str())]
    assert shown == sorted(shown)
    assert shown[-1] == 100


def test_the_rounds_of_a_case_end_with_its_first_failure(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        import pytest
        RAN = []

        @pytest.fixture(scope="module", autouse=True)
        def module():
            yield
            print("RAN", "".join(RAN))

        @pytest.mark.parametrize("name", "ab")
        def test_it(energy, work, name):
            RAN.append(name)
            energy(work, 1.0)
            assert RAN.count("a") < 2
        """,
        test_later="def test_later(): pass",
    )
    report = ("--energy-json=run.json", "--junit-xml=junit.xml", "--html=report.html")
    html = ("-p", "pytest_metadata.plugin", "-p", "pytest_html.plugin")
    result = suite.runpytest("--energy-rounds=4", *html, *report, "-s")
    result.assert_outcomes(passed=1, failed=2)
    assert "skipped" not in Path("junit.xml").read_text().replace('skipped="0"', "")
    assert "0 Skipped" in Path("report.html").read_text()
    result.stdout.fnmatch_lines(["*RAN aab*"])
    assert [case["outcome"] for case in json.loads(Path("run.json").read_text())["cases"]] == [
        "failed",
        "failed",
    ]
    result = suite.runpytest("--lf", "--energy-rounds=4")
    result.assert_outcomes(failed=2)


def test_what_a_round_that_is_left_out_tears_down_may_fail(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        import pytest

        @pytest.fixture(scope="module")
        def module():
            yield
            raise OSError("no way to end it")

        def test_it(module, energy, work):
            energy(work, 1.0)
            assert False
        """,
        test_later="def test_later(): pass",
    )
    result = suite.runpytest("--energy-rounds=2", "-v")
    result.assert_outcomes(passed=1, failed=1, errors=1)
    result.stdout.fnmatch_lines(["*100%*", "*no way to end it"])
