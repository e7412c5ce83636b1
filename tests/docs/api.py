"""The public interface as text: what others may hold on to, one thing a line."""

from __future__ import annotations

import argparse
import inspect
import re
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import msgspec

import pytest_energybench
from pytest_energybench import exceptions, experiment, metering, plugin
from pytest_energybench.cli import main as cli
from pytest_energybench.gates import budgets
from pytest_energybench.measurement.abtest import ABTest
from pytest_energybench.metering.fake import FakeClock, FakeSource
from pytest_energybench.results import model
from pytest_energybench.session import hookspecs as hookspec
from pytest_energybench.session import options
from pytest_energybench.session.fixture import Energy


def public_interface() -> Iterator[str]:
    """All of it, by section."""
    for title, lines in (
        ("pytest_energybench", exports(pytest_energybench)),
        ("pytest_energybench.metering", exports(metering)),
        ("pytest_energybench.experiment", exports(experiment)),
        ("pytest_energybench.exceptions", exports(exceptions)),
        ("entry points", entries()),
        ("fixtures", fixtures()),
        ("energy", members("energy", Energy)),
        ("what energy.compare returns", members("compared", ABTest)),
        ("the fake meter's clock and source", clock_and_source()),
        ("markers", (marker.partition(": ")[0] for marker in plugin.MARKERS)),
        ("hooks", hooks()),
        ("options", option_lines()),
        ("budgets file", budgets._KEYS),
        ("methods and ranks of one's own", methods()),
        ("command line", command_line()),
        ("environment", environment()),
        ("run file", run_file()),
    ):
        yield from (f"# {title}", *lines, "")


def exports(module: Any) -> Iterator[str]:
    for name in sorted(module.__all__):
        found = getattr(module, name)
        if not inspect.isclass(found):
            yield f"{name}{signature(found)}" if inspect.isroutine(found) else name
        elif issubclass(found, Exception):
            yield f"{name}({', '.join(base.__name__ for base in found.__bases__)})"
        else:
            yield name if getattr(found, "_is_protocol", False) else f"{name}{signature(found)}"
            yield from members(name, found)


def methods() -> Iterator[str]:
    from pytest_energybench.experiment.compression import plan, registry, search
    from pytest_energybench.experiment.training.rank_coordinator import RankCoordinator

    yield f"register{signature(registry.register)}"
    yield f"Stage: {', '.join(registry.Stage.__members__)}"
    for found in (plan.CompressionPlan, plan.BitGrid, plan.Retrain, plan.Task, plan.AccuracyTarget):
        yield f"{found.__name__}{signature(found)}"
        yield from members(found.__name__, found)
    yield f"search{signature(search.search)}"
    yield f"RankCoordinator.of_torchrun{signature(RankCoordinator.of_torchrun)}"


def entries() -> Iterator[str]:
    for group in ("pytest11", "console_scripts"):
        for entry in entry_points(group=group):
            if entry.value.startswith("pytest_energybench"):
                yield f"{group}: {entry.name} = {entry.value}"


def fixtures() -> Iterator[str]:
    for name, found in vars(plugin).items():
        marker = getattr(found, "_fixture_function_marker", None)
        marker = marker or getattr(found, "_pytestfixturefunction", None)  # pytest before 8.4
        if marker is not None:
            yield f"{name} ({marker.scope})"


def members(owner: str, found: type) -> Iterator[str]:
    """Public methods, properties and fields, inherited ones of ours included."""
    names = {
        name
        for base in found.__mro__
        if "pytest_energybench" in base.__module__
        for name in (*vars(base), *getattr(base, "__annotations__", ()))
    }
    for name in sorted(names):
        member = inspect.getattr_static(found, name, None)
        if name == "__call__":
            yield f"{owner}{signature(member)}"
        elif name.startswith("_"):
            continue
        elif isinstance(member, classmethod | staticmethod):
            yield f"{owner}.{name}{signature(member.__func__)}"
        elif inspect.isfunction(member):
            yield f"{owner}.{name}{signature(member)}"
        else:
            yield f"{owner}.{name}"


def clock_and_source() -> Iterator[str]:
    yield from members("clock", FakeClock)
    yield from members("source", FakeSource)


def hooks() -> Iterator[str]:
    for name, found in sorted(vars(hookspec).items()):
        if name.startswith("pytest_"):
            yield f"{name}{signature(found)}"


def signature(found: Callable[..., Any]) -> str:
    """Without what differs from run to run: addresses of objects."""
    plain = inspect.signature(found)
    inner = [each for each in plain.parameters.values() if each.name not in ("self", "cls")]
    text = str(plain.replace(parameters=inner)).replace("''", '""')
    text = re.sub(r"<function ([\w.]+) at 0x\w+>", r"\1", text)
    text = re.sub(r"ForwardRef\('([^']*)'[^)]*\)", r"\1", text).replace("'", "")
    return re.sub(r"<([\w.]+) object at 0x\w+>", r"\1()", text)


def option_lines() -> Iterator[str]:
    for option in options.OPTIONS:
        value = "" if option.flag else f"={option.metavar}"
        default = repr(option.default)
        if isinstance(option.default, frozenset):  # prints in another order in each process
            default = ", ".join(sorted(option.default)) or "none"
        yield f"--energy-{option.name}{value}, ini {option.dest}, default {default}"


def command_line() -> Iterator[str]:
    parser = cli.build_parser()
    (commands,) = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    for name, command in commands.choices.items():
        yield f"energybench {name}"
        for action in command._actions:
            if action.dest != "help":
                flags = "/".join(action.option_strings) or str(action.metavar)
                choices = f" in {list(action.choices)}" if action.choices else ""
                needed = " (required)" if action.required else ""
                yield f"  {flags}{choices}{needed}, default {action.default!r}"
    yield f"exit status {cli.USAGE_ERROR}: input that can't be used"


def environment() -> Iterator[str]:
    package = Path(pytest_energybench.__file__).parent
    code = "".join(path.read_text("utf-8") for path in package.rglob("*.py"))
    yield from sorted(set(re.findall(r"ENERGYBENCH_[A-Z_]+", code)))


def run_file() -> Iterator[str]:
    yield f"schema_version {model.SCHEMA_VERSION}"
    for name, struct in vars(model).items():
        if isinstance(struct, type) and issubclass(struct, msgspec.Struct):
            for entry in msgspec.structs.fields(struct):
                kind = struct.__annotations__[entry.name]
                needed = " (required)" if entry.required else ""
                if isinstance(kind, str) and name != "Struct":
                    yield f"{name}.{entry.encode_name}: {kind}{needed}"
    for alias in ("Provenance", "ResultKind", "Finding", "Outcome", "Reference"):
        words = getattr(model, alias).__args__
        yield f"{alias} in {list(words)}"
