"""A whole pytest run of a stranger's suite: outcomes, files, table, and what stays out."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

GROUP = """
import pytest

SECONDS = {"plain": 10.0, "pruned": 6.0, "slow": 11.0}

METHODS = [pytest.param("plain", marks=pytest.mark.energy_baseline), "pruned", "slow"]

@pytest.mark.parametrize("method", METHODS)
@pytest.mark.energy_group("net")
def test_methods(energy, work, method):
    with energy.measure("train"):
        work(SECONDS[method])
    energy.record(correct=712, total=719)
    energy.assert_accuracy_within_baseline()
    energy.assert_below_baseline()
"""


def run_file(pytester: pytest.Pytester, *args: str) -> dict[str, Any]:
    pytester.runpytest("--energy-json=run.json", *args)
    return json.loads(Path("run.json").read_text())


def cases(run: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {case["name"]: case for case in run["cases"]}


def test_a_group_is_judged_against_its_baseline(suite: pytest.Pytester) -> None:
    suite.makepyfile(GROUP)
    result = suite.runpytest("--energy-json=run.json")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["E * energy 132 J (measured) is above plain's 120 J*"])
    found = cases(json.loads(Path("run.json").read_text()))
    plain, pruned, slow = (found[f"test_methods[{name}]"] for name in ("plain", "pruned", "slow"))
    assert (plain["total_j"], plain["baseline"], plain["outcome"]) == (120.0, True, "passed")
    assert (pruned["total_j"], pruned["result"]["kind"]) == (72.0, "pass")
    assert [c["quantity"] for c in pruned["comparisons"]] == ["accuracy", "energy"]
    assert pruned["comparisons"][1]["estimate"] == pytest.approx(-0.4)
    assert pruned["comparisons"][1]["finding"] == "lower"
    assert (slow["outcome"], slow["result"]["reason"]) == ("failed", "more than plain")
    assert pruned["params"] == {"method": "pruned"}
    assert pruned["group"] == "net"


def test_a_failure_says_what_counts_in_three_lines(suite: pytest.Pytester) -> None:
    suite.makepyfile(GROUP)
    result = suite.runpytest("-k", "slow")
    said = [line for line in result.outlines if line.startswith("E  ")]
    assert 1 <= len(said) <= 3
    assert not any("fixture.py" in line for line in result.outlines)


def test_a_baseline_brought_back_is_implicit(suite: pytest.Pytester) -> None:
    suite.makepyfile(GROUP)
    found = cases(run_file(suite, "-k", "pruned"))
    assert {name: case["implicit"] for name, case in found.items()} == {
        "test_methods[plain]": True,
        "test_methods[pruned]": False,
    }


def test_without_a_wish_nothing_is_written(suite: pytest.Pytester) -> None:
    suite.makepyfile(GROUP)
    before = {path.name for path in suite.path.iterdir()}
    suite.runpytest("-p", "no:cacheprovider", "-k", "pruned")
    assert {path.name for path in suite.path.iterdir()} - before <= {"__pycache__"}


def test_the_report_is_json_and_a_page(suite: pytest.Pytester) -> None:
    suite.makepyfile(GROUP)
    result = suite.runpytest("-k", "pruned", "--energy-report")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["energy report: reports/energy.html"])
    assert json.loads(Path("reports/energy.json").read_text())["schema_version"] == 2
    assert "test_methods[pruned]" in Path("reports/energy.html").read_text()


def test_the_table_shows_every_case(suite: pytest.Pytester) -> None:
    suite.makepyfile(GROUP)
    result = suite.runpytest("-k", "pruned")
    result.stdout.fnmatch_lines(["*= energy =*", "*plain*120*", "*pruned*72*"])


def test_the_run_knows_its_settings_and_meters(suite: pytest.Pytester) -> None:
    suite.makepyfile(GROUP)
    run = run_file(suite, "-k", "plain", "--energy-pue=1.5", "--energy-carbon-intensity=300")
    assert run["settings"]["pue"] == 1.5
    assert run["settings"]["carbon_intensity"] == 300.0
    assert {m["domain"]: m["provenance"] for m in run["meters"]} == {
        "cpu:0": "measured",
        "dram:0": "measured",
    }
    assert run["cases"][0]["facility_j"] == 180.0
    assert run["machine"]["hostname"] is None


def test_a_projects_hooks_add_settings_and_sources(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        from pytest_energybench.metering.fake import FakeClock, FakeSource

        CLOCK = FakeClock()

        def pytest_energy_settings(config):
            return {"preset": "quick"}

        def pytest_energy_sources(config):
            return [FakeSource({"wall": 100.0}, CLOCK)]
        """
    )
    pytester.makepyfile(
        """
        import conftest

        def test_x(energy):
            with energy.measure() as window:
                conftest.CLOCK.advance(1.0)
            assert window.energy_j["wall"] == 100.0
            assert window.provenance["wall"] == "measured"
        """
    )
    run = run_file(pytester)
    assert run["settings"]["preset"] == "quick"
    assert run["cases"][0]["energy_j"]["wall"] == 100.0
    assert len(run["cases"][0]["energy_j"]) >= 2  # the machine's own domains are there too


