"""The shipped JSON Schema: up to date, true to what is written, strict where the reader is."""

import json

import jsonschema
import pytest

from docs.make_schema import TARGET, schema_text
from pytest_energybench.results.run_file import encode_run
from tests.results.samples import full_run, make_case, make_run


@pytest.fixture(scope="module")
def validator():
    schema = json.loads(TARGET.read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_the_shipped_schema_is_that_of_the_structs():
    assert json.loads(TARGET.read_text("utf-8")) == json.loads(schema_text())


@pytest.mark.parametrize(
    "run", [full_run(), make_run(), make_run(make_case("test_a", 1.0, total_j=None))]
)
def test_written_runs_are_valid(validator, run):
    validator.validate(json.loads(encode_run(run)))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("total_j", -1.0),
        ("total_j", "1"),
        ("outcome", None),
        ("energy_j", {"cpu": -1}),
        ("provenance", {"cpu": 1}),
        ("rounds", [{}]),
    ],
)
def test_what_the_reader_refuses_is_invalid(validator, field, value):
    document = json.loads(encode_run(full_run()))
    document["cases"][0][field] = value
    assert not validator.is_valid(document)


def test_another_version_or_none_is_invalid_and_unknown_fields_are_valid(validator):
    document = json.loads(encode_run(full_run()))
    assert validator.is_valid(document | {"later": 1})
    assert not validator.is_valid(document | {"schema_version": 1})
    del document["schema_version"]
    assert not validator.is_valid(document)
