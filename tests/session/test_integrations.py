"""Figures in pytest-html, pytest-benchmark and on GitHub; names that others use too."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from msgspec.structs import replace

from pytest_energybench.results.model import Case, Result
from pytest_energybench.session.integrations.github import Place, github_annotations

THREE = """
import pytest

@pytest.mark.parametrize("seconds", [9.0, 10.0, 100.0])
def test_it(energy, work, seconds):
    with energy.measure():
        work(seconds)
    energy.assert_below("500 J")

def test_unmetered():
    pass
"""


def test_pytest_html_has_columns_that_sort_as_numbers(suite: pytest.Pytester) -> None:
    suite.makepyfile(THREE)
    result = suite.runpytest(
        "-p", "pytest_metadata.plugin", "-p", "pytest_html.plugin", "-p", "pytest_html.fixtures",
        "--html=page.html",
    )  # fmt: skip
    result.assert_outcomes(passed=3, failed=1)
    page = Path("page.html").read_text()
    blob = re.search(r'data-jsonblob="([^"]*)"', page)
    assert blob is not None
    tests = json.loads(html.unescape(blob[1]))["tests"]
    energies = {name.split("::")[1]: entries[0]["energy"] for name, entries in tests.items()}
    assert "120 J" in energies["test_it[10.0]"]
    # pytest-html compares these texts; 108 J < 120 J < 1.20 kJ must follow from that.
    ordered = sorted((text, name) for name, text in energies.items())
    assert [name for _, name in ordered] == [
        "test_it[9.0]",
        "test_it[10.0]",
        "test_it[100.0]",
        "test_unmetered",
    ]
    (over,) = tests[next(name for name in tests if "100.0" in name)]
    assert "fail: over budget" in over["energyresult"]


def test_pytest_html_says_above_its_table_what_a_stored_run_came_to(
    suite: pytest.Pytester,
) -> None:
    suite.makepyfile("def test_it(energy, work):\n    energy(work, 1.0)")
    assert suite.runpytest("--energy-save=main").ret == 0
    suite.makepyfile("def test_it(energy, work):\n    energy(work, 2.0)")
    result = suite.runpytest(
        "-p", "pytest_metadata.plugin", "-p", "pytest_html.plugin", "-p", "pytest_html.fixtures",
        "--html=page.html", "--junitxml=junit.xml", "--energy-compare=main",
    )  # fmt: skip
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    page = Path("page.html").read_text()
    assert "<p>energy gate: " in page
    assert "<b>Energy: FAILED against main (" in page
    assert "Energy result, before main" in page
    assert '<property name="energy_gate" value="' in Path("junit.xml").read_text()


ANSWERS = """
import pytest

@pytest.mark.energy_group("g")
@pytest.mark.parametrize("name", [pytest.param("plain", marks=pytest.mark.energy_baseline), "half"])
def test_group(energy, work, name):
    energy(work, {"plain": 2.0, "half": 1.0}[name])
    energy.assert_below_baseline()

def test_grown(energy, work):
    energy(work, FACTOR)

def test_over(energy, work):
    energy(work, 5.0)
    energy.assert_below("10 J")

@pytest.mark.xfail
def test_foreseen(energy, work):
    energy(work, 5.0)
    energy.assert_below("10 J")

def test_unmetered(energy):
    pass
