"""Names that want to leave their folder, through the real options and commands."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_energybench.cli.main import main
from pytest_energybench.results.errors import StorageError
from pytest_energybench.results.storage import Storage
from tests.session.conftest import (  # noqa: F401  # fixtures, found by their names
    locks_of_its_own,
    only_this_plugin,
    suite,
)


def test_only_plain_file_names_are_names() -> None:
    for name in NAMES:
        with pytest.raises(StorageError, match="is no name for a stored run"):
            Storage("folder").path(name)
    assert Storage("folder").path("a-b.c_1") == Path("folder/a-b.c_1.json")


NAMES = [
    "../../x",
    "..",
    ".",
    "/etc/passwd",
    "a/b",
    "a\\b",
    ".hidden",
    "-rf",
    "x" * 101,
    "x" * 5000,
    "naïve",
    "\u202egnp",
    "a b",
    "a\nb",
    "a;rm -rf b",
    "$(touch x)",
    "x.json",
]

PASSING = "def test_a(energy, work):\n    with energy.measure(): work(1.0)"


def everything(folder: Path) -> set[str]:
    return {str(path) for path in folder.rglob("*") if "__pycache__" not in path.parts}


def test_no_such_name_is_saved(suite: pytest.Pytester) -> None:  # noqa: F811
    suite.makepyfile(test_a=PASSING)
    before = everything(suite.path.parent)
    for name in ("../../x", "/etc/passwd", "x" * 5000, "\u202egnp", "a\nb"):
        result = suite.runpytest_inprocess("-p", "no:cacheprovider", f"--energy-save={name}")
        assert result.ret == pytest.ExitCode.USAGE_ERROR, name
        (line,) = (line for line in result.errlines if line)
        assert "is no name for a stored run" in line, name
        assert len(line) < 600, name
    assert everything(suite.path.parent) == before


def test_what_is_compared_with_is_a_run_or_an_error_in_one_line(
    suite: pytest.Pytester,  # noqa: F811
) -> None:
    suite.makepyfile(test_a=PASSING)
    for name in ("..", "/etc/passwd", "/dev/null", "x" * 5000, "\u202egnp"):
        result = suite.runpytest_inprocess("-p", "no:cacheprovider", f"--energy-compare={name}")
        assert result.ret == pytest.ExitCode.USAGE_ERROR, name
        (line,) = (line for line in result.errlines if line)
        assert line.startswith("ERROR: --energy-compare: "), name
        assert "root:" not in line  # of /etc/passwd


def test_a_nul_is_told_like_any_other_mistake(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No shell passes one on, a script may."""
    for arguments in (
        ["report", "a\0b.json", "-o", str(tmp_path / "x.html")],
        ["compare", "a\0b", "c"],
        ["merge", "a\0b.json", "-o", str(tmp_path / "x.json")],
        ["report", "x.json", "-o", "a\0b.html"],
    ):
        assert main(arguments) == 4, arguments
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert said.startswith(f"energybench {arguments[0]}: ")
    assert list(tmp_path.iterdir()) == []


def test_a_node_id_names_no_file(suite: pytest.Pytester) -> None:  # noqa: F811
    """Whatever a test is called, the files of its run are called the same."""
    suite.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize("path", ["../../../x", "/etc/x", "a" * 3000, "$(touch y)"])
        @pytest.mark.energy_group("../../group")
        def test_a(energy, work, path):
            with energy.measure(f"../{path}"):
                work(1.0)
        """
    )
    result = suite.runpytest("-p", "no:cacheprovider", "--energy-report", "--energy-save=main")
    result.assert_outcomes(passed=4)
    made = {Path(each).relative_to(suite.path) for each in everything(suite.path)}
    assert {str(each) for each in made} - {"conftest.py", "test_a_node_id_names_no_file.py"} == {
        "reports",
        "reports/energy.html",
        "reports/energy.json",
        ".energy",
        ".energy/main.json",
        "locks",
        "locks/machine",
        "locks/machine.gate",
    } & {str(each) for each in made}
