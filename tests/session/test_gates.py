"""Gates beyond a test's own assertions: the marker, the budgets file, a stored run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_energybench.session.state import EnergySession

ONE = """
def test_x(energy, work):
    import conftest
    with energy.measure():
        work(conftest.SECONDS)
"""


def set_seconds(suite: pytest.Pytester, seconds: float) -> None:
    """What the suite's tests work from now on; 12 W each."""
    text = (suite.path / "conftest.py").read_text().split("\nSECONDS")[0]
    (suite.path / "conftest.py").write_text(f"{text}\nSECONDS = {seconds}\n")


def save(suite: pytest.Pytester, *args: str) -> None:
    assert suite.runpytest("--energy-save=main", *args).ret == 0


def the_case(path: str = "run.json") -> dict[str, Any]:
    (case,) = json.loads(Path(path).read_text())["cases"]
    return case


def test_the_files_of_the_gates_are_read_once(pytester: pytest.Pytester) -> None:
    Path("budgets.toml").write_text('[budget."*"]\nmax_energy = "1 J"')
    config = pytester.parseconfigure("--energy-budgets=budgets.toml")
    Path("budgets.toml").unlink()
    gates = EnergySession.of(config).gates
    assert gates.budgets.has_limits("test_x.py::test_x")
    assert gates.root == pytester.path


class TestMarker:
    def test_a_budget_holds_for_a_test_that_knows_nothing_of_energy(
        self, suite: pytest.Pytester
    ) -> None:
        suite.makepyfile(
            """
            import pytest

            @pytest.mark.energy_budget(max="120 J")
            def test_within(work):
                work(10.0)

            @pytest.mark.energy_budget(max="100 J")
            def test_above(work):
                work(10.0)
            """
        )
        result = suite.runpytest()
        result.assert_outcomes(passed=1, failed=1)
        result.stdout.fnmatch_lines(["energy 120 J (measured) is above the budget of 100 J*"])

    def test_its_message_has_three_lines_and_no_traceback(self, suite: pytest.Pytester) -> None:
        suite.makepyfile(
            """
            import pytest

            @pytest.mark.energy_budget(max="1 J")
            def test_x(work):
                work(10.0)
            """
        )
        out = suite.runpytest().outlines
        start = next(i for i, line in enumerate(out) if "_ test_x _" in line)
        end = next(i for i in range(start, len(out)) if out[i].startswith("==="))
        assert 1 <= end - start - 1 <= 3

    def test_its_limits_against_the_baseline(self, suite: pytest.Pytester) -> None:
        suite.makepyfile(
            """
            import pytest

            pytestmark = pytest.mark.energy_group("net")

            @pytest.mark.energy_baseline
            def test_plain(energy, work):
                with energy.measure():
                    work(10.0)
                energy.record(accuracy=0.98)

            @pytest.mark.energy_budget(max_accuracy_drop="1 %", margin="3 %")
            @pytest.mark.parametrize(
                ("seconds", "accuracy"), [(10.2, 0.97), (10.4, 0.98), (9, 0.96)]
            )
            def test_method(energy, work, seconds, accuracy):
                with energy.measure():
                    work(seconds)
                energy.record(accuracy=accuracy)
            """
        )
        result = suite.runpytest("-rf")
        result.assert_outcomes(passed=2, failed=2)
        result.stdout.fnmatch_lines(
            ["FAILED *test_method?10.4-0.98?*", "FAILED *test_method?9-0.96?*"]
        )

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            ("max='40 Ah'", "*max*40 Ah*"),
            ("margin=3", "*would allow 300 %*0.03*"),
            ("max_accuracy_drop=1", "*would allow 100 points*0.01*"),
            ("maximum='40 J'", "*takes max=*maximum*"),
            ("'40 J'", "*takes max=*"),
            ("", "*takes max=*"),
        ],
    )
    def test_what_it_does_not_know_is_refused_with_the_place(
        self, suite: pytest.Pytester, arguments: str, said: str
    ) -> None:
        suite.makepyfile(
            f"""
            import pytest

            @pytest.mark.energy_budget({arguments})
            def test_x(): pass
            """
        )
        result = suite.runpytest()
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines([f"ERROR: *test_x: @pytest.mark.energy_budget{said}"])


