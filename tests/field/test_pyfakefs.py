"""Tests with a fake file system: counters, locks and reports of ours stay in the real one."""

from __future__ import annotations

import json
import textwrap

import pytest

pytestmark = pytest.mark.usefixtures("only_named_plugins")


pytest.importorskip("pyfakefs", reason="needs pyfakefs")

OPTIONS = ("-p", "pyfakefs.pytest_plugin", "-p", "no:cacheprovider", "-q")

CASES = {
    "the fake file system before energy": """
        def test_it(fs, energy):
            fs.create_file("/data/x.txt", contents="hello")
            with energy.measure():
                work()
                assert open("/data/x.txt").read() == "hello"
            energy.assert_below("1 MJ")
        """,
    "energy before the fake file system": """
        def test_it(energy, fs):
            with energy.measure():
                work()
                fs.create_file("/data/x.txt")
            energy.assert_below("1 MJ")
        """,
    "energy only asked for in the midst of a fake": """
        def test_it(fs, request):
            energy = request.getfixturevalue("energy")
            with energy.measure():
                work()
                fs.create_file("/data/x.txt")
            energy.assert_below("1 MJ")
        """,
    "a budget around a fake": """
        import pytest

        @pytest.mark.energy_budget(max="1 MJ")
        def test_it(fs):
            work()
            fs.create_file("/data/x.txt")
        """,
    "a fake in a window, begun and ended there": """
        from pyfakefs.fake_filesystem_unittest import Patcher

        with Patcher():  # the first looks at every module, while no counter of these counts
            pass

        def test_it(energy):
            with energy.measure():
                work()
                with Patcher() as patcher:
                    patcher.fs.create_file("/data/x.txt")
            energy.assert_below("1 MJ")
        """,
    "a fake for a whole module": """
        def test_first(fs_module, energy):
            with energy.measure():
                work()
                fs_module.create_file("/data/x.txt")

        def test_it(fs_module, energy):
            with energy.measure():
                work()
                assert open("/data/x.txt").read() == ""
            energy.assert_below("1 MJ")
        """,
}
BEFORE = "from part import work\n"
AFTER = """

def test_without_energy(fs):
    fs.create_file("/x")

def test_after(energy):
    with energy.measure():
        work()
    energy.assert_below("1 MJ")
"""


QUICK = ("energy only asked for in the midst of a fake", "a budget around a fake")


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize(
    ("case", "meters"),
    [
        *((case, "rapl") for case in QUICK),
        *(
            pytest.param(case, "rapl", marks=pytest.mark.slow)
            for case in CASES
            if case not in QUICK
        ),
        pytest.param("energy before the fake file system", "estimate", marks=pytest.mark.slow),
    ],
)
def test_a_fake_file_system_costs_no_figure(
    pytester: pytest.Pytester, case: str, meters: str
) -> None:
    pytester.makepyfile(BEFORE + textwrap.dedent(CASES[case]) + AFTER)
    result = pytester.runpytest_subprocess(
        *OPTIONS, "--energy-report", "--energy-report-dir=report", f"--energy-meters={meters}"
    )
    assert result.ret == 0, result.outlines
    (path,) = pytester.path.glob("report/*.json")
    cases = json.loads(path.read_bytes())["cases"]
    assert {case["name"].partition("::")[2] or case["name"] for case in cases} >= {"test_after"}
    assert all(case["total_j"] is not None for case in cases)
    assert not [flag for case in cases for flag in case["flags"] if "suspended" in flag]