"""


@pytest.mark.parametrize("rounds", [1, 3])
@pytest.mark.parametrize("workers", [[], ["-p", "xdist.plugin", "-n1"]], ids=["n0", "n1"])
def test_every_output_has_the_same_answer_to_each_case(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, rounds: int, workers: list[str]
) -> None:
    args = [f"--energy-rounds={rounds}", *workers]
    suite.makepyfile(test_it=ANSWERS.replace("FACTOR", "1.0"))
    suite.runpytest(*args, "--energy-save=main")
    suite.makepyfile(test_it=ANSWERS.replace("FACTOR", "2.0"))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "summary.md")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    result = suite.runpytest(
        "-p", "pytest_metadata.plugin", "-p", "pytest_html.plugin", "-p", "pytest_html.fixtures",
        *args, "--html=page.html", "--junitxml=junit.xml", "--energy-compare=main",
        "--energy-json=run.json", "-v",
    )  # fmt: skip
    cases = json.loads(Path("run.json").read_text())["cases"]
    answers = {case["name"]: (case["result"]["kind"], case["result"]["reason"]) for case in cases}
    assert {name: kind for name, (kind, _) in answers.items()} == {
        "test_group[plain]": "pass",
        "test_group[half]": "pass",
        "test_grown": "fail",
        "test_over": "fail",
        "test_foreseen": "xfail",
        "test_unmetered": "unknown",
    }
    in_junit = {
        case.get("name"): (found.get("energy_result"), found.get("energy_reason", ""))
        for case in ElementTree.parse("junit.xml").iter("testcase")
        if (found := {each.get("name"): each.get("value") for each in case.iter("property")})
    }
    assert in_junit == answers
    words = {name: ": ".join(filter(None, answer)) for name, answer in answers.items()}
    for name, word in words.items():
        assert re.search(rf"`{re.escape(name)}` \|.* {word} \|", Path("summary.md").read_text())
        assert re.search(rf"^  {re.escape(name)}? .* {word}$", result.stdout.str(), re.M) or (
            "test_group" in name
        )
    lines = [line for line in result.outlines if line.startswith(("::error", "::warning"))]
    assert sorted(line.split("::")[2].split(":")[0] for line in lines) == [
        "test_grown",
        "test_over",
        "test_unmetered",
    ]
    assert [line.startswith("::error") for line in lines] == [True, True, False]
    page = rows_of("page.html")
    assert {name: len(rows) for name, rows in page.items()} == dict.fromkeys(answers, 1)
    # Its rows were made before any was held against main.
    before = words | {"test_grown": "not judged", "test_group[plain]": "reference"}
    assert {name: rows[0]["energyresult"] for name, rows in page.items()} == before


def test_pytest_html_marks_what_is_estimated(suite: pytest.Pytester) -> None:
    suite.makeconftest(
        Path("conftest.py").read_text().replace("2.0}", '2.0}, provenance="estimated"')
    )
    suite.makepyfile(ANSWERS.replace("FACTOR", "1.0"))
    suite.runpytest(
        "-p", "pytest_metadata.plugin", "-p", "pytest_html.plugin", "-p", "pytest_html.fixtures",
        "--html=page.html",
    )  # fmt: skip
    page = rows_of("page.html")
    assert page["test_over"][0]["energy"] == "~60.0 J"
    assert page["test_group[half]"][0]["change"] == "\u221250.0 % lower est."
    assert page["test_group[plain]"][0]["energyresult"] == "reference"


def rows_of(path: str) -> dict[str, list[dict[str, str]]]:
    """Name of a test -> its rows in a page of pytest-html."""
    blob = re.search(r'data-jsonblob="([^"]*)"', Path(path).read_text())
    assert blob is not None
    tests = json.loads(html.unescape(blob[1]))["tests"]
    return {
        nodeid.partition("::")[2]: [
            {
                name: html.unescape(re.sub("<span hidden>.*</span>", "", text))
                for name, text in row.items()
                if name.startswith(("energy", "change"))
            }
            for row in rows
        ]
        for nodeid, rows in tests.items()
    }


def test_pytest_benchmark_in_the_same_test_shares_its_row(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        def test_it(energy, benchmark, work):
            with energy.measure():
                benchmark.pedantic(work, args=(1.0,), rounds=5)
        """
    )
    result = suite.runpytest(
        "-p",
        "pytest_benchmark.plugin",
        "--benchmark-json=bench.json",
        "--energy-json=run.json",
    )
    result.assert_outcomes(passed=1)
    (benchmark,) = json.loads(Path("bench.json").read_text())["benchmarks"]
    assert benchmark["extra_info"]["energy_j"] == 60.0
    assert benchmark["extra_info"]["energy_domains_j"] == {"cpu:0": 50.0, "dram:0": 10.0}
    (case,) = json.loads(Path("run.json").read_text())["cases"]
    assert case["metrics"]["benchmark_rounds"] == 5
    assert case["metrics"]["benchmark_mean_s"] == benchmark["stats"]["mean"]


def test_a_marker_called_energy_is_somebody_elses(suite: pytest.Pytester) -> None:
    """pytest-energy-reporter marks its tests so; both must be able to live in one suite."""
    suite.makeini("[pytest]\nmarkers =\n    energy: of another plugin\n")
    suite.makepyfile(
        """
        import pytest

        @pytest.mark.energy(iterations=3)
        def test_theirs(): pass

        @pytest.mark.energy
        def test_both(energy, work):
            with energy.measure():
                work(1.0)
        """
    )
    suite.runpytest("--strict-markers").assert_outcomes(passed=2)