class TestBudgetsFile:
    def test_a_case_above_its_budget_fails(self, suite: pytest.Pytester) -> None:
        suite.makepyfile(ONE)
        set_seconds(suite, 10.0)
        Path("energy-budgets.toml").write_text('[budget."*::test_x"]\nmax_energy = "100 J"\n')
        result = suite.runpytest()
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines(["energy 120 J * is above the budget of 100 J (*::test_x*"])

    def test_a_damaged_file_is_a_usage_error_with_file_and_key(
        self, suite: pytest.Pytester
    ) -> None:
        suite.makepyfile(ONE)
        Path("energy-budgets.toml").write_text('[budget."*"]\nmax_energy = "100 apples"\n')
        result = suite.runpytest()
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(["ERROR: energy-budgets.toml: *max_energy*apples*"])

    def test_strictness_wants_a_budget_for_each_case_and_a_case_for_each_budget(
        self, suite: pytest.Pytester
    ) -> None:
        suite.makepyfile(ONE)
        set_seconds(suite, 1.0)
        Path("energy-budgets.toml").write_text('[budget."*::test_gone"]\nmax_energy = "1 kJ"\n')
        result = suite.runpytest()
        assert result.ret == 0
        result.stdout.fnmatch_lines(["energy-budgets.toml: budget '?::test_gone' matches no case"])
        result = suite.runpytest("--energy-strict-budgets")
        assert result.ret == pytest.ExitCode.TESTS_FAILED
        result.stdout.fnmatch_lines(
            ["*no budget matches*", "*::test_x", "*budget '?::test_gone' matches no case"]
        )


