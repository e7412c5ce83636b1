"""The rules of the house: who may import whom, no circles, no file that nobody can take in."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import pytest_energybench

PACKAGE = Path(pytest_energybench.__file__).parent
NAME = PACKAGE.name
MOST_LINES = 450

MAY_IMPORT: Mapping[str, set[str]] = {
    "base": set(),
    "metering": {"base"},
    "results": {"base"},
    "gates": {"base", "results"},
    "report": {"base", "results", "gates"},
    "measurement": {"base", "metering", "results", "gates"},
    "session": {"base", "metering", "results", "gates", "report", "measurement"},
    "parallel": {"base", "metering", "results", "gates", "report", "measurement", "session"},
    "cli": {"base", "metering", "results", "gates", "measurement", "report", "experiment.paper"},
    "plugin": {"base", "metering", "measurement", "session", "parallel"},
    "experiment": {"experiment.compression", "experiment.training", "results", "report", "session"},
    "experiment.training": set(),
    "experiment.compression": {"experiment.training"},
    "experiment.paper": {"base", "results", "gates", "report", "experiment"},
}
"""Room -> the rooms whose modules it may import beside its own. `plugin` is the files that lie in
the package itself. `experiment` is the face that its rooms show to tests, and knows the fixture."""

FOREIGN: Mapping[str, set[str]] = {
    "base": {"pytest", "_pytest", "torch", "psutil", "pynvml", "msgspec"},
    "metering": {"pytest", "_pytest", "torch"},
    "results": {"pytest", "_pytest", "torch", "psutil", "pynvml"},
    "gates": {"pytest", "_pytest", "torch", "psutil", "pynvml", "pathlib", "io", "tempfile"},
    "report": {"pytest", "_pytest", "torch", "psutil", "pynvml"},
    "measurement": {"pytest", "_pytest", "torch"},
    "session": {"torch"},
    "parallel": {"torch"},
    "cli": {"torch"},
    "plugin": {"torch"},
    "experiment": {"_pytest"},
    "experiment.training": {"pytest", "_pytest"},
    "experiment.compression": {"pytest", "_pytest"},
    "experiment.paper": {"pytest", "_pytest", "torch"},
}
"""Room -> modules of others that it must not know."""

EVERYBODYS = {NAME, f"{NAME}.exceptions"}
"""The package's own name (its version, `measure`) and the base of its errors."""


@cache
def modules() -> dict[str, Path]:
    """Module name -> file, for everything in the package."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def room(module: str) -> str:
    """The room a module is in."""
    _, *inner = module.split(".")
    return next(
        (name for name in (".".join(inner[:depth]) for depth in (2, 1)) if name in MAY_IMPORT),
        "plugin",
    )


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and full name of everything imported, in functions and for the type checker, too."""
    waiting: list[ast.AST] = [ast.parse(path.read_text("utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}:{node.lineno}: relative import"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield node.lineno, full if full in modules() else str(node.module)
        else:
            waiting += ast.iter_child_nodes(node)


def test_every_import_points_up_the_table() -> None:
    wrong = []
    for module, path in modules().items():
        here = room(module)
        for line, name in imports(path):
            if name.partition(".")[0] == NAME:
                there = room(name)
                if name not in EVERYBODYS and there != here and there not in MAY_IMPORT[here]:
                    wrong.append(f"{module}:{line}: {here} may not import {name} ({there})")
            elif name.partition(".")[0] in FOREIGN[here]:
                wrong.append(f"{module}:{line}: {here} may not know {name}")
    assert not wrong, "\n".join(wrong)


def test_no_circular_import() -> None:
    graph = {
        module: {
            name for _, name in imports(path) if name in modules() and name not in (module, NAME)
        }
        for module, path in modules().items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" <- ".join(error.args[1]), pytrace=False)


WRITTEN = ("pytest_energybench", "bench_cases", "tests", "examples", "docs")
"""Folders of the repository whose code people write and read."""


def test_no_file_is_longer_than_can_be_taken_in() -> None:
    files = (
        path
        for folder in WRITTEN
        for ending in ("py", "html", "css", "js", "toml", "yml")
        for path in (PACKAGE.parent / folder).rglob(f"*.{ending}")
    )
    lengths = {
        str(path.relative_to(PACKAGE.parent)): len(path.read_text("utf-8").splitlines())
        for path in files
    }
    assert len(lengths) > len(modules())
    assert not {name: lines for name, lines in lengths.items() if lines > MOST_LINES}