class TestGitHub:
    def test_the_step_gets_a_summary(
        self, suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", "summary.md")
        Path("summary.md").write_text("before\n")
        suite.makepyfile(THREE)
        suite.runpytest()
        text = Path("summary.md").read_text()
        assert text.startswith("before\n")
        assert "test_it[100.0]" in text
        assert "fail: over budget" in text

    def test_a_summary_that_cannot_be_written_is_told(
        self, suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", "nowhere/summary.md")
        suite.makepyfile("def test_it(energy, work):\n    energy(work, 1.0)")
        result = suite.runpytest()
        assert result.ret == 0
        result.stdout.fnmatch_lines(["energy: step summary not written: *"])

    def test_what_could_not_be_measured_is_told_with_its_cause(self) -> None:
        why = "energy is not known, so no budget holds"
        case = Case(
            nodeid="a.py::t",
            name="t",
            errors=["dram:0: lost", "another"],
            result=Result(kind="fail", reason="not measured", text=why),
        )
        (line,) = github_annotations([case], environ={"GITHUB_ACTIONS": "true"})
        assert line.endswith(f"::t: {why}; dram:0: lost")

    def test_what_fails_the_run_is_an_error_and_the_rest_a_warning(self, tmp_path: Path) -> None:
        def case(nodeid: str, kind: str, reason: str = "") -> Case:
            text = "100 % more\n::error::not a command"
            return Case(
                nodeid=nodeid, name="test", result=Result(kind=kind, reason=reason, text=text)
            )

        cases = [
            case("a,b:c.py::test[\r\n]", "unknown", "too noisy"),
            case("a.py::gated", "fail", "more than main"),
            case("a.py::asserted", "fail", "over budget"),
            case("a.py::told", "pass", "more than main"),
            case("a.py::foreseen", "xfail", "over budget"),
            case("a.py::skipped", "unknown", "not judged"),
            case("a.py::plain", "pass", "not judged"),
            case("a.py::fine", "pass"),
            replace(case("a.py::broken", "fail", "not judged"), outcome="failed"),
        ]
        lines = github_annotations(
            cases,
            [
                "a.py::gated: more than main: 2 J",
                "b.py::gone: no longer metered",
                "a.py::fine: missing from main",
                "a.py::skipped: its budget was not judged",
            ],
            {"a.py::gated": Place(tmp_path / "services/api/a.py", 7)},
            {"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": str(tmp_path)},
        )
        said = "::test: 100 %25 more%0A::error::not a command"
        assert lines == [
            f"::warning file=a%2Cb%3Ac.py,title=energy%3A too noisy{said}",
            f"::error file=services/api/a.py,line=7,title=energy%3A more than main{said}",
            f"::error file=a.py,title=energy%3A over budget{said}",
            f"::warning file=a.py,title=energy%3A more than main{said}",
            f"::error file=a.py,title=energy%3A test failed{said}",
            "::error title=energy gate::b.py::gone: no longer metered",
            "::error title=energy gate::a.py::fine: missing from main",
            "::error title=energy gate::a.py::skipped: its budget was not judged",
        ]

    def test_elsewhere_there_are_none(self) -> None:
        case = Case(nodeid="a", name="a", result=Result(kind="fail", reason="over budget"))
        assert github_annotations([case], environ={}) == []


def test_looking_at_our_plugins_runs_none_of_our_code(pytester: pytest.Pytester) -> None:
    """pytest before 8.4 reads every attribute of a plugin before anything is collected."""
    pytester.makepyfile("def test_x(energy): energy(len, [])")
    pytester.makeconftest(
        """
        from functools import cached_property

        def pytest_sessionfinish(session):
            for plugin in session.config.pluginmanager.get_plugins():
                if type(plugin).__module__.startswith("pytest_energybench."):
                    print("PLUGIN", type(plugin).__name__)
                    found = [
                        name
                        for name, value in vars(type(plugin)).items()
                        if isinstance(value, property | cached_property)
                    ]
                    assert not found, (plugin, found)
        """
    )
    result = pytester.runpytest_subprocess(
        "-s",
        "-p",
        "xdist.plugin",
        "-n1",
        "-p",
        "pytest_metadata.plugin",
        "-p",
        "pytest_html.plugin",
        "--html=x.html",
    )
    assert result.ret == 0
    seen = set(re.findall(r"PLUGIN (\w+)", result.stdout.str()))
    assert {"EnergyReporter", "Controller", "HtmlColumns"} <= seen
