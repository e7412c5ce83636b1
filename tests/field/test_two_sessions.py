"""Two sessions at once on one checkout, as `tox -p` has them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.field.suites import cases, locks_of_its_own, only_this_plugin, suite  # noqa: F401

BOTH = pytest.mark.parametrize("workers", [(), ("-p", "xdist.plugin", "-n1")], ids=["n0", "n1"])


@pytest.fixture
def meeting(suite: pytest.Pytester) -> pytest.Pytester:  # noqa: F811
    """A suite whose tests `a` and `b` wait until the other one is running, too."""
    suite.makepyfile(
        test_it="""
        import pathlib, time

        def meet(mine, other):
            pathlib.Path(mine).touch()
            while not pathlib.Path(other).exists():
                time.sleep(0.01)

        def test_a(energy, work):
            meet("a", "b")
            energy(work, 1.0)

        def test_b(energy, work):
            meet("b", "a")
            energy(work, 2.0)
        """
    )
    return suite


def start(name: str, *args: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-k", name, *args]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.mark.usefixtures("meeting")
@BOTH
def test_each_has_its_report_and_one_tells_of_the_other(
    workers: tuple[str, ...],
) -> None:
    both = [start(name, "--energy-report", *workers) for name in ("test_a", "test_b")]
    said = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    files = sorted(path.name for path in Path("reports").iterdir())
    assert files == ["energy-2.html", "energy-2.json", "energy.html", "energy.json"]
    names = {name for each in ("energy", "energy-2") for name in cases(f"reports/{each}.json")}
    assert names == {"test_a", "test_b"}
    assert sum("another session writes reports/energy.*" in text for text in said) == 1


def test_a_run_that_is_going_on_is_not_resumed(meeting: pytest.Pytester) -> None:
    first = start("test_a", "--energy-report")
    try:
        while not Path("a").exists():
            assert first.poll() is None
        journal = Path("reports/energy.journal")
        head = '{"journal":1,'
        journal.write_text(head + "\n")  # as if a first case had been finished
        result = meeting.runpytest_subprocess("--energy-report", "--energy-resume", "-k", "test_b")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(
            ["ERROR: --energy-resume: *is being written by another process; wait until it has*"]
        )
    finally:
        first.kill()
        first.communicate()


def test_one_after_the_other_they_share_the_name(meeting: pytest.Pytester) -> None:
    for name in "ab":
        Path(name).touch()
    for name in ("test_a", "test_b"):
        assert meeting.runpytest_subprocess("--energy-report", "-k", name).ret == 0
        assert list(cases("reports/energy.json")) == [name]
    assert len(list(Path("reports").iterdir())) == 2
