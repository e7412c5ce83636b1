"""Write docs/reference.md and docs/reference/ from docstrings, options and the command line's own
descriptions.

python docs/make_reference.py            # write it
python docs/make_reference.py --check    # exit status 1 if it is out of date
"""

from __future__ import annotations

import argparse
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec

from pytest_energybench import plugin
from pytest_energybench.cli import main as cli
from pytest_energybench.exceptions import EnergyBenchError
from pytest_energybench.measurement import metered
from pytest_energybench.measurement.abtest import ABTest
from pytest_energybench.metering import custom, fake, meter, source, window
from pytest_energybench.metering.default import measure
from pytest_energybench.metering.discovery import discover
from pytest_energybench.results import model
from pytest_energybench.session import hookspecs as hookspec
from pytest_energybench.session import options
from pytest_energybench.session.fixture import Energy

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
FOLDER = DOCS / "reference"

ENVIRONMENT: Mapping[str, str] = {
    "ENERGYBENCH_POWERCAP_ROOT": "folder that RAPL's counters are looked for in, instead of "
    "`/sys/class/powercap` (containers, tests)",
    "ENERGYBENCH_CPU_TDP_W": "design power in watts of all processors of this machine, in a "
    "virtual one of its host's; the estimate of `cpu` then scales its curve to 0.7 of it",
    "ENERGYBENCH_CPU_WATTS": "watts of all processors that this system sees, idle and at a tenth, "
    "half and full load (`8,19,43,47`), in place of the table; `energybench validate` prints them",
    "ENERGYBENCH_METERS": "sources for `measure()` outside pytest, as for `--energy-meters`",
    "ENERGYBENCH_LOCK_DIR": "folder of the machine's lock files, instead of "
    "`/tmp/energybench-locks` (on Windows in `%PROGRAMDATA%`); the same for all users who meter on "
    "the machine",
    "ENERGYBENCH_RANK_TIMEOUT": "seconds that a rank of a training under torchrun waits for "
    "another one inside a collective (default: 20)",
}
OTHERS_ENVIRONMENT: Mapping[str, str] = {
    "CUDA_VISIBLE_DEVICES": "which GPUs are metered, as indices or UUIDs; empty means none",
    "GITHUB_STEP_SUMMARY": "where set, the run's table is appended to that file as Markdown",
    "GITHUB_ACTIONS": "`true`: failed and undecided cases are printed as annotations",
    "XDG_CACHE_HOME": "where warm-started weights of `bench_cases` are cached",
}
SECTION = re.compile(r"^(Args|Attributes|Raises|Returns):$")
ENTRY = re.compile(r"^    (\w[\w., ]*): (.*)$")


