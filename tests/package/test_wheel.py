"""What is built, installed where nothing of this checkout is, and used as a stranger would."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

import pytest_energybench
from bench_cases.tool_comparison.environments import Environment

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
MOST_MB = 60
MOST_PACKAGES = 15

SUITE = """
def test_work(energy):
    with energy.measure("work"):
        sum(range(300_000))
    energy.assert_below("1 kJ")
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as for a release: the source distribution, and the wheel from that."""
    folder = tmp_path_factory.mktemp("dist")
    has_network(folder / "probe")
    done = subprocess.run(
        [sys.executable, "-m", "build", "--outdir", str(folder), str(ROOT)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(folder.glob("*.tar.gz"))
    (wheel,) = folder.glob("*.whl")
    return wheel


def has_network(folder: Path) -> None:
    """Skip where pip can't fetch what building takes."""
    pytest.importorskip("build", reason="needs `build`, which the extra dev brings")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "-d", str(folder)]
    done = subprocess.run([*command, "hatchling"], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("needs a package index that pip can reach, to build and install a wheel")


@dataclass(frozen=True)
class Stranger:
    """Somebody with the wheel in a clean environment, in a folder of their own."""

    environment: Environment
    folder: Path

    def run(self, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        kept = ("HOME", "LANG", "TMPDIR", "ENERGYBENCH_LOCK_DIR")
        return subprocess.run(
            [str(self.environment.python.with_name(command)), *arguments],
            cwd=self.folder,
            env={name: os.environ[name] for name in kept if name in os.environ},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


@pytest.fixture(scope="module")
def stranger(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Stranger:
    """With two runs behind them, of which `reports/energy.json` is the second."""
    environment = Environment.made(tmp_path_factory.mktemp("env") / "venv", str(wheel))
    stranger = Stranger(environment, tmp_path_factory.mktemp("project"))
    (stranger.folder / "test_work.py").write_text(SUITE)
    assert stranger.run("pytest", "--energy-json=first.json").returncode == 0
    return stranger


class TestTheWheel:
    def test_it_holds_every_file_of_the_package_and_no_other(self, wheel: Path) -> None:
        package = ROOT / "pytest_energybench"
        ours = {
            str(path.relative_to(ROOT))
            for path in package.rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }
        with zipfile.ZipFile(wheel) as archive:
            held = {name for name in archive.namelist() if ".dist-info/" not in name}
        assert held == ours
        for needed in ("py.typed", "report/templates/page.html", "experiment/paper/reference.json"):
            assert f"pytest_energybench/{needed}" in held

    def test_what_it_says_of_itself(self, wheel: Path) -> None:
        about = metadata(wheel)
        assert about["Name"] == "pytest-energybench"
        assert about["Version"] == pytest_energybench.__version__
        assert about["License-Expression"] == "MIT"
        assert about["License-File"] == "LICENSE"
        assert "Framework :: Pytest" in (about.get_all("Classifier") or [])
        assert about.get_payload().startswith("# pytest-energybench")

    def test_the_version_stands_in_one_place(self) -> None:
        literal = re.compile(rf'"{re.escape(pytest_energybench.__version__)}"')
        files = [ROOT / "pyproject.toml", *(ROOT / "pytest_energybench").rglob("*.py")]
        holding = [path.name for path in files if literal.search(path.read_text("utf-8"))]
        assert holding == ["__init__.py"]


def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (each for each in archive.namelist() if each.endswith(".dist-info/METADATA"))
        return Parser().parsestr(archive.read(name).decode("utf-8"))


def test_the_plugin_alone_is_light(stranger: Stranger) -> None:
    installed = stranger.environment.versions
    assert len(installed) <= MOST_PACKAGES, installed
    assert stranger.environment.size_mb <= MOST_MB


def test_the_plugin_meters_and_reports(stranger: Stranger) -> None:
    done = stranger.run("pytest", "--energy-report")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^ *test_work .* pass$", done.stdout, re.MULTILINE)
    page = (stranger.folder / "reports" / "energy.html").read_text("utf-8")
    assert "test_work" in page
    assert "<style" in page  # the templates' own, from inside the wheel
    (case,) = json.loads((stranger.folder / "reports" / "energy.json").read_text("utf-8"))["cases"]
    assert case["total_j"] > 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--version"], f"energybench {pytest_energybench.__version__}"),
        (["doctor", "--quick"], "ram"),
        (["compare", "./first.json", "./first.json"], "test_work"),
        (["merge", "first.json", "-o", "merged.json"], "merged.json"),
        (["report", "first.json", "-o", "page.html"], "page.html"),
        (["null", "--rounds=2", "--", "test_work.py", "-q"], "A against A"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_the_command_works(stranger: Stranger, arguments: list[str], said: str) -> None:
    done = stranger.run("energybench", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    assert said in done.stdout + done.stderr
    if "-o" in arguments:
        assert (stranger.folder / arguments[-1]).stat().st_size > 0


def test_what_is_used_is_what_was_installed(stranger: Stranger) -> None:
    plain = "import pytest_energybench as e; print(e.__file__); e.measure"
    done = stranger.run("python", "-c", plain)
    assert str(stranger.environment.root) in done.stdout, done.stderr


def test_a_stranger_s_type_checker_sees_our_types(stranger: Stranger) -> None:
    (stranger.folder / "uses.py").write_text(
        "from pytest_energybench import measure\n"
        "with measure('x') as window:\n"
        "    pass\n"
        "reveal_type(window.total_j)\n"
    )
    checked = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            f"--python-executable={stranger.environment.python}",
            "uses.py",
        ],
        cwd=stranger.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert 'Revealed type is "float"' in checked.stdout.replace("builtins.", ""), checked.stdout