def test_a_lost_domain_is_an_error_and_no_small_number(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        def test_x(energy, work, lose):
            with energy.measure():
                work(1.0)
                lose("dram:0")
                work(1.0)
        """
    )
    (case,) = run_file(suite)["cases"]
    assert case["total_j"] is None
    assert (case["result"]["kind"], case["result"]["reason"]) == ("unknown", "not measured")
    assert "dram:0" in case["errors"][0]


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        ("pass", "passed"),
        ("assert False", "failed"),
        ("pytest.skip('not here')", "skipped"),
        ("pytest.xfail('known')", "xfailed"),
    ],
)
def test_the_outcome_of_a_case_is_that_of_its_test(
    suite: pytest.Pytester, body: str, outcome: str
) -> None:
    suite.makepyfile(
        f"""
        import pytest

        def test_x(energy, work):
            with energy.measure():
                work(1.0)
            {body}
        """
    )
    (case,) = run_file(suite)["cases"]
    assert (case["outcome"], case["total_j"]) == (outcome, 12.0)


def test_a_failing_teardown_is_an_error(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        import pytest

        @pytest.fixture
        def fragile(energy):
            yield
            raise OSError("gone")

        def test_x(energy, fragile, work):
            with energy.measure():
                work(1.0)
        """
    )
    assert run_file(suite)["cases"][0]["outcome"] == "error"


