"""Install each pytest plugin beside this one, run a suite whose results are known, and write
docs/compatibility.md.

python docs/make_compatibility.py                # all, for some minutes
python docs/make_compatibility.py pytest-cov     # this one anew, and the others as they were found
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SUITES = ROOT / "docs" / "compatibility"
TARGET = ROOT / "docs" / "compatibility.md"
KEPT = ROOT / "reports" / "compatibility.json"
sys.path.insert(0, str(ROOT))

from bench_cases.tool_comparison.environments import Environment  # noqa: E402

GROWS = "test_grows"
UNMETERED = "test_without_energy"
WORKERS = ("-n", "2")
HOLDING = ("-m", "not over")


@dataclass(frozen=True)
class Neighbour:
    """A plugin beside ours.

    Attributes:
        name: what the table calls it.
        package: what pip installs, where that is not its name.
        options: how pytest is called; several are runs of their own.
        seen: what pytest prints where the plugin is at work.
        suite: a file of `docs/compatibility/` beside `core.py`.
        needs: further packages.
        note: what a user has to know.
    """

    name: str
    package: str = ""
    options: tuple[str, ...] = ("",)
    seen: str = ""
    suite: str = ""
    needs: tuple[str, ...] = ()
    note: str = ""


SETTINGS = (
    "INSTALLED_APPS = ['django.contrib.sessions']\n"
    "DATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': ':memory:'}}\n"
    "USE_TZ = True\n"
)
NEIGHBOURS = (
    Neighbour("pytest alone", "pytest"),
    Neighbour("unittest", "pytest", suite="unittest"),
    Neighbour("doctest", "pytest", options=("--doctest-modules",), suite="doctest"),
    Neighbour("subtests of pytest", "pytest", suite="subtests"),
    Neighbour("pytest-subtests", suite="subtests"),
    Neighbour("pytest-randomly", options=("-p randomly",), seen="Using --randomly-seed"),
    Neighbour(
        "pytest-rerunfailures",
        options=("--reruns=2",),
        seen="rerun",
        suite="flaky",
    ),
    Neighbour("pytest-retry", options=("--retries=2",), seen="retried", suite="flaky"),
    Neighbour("flaky", options=("--force-flaky",), seen="Flaky Test Report", suite="flaky"),
    Neighbour(
        "pytest-repeat",
        options=("--count=2 -k 'not test_methods'",),
        seen=r"2-2\]",
        note="a group's reference can't be repeated: the run ends with an error that says so. Take"
        " `--energy-rounds=N`, which makes one case of the repetitions, with an interval.",
    ),
    Neighbour(
        "pytest-forked",
        options=("--forked",),
        needs=("pytest<9",),
        note="fails every test on pytest 9, with this plugin and without; the row is of pytest 8.",
    ),
    Neighbour(
        "pytest-run-parallel",
        options=("--parallel-threads=2",),
        seen="parallel",
    ),
    Neighbour("pytest-sugar", options=("--force-sugar",), seen="✓"),
    Neighbour("pytest-cov", options=("--cov=.",), seen="coverage:"),
    Neighbour("pytest-timeout", options=("--timeout=60",), seen="timeout: 60"),
    Neighbour("pytest-asyncio", seen="asyncio: mode", suite="asyncio"),
    Neighbour("anyio", suite="anyio", seen="plugins:.*anyio"),
    Neighbour("pytest-order", suite="order", seen="plugins:.*order"),
    Neighbour(
        "pytest-split",
        options=("--splits=2 --group=1", "--splits=2 --group=2"),
        seen="Running group",
    ),
    Neighbour("pytest-django", suite="django", seen="django: ", needs=("django",)),
    Neighbour("pytest-flask", suite="flask", seen="plugins:.*flask"),
    Neighbour(
        "hypothesis",
        suite="hypothesis",
        seen="plugins:.*hypothesis",
        note="draws other examples in each run, and other work is other joules: compare runs with"
        " `derandomize=True` only, as here.",
    ),
    Neighbour("pytest-benchmark", seen="benchmark: "),
    Neighbour("pytest-html", options=("--html=page.html",), seen="Generated html report"),
)


class Project:
    """A folder with the suite of a neighbour, and the environment that it runs in."""

    def __init__(self, folder: Path, neighbour: Neighbour, environment: Environment) -> None:
        self._folder = folder
        self._neighbour = neighbour
        self._environment = environment
        self._collected: dict[tuple[str, ...], dict[str, bool] | str] = {}

    def begin(self) -> None:
        """Make the folder anew."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        for name in ("conftest", "core", f"plugin_{self._neighbour.suite}"):
            source = SUITES / f"{name}.py"
            target = name if name == "conftest" else f"test_{name}"
            if source.exists():
                shutil.copy(source, self._folder / f"{target}.py")
        ini = "[pytest]\nfilterwarnings = ignore::pytest.PytestExperimentalApiWarning\n"
        if self._neighbour.suite == "django":
            (self._folder / "settings.py").write_text(SETTINGS)
            ini += "DJANGO_SETTINGS_MODULE = settings\npythonpath = .\n"
        (self._folder / "pytest.ini").write_text(ini)

    def pytest(self, *options: str, **variables: str) -> tuple[int, str]:
        """Exit status and all that was printed."""
        kept = ("HOME", "LANG", "TMPDIR")
        env = {name: os.environ[name] for name in kept if name in os.environ} | variables
        env["ENERGYBENCH_LOCK_DIR"] = str(self._folder / "locks")
        done = subprocess.run(
            [self._environment.python, "-m", "pytest", "-p", "no:cacheprovider", *options],
            cwd=self._folder,
            env=env,
            capture_output=True,
            encoding="utf-8",
            timeout=300,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    def collected(self, options: Sequence[str]) -> dict[str, bool] | str:
        """Node id -> whether the test must fail, with or without workers; else why not."""
        without = tuple(word for word in options if word not in WORKERS)
        if without not in self._collected:
            status, printed = self.pytest("--collect-only", "-q", *without)
            found = self.read("collected.json")
            why = f"nothing is collected: {last_line(printed)}"
            self._collected[without] = why if status or not isinstance(found, dict) else found
        return self._collected[without]

    def read(self, name: str) -> object:
        path = self._folder / name
        found = json.loads(path.read_text("utf-8")) if path.exists() else None
        path.unlink(missing_ok=True)
        return found


def deviations(project: Project, neighbour: Neighbour, options: Sequence[str]) -> Iterator[str]:
    """What isn't as it has to be, a line each: tests that should fail and pass, and the reverse."""
    project.begin()
    collected, holding = project.collected(options), project.collected([*options, *HOLDING])
    if isinstance(collected, str) or isinstance(holding, str):
        yield str(collected)
        return
    over = {name for name, fails in collected.items() if fails}
    good = set(holding)

    status, printed = project.pytest(*options, *HOLDING, "--energy-save=main", RUN)
    yield from judged(project, "limits that hold", good, set(), status, printed)
    alone = not set(WORKERS) <= set(options)  # a session of workers prints less
    if alone and neighbour.seen and not re.search(neighbour.seen, printed):
        yield f"it was not at work: {last_line(printed)}"

    status, printed = project.pytest(*options, *HOLDING, "--energy-compare=main", RUN, MORE="2")
    grown = {name for name in good if GROWS in name}
    more = set(re.findall(r"FAIL +more than main +(\S+)", printed))
    if bool(grown) != (status == 1) or len(more) != len(grown):
        yield f"a comparison: exit status {status}, above the stored run: {sorted(more)}"

    status, printed = project.pytest(*options, RUN)
    yield from judged(project, "limits that don't", set(collected) - over, over, status, printed)


RUN = "--energy-json=run.json"


def judged(
    project: Project, what: str, good: set[str], over: set[str], status: int, printed: str
) -> Iterator[str]:
    """What of a run isn't as it has to be."""
    run, failed = project.read("run.json"), project.read("failed.json")
    if status != (1 if over else 0):
        yield f"{what}: exit status {status}: {last_line(printed)}"
    if not isinstance(run, dict) or not isinstance(failed, list):
        yield f"{what}: no run was written"
        return
    if set(failed) != over:
        yield (
            f"{what}: fail, and shouldn't: {sorted(set(failed) - over)}; pass, and shouldn't: "
            + (f"{sorted(over - set(failed))}")
        )
    results = {case["nodeid"]: case["result"]["kind"] == "pass" for case in run["cases"]}
    wanted = {name: name not in over for name in good | over if UNMETERED not in name}
    brought = {case["nodeid"] for case in run["cases"] if case.get("implicit")}
    for name in sorted(wanted.keys() | results.keys() - brought):
        if wanted.get(name) != results.get(name):
            words = {True: "pass", False: "no pass", None: "no case"}
            yield f"{what}: {name}: {words[results.get(name)]}, not {words[wanted.get(name)]}"


def last_line(printed: str) -> str:
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"(E  |ERROR|\w+Error)", line)]
    return (errors or lines or ["nothing printed"])[-1][:160]


