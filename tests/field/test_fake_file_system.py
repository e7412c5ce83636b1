"""A test whose fixture replaces the file system, as pyfakefs does."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.field.suites import cases, locks_of_its_own, only_this_plugin, suite  # noqa: F401

pytest.importorskip("pyfakefs")

FS = ("-p", "pyfakefs.pytest_plugin")


def test_a_budget_is_judged_and_the_tests_after_it_run(suite: pytest.Pytester) -> None:  # noqa: F811
    suite.makepyfile(
        """
        import pytest

        @pytest.mark.energy_budget(max="1 kJ")
        def test_within(work, fs):
            work(1.0)
            fs.create_file("/data/x.txt", contents="hello")
            assert open("/data/x.txt").read() == "hello"

        @pytest.mark.energy_budget(max="1 J")
        def test_above(fs, work):
            work(1.0)

        def test_other(): pass
        """
    )
    Path("energy-budgets.toml").write_text('[budget."*"]\nmax_duration = "1 h"\n')
    result = suite.runpytest_subprocess(*FS, "--energy-json=run.json", "--energy-report")
    result.assert_outcomes(passed=2, failed=1)
    assert [case["total_j"] for case in cases("run.json").values()] == [12.0, 12.0]


def test_in_whatever_order_the_fixtures_begin(suite: pytest.Pytester) -> None:  # noqa: F811
    suite.makepyfile(
        """
        def test_fake_first(fs, energy, work):
            with energy.measure():
                work(1.0)
            energy.assert_below("1 kJ")

        def test_energy_first(energy, fs, work):
            with energy.measure():
                work(1.0)
            energy.assert_below("1 kJ")

        def test_without(energy, work):
            energy(work, 1.0)
        """
    )
    assert suite.runpytest_subprocess(*FS, "--energy-save=main").ret == 0
    compare = ("--energy-compare=main", "--energy-report")
    assert suite.runpytest_subprocess(*FS, *compare).ret == 0