class TestStoredRun:
    def test_more_than_the_stored_run_fails_the_case_and_the_run(
        self, suite: pytest.Pytester
    ) -> None:
        suite.makepyfile(ONE)
        set_seconds(suite, 10.0)
        save(suite)
        set_seconds(suite, 11.0)
        result = suite.runpytest(
            "--energy-compare=main", "--energy-fail-on=more", "--energy-json=run.json"
        )
        assert result.ret == pytest.ExitCode.TESTS_FAILED
        result.stdout.fnmatch_lines(
            [
                "FAILED against main (????-??-??; same machine; margin 3 %; 1 round, so no bounds)",
                "  FAIL  more than main  test_x  120 → 132 J  +10.0 % in 1 round",
            ]
        )
        case = the_case()
        (comparison,) = case["comparisons"]
        assert (comparison["reference"], comparison["name"]) == ("stored", "main")
        assert (comparison["finding"], comparison["estimate"]) == ("higher", pytest.approx(0.1))
        assert (case["result"]["kind"], case["result"]["reason"]) == ("fail", "more than main")

    def test_a_case_that_its_budget_failed_is_held_against_the_stored_run_as_well(
        self, suite: pytest.Pytester
    ) -> None:
        suite.makepyfile(ONE + "    energy.assert_below('130 J')\n    energy.flag('not reached')\n")
        set_seconds(suite, 10.0)
        save(suite)
        set_seconds(suite, 11.0)
        Path("energy-budgets.toml").write_text('[budget."*"]\nmax_duration = "1 s"\n')
        suite.runpytest("--energy-compare=main", "--energy-json=run.json")
        case = the_case()
        assert [each["judged"]["reason"] for each in case["comparisons"]] == [
            "over budget",
            "over budget",
            "more than main",
        ]
        assert (case["outcome"], case["result"]["kind"]) == ("failed", "fail")

    def test_a_comparison_alone_gates_unless_it_is_only_to_show(
        self, suite: pytest.Pytester
    ) -> None:
        suite.makepyfile(ONE)
        set_seconds(suite, 10.0)
        save(suite)
        set_seconds(suite, 11.0)
        result = suite.runpytest("--energy-compare=main")
        assert result.ret == pytest.ExitCode.TESTS_FAILED
        shown = suite.runpytest("--energy-compare=main", "--energy-fail-on=nothing")
        assert shown.ret == 0

    def test_it_fails_on_what_was_not_measured(self, suite: pytest.Pytester) -> None:
        suite.makepyfile(ONE)
        set_seconds(suite, 10.0)
        save(suite)
        suite.makepyfile(ONE.replace("import conftest", "lose('dram:0')\n    import conftest"))
        test = next(suite.path.glob("test_*.py"))
        test.write_text(test.read_text().replace("(energy, work)", "(energy, work, lose)"))
        result = suite.runpytest("--energy-compare=main")
        assert result.ret == pytest.ExitCode.TESTS_FAILED

    def test_it_fails_on_what_is_not_comparable_once(self, suite: pytest.Pytester) -> None:
        suite.makepyfile(test_it=ONE + ONE.replace("test_x", "test_y"))
        set_seconds(suite, 10.0)
        save(suite)
        result = suite.runpytest("--energy-compare=main", "--energy-idle=keep")
        assert result.ret == 0
        hook = "\ndef pytest_energy_settings(config):\n    return {'preset': 'quick'}\n"
        Path("conftest.py").write_text(Path("conftest.py").read_text() + hook)
        result = suite.runpytest("--energy-compare=main")
        result.assert_outcomes(passed=2)
        assert result.ret == pytest.ExitCode.TESTS_FAILED
        failed = [line for line in result.outlines if line.startswith("  FAIL")]
        assert failed == [
            f"  FAIL  not comparable  {name}  preset is quick here and not set there"
            for name in ("test_x", "test_y")
        ]

    def test_a_case_that_ended_otherwise_is_not_comparable(self, suite: pytest.Pytester) -> None:
        suite.makepyfile(test_it=ONE)
        set_seconds(suite, 10.0)
        suite.runpytest("--energy-json=base.json")
        text = Path("base.json").read_text()
        Path("base.json").write_text(text.replace('"outcome": "passed"', '"outcome": "failed"'))
        result = suite.runpytest("--energy-compare=base.json")
        assert result.ret == pytest.ExitCode.TESTS_FAILED
        result.stdout.fnmatch_lines(
            ["  FAIL  not comparable  test_x  the case is passed here and failed in the stored run"]
        )

    def test_what_rounds_cannot_tell_passes_with_a_warning_in_the_same_place(
        self, suite: pytest.Pytester
    ) -> None:
        suite.makepyfile(
            test_it="""
            SECONDS = [8.0, 10.0, 12.0, 9.0]

            def test_x(energy, work):
                with energy.measure():
                    work(SECONDS.pop())
            """
        )
        save(suite, "--energy-rounds=4")
        compare = ("--energy-rounds=4", "--energy-compare=main")
        result = suite.runpytest(*compare)
        assert result.ret == 0
        result.stdout.fnmatch_lines(["UNDECIDED against main *", "  UNKNOWN  too noisy  test_x *"])
        strict = suite.runpytest(*compare, "--energy-fail-on=too-noisy")
        assert strict.ret == pytest.ExitCode.TESTS_FAILED

    def test_a_margin_tolerates_an_increase(self, suite: pytest.Pytester) -> None:
        suite.makepyfile(ONE)
        set_seconds(suite, 10.0)
        save(suite)
        set_seconds(suite, 11.0)
        gate = ("--energy-compare=main", "--energy-fail-on=more")
        assert suite.runpytest(*gate, "--energy-margin=12 %").ret == 0
        assert suite.runpytest(*gate, "--energy-margin=8 %").ret == 1

    def test_a_run_that_failed_does_not_take_the_place_of_what_it_failed_against(
        self, suite: pytest.Pytester
    ) -> None:
        suite.makepyfile(ONE)
        set_seconds(suite, 10.0)
        save(suite)
        set_seconds(suite, 20.0)
        rolling = ("--energy-save=main", "--energy-overwrite", "--energy-compare=main")
        for _ in range(2):
            result = suite.runpytest(*rolling)
            assert result.ret == pytest.ExitCode.TESTS_FAILED
            result.stdout.fnmatch_lines(["energy run not stored as 'main': it failed against *"])
        set_seconds(suite, 9.0)
        assert suite.runpytest(*rolling).ret == 0
        assert the_case(".energy/main.json")["total_j"] == 108.0

    def test_a_path_is_as_good_as_a_name(self, suite: pytest.Pytester) -> None:
        suite.makepyfile(ONE)
        set_seconds(suite, 10.0)
        suite.runpytest("--energy-json=out/base.json")
        result = suite.runpytest(
            "--energy-compare=out/base.json", "--energy-fail-on=more,missing,not-comparable"
        )
        assert result.ret == 0

    def test_saving_refuses_to_overwrite_before_anything_runs(self, suite: pytest.Pytester) -> None:
        suite.makepyfile(ONE)
        set_seconds(suite, 10.0)
        save(suite)
        before = Path(".energy/main.json").read_bytes()
        result = suite.runpytest("--energy-save=main")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(["ERROR: --energy-save=main: *--energy-overwrite*"])
        assert Path(".energy/main.json").read_bytes() == before
        save(suite, "--energy-overwrite")
        assert Path(".energy/main.json").read_bytes() != before

    def test_a_failed_case_is_no_good_figure_and_is_not_saved(self, suite: pytest.Pytester) -> None:
        suite.makepyfile(
            ONE + "\ndef test_bad(energy, work):\n    with energy.measure():\n"
            "        work(1.0)\n    assert False\n"
        )
        set_seconds(suite, 10.0)
        suite.runpytest("--energy-save=main")
        assert the_case(".energy/main.json")["name"] == "test_x"

    def test_missing_cases_and_stale_entries_are_told_and_fail_where_asked(
        self, suite: pytest.Pytester
    ) -> None:
        suite.makepyfile(test_it=ONE)
        set_seconds(suite, 10.0)
        save(suite)
        suite.makepyfile(test_it=ONE.replace("test_x", "test_new"))
        result = suite.runpytest("--energy-compare=main")
        assert result.ret == 0
        result.stdout.fnmatch_lines(
            [
                "Nothing to compare with main (*): 1 new: test_new 120 J, 1 no longer metered:",
                "test_it.py::test_x",
            ]
        )
        for kind in ("missing", "stale"):
            result = suite.runpytest(
                "--energy-compare=main", f"--energy-fail-on={kind}", "--energy-json=run.json"
            )
            assert result.ret == pytest.ExitCode.TESTS_FAILED
            result.assert_outcomes(passed=1)
            run = json.loads(Path("run.json").read_text())
            assert run["compared_with"]["stale"] == ["test_it.py::test_x"]
            assert len(run["failures"]) == 1

    @pytest.mark.parametrize("workers", [[], ["-p", "xdist.plugin", "-n2"]], ids=["n0", "n2"])
    def test_what_is_there_and_was_not_run_is_not_stale(
        self, suite: pytest.Pytester, workers: list[str]
    ) -> None:
        suite.makepyfile(test_it=ONE + ONE.replace("test_x", "test_y"))
        set_seconds(suite, 10.0)
        save(suite)
        gate = ("--energy-compare=main", "--energy-fail-on=stale", *workers)
        assert suite.runpytest(*gate, "-k", "test_x").ret == 0
        suite.makepyfile(test_it=ONE)
        result = suite.runpytest(*gate)
        assert result.ret == pytest.ExitCode.TESTS_FAILED
        result.stdout.fnmatch_lines(["  FAIL  test_it.py::test_y: in main, and no longer metered"])

    def test_unlike_settings_are_not_compared_unless_allowed(self, suite: pytest.Pytester) -> None:
        suite.makepyfile(ONE)
        set_seconds(suite, 10.0)
        hook = "\ndef pytest_energy_settings(config):\n    return {'preset': %r}\n"
        conftest = Path("conftest.py").read_text()
        Path("conftest.py").write_text(conftest + hook % "quick")
        save(suite)
        Path("conftest.py").write_text(conftest + hook % "standard")
        compare = ("--energy-compare=main", "--energy-json=run.json")
        result = suite.runpytest(*compare)
        result.stdout.fnmatch_lines(["energy: not comparable with main: preset is standard here*"])
        assert result.ret == pytest.ExitCode.TESTS_FAILED
        assert the_case()["result"]["reason"] == "not comparable"
        result = suite.runpytest(*compare, "--energy-allow-mismatch")
        result.stdout.fnmatch_lines(
            ["energy: compared with main although they differ: preset is *"]
        )
        result.stdout.no_fnmatch_line("*not comparable*")
        assert result.ret == 0
        assert the_case()["result"]["kind"] == "pass"

    def test_an_xfail_is_never_overridden(self, suite: pytest.Pytester) -> None:
        suite.makepyfile(
            ONE.replace(
                "work(conftest.SECONDS)",
                "work(conftest.SECONDS)\n    import pytest\n    pytest.xfail('known')",
            )
        )
        set_seconds(suite, 10.0)
        save(suite)
        set_seconds(suite, 20.0)
        gate = ("--energy-compare=main", "--energy-fail-on=more", "--energy-json=run.json")
        result = suite.runpytest(*gate)
        result.assert_outcomes(xfailed=1)
        assert result.ret == 0
        assert the_case()["expected"] == "known"

    @pytest.mark.parametrize(
        ("args", "said"),
        [
            (["--energy-compare=nope"], "*no run is stored as 'nope'*"),
            (["--energy-compare=broken.json"], "*broken.json*"),
            (["--energy-save=../../x"], "*--energy-save=../../x: *is no name*"),
            (["--energy-fail-on=more"], "*--energy-compare=NAME|PATH*"),
            (["--energy-compare=x", "--energy-fail-on=bad"], "*'bad' is nothing to fail on*"),
            (["--energy-shard=9/8"], "*'9/8' is no shard*"),
            (["--energy-rounds=0"], "*1 or more*"),
        ],
    )
    def test_bad_input_is_one_line_and_a_usage_error(
        self, suite: pytest.Pytester, args: list[str], said: str
    ) -> None:
        suite.makepyfile(ONE)
        Path("broken.json").write_text('{"schema_version": 2, "cases": [')
        result = suite.runpytest(*args)
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines([f"ERROR: {said}"])
        assert "Traceback" not in result.stdout.str() + result.stderr.str()