def examine(neighbour: Neighbour, wheel: str, folder: Path) -> dict[str, Any]:
    """What the two ways to run it have shown, as it is kept."""
    package = neighbour.package or neighbour.name
    environment = Environment.made(folder / package, wheel)
    if package not in environment.versions or "pytest-xdist" not in environment.versions:
        environment.install(wheel, "pytest-xdist", package, *neighbour.needs)
    environment.install("--no-deps", "--force-reinstall", wheel)  # as the code is now
    project = Project(folder / "project", neighbour, environment)
    alone, workers = (
        [
            line
            for words in neighbour.options
            for line in deviations(project, neighbour, [*shlex.split(words), *more])
        ]
        for more in ((), WORKERS)
    )
    return {
        "version": environment.versions[package],
        "pytest": environment.versions["pytest"],
        "date": datetime.now(UTC).date().isoformat(),
        "alone": alone,
        "workers": workers,
    }


def page(found: Mapping[str, Mapping[str, Any]]) -> str:
    """The page of a whole run."""
    rows, exceptions = [], []
    for each in NEIGHBOURS:
        there = found[each.name]
        words = ["no" if there[way] else "works" for way in ("alone", "workers")]
        options = " and ".join(f"`{option}`" for option in each.options if option)
        rows.append(f"| {each.name} | {there['version']} | {options} | {' | '.join(words)} |")
        lines = [*there["alone"], *(f"with `-n 2`: {line}" for line in there["workers"])]
        if lines or each.note:
            exceptions.append(f"- **{each.name}**: {' '.join([each.note, *lines])}")
    dates = sorted({there["date"] for there in found.values()})
    return PAGE.format(
        dates=" to ".join(dict.fromkeys((dates[0], dates[-1]))),
        pytest=", ".join(sorted({there["pytest"] for there in found.values()})),
        python=platform.python_version(),
        system=platform.system(),
        rows="\n".join(rows),
        exceptions="\n".join(exceptions),
    )


