"""What stays on this machine: the user's folder and name, the host's name, passwords, tokens."""

from __future__ import annotations

import getpass
import platform
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from pytest_energybench.gates.comparisons import judge_energy, judge_group
from pytest_energybench.gates.parse import parse_energy_limit
from pytest_energybench.results.model import Case, Machine, Round, Run
from pytest_energybench.results.redaction import _home_folders, private_text, without_private
from tests.session.conftest import (  # noqa: F401  # fixtures, found by their names
    locks_of_its_own,
    only_this_plugin,
    suite,
)

TALKATIVE = """
import os
import pathlib

import pytest

HOME = os.environ["HOME"]

class Config:
    def __repr__(self):
        return "Config(password='hunter2')"

def failing():
    raise OSError(f"https://bob:hunter2@wall/joules?token=hunter2 from {HOME}/socket failed")

@pytest.mark.parametrize("config", [Config(), {"secret": "hunter2"}, pathlib.Path(HOME, "data")])
def test_talks(energy, work, config):
    energy.flag(f"cached weights in {HOME}/.cache/weights --token=hunter2")
    energy.record(where=f"{HOME}/data", header="Authorization: Bearer hunter2")
    with energy.measure(f"load {HOME}/data"):
        work(1.0)
    with energy.measure("wall", meters=[failing]):
        work(1.0)
    print("hunter2")
    assert "hunter2" in HOME  # the traceback of a failed test stays where pytest shows it
"""


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A user's folder; nothing needs to lie there."""
    monkeypatch.setenv("HOME", "/home/alice")
    _home_folders.cache_clear()
    yield Path("/home/alice")
    _home_folders.cache_clear()


@pytest.mark.usefixtures("home")
def test_no_secret_and_no_name_of_user_or_host_is_in_any_file(
    suite: pytest.Pytester,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOME", "/home/alice")  # pytester has set its own
    for command in (
        ["init", "-q"],
        ["remote", "add", "origin", "https://bob:hunter2@git.example/x.git"],
        ["-c", "user.name=alice", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-mx"],
    ):
        subprocess.run(["git", *command], check=True)
    monkeypatch.setenv("SERVICE_TOKEN", "hunter2")
    conftest = Path("conftest.py")
    conftest.write_text(
        conftest.read_text()
        + "\nimport os\n"
        + "def pytest_addoption(parser): parser.addoption('--token')\n"
        + "def pytest_energy_settings(config): return {'data': os.environ['HOME'] + '/data'}\n"
    )
    suite.makepyfile(test_talks=TALKATIVE)
    summary = Path("summary.md")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    suite.runpytest(
        "--token=hunter2", "--energy-report", "--energy-json=run.json", "--energy-save=main"
    ).assert_outcomes(failed=3)
    suite.runpytest("--energy-report", f"--energy-compare={Path('run.json').resolve()}")
    written = [Path("reports/energy.json"), Path("reports/energy.html"), Path("run.json"), summary]
    for path in written:
        content = path.read_text("utf-8")
        assert "hunter2" not in content, path
        assert "alice" not in content, path
        assert str(suite.path) not in content, path
        assert f"/{getpass.getuser()}/" not in content, path
        assert platform.node() not in content or len(platform.node()) < 4, path
    case = Path("run.json").read_text()
    assert "cached weights in ~/.cache/weights --token=***" in case
    assert "https://wall/joules?token=*** from ~/socket failed" in case
    assert '"config": "Config"' in case
    assert '"config": "dict"' in case
    assert '"config": "data"' in case
    assert '"data": "~/data"' in case


def test_the_hosts_name_is_there_where_the_user_asks_for_it(
    suite: pytest.Pytester,  # noqa: F811
) -> None:
    suite.makepyfile("def test_a(energy, work):\n    with energy.measure(): work(1.0)")
    suite.runpytest("--energy-json=run.json", "--energy-hostname")
    assert f'"hostname": "{platform.node()}"' in Path("run.json").read_text()


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("HOME/x and HOME", "~/x and ~"),
        ("HOMEr/x", "HOMEr/x"),
        ("/dataHOME", "/dataHOME"),
        ("file://HOME/x", "file://~/x"),
        ("postgres://bob:pw@host/db", "postgres://host/db"),
        ("--token=abc --x=1", "--token=*** --x=1"),
        ("api_key: 'a b' c", "api_key: *** c"),
        ('{"password": "a"}', '{"password": ***}'),
        ("?access-key=a&b=1", "?access-key=***&b=1"),
        ("Authorization: Bearer abc", "Authorization: Bearer ***"),
        ("12 tokens of 40", "12 tokens of 40"),
        ("tokens=4", "tokens=4"),
        ("a@b.c", "a@b.c"),
        ("400 mJ/token: +8.4 %; token: abc", "400 mJ/token: +8.4 %; token: ***"),
        ("~2 Wh/secret: x, 1 µJ/new_token: y", "~2 Wh/secret: x, 1 µJ/new_token: y"),
        ("PASSWORD: x, /J/token=x", "PASSWORD: ***, /J/token=***"),
    ],
)
def test_what_is_private_in_a_text(home: Path, said: str, kept: str) -> None:
    assert private_text(said.replace("HOME", str(home))) == kept.replace("HOME", str(home))


def test_what_a_gate_says_of_a_functional_unit_is_no_secret() -> None:
    rounds = [Round(started="", duration_s=1, energy_j={}, total_j=4.0, units={"token": 10.0})]
    case = Case(nodeid="a", name="a", rounds=rounds)
    base = msgspec.structs.replace(case, nodeid="b", name="b")
    made = [
        judge_energy(case, parse_energy_limit("0.3 J/token")),
        judge_energy(case, parse_energy_limit("0.3 J"), window="token"),
        judge_group(case, base, margin=0.0, interleaved=False),
    ]
    told = msgspec.structs.replace(case, comparisons=made)
    assert "400 mJ/token" in made[0].judged.text
    assert without_private(told) is told


def test_pytests_own_folder_is_named_after_the_user() -> None:
    user = getpass.getuser()
    assert private_text(f"/tmp/pytest-of-{user}/pytest-3") == "/tmp/pytest-of-~/pytest-3"


def test_what_says_which_test_it_is_stays(home: Path) -> None:
    name = f"test_a[{home}]"
    case = Case(nodeid=f"a.py::{name}", name=name, group=str(home), flags=[str(home)])
    cleaned = without_private(case)
    assert (cleaned.nodeid, cleaned.name, cleaned.group) == (case.nodeid, case.name, case.group)
    assert cleaned.flags == ["~"]


def test_a_run_without_anything_private_is_the_same() -> None:
    machine = Machine(fingerprint="f", cpu="c", cores=1, memory_bytes=1)
    run = Run(machine=machine, errors=["RAPL: no such file: /sys/class/powercap"])
    assert without_private(run) is run


def test_a_user_without_a_folder_of_his_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container HOME may be the root of all paths, or nothing."""
    for home in ("/", "", "relative"):
        monkeypatch.setenv("HOME", home)
        _home_folders.cache_clear()
        assert private_text("/etc/x and relative/x") == "/etc/x and relative/x"
    _home_folders.cache_clear()
