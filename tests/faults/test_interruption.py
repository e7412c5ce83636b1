"""A run that ends before its time: by a person, the system, or a test that hangs."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.faults.conftest import HANGING, Cases, Started

Start = Callable[..., Started]
RunFile = Callable[..., dict[str, Any]]
KEPT = (
    "energy: what was finished is kept in reports/energy.journal; the same command with"
    " --energy-resume continues from there"
)


@pytest.mark.usefixtures("hanging")
def test_ctrl_c_in_a_window_keeps_and_tells_what_was_finished(
    start: Start, run_file: RunFile
) -> None:
    running = start("--energy-report", "--energy-save=main")
    running.process.send_signal(signal.SIGINT)
    said = running.ended()
    assert running.process.returncode == pytest.ExitCode.INTERRUPTED
    assert KEPT in said
    assert "energy run not stored as 'main': it was cut short" in said
    cut_short = "the run was cut short: 2 of its 3 metered tests did not run to their end"
    assert f"note: {cut_short}" in said
    run = run_file()
    assert [case["name"] for case in run["cases"]] == ["test_finished"]
    assert run["errors"] == [cut_short]
    assert cut_short in Path("reports/energy.html").read_text()
    assert "Traceback" not in said
    assert not Path(".energy").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("hanging")
def test_an_interrupted_run_takes_no_baselines_place(suite: pytest.Pytester, start: Start) -> None:
    Path("test_hanging.py").write_text(HANGING.format(seconds=0))
    suite.runpytest("--energy-save=main").assert_outcomes(passed=3)
    Path("here").unlink()
    Path("test_hanging.py").write_text(HANGING.format(seconds=60))
    before = Path(".energy/main.json").read_bytes()
    running = start("--energy-save=main", "--energy-overwrite")
    running.process.send_signal(signal.SIGINT)
    assert "it was cut short" in running.ended()
    assert Path(".energy/main.json").read_bytes() == before


@pytest.mark.usefixtures("hanging")
def test_sigterm_loses_the_case_in_flight_only(
    suite: pytest.Pytester, start: Start, cases: Callable[..., Cases]
) -> None:
    """pytest leaves the signal alone, and so do we: the process dies, the journal is there."""
    running = start("--energy-report")
    running.process.send_signal(signal.SIGTERM)
    running.ended()
    assert running.process.returncode == -signal.SIGTERM
    assert [file.name for file in Path("reports").iterdir()] == ["energy.journal"]
    Path("test_hanging.py").write_text(HANGING.format(seconds=0))
    resumed = suite.runpytest("--energy-report", "--energy-resume")
    resumed.assert_outcomes(passed=2, deselected=1)
    resumed.stdout.fnmatch_lines(["energy: 1 finished case taken over from reports/energy.journal"])
    assert {name: case["total_j"] for name, case in cases().items()} == {
        "test_finished": 12.0,
        "test_hangs": 24.0,
        "test_later": 48.0,
    }


@pytest.mark.slow
@pytest.mark.usefixtures("hanging")
def test_the_next_run_tells_of_a_journal_that_it_does_not_take_over(
    suite: pytest.Pytester, start: Start
) -> None:
    running = start("--energy-report")
    running.process.kill()
    running.ended()
    Path("test_hanging.py").write_text(HANGING.format(seconds=0))
    suite.runpytest("--energy-report").stdout.fnmatch_lines(
        ["energy: a run that was cut short had left a journal; it is kept as *.journal.old *"]
    )
    assert b"test_finished" in Path("reports/energy.journal.old").read_bytes()


TIMEOUT = ("-p", "pytest_timeout", "--energy-report")


@pytest.fixture
def limited(hanging: pytest.Pytester) -> pytest.Pytester:
    """The test that hangs, and no other, may take a second."""
    pytest.importorskip("pytest_timeout", reason="pytest-timeout is not installed")
    suite = Path("test_hanging.py")
    limit = "import pytest\n\n@pytest.mark.timeout(1)\ndef test_hangs("
    suite.write_text(suite.read_text().replace("def test_hangs(", limit))
    return hanging


def test_a_hanging_test_that_is_stopped_by_a_signal_fails_with_its_joules(
    limited: pytest.Pytester, cases: Callable[..., Cases]
) -> None:
    result = limited.runpytest_subprocess(*TIMEOUT, "--timeout-method=signal")
    result.assert_outcomes(passed=2, failed=1)
    found = cases()
    assert [case["total_j"] for case in found.values()] == [12.0, 24.0, 48.0]
    assert [case["outcome"] for case in found.values()] == ["passed", "failed", "passed"]
    assert not any(case["flags"] for case in found.values())  # its window was closed


def test_a_hanging_test_that_ends_the_process_leaves_the_journal(
    limited: pytest.Pytester, cases: Callable[..., Cases]
) -> None:
    """The method `thread` ends the whole process with os._exit."""
    result = limited.runpytest_subprocess(*TIMEOUT, "--timeout-method=thread")
    assert result.ret == 1
    assert [file.name for file in Path("reports").iterdir()] == ["energy.journal"]
    Path("test_hanging.py").write_text(HANGING.format(seconds=0))
    limited.runpytest("--energy-report", "--energy-resume").assert_outcomes(passed=2, deselected=1)
    assert len(cases()) == 3


def test_a_run_that_stops_at_its_first_failure_takes_no_baselines_place(
    suite: pytest.Pytester,
) -> None:
    suite.makepyfile(
        """
        import os
        def test_first(energy, work):
            with energy.measure():
                work(1.0)
            assert "FAIL" not in os.environ
        def test_second(energy, work):
            with energy.measure():
                work(1.0)
        """
    )
    suite.runpytest("--energy-save=main").assert_outcomes(passed=2)
    before = Path(".energy/main.json").read_bytes()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FAIL", "1")
        result = suite.runpytest("-x", "--energy-save=main", "--energy-overwrite")
    result.stdout.fnmatch_lines(["energy run not stored as 'main': it was cut short"])
    assert Path(".energy/main.json").read_bytes() == before


def test_an_error_of_another_plugin_loses_no_figures(
    suite: pytest.Pytester, cases: Callable[..., Cases]
) -> None:
    conftest = Path("conftest.py")
    conftest.write_text(
        conftest.read_text()
        + "\ndef pytest_sessionfinish(session):\n    raise OSError('a full disk')\n"
    )
    suite.makepyfile("def test_a(energy, work):\n    with energy.measure(): work(1.0)")
    suite.runpytest_subprocess("--energy-report")
    assert cases()["test_a"]["total_j"] == 12.0