PAGE = """\
# Beside other pytest plugins

<!-- not run: installs an environment for each plugin, for some minutes -->
```sh
nox -s compatibility
```

The command installs each plugin beside this one in a fresh environment and runs a suite whose
results are known: budgets, markers, a group and an accuracy that hold, and those that must fail.
*Works* means that each of them came out as it has to, in pytest's outcome, in the run file and in
the exit status, and that a stored run let the same work pass and failed more of it.
{dates}, pytest {pytest}, Python {python}, {system}.

| beside | version | run with | in one process | with `-n 2` |
|---|---|---|---|---|
{rows}

What to know:

{exceptions}

`docs/compatibility/` holds the suite.
[CONTRIBUTING](../CONTRIBUTING.md#add-something) says how to add a plugin.
"""


def main() -> int:
    """Examine, keep what was found, and write the page of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these, into an earlier run")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="environments, to use them again")
    arguments = parser.parse_args()
    found = json.loads(KEPT.read_text("utf-8")) if arguments.names and KEPT.exists() else {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = (arguments.keep or Path(temporary)).resolve()
        wheel = built(Path(temporary))
        for neighbour in NEIGHBOURS:
            if arguments.names and neighbour.name not in arguments.names:
                continue
            there = found[neighbour.name] = examine(neighbour, wheel, folder)
            print(neighbour.name, there["version"], flush=True)
            for way in ("alone", "workers"):
                for line in there[way]:
                    print(f"  {way}: {line}", flush=True)
            KEPT.parent.mkdir(exist_ok=True)
            KEPT.write_text(json.dumps(found, indent=1), "utf-8")
    missing = [each.name for each in NEIGHBOURS if each.name not in found]
    if missing:
        print(f"no page without {', '.join(missing)}")
        return 1
    TARGET.write_text(page(found), "utf-8")
    return 0


def built(folder: Path) -> str:
    """The wheel of this checkout."""
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, ROOT]
    subprocess.run(command, check=True, capture_output=True)
    return str(next(folder.glob("*.whl")))


if __name__ == "__main__":
    raise SystemExit(main())
