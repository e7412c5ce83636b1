"""Counters of a user's own that have hung: no budget holds on 0 J."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("facts", ["", ", period_s=1.0", ", provenance='integrated'"])
def test_no_budget_holds_on_a_function_that_stands_still(
    suite: pytest.Pytester, facts: str
) -> None:
    suite.makeconftest(
        "from pytest_energybench.metering import CounterSource\n"
        "def pytest_energy_sources(config):\n"
        f"    return [CounterSource(lambda: 7.0, 'wall'{facts})]\n"
    )
    suite.makepyfile(
        """
        import pytest
        from pytest_energybench import measure

        def work():
            return sum(range(10_000))

        def test_assertion(energy):
            with energy.measure():
                work()
            energy.assert_below("1 J")

        @pytest.mark.energy_budget(max="1 J")
        def test_marker():
            work()

        @pytest.mark.energy_budget(max="1 J")
        def test_call(energy):
            energy(work, iterations=1)
        """
    )
    result = suite.runpytest("--energy-meters=wall")
    result.assert_outcomes(failed=3)


def test_no_limit_holds_on_a_function_given_to_a_window(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        def test_window(energy):
            with energy.measure(meters=[lambda: 7.0]) as window:
                sum(range(10_000))
            assert not window.total_j <= 1.0
            energy.assert_below("1 J")
        """
    )
    result = suite.runpytest("--energy-meters=estimate")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*energy is not known, so no budget holds"])
