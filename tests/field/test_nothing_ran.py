"""pytest asked for something else than to run tests: the last report stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.field.suites import cases, locks_of_its_own, only_this_plugin, suite  # noqa: F401

WISHES = (
    ["--fixtures"],
    ["--fixtures-per-test"],
    ["--setup-plan"],
    ["--setup-only"],
    ["--cache-show"],
    ["--collect-only"],
    ["--markers"],
    ["-k", "nothing_of_that_name"],
    ["test_gone.py"],
    ["--setup-plan", "-p", "xdist.plugin", "-n1"],
)


def test_the_last_report_stays(suite: pytest.Pytester) -> None:  # noqa: F811
    suite.makeini("[pytest]\nenergy_report = true\n")
    suite.makepyfile(
        """
        import pytest

        @pytest.mark.energy_budget(max="1 kJ")
        def test_whole(work):
            work(1.0)

        def test_fixture(energy, work):
            energy(work, 1.0)
        """
    )
    assert suite.runpytest().ret == 0
    before = {path.name: path.read_bytes() for path in Path("reports").iterdir()}
    for wish in WISHES:
        suite.runpytest(*wish)
        after = {path.name: path.read_bytes() for path in Path("reports").iterdir()}
        assert after == before, wish
    assert list(cases("reports/energy.json")) == ["test_whole", "test_fixture"]
