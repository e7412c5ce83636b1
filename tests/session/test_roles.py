"""What a process is to its session is chosen once, when pytest is configured."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

TELL = """
from pathlib import Path
from pytest_energybench.session.role import role_of

def pytest_sessionfinish(session):
    Path(f"role-{type(role_of(session.config)).__name__}").touch()
"""

NEEDS_RAY = pytest.mark.skipif(find_spec("ray") is None, reason="needs Ray")


@pytest.mark.parametrize(
    ("arguments", "roles"),
    [
        ((), ["role-Role"]),
        (("-p", "xdist.plugin", "-n1"), ["role-Controller", "role-Worker"]),
        (("-p", "xdist.plugin", "-n1", "--collect-only"), ["role-Role"]),
        pytest.param(("--energy-ray=local", "--collect-only"), ["role-Driver"], marks=NEEDS_RAY),
    ],
)
def test_every_kind_of_process_has_a_role_of_its_own(
    pytester: pytest.Pytester, arguments: tuple[str, ...], roles: list[str]
) -> None:
    pytester.makeconftest(TELL)
    pytester.makepyfile("def test_it(): pass")
    assert pytester.runpytest_subprocess(*arguments).ret == 0
    assert sorted(path.name for path in Path.cwd().glob("role-*")) == roles


@pytest.mark.parametrize(
    ("arguments", "other"),
    [(("-p", "xdist.plugin", "-n1"), "-n"), (("--energy-ray=local",), "--energy-ray")],
)
def test_ranks_are_refused_beside_another_way_to_spread_the_tests(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    other: str,
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    pytester.makeconftest("def pytest_energy_ranks(config): raise AssertionError('not refused')")
    pytester.makepyfile("def test_it(): pass")
    result = pytester.runpytest_subprocess(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: torchrun and {other} each start processes of their own*"])