def main() -> int:
    """Write the pages, or check them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args().check
    pages = reference()
    there = {
        path: path.read_text("utf-8") for path in (DOCS / "reference.md", *FOLDER.glob("*.md"))
    }
    wrong = sorted(path for path in pages.keys() | there if pages.get(path) != there.get(path))
    for path in wrong:
        if check:
            print(f"{path.relative_to(ROOT)} is out of date: python docs/make_reference.py")
        elif path in pages:
            path.write_text(pages[path], "utf-8")
        else:
            path.unlink()
    return int(check and bool(wrong))


def reference() -> dict[Path, str]:
    """The overview and a page for each section, by path."""
    pages, overview = {}, []
    for section, about in SECTIONS.items():
        heading, *lines = section()
        title = heading.removeprefix("## ")
        path = FOLDER / f"{title.lower().replace(' ', '-')}.md"
        overview.append(f"| [{title}](reference/{path.name}) | {about} |")
        pages[path] = "\n".join([f"# {title}", *map(raised, lines)]).rstrip() + "\n"
    return {**pages, DOCS / "reference.md": OVERVIEW + "\n".join(overview) + "\n"}


def raised(line: str) -> str:
    """A heading one level up, since its section is a page."""
    return line[1:] if re.match("##+ ", line) else line


def fixtures() -> Iterator[str]:
    yield from ("## Fixtures", "")
    for name, scope in (("energy", "function"), ("energy_meter", "session")):
        yield from (f"### `{name}` ({scope} scope)", "")
        yield from docstring(fixture_doc(name))
        yield ""
        if name == "energy":
            yield from members(Energy, "energy")
            yield from ("### What `energy.compare` returns", "")
            yield from whole_class(ABTest, heading=False, owner="compared")
    yield from ("### `energy_fake_meter` (function scope)", "")
    yield from docstring(fixture_doc("energy_fake_meter"))
    yield ""
    yield from whole_class(fake.FakeMeter, heading=False, owner="meter")
    yield "`meter.clock` and `meter.source`:"
    yield ""
    yield from members(fake.FakeClock, "meter.clock")
    yield from members(fake.FakeSource, "meter.source")


def fixture_doc(name: str) -> str:
    found = getattr(plugin, name)
    return inspect.getdoc(getattr(found, "_get_wrapped_function", lambda: found)()) or ""


def windows_and_meters() -> Iterator[str]:
    yield from ("## Windows and meters", "")
    yield "`from pytest_energybench import measure, metered`. `CounterSource` is in"
    yield "`pytest_energybench.metering.custom`, everything else in `pytest_energybench.metering`."
    yield ""
    yield from function(measure, "measure")
    yield from function(metered.metered, "metered")
    yield from function(discover, "discover")
    for found in (window.Window, meter.Meter, custom.CounterSource, source.Domain):
        yield from whole_class(found)
    for found in (source.Source, source.Reading, source.Loss):
        yield from whole_class(found)
    for found in (source.Ticking, source.Judging, source.Sampling, source.Bounding):
        yield from whole_class(found)


def whole_class(found: type, *, heading: bool = True, owner: str = "") -> Iterator[str]:
    if heading:
        yield from (f"### `{found.__name__}`", "")
    yield from docstring(inspect.getdoc(found) or "")
    yield ""
    constructor = vars(found).get("__init__")
    if constructor is not None and constructor.__doc__ and found.__name__ != "Window":
        yield from (*shown(signature(constructor, found.__name__)), "")
        yield from docstring(inspect.cleandoc(constructor.__doc__))
        yield ""
    yield from members(found, owner or found.__name__.lower())


def members(found: type, owner: str) -> Iterator[str]:
    """Public methods and properties, in the order of the source.

    Args:
        owner: what an instance is called, before the dot.
    """
    for name, member in vars(found).items():
        if name == "__call__" and found is Energy:
            yield from function(member, "energy")
        elif name.startswith("_") or name == "after_fork" or isinstance(member, type):
            continue
        elif isinstance(member, property):
            yield from (f"#### `{owner}.{name}`", "")
            yield from docstring(inspect.getdoc(member) or "")
            yield ""
        elif isinstance(member, classmethod):
            yield from function(member.__func__, f"{found.__name__}.{name}")
        elif inspect.isfunction(member):
            yield from function(member, f"{owner}.{name}")


def function(found: Callable[..., Any], name: str) -> Iterator[str]:
    yield from (f"#### `{name}`", "", *shown(signature(found, name)), "")
    yield from docstring(inspect.getdoc(found) or "")
    yield ""


def signature(found: Callable[..., Any], name: str) -> str:
    """As it is written; one parameter a line where it is long."""
    plain = inspect.signature(found)
    parameters = [each for each in plain.parameters.values() if each.name not in ("self", "cls")]
    plain = plain.replace(parameters=parameters)
    text = re.sub(r"'([^']*)'(?=[,)\]:= ]|$)", r"\1", str(plain.replace(parameters=[])))
    result = text.partition(" -> ")[2]
    words = [
        re.sub(r"<[\w.]*SystemClock object.*?>", "SYSTEM_CLOCK", str(each)) for each in parameters
    ]
    words = [re.sub(r": '(.*?)'(?= = |$)", r": \1", word) for word in words]
    words = [re.sub(r"<function (\w+) at 0x\w+>", r"\1", word) for word in words]
    kinds = [each.kind for each in parameters]
    if inspect.Parameter.KEYWORD_ONLY in kinds and inspect.Parameter.VAR_POSITIONAL not in kinds:
        words.insert(kinds.index(inspect.Parameter.KEYWORD_ONLY), "*")
    arrow = f" -> {result}" if result not in ("", "None") else ""
    line = f"{name}({', '.join(words)}){arrow}"
    if len(line) <= 88:
        return line
    return "\n".join([f"{name}(", *(f"    {word}," for word in words), f"){arrow}"])


def shown(code: str) -> Iterator[str]:
    """Code that is no example: indented, so that nobody takes it for one that runs."""
    yield from (f"    {line}" for line in code.splitlines())


def docstring(text: str) -> Iterator[str]:
    """A docstring's sections as lists."""
    in_section = False
    for line in text.splitlines():
        found = SECTION.match(line)
        entry = ENTRY.match(line)
        if found:
            in_section = True
            yield from (f"*{found[1].replace('Args', 'Arguments')}*", "")
        elif in_section and entry and not line.startswith("     "):
            names = ", ".join(f"`{name}`" for name in entry[1].split(", "))
            yield f"- {names}: {entry[2]}"
        elif in_section and line.strip():
            yield f"  {line.strip()}" if line.startswith("     ") else line.strip()
        else:
            in_section = in_section and not line.strip()
            yield line


