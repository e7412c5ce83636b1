"""The JSON Schema of a run file, made from the structs and shipped as a file.

After a change to the structs: `python -m pytest_energybench.results.schema`.
"""

from __future__ import annotations

import json
from importlib.resources import files
from inspect import cleandoc
from pathlib import Path
from typing import Any

import msgspec

from pytest_energybench.results.model import SCHEMA_VERSION, Run

FILE_NAME = f"run-v{SCHEMA_VERSION}.schema.json"


def load_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a run file, as shipped."""
    shipped = files("pytest_energybench.results") / "schema" / FILE_NAME
    schema: dict[str, Any] = json.loads(shipped.read_text(encoding="utf-8"))
    return schema


def make_schema() -> dict[str, Any]:
    """The JSON Schema of a run file, from the structs as they are."""
    schema = msgspec.json.schema(Run)
    for definition in schema["$defs"].values():  # Python 3.13 strips docstrings, 3.11 doesn't
        definition["description"] = cleandoc(definition["description"])
    run = schema["$defs"]["Run"]
    run["properties"]["schema_version"] = {"const": SCHEMA_VERSION}
    run["required"] = ["schema_version", *run["required"]]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"energybench run, version {SCHEMA_VERSION}",
        **schema,
    }


def schema_text() -> str:
    """The content of the shipped file."""
    return json.dumps(make_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    target = Path(__file__).with_name("schema") / FILE_NAME
    target.parent.mkdir(exist_ok=True)
    target.write_text(schema_text(), encoding="utf-8")
