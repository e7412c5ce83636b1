"""What the project says of itself, in each of the places that say it."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
URL = PROJECT["project"]["urls"]["Repository"]


def test_links_and_pictures_of_the_readme_stand_alone_on_an_index() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    for each in PROJECT["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]["substitutions"]:
        text = re.sub(each["pattern"], each["replacement"], text)
    links = re.findall(r"(!?)\[[^\]]*\]\(([^)]*)\)", text)
    assert {is_picture for is_picture, _ in links} == {"", "!"}
    for is_picture, link in links:
        raw = URL.replace("github.com", "raw.githubusercontent.com")
        assert link.startswith(f"{raw}/main/" if is_picture else f"{URL}/blob/main/"), link


def test_the_address_is_the_same_everywhere() -> None:
    files = ["CITATION.cff", "docs/platforms.md", "packaging/conda/recipe.yaml"]
    files += [".github/ISSUE_TEMPLATE/config.yml"]
    assert [name for name in files if URL not in (ROOT / name).read_text("utf-8")] == []


def test_every_python_that_is_named_is_tested() -> None:
    yaml = pytest.importorskip("yaml")
    workflow = yaml.safe_load((ROOT / ".github/workflows/tests.yml").read_text("utf-8"))
    matrix = workflow["jobs"]["plugin"]["strategy"]["matrix"]
    language = "Programming Language :: Python :: 3."
    classifiers = PROJECT["project"]["classifiers"]
    named = [
        f"3.{line.removeprefix(language)}" for line in classifiers if line.startswith(language)
    ]
    assert matrix["python"] == named
    sessions = ast.parse((ROOT / "noxfile.py").read_text("utf-8"))
    values = {
        ast.unparse(node.targets[0]): ast.literal_eval(node.value)
        for node in sessions.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "PYTHONS"
    }
    assert values == {"PYTHONS": named}
    assert PROJECT["project"]["requires-python"] == f">={named[0]}"


def test_the_recipe_needs_what_the_package_needs() -> None:
    yaml = pytest.importorskip("yaml")
    recipe = yaml.safe_load((ROOT / "packaging/conda/recipe.yaml").read_text("utf-8"))
    needs = [line.replace(" ", "").lower() for line in recipe["requirements"]["run"][1:]]
    assert needs == [line.lower() for line in PROJECT["project"]["dependencies"]]
    host = [line.replace(" ", "") for line in recipe["requirements"]["host"][2:]]
    assert host == PROJECT["build-system"]["requires"]


class Session(SimpleNamespace):
    """As much of nox's as a session needs that only runs commands; `ran` has them."""

    def __init__(self, folder: Path, *posargs: str) -> None:
        super().__init__(posargs=list(posargs), ran=[], create_tmp=lambda: str(folder))
        self.install = self.conda_install = lambda *_, **__: None
        self.run = lambda *words, **_: self.ran.append(words)


@pytest.mark.parametrize(("posargs", "maintainers"), [((), 1), (("ann", "bob"), 2)])
def test_conda_forge_s_linter_sees_a_recipe_with_maintainers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, posargs: tuple[str, ...], maintainers: int
) -> None:
    """It refuses one without, and only the release knows them."""
    pytest.importorskip("nox")
    monkeypatch.chdir(ROOT)
    yaml = pytest.importorskip("yaml")
    import noxfile

    session = Session(tmp_path, *posargs)
    noxfile.recipe(session)
    ((*_, linted),) = session.ran
    recipe = yaml.safe_load((ROOT / linted / "recipe.yaml").read_text("utf-8"))
    assert len(recipe["extra"]["recipe-maintainers"]) == maintainers
    original = yaml.safe_load((ROOT / "packaging/conda/recipe.yaml").read_text("utf-8"))
    assert original["extra"].pop("recipe-maintainers") == []
    assert recipe["extra"].pop("recipe-maintainers")
    assert recipe == original


def test_coverage_is_reported_of_both_halves_of_the_package(tmp_path: Path) -> None:
    """What one half leaves out is the other; nothing is left out of both."""
    pytest.importorskip("nox")
    import noxfile

    reports = {}
    for half, (tests, _) in noxfile.HALVES.items():
        assert all((ROOT / folder).is_dir() for folder in tests)
        session = Session(tmp_path)
        noxfile.coverage(session, half)
        assert set(tests) <= set(session.ran[1])
        reports[half] = dict(word.split("=", 1) for word in session.ran[-1] if "=" in word)
    assert reports["plugin"]["--omit"] == reports["experiment"]["--include"]
    settings = PROJECT["tool"]["coverage"]
    assert not {"omit", "include"} & {*settings["run"], *settings["report"]}
