"""Run files and budgets as tools leave them: the cause is named, in one line, and nothing hangs."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_energybench.cli.main import main
from pytest_energybench.results.run_file import encode_run
from tests.results.samples import full_run
from tests.session.conftest import (  # noqa: F401  # fixtures, found by their names
    locks_of_its_own,
    only_this_plugin,
    suite,
)

RUN = encode_run(full_run())
TOML = b'[budget."*"]\nmax_energy = "1 J"\n'
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 123\n"

SPOILED: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "LFS pointer": (lambda _: LFS, "is a Git LFS pointer, not the file itself: run `git lfs pull`"),
    "merge conflict": (
        lambda good: b"<<<<<<< HEAD\n" + good + b"=======\n" + good + b">>>>>>> theirs\n",
        "holds a merge conflict: keep one side",
    ),
    "conflict inside": (
        lambda good: good.replace(b"\n", b"\n<<<<<<< HEAD\n", 1) + b">>>>>>> theirs\n",
        "holds a merge conflict: keep one side",
    ),
    "byte order mark": (lambda good: b"\xef\xbb\xbf" + good, "begins with a byte order mark"),
    "UTF-16": (lambda good: good.decode().encode("utf-16"), "is UTF-16 text: save it as UTF-8"),
    "gzip": (gzip.compress, "is compressed with gzip: unpack it first"),
    "web page": (lambda _: b"<!DOCTYPE html><html>404</html>", "is an HTML or XML page"),
}

ODD: dict[str, Callable[[Path], None]] = {
    "pipe": os.mkfifo,
    "folder": Path.mkdir,
    "dangling link": lambda path: path.symlink_to("nowhere"),
    "loop of links": lambda path: path.symlink_to(path.name),
    "endless": lambda path: path.symlink_to("/dev/zero"),
}

COMMANDS = {
    "report": ["report", "odd.json", "-o", "out.html"],
    "report --compare": ["report", "good.json", "--compare", "odd.json", "-o", "out.html"],
    "compare": ["compare", "good.json", "odd.json"],
    "merge": ["merge", "odd.json", "-o", "out.json"],
    "merge --budgets": ["merge", "good.json", "-o", "out.json", "--budgets", "odd.json"],
}

TEST = "def test_x(energy, work):\n    with energy.measure(): work(1.0)\n"


@pytest.mark.parametrize("kind", [*SPOILED, "nothing", "cut short"])
def test_what_a_tool_has_done_to_a_run_file_is_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    kind: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    further: dict[str, tuple[Callable[[bytes], bytes], str]] = {
        "nothing": (lambda _: b"", "is empty"),
        "cut short": (lambda good: good[:300], "is cut short"),
    }
    spoil, said = (SPOILED | further)[kind]
    Path("good.json").write_bytes(RUN)
    Path("odd.json").write_bytes(spoil(RUN))
    for name, command in COMMANDS.items():
        if "budgets" not in name:
            assert main(command) == 4, name
            told = capsys.readouterr().err
            assert f"odd.json: {said}" in told
            assert told.count("\n") == 1


@pytest.mark.parametrize("kind", ODD)
def test_what_is_no_file_is_refused_by_every_command(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    kind: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("good.json").write_bytes(RUN)
    ODD[kind](Path("odd.json"))
    for name, command in COMMANDS.items():
        assert main(command) == 4, name
        told = capsys.readouterr().err
        assert "odd.json: cannot be read: " in told
        assert told.count("\n") == 1


@pytest.mark.parametrize("kind", ODD)
def test_a_stored_run_that_is_no_file_is_refused(
    suite: pytest.Pytester,  # noqa: F811
    kind: str,
) -> None:
    suite.makepyfile(test_x=TEST)
    Path(".energy").mkdir()
    ODD[kind](Path(".energy/main.json"))
    for name in ("main", ".energy/main.json"):
        result = suite.runpytest_inprocess(f"--energy-compare={name}")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        assert "cannot be read: " in result.stderr.str() + result.stdout.str()
        assert "INTERNALERROR" not in result.stdout.str() + result.stderr.str()


@pytest.mark.parametrize("given", [True, False])
@pytest.mark.parametrize("kind", ODD)
def test_budgets_that_are_no_file_are_no_reason_to_have_no_gate(
    suite: pytest.Pytester,  # noqa: F811
    kind: str,
    given: bool,
) -> None:
    suite.makepyfile(test_x=TEST)
    Path("pytest.ini").write_text("[pytest]\n")
    ODD[kind](Path("energy-budgets.toml"))
    result = suite.runpytest_inprocess(*(["--energy-budgets=energy-budgets.toml"] if given else []))
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --energy-budgets: *energy-budgets.toml: cannot be read*"])


@pytest.mark.parametrize("kind", SPOILED)
def test_what_a_tool_has_done_to_a_budgets_file_is_named(
    suite: pytest.Pytester,  # noqa: F811
    kind: str,
) -> None:
    spoil, said = SPOILED[kind]
    suite.makepyfile(test_x=TEST)
    Path("energy-budgets.toml").write_bytes(spoil(TOML))
    result = suite.runpytest_inprocess()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"energy-budgets.toml: {said}" in result.stderr.str()
