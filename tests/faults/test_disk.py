"""Files that can't be written: what was there stays, what is lost is told in a line."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pytest_energybench.results.atomic import write_atomically
from pytest_energybench.results.errors import WriteError

THREE = """
import pytest

@pytest.mark.parametrize("number", [1, 2, 3])
def test_it(energy, work, number):
    with energy.measure():
        work(number)
"""


@pytest.fixture
def three(suite: pytest.Pytester) -> pytest.Pytester:
    suite.makepyfile(test_three=THREE)
    return suite


def limited(most_bytes: int, *options: str) -> subprocess.CompletedProcess[str]:
    """pytest in a process none of whose files may grow beyond a size: its disk is full there."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes)),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "200", "PYTHONDONTWRITEBYTECODE": "1"},
    )


def written(folder: str) -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir())


@pytest.mark.usefixtures("three")
class TestFullDisk:
    def test_at_the_journal_and_every_file(self) -> None:
        done = limited(100, "--energy-report", "--energy-json=run.json", "--energy-save=main")
        assert done.returncode == pytest.ExitCode.USAGE_ERROR
        for line in (
            "energy journal not written, so this run can't be resumed: ",
            "energy run not written: ",
            "energy report not written: ",
            "stored energy run of 3 cases not written: ",
        ):
            (said,) = (each for each in done.stdout.splitlines() if each.startswith(line))
            assert said.endswith("cannot be written: File too large")
        assert "3 passed" in done.stdout
        assert "Traceback" not in done.stdout + done.stderr
        assert [*written("reports"), *written(".energy")] == []
        assert not Path("run.json").exists()

    @pytest.mark.slow
    def test_in_the_middle_of_the_journal(self) -> None:
        done = limited(2400, "--energy-report")
        assert "energy journal not written, so this run can't be resumed" in done.stdout
        assert written("reports") == ["energy.journal"]

    def test_at_the_page_which_can_be_made_later(self, three: pytest.Pytester) -> None:
        done = limited(12_000, "--energy-report")
        assert "energy report not written: " in done.stdout
        assert "energy.html: cannot be written: File too large" in done.stdout
        assert "energy: what was finished is kept in reports/energy.journal;" in done.stdout
        assert written("reports") == ["energy.journal", "energy.json"]
        three.runpytest("--energy-report", "--energy-resume").assert_outcomes(deselected=3)
        assert written("reports") == ["energy.html", "energy.json"]

    def test_keeps_the_last_report(self, three: pytest.Pytester) -> None:
        three.runpytest("--energy-report")
        before = [path.read_bytes() for path in sorted(Path("reports").iterdir())]
        limited(100, "--energy-report")
        assert [path.read_bytes() for path in sorted(Path("reports").iterdir())] == before

    @pytest.mark.slow
    def test_at_junit_xml_loses_no_figures(self) -> None:
        """JUnit's file is written by pytest, which ends with a traceback of its own."""
        done = limited(10**6, "--energy-report", "--junitxml=/dev/full")
        assert "No space left on device" in done.stderr
        assert written("reports") == ["energy.html", "energy.json"]


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    """A file system of its own; real, where this process may mount one."""
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if done.returncode:
        pytest.skip("needs the right to mount a file system (root)")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 KiB."""
    with mounted(tmp_path / "small", "size=16k") as folder:
        yield folder


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A folder on a file system that is read-only, also for root."""
    with mounted(tmp_path / "read-only", "size=16k,ro") as folder:
        yield folder


def test_a_disk_that_is_really_full(three: pytest.Pytester, small_disk: Path) -> None:
    result = three.runpytest("--energy-report", f"--energy-report-dir={small_disk}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stdout.fnmatch_lines(["energy report not written: *: No space left on device"])
    assert written(str(small_disk)) == ["energy.journal", "energy.json"]


def test_a_folder_that_is_read_only(three: pytest.Pytester, read_only: Path) -> None:
    result = three.runpytest("--energy-report", f"--energy-report-dir={read_only}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(
        [
            "energy journal not written, so this run can't be resumed: *: Read-only file system",
            "energy report not written: *: Read-only file system",
        ]
    )


def test_a_file_where_a_folder_should_be(three: pytest.Pytester) -> None:
    Path("file").write_text("mine")
    result = three.runpytest(
        "--energy-report", "--energy-report-dir=file/deep", "--energy-json=file/run.json"
    )
    result.stdout.fnmatch_lines(
        [
            "energy journal not written, *: cannot be written: */file is no folder",
            "energy run not written: */run.json: cannot be written: */file is no folder",
            "energy report not written: */energy.json: cannot be written: */file is no folder",
        ]
    )
    assert Path("file").read_text() == "mine"


class TestNoPlainFile:
    """Root may replace a device by a file, and with it what every program relies on."""

    def test_a_pipe_stays_a_pipe(self, three: pytest.Pytester) -> None:
        os.mkfifo("pipe")
        result = three.runpytest("--energy-json=pipe")
        result.stdout.fnmatch_lines(["energy run not written: *: it is no plain file"])
        assert Path("pipe").is_fifo()

    def test_so_does_a_device(self, tmp_path: Path) -> None:
        device = tmp_path / "null"
        try:
            os.mknod(device, 0o20666, os.makedev(1, 3))
        except PermissionError:
            pytest.skip("needs the right to make a device (root)")
        for overwrite in (True, False):
            with pytest.raises(WriteError, match="it is no plain file"):
                write_atomically(device, b"x", overwrite=overwrite)
        assert device.is_char_device()
        assert written(str(tmp_path)) == ["null"]

    def test_a_link_to_a_file_is_followed(self, tmp_path: Path) -> None:
        (tmp_path / "target").write_text("old")
        (tmp_path / "link").symlink_to("target")
        write_atomically(tmp_path / "link", b"new", overwrite=True)
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "target").read_text() == "new"
