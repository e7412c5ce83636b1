"""Write the JSON Schema of a run file, which ships in the package, from the structs as they are.

python docs/make_schema.py                      # after a change to results/model.py
"""

from __future__ import annotations

import json
from inspect import cleandoc
from pathlib import Path

import msgspec

from pytest_energybench.results.model import SCHEMA_VERSION, Run

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "pytest_energybench" / "results" / "schema" / f"run-v{SCHEMA_VERSION}.schema.json"


def schema_text() -> str:
    """The JSON Schema (draft 2020-12) of a run file."""
    schema = msgspec.json.schema(Run)
    for definition in schema["$defs"].values():  # Python 3.13 strips docstrings, 3.11 doesn't
        definition["description"] = cleandoc(definition["description"])
    run = schema["$defs"]["Run"]
    run["properties"]["schema_version"] = {"const": SCHEMA_VERSION}
    run["required"] = ["schema_version", *run["required"]]
    whole = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"energybench run, version {SCHEMA_VERSION}",
        **schema,
    }
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(schema_text(), encoding="utf-8")