def own_models() -> Iterator[str]:
    from pytest_energybench import experiment

    yield from ("## Models of your own", "")
    yield "Needs the extra `torch`. All are in `pytest_energybench.experiment`."
    yield ""
    yield from whole_class(experiment.Experiment)
    yield from function(experiment.methods, "methods")
    yield from function(experiment.register_model, "register_model")


def methods() -> Iterator[str]:
    from pytest_energybench.experiment.compression import plan, registry, search
    from pytest_energybench.experiment.training.rank_coordinator import RankCoordinator

    yield from ("## Methods and ranks of your own", "")
    yield "Needs the extra `bench`. `register` and `Stage` are in"
    yield "`pytest_energybench.experiment.compression.registry`, `search` in `.search`, the classes"
    yield "and `ResultError` in `.plan`; `RankCoordinator` is in"
    yield "`pytest_energybench.experiment.training.rank_coordinator`."
    yield ""
    yield from function(registry.register, "register")
    yield from whole_class(registry.Stage)
    for found in (plan.CompressionPlan, plan.BitGrid, plan.Retrain, plan.Task, plan.AccuracyTarget):
        yield from whole_class(found)
    yield from function(search.search, "search")
    yield from function(RankCoordinator.of_torchrun.__func__, "RankCoordinator.of_torchrun")


def option_table() -> Iterator[str]:
    yield from ("## Options", "")
    yield "The command line goes before the ini file. Relative paths on the command line start"
    yield "where pytest was called, those in the ini file beside it."
    yield from ("", "| option | ini | |", "|---|---|---|")
    for option in options.OPTIONS:
        value = "" if option.flag else f"={option.metavar}".replace("|", r"\|")
        yield f"| `--energy-{option.name}{value}` | `{option.dest}` | {option.help} |"
    yield ""


class OptionList:
    """Stands in for pytest's parser and keeps what is added to it."""

    def __init__(self) -> None:
        self.added: list[tuple[str, dict[str, Any]]] = []

    def getgroup(self, *_: str) -> OptionList:
        return self

    def addoption(self, name: str, **words: Any) -> None:
        self.added.append((name, words))


def bench_options() -> Iterator[str]:
    found = OptionList()
    sys.path.insert(0, str(ROOT))
    import_module("conftest").pytest_addoption(found)
    yield from ("### Options of bench_cases", "", "In this repository only.", "")
    yield from ("| option | |", "|---|---|")
    for name, words in found.added:
        yield f"| `{name}={words['metavar']}` | {words['help']} |"
    yield ""


def markers() -> Iterator[str]:
    yield from ("## Markers", "")
    for description in plugin.MARKERS:
        name, _, text = description.partition(": ")
        yield f"- `@pytest.mark.{name}`: {text}"


def hooks() -> Iterator[str]:
    yield from ("## Hooks", "", "For a project's `conftest.py`.", "")
    for name in sorted(vars(hookspec)):
        if name.startswith("pytest_"):
            yield from function(getattr(hookspec, name), name)


def every_option() -> Iterator[str]:
    yield from option_table()
    yield from bench_options()


def errors() -> Iterator[str]:
    yield from ("## Errors", "", "In `pytest_energybench.exceptions`.", "")
    yield from whole_class(EnergyBenchError)


def budgets() -> Iterator[str]:
    from pytest_energybench.gates import budgets as rules

    yield from ("## Budgets file", "")
    lines = inspect.cleandoc(rules.__doc__ or "").splitlines()
    example = [line[4:] for line in lines if line.startswith("    ") or not line]
    yield from (lines[0], "", "```toml", *"\n".join(example).strip().splitlines(), "```", "")
    last = max(number for number, line in enumerate(lines) if line.startswith("    "))
    yield from (*lines[last + 2 :], "")
    yield from ("Keys: " + ", ".join(f"`{key}`" for key in rules._KEYS) + ".", "")


