"""Whatever selects or reorders: a group's baseline is there, and it runs first."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.field.suites import locks_of_its_own, only_this_plugin, suite  # noqa: F401

SUITE = """
import os, pytest

def cases():
    for group in ("one", "two"):
        for method in ("a", "plain", "b"):
            marks = [pytest.mark.energy_group(group)]
            if method == "plain":
                marks.append(pytest.mark.energy_baseline)
            yield pytest.param(group, method, marks=marks, id=f"{group}-{method}")

@pytest.mark.parametrize(("group", "method"), list(cases()))
def test_it(energy, work, group, method):
    with energy.measure():
        work(3.0 if method == "plain" else 1.0)
    energy.assert_below_baseline()
    assert method != "b" or "FIXED" in os.environ

def test_other(): pass
"""


def order(result: pytest.RunResult) -> list[str]:
    """Group and method of the tests in the order they ran."""
    lines = [line for line in result.outlines if "::test_it[" in line and line.endswith("]")]
    return [line.split("[")[1].split("]")[0] for line in lines if "%" in line]


def assert_baselines_lead(ran: list[str]) -> None:
    for group in ("one", "two"):
        methods = [each.partition("-")[2] for each in ran if each.startswith(group)]
        assert not methods or methods[0] == "plain", ran


@pytest.fixture
def groups(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:  # noqa: F811
    """A suite of two groups that passes."""
    suite.makepyfile(test_it=SUITE)
    monkeypatch.setenv("FIXED", "1")
    return suite


@pytest.fixture
def failed(groups: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """The same, whose `b` has failed in the run before."""
    monkeypatch.delenv("FIXED")
    groups.runpytest("-q").assert_outcomes(passed=5, failed=2)
    monkeypatch.setenv("FIXED", "1")
    return groups


@pytest.mark.parametrize("workers", [(), ("-p", "xdist.plugin", "-n2")], ids=["n0", "n2"])
def test_only_what_failed_last_brings_its_baseline_back(
    failed: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    result = failed.runpytest("-v", "--lf", *workers)
    assert result.ret == 0
    result.assert_outcomes(passed=4)


@pytest.mark.parametrize("rounds", [1, 2])
@pytest.mark.parametrize("wish", ["--lf", "--ff", "--nf", "--sw"])
def test_wishes_of_pytests_cache(failed: pytest.Pytester, wish: str, rounds: int) -> None:
    result = failed.runpytest("-v", wish, f"--energy-rounds={rounds}")
    assert result.ret == 0
    ran = order(result)
    assert {"one-plain", "two-plain", "one-b", "two-b"} <= set(ran)
    if rounds == 1:
        assert_baselines_lead(ran)


@pytest.mark.parametrize("seed", range(3))
def test_random_order(groups: pytest.Pytester, seed: int) -> None:
    pytest.importorskip("pytest_randomly")
    randomly = ("-p", "pytest_randomly", "-p", "no:cacheprovider", f"--randomly-seed={seed}")
    result = groups.runpytest("-v", *randomly)
    assert result.ret == 0
    assert_baselines_lead(order(result))


ORDERS = {
    "reversed": "items.reverse()",
    "sorted by name": "items.sort(key=lambda item: item.name)",
    "only b": "items[:] = [item for item in items if '-b' in item.name]",
    "shuffled": "import random; random.Random(3).shuffle(items)",
}


@pytest.mark.parametrize("when", ["", "tryfirst=True", "trylast=True"])
@pytest.mark.parametrize("change", ORDERS.values(), ids=ORDERS)
def test_a_projects_own_order(groups: pytest.Pytester, change: str, when: str) -> None:
    conftest = Path("conftest.py")
    conftest.write_text(
        conftest.read_text()
        + f"""
@pytest.hookimpl({when})
def pytest_collection_modifyitems(items):
    {change}
"""
    )
    result = groups.runpytest("-v")
    assert result.ret == 0
    assert_baselines_lead(order(result))


def test_a_plugin_that_changes_the_order_last_of_all(groups: pytest.Pytester) -> None:
    conftest = Path("conftest.py")
    conftest.write_text(
        conftest.read_text()
        + """
@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items):
    yield
    items.reverse()
"""
    )
    result = groups.runpytest("-v")
    assert result.ret == 0
    assert_baselines_lead(order(result))
