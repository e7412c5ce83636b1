"""Parameters, names and metrics of any kind: one odd case never costs the others."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.session.conftest import (  # noqa: F401  # fixtures, found by their names
    locks_of_its_own,
    only_this_plugin,
    suite,
)

ODD = '''
import math, pytest

class Lazy:
    """A proxy as web frameworks have them: it raises outside of its context."""
    def __getattr__(self, name):
        raise RuntimeError("outside of its context")

class Nameless(type):
    @property
    def __name__(cls):
        raise ValueError("no name")

class Odd(metaclass=Nameless):
    pass

ODD = {
    "odd": Odd(), "odd-class": Odd,
    "nan": math.nan, "inf": math.inf, "minus": -math.inf, "long": 2**64, "longer": 2**200,
    "nul": "a\\x00b", "red": "\\x1b[31mred", "lines": "line\\nbreak", "back": "C:\\\\Npcap",
    "html": "<script>alert(1)</script>", "wide": "x" * 3000, "turned": "\\u202egnp.exe",
    "half": "\\ud800", "empty": "", "lazy": Lazy(), "bytes": b"\\xff", "tuple": (math.nan, 2**64),
}

@pytest.mark.parametrize("value", ODD.values(), ids=ODD)
def test_odd(energy, work, value):
    with energy.measure(): work(1.0)

@pytest.mark.parametrize("value", ["\\ud800", math.nan])
def test_ids(energy, work, value):
    with energy.measure(): work(1.0)

def test_seed(energy, work):
    with energy.measure(): work(1.0)
    energy.record(seed=2**128 - 1, note="\\udcff")
    energy.record_series("loss", [(1, 0.5), (2, math.nan)], x="epoch")
    energy.flag("\\ud800")

def test_fine(energy, work):
    with energy.measure(): work(1.0)
'''

WRITES = ("--energy-report", "--energy-save=main", "--energy-json=run.json", "--junitxml=j.xml")


def test_report_json_and_stored_run_hold_every_case(suite: pytest.Pytester) -> None:  # noqa: F811
    suite.makepyfile(test_odd=ODD)
    result = suite.runpytest(*WRITES, "-p", "no:cacheprovider")
    result.assert_outcomes(passed=23)
    assert result.ret == 0
    for file in ("reports/energy.json", ".energy/main.json", "run.json"):
        cases = {case["name"]: case for case in json.loads(Path(file).read_text())["cases"]}
        assert len(cases) == 23
        assert all(case["total_j"] == 12.0 for case in cases.values())
    params = {name[9:-1]: case["params"] for name, case in cases.items() if "odd" in name}
    assert params["nan"]["value"] == "nan"
    assert params["longer"]["value"] == str(2**200)
    assert params["half"]["value"] == "\\ud800"
    assert params["lazy"]["value"] == "Lazy"
    assert cases["test_seed"]["metrics"] == {"seed": str(2**128 - 1), "note": "\\udcff"}
    page = Path("reports/energy.html").read_text()
    assert "test_fine" in page
    assert "1 points of loss are not finite" in page


@pytest.mark.parametrize("workers", [(), ("-p", "xdist", "-n", "1")], ids=["alone", "xdist"])
def test_a_run_that_is_cut_short_goes_on_behind_them(
    suite: pytest.Pytester,  # noqa: F811
    workers: tuple[str, ...],
) -> None:
    stop = "\ndef test_stop(energy, work):\n    with energy.measure(): work(1.0)\n    open('go')\n"
    suite.makepyfile(test_odd=ODD + stop)
    first = suite.runpytest("-x", *WRITES, *workers)
    assert first.ret in (pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED)
    Path("go").touch()
    again = suite.runpytest(*WRITES, "--energy-compare=reports/energy.json", *workers)
    again.assert_outcomes(passed=24)
    assert "Traceback" not in again.stdout.str()
    assert "INTERNALERROR" not in first.stdout.str() + again.stdout.str()


def test_a_journal_with_odd_cases_is_taken_over(suite: pytest.Pytester) -> None:  # noqa: F811
    kill = "\ndef test_kill(energy):\n    import os\n    os.path.exists('go') or os._exit(9)\n"
    suite.makepyfile(test_odd=ODD + kill)
    suite.runpytest_subprocess(*WRITES)
    assert Path("reports/energy.journal").exists()
    Path("go").touch()
    result = suite.runpytest(*WRITES, "--energy-resume")
    result.assert_outcomes(passed=1, deselected=23)
    result.stdout.fnmatch_lines(["energy: 23 finished cases taken over from *"])
    assert len(json.loads(Path("run.json").read_text())["cases"]) == 24


def test_a_file_whose_name_is_no_utf_8(suite: pytest.Pytester) -> None:  # noqa: F811
    name = b"test_\xff.py".decode("utf-8", "surrogateescape")
    try:
        Path(name).write_text("def test_a(energy, work):\n    with energy.measure(): work(1.0)\n")
    except OSError:
        pytest.skip("the file system takes names in UTF-8 alone")
    suite.makepyfile(test_b="def test_b(energy, work):\n    with energy.measure(): work(1.0)\n")
    command = [sys.executable, "-m", "pytest", *WRITES[:3], "-p", "no:cacheprovider"]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    cases = json.loads(Path("run.json").read_text())["cases"]
    assert [case["nodeid"] for case in cases] == [
        "test_b.py::test_b",
        "test_\\udcff.py::test_a",
    ]


@pytest.mark.parametrize("workers", [[], ["-p", "xdist.plugin", "-n2"]], ids=["n0", "n2"])
def test_a_group_of_any_name_finds_its_baseline(
    suite: pytest.Pytester,  # noqa: F811
    workers: list[str],
) -> None:
    suite.makepyfile(
        """
        import pytest

        GROUPS = ["\\ud800", "\\x1b[31m\\n", " ", "\\u00fc"]

        def of(group, *marks):
            return pytest.param(group, marks=[pytest.mark.energy_group(group), *marks])

        @pytest.mark.parametrize("g", [of(g, pytest.mark.energy_baseline) for g in GROUPS])
        def test_base(energy, work, g):
            energy(work, 2.0)

        @pytest.mark.parametrize("g", [of(g) for g in GROUPS])
        def test_less(energy, work, g):
            energy(work, 1.0)
            energy.assert_below_baseline()
        """
    )
    result = suite.runpytest("--energy-rounds=2", "--energy-json=run.json", *workers)
    result.assert_outcomes(passed=8)
