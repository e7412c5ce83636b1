"""What the project says of itself, in each of the places that say it."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path
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
