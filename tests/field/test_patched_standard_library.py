"""Suites under gevent's patches, and those in which every warning is an error."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.usefixtures("only_named_plugins")


SUITE = """
    from part import work

    def test_it(energy):
        with energy.measure():
            work()
        energy.assert_below("1 MJ")
"""


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize("meters", ["rapl", "estimate"])
def test_gevent_costs_no_figure(pytester: pytest.Pytester, meters: str) -> None:
    pytest.importorskip("gevent", reason="needs gevent")
    pytester.makeconftest("from gevent import monkey\nmonkey.patch_all()")
    pytester.makepyfile(SUITE)
    result = pytester.runpytest_subprocess("-q", f"--energy-meters={meters}")
    assert result.ret == 0, result.outlines


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize("meters", ["rapl", "estimate"])
def test_nothing_of_ours_warns(pytester: pytest.Pytester, meters: str) -> None:
    pytester.makepyfile(SUITE)
    result = pytester.runpytest_subprocess("-q", "-W", "error", f"--energy-meters={meters}")
    assert result.ret == 0, result.outlines
