"""pytest-run-parallel calls each test in many threads at once."""

from __future__ import annotations

import pytest

from tests.field.suites import cases, locks_of_its_own, only_this_plugin, suite  # noqa: F401

pytest.importorskip("pytest_run_parallel")


def test_metered_tests_keep_to_one_thread(suite: pytest.Pytester) -> None:  # noqa: F811
    suite.makepyfile(
        """
        import threading

        import pytest

        def test_window(energy, work):
            with energy.measure():
                work(1.0)
            energy.assert_below("12 J")

        @pytest.mark.energy_budget(max="12 J")
        def test_marked(work):
            work(1.0)

        def test_call(energy, work):
            energy(work, 1.0, rounds=2)

        THREADS = set()

        def test_plain():
            THREADS.add(threading.get_ident())

        def test_that_plain_ones_are_left_alone(energy):
            assert len(THREADS) > 1
        """
    )
    result = suite.runpytest_subprocess(
        "-p", "pytest_run_parallel.plugin", "--parallel-threads=3", "--energy-json=run.json"
    )
    assert result.ret == 0
    found = cases("run.json")
    assert [found[name]["total_j"] for name in ("test_window", "test_marked", "test_call")] == [
        12.0,
        12.0,
        12.0,
    ]