def command_line() -> Iterator[str]:
    yield from ("## Command line", "")
    yield "Exit status 4 for input that can't be used, as pytest's own."
    yield ""
    parser = cli.build_parser()
    actions = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    for name, command in actions[0].choices.items():
        asked = [action for action in command._actions if action.dest != "help"]
        words = [usage(action) for action in sorted(asked, key=lambda each: each.nargs == "*")]
        yield from (f"### `energybench {name}`", "", str(command.description), "")
        yield from (*shown(f"energybench {name} {' '.join(words)}"), "")
        for action in command._actions:
            if action.dest != "help":
                flags = ", ".join(f"`{flag}`" for flag in action.option_strings)
                text = (action.help or "").replace("%%", "%")
                choices = f" ({', '.join(action.choices)})" if action.choices else ""
                yield f"- {flags or f'`{action.metavar}`'}{choices}: {text}"
        yield ""
        run = sys.modules[command.get_default("run").__module__].run
        yield from (f"Exit status: {inspect.getdoc(run)}", "")


def usage(action: argparse.Action) -> str:
    parts = action.metavar if isinstance(action.metavar, tuple) else [action.metavar]
    value = " ".join(filter(None, parts)) or "{" + ",".join(action.choices or ()) + "}"
    if not action.option_strings:
        shown = {"+": f"{value} [{value} ...]", "?": f"[{value}]", "*": f"-- {value} ..."}
        return shown.get(str(action.nargs), value)
    word = action.option_strings[0] + ("" if action.nargs == 0 else f" {value}")
    return word if action.required else f"[{word}]"


def run_file() -> Iterator[str]:
    yield from ("## Run file", "")
    yield f"`schema_version` {model.SCHEMA_VERSION}. Its JSON Schema ships in the package as"
    yield "`pytest_energybench/results/schema/`. Readers skip unknown fields, take unknown words as"
    yield "text, and refuse an unknown version by name."
    yield from ("", *inspect.cleandoc(model.__doc__ or "").splitlines()[2:], "")
    for name in (
        "Run",
        "Case",
        "Round",
        "Window",
        "Result",
        "Comparison",
        "Search",
        "Series",
        "MeterInfo",
        "Machine",
        "Host",
        "Commit",
        "Shard",
    ):
        struct = getattr(model, name)
        yield from (f"### `{name}`", "")
        yield from docstring(inspect.getdoc(struct) or "")
        yield from ("", "| field | type | default |", "|---|---|---|")
        for entry in msgspec.structs.fields(struct):
            kind = str(struct.__annotations__[entry.name]).replace("|", r"\|")
            yield f"| `{entry.encode_name}` | `{kind}` | {default(entry)} |"
        yield ""


def default(entry: Any) -> str:
    if entry.default is not msgspec.NODEFAULT:
        return f"`{entry.default!r}`"
    if entry.default_factory is not msgspec.NODEFAULT:
        return f"`{entry.default_factory()!r}`"
    return "required"


def environment() -> Iterator[str]:
    code = "".join(path.read_text("utf-8") for path in (ROOT / "pytest_energybench").rglob("*.py"))
    there = set(re.findall(r"ENERGYBENCH_[A-Z_]+", code))
    if there != ENVIRONMENT.keys():
        raise SystemExit(f"ENVIRONMENT lacks or has too much: {there ^ ENVIRONMENT.keys()}")
    yield from ("## Environment variables", "")
    for name, text in {**ENVIRONMENT, **OTHERS_ENVIRONMENT}.items():
        yield f"- `{name}`: {text}"


OVERVIEW = """\
# Reference

These pages are the public interface, which changes only with a line in
[CHANGELOG](../CHANGELOG.md). What isn't here may change any day. `python docs/make_reference.py`
writes them from the code; change them there.

| page | what is there |
|---|---|
"""
SECTIONS: Mapping[Callable[[], Iterator[str]], str] = {
    fixtures: "`energy`, `energy_meter`, `energy_fake_meter`, and what `energy.compare` returns",
    windows_and_meters: "`measure()` outside pytest, windows, meters and sources of your own",
    markers: "groups, references and budgets on tests",
    every_option: "every `--energy-*` option with its ini twin, and those of `bench_cases`",
    budgets: "`energy-budgets.toml`",
    hooks: "what a project adds from its `conftest.py`",
    own_models: "`Experiment` and `methods`: a model of yours through the paper's methods",
    methods: "a compression method of your own, and ranks of a training of your own",
    command_line: "every `energybench` subcommand",
    run_file: "every field of the JSON that a run is written as",
    environment: "every variable that is read",
    errors: "the base of all exceptions",
}


if __name__ == "__main__":
    sys.exit(main())
