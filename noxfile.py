"""What is checked, each in an environment of its own: `nox -l` lists it, `nox -s NAME` does it."""

from __future__ import annotations

import filecmp
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import nox

nox.options.sessions = ["lint", "types", "plugin"]
nox.options.error_on_missing_interpreters = False

PYTHONS = ["3.11", "3.12", "3.13", "3.14"]
PLUGINS = ("asyncio", "xdist", "html", "benchmark", "rerunfailures", "timeout")
"""Those that the plugin's own tests run beside."""
ROOMS = [f"tests/{room}" for room in ("base", "session", "parallel", "cli", "results", "gates")]
TRAINING = "*/experiment/training/*,*/experiment/compression/*"
HALVES = {
    "plugin": (
        [*ROOMS, "tests/measurement", "tests/metering", "tests/report"],
        ["--fail-under=90", f"--omit={TRAINING}"],
    ),
    "experiment": (["tests/experiment"], [f"--include={TRAINING}"]),
}
"""Half of the package -> the tests that run it, and what `coverage report` is asked."""
WITHOUT = (
    "--ignore=tests/parallel/ray",
    "--ignore=tests/parallel/test_torchrun.py",
    # It is what the newest msgspec makes of the structs.
    "--deselect=tests/results/test_schema.py::test_the_shipped_schema_is_that_of_the_structs",
)


@nox.session
def lint(session: nox.Session) -> None:
    """Style, by the hooks of a commit."""
    session.install("pre-commit")
    session.run("pre-commit", "run", "--all-files", *session.posargs)


@nox.session
def types(session: nox.Session) -> None:
    """Types."""
    session.install("-e", ".[dev]")
    session.run("mypy", *session.posargs)


@nox.session(python=PYTHONS)
@nox.parametrize("versions", ["lowest", "newest"])
def plugin(session: nox.Session, versions: str) -> None:
    """The plugin alone: a day on this system, and on Linux its rooms' tests."""
    wanted = list(requirements(lowest=versions == "lowest"))
    session.install(*wanted, "hypothesis", "jsonschema", "PyYAML", "scipy")
    session.install("--no-deps", "-e", ".")
    session.run("python", "tests/field/portable.py")
    if sys.platform == "linux":
        quiet = ("-n", "2", "-q", "-p", "no:cacheprovider")
        session.run("pytest", *quiet, *(session.posargs or (*ROOMS, *WITHOUT)))


def requirements(*, lowest: bool) -> Iterator[str]:
    """What the plugin needs, and the pytest plugins beside it, by `pyproject.toml`."""
    project = nox.project.load_toml("pyproject.toml")["project"]
    extras = project["optional-dependencies"]
    for line in [*project["dependencies"], *extras["bench"], *extras["dev"]]:
        name, _, version = line.partition(">=")
        if line in project["dependencies"] or name.removeprefix("pytest-") in PLUGINS:
            exact = f"{name}=={version}" + (".*" if version.count(".") < 2 else "")
            yield exact if lowest else line


@nox.session
def everything(session: nox.Session) -> None:
    """All quick tests, the experiment's among them."""
    session.install("-e", ".[dev]")
    session.run("pytest", *session.posargs)


@nox.session
def slow(session: nox.Session) -> None:
    """Tests that train and meter for real: one by one, for an hour."""
    session.install("-e", ".[dev]")
    session.run("pytest", "-n", "0", "-m", "slow", *session.posargs)


@nox.session
@nox.parametrize("half", list(HALVES))
def coverage(session: nox.Session, half: str) -> None:
    """Which statements of a half of the package its quick tests run."""
    session.install("-e", ".[dev]")
    tests, asked = HALVES[half]
    forbids = "--ignore=tests/metering/test_startup.py"  # what a tracer imports
    session.run("coverage", "erase")
    session.run("coverage", "run", "-m", "pytest", forbids, *(session.posargs or tests))
    session.run("coverage", "combine", "-q")
    session.run("coverage", "report", *asked)


@nox.session
def docs(session: nox.Session) -> None:
    """Every page does what it says."""
    session.install("-e", ".[dev]")
    session.run("pytest", "tests/docs", *session.posargs)


@nox.session
def site(session: nox.Session) -> None:
    """The documentation as a site, in `site/`; every link and anchor of it leads somewhere."""
    project = nox.project.load_toml("pyproject.toml")["project"]
    session.install(*project["optional-dependencies"]["docs"])
    quiet = {"NO_MKDOCS_2_WARNING": "1"}  # the theme's, about a successor of its own
    session.run("mkdocs", "build", "--quiet", *session.posargs, env=quiet)


@nox.session
def compatibility(session: nox.Session) -> None:
    """The plugin beside other plugins, each in an environment of its own: docs/compatibility.md."""
    session.install("-e", ".")
    session.run("python", "docs/make_compatibility.py", *session.posargs)


@nox.session
def package(session: nox.Session) -> None:
    """Build a release into `dist/`, twice, and compare; check what an index shows of it."""
    session.install("build", "twine", "cffconvert", "py-rattler-build")
    again = Path(session.create_tmp(), "again")
    for folder in (Path("dist"), again):
        shutil.rmtree(folder, ignore_errors=True)
        session.run("python", "-m", "build", "--outdir", str(folder))
    names = sorted(path.name for path in Path("dist").iterdir())
    _, differing, missing = filecmp.cmpfiles("dist", again, names, shallow=False)
    if differing or missing or len(names) != 2:
        session.error(f"built twice, {', '.join(differing + missing) or names} is not alike")
    session.run("twine", "check", "--strict", *(f"dist/{name}" for name in names))
    session.run("cffconvert", "--validate")
    recipe = "from rattler_build import Stage0Recipe as R; R.from_file('{}').render()"
    session.run("python", "-c", recipe.format("packaging/conda/recipe.yaml"))


@nox.session(venv_backend="conda")
def recipe(session: nox.Session) -> None:
    """conda-forge's linter on the recipe, with its maintainers: names on GitHub."""
    session.conda_install("conda-smithy", channel="conda-forge")
    names = ", ".join(session.posargs or ["octocat"])  # GitHub's own, until the release names them
    text = Path("packaging/conda/recipe.yaml").read_text("utf-8")
    copy = Path(session.create_tmp(), "recipe.yaml")
    copy.write_text(
        text.replace("recipe-maintainers: []", f"recipe-maintainers: [{names}]"), "utf-8"
    )
    session.run("conda-smithy", "recipe-lint", "--conda-forge", str(copy.parent))