def test_a_module_fixture_is_metered_once_and_asserted_on_often(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        import pytest

        @pytest.fixture(scope="module")
        def trained(energy_meter):
            import conftest
            with energy_meter.measure("fit") as window:
                conftest.METER.clock.advance(5.0)
            return window

        def test_cheap(trained):
            assert trained.total_j <= 60.0

        def test_budget(trained, energy):
            energy.include(trained)
            energy.assert_below("60 J")
        """
    )
    run = suite.runpytest("--energy-json=run.json")
    run.assert_outcomes(passed=2)
    (case,) = json.loads(Path("run.json").read_text())["cases"]
    assert case["total_j"] == 60.0
    assert "shared" in case["flags"][0]


def test_disabled_fixtures_work_and_nothing_is_metered_or_judged(suite: pytest.Pytester) -> None:
    suite.makepyfile(GROUP)
    result = suite.runpytest("--energy-disable", "--energy-report")
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["energy: disabled *, so nothing was metered and no gate has *"])
    assert not Path("reports").exists()
    assert "= energy =" not in result.stdout.str()


def test_junit_carries_the_figures_as_properties(suite: pytest.Pytester) -> None:
    suite.makepyfile(GROUP)
    suite.runpytest("-k", "pruned", "--junitxml=junit.xml")
    text = Path("junit.xml").read_text()
    assert '<property name="energy_total_j" value="72.0"' in text
    assert '<property name="energy_result" value="pass"' in text
    assert '<property name="energy_changes" value="−40.0 % against plain: lower"' in text


def test_a_folder_that_cannot_be_written_is_told_and_not_passed_over(
    suite: pytest.Pytester,
) -> None:
    suite.makepyfile(GROUP)
    Path("reports").write_text("a file where the folder should be")
    result = suite.runpytest("-k", "pruned", "--energy-report")
    result.assert_outcomes(passed=2)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stdout.fnmatch_lines(["energy report not written: *reports*"])
    assert Path("reports").read_text() == "a file where the folder should be"
    assert "INTERNALERROR" not in result.stdout.str() + result.stderr.str()


def test_an_unknown_meter_is_refused_before_anything_runs(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_x(energy): pass")
    result = pytester.runpytest("--energy-meters=rapl,sundial")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --energy-meters=rapl,sundial: *sundial*"])


def test_a_suite_without_the_fixture_imports_the_options_and_the_clock(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        """
        import sys

        def test_x():
            ours = [name for name in sys.modules if name.startswith("pytest_energybench.")]
            assert sorted(ours) == [
                "pytest_energybench.metering",
                "pytest_energybench.metering.clock",
                "pytest_energybench.plugin",
                "pytest_energybench.session",
                "pytest_energybench.session.hookspecs",
                "pytest_energybench.session.options",
            ]
            heavy = {"msgspec", "jinja2", "psutil", "pynvml", "tabulate", "torch"}
            assert not heavy & set(sys.modules)
        """
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=1)


def test_waiting_for_the_machine_is_told_and_has_a_limit(pytester: pytest.Pytester) -> None:
    """Another process holds a window open; ours says that it waits, and gives up."""
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "from pytest_energybench import measure; import time\n"
            "with measure('theirs'):\n print('open', flush=True); time.sleep(60)",
        ],
        stdout=subprocess.PIPE,
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"open\n"
        pytester.makepyfile("def test_x(energy):\n    with energy.measure():\n        pass")
        result = pytester.runpytest("--energy-wait=1.5 s")
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        ["energybench: waiting for *", "*LockTimeoutError: * still held by *"]
    )


def test_a_project_attaches_figures_and_tables_to_its_report(suite: pytest.Pytester) -> None:
    conftest = Path("conftest.py")
    conftest.write_text(
        conftest.read_text()
        + """
def pytest_energy_attachments(config, run, folder):
    from pytest_energybench.report.attachments import Table
    figure = folder / "figure_1_joules.svg"
    figure.write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
    return [figure, Table("Joules", ["case", "J"], [[case.name, "12"] for case in run.cases])]
"""
    )
    suite.makepyfile("def test_x(energy, work):\n    energy(work, 1.0)")
    assert suite.runpytest("--energy-report").ret == 0
    page = Path("reports/energy.html").read_text()
    assert "data:image/svg+xml;base64," in page
    assert "Joules" in page


def test_the_fixture_may_be_asked_for_late(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        def test_x(request, work):
            energy = request.getfixturevalue("energy")
            with energy.measure():
                work(1.0)
        """
    )
    (case,) = run_file(suite)["cases"]
    assert (case["total_j"], case["outcome"]) == (12.0, "passed")


def test_threads_and_nested_windows_count_once(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        import threading

        def test_x(energy, work):
            def inner():
                with energy.measure("thread"):
                    work(1.0)

            with energy.measure("outer"):
                thread = threading.Thread(target=inner)
                thread.start()
                thread.join()
                work(1.0)
        """
    )
    (case,) = run_file(suite)["cases"]
    assert case["total_j"] == 24.0


def test_a_window_left_open_by_ctrl_c_keeps_what_was_finished(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        def test_a(energy, work):
            with energy.measure():
                work(1.0)

        def test_b(energy, work):
            with energy.measure():
                work(1.0)
                raise KeyboardInterrupt
        """
    )
    result = suite.runpytest_subprocess("--energy-json=run.json")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    names = [case["name"] for case in json.loads(Path("run.json").read_text())["cases"]]
    assert names == ["test_a"]


def test_a_setting_that_is_no_scalar_is_written_as_text(suite: pytest.Pytester) -> None:
    conftest = Path("conftest.py")
    conftest.write_text(
        conftest.read_text()
        + "\ndef pytest_energy_settings(config):\n    return {'sizes': [1, 2]}\n"
    )
    suite.makepyfile("def test_x(energy, work):\n    energy(work, 1.0)")
    assert run_file(suite)["settings"]["sizes"] == "[1, 2]"
