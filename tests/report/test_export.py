"""Runs in the formats of other tools, held against those tools' own parsers and schemas."""

import json
import os
import re
from pathlib import Path

import jsonschema
import msgspec
import pytest

from pytest_energybench.cli import export as command
from pytest_energybench.exceptions import EnergyBenchError
from pytest_energybench.report.export import FORMATS, numbers
from pytest_energybench.results.model import Commit, Result
from tests.results.samples import make_case, make_run

ODD = 'tests/test_x.py::test["quoted"\\n\\back]'


def the_run():
    rounds = make_case("decode", 24.0, 36.0, 30.0, metrics={"accuracy": 0.9, "note": "x"})
    counted = [msgspec.structs.replace(each, units={"token": 60.0}) for each in rounds.rounds]
    decode = msgspec.structs.replace(
        rounds, rounds=counted, units={"token": 60.0}, result=Result(kind="fail", reason="x")
    )
    lost = msgspec.structs.replace(
        make_case("lost", 1.0),
        total_j=None,
        rounds=[msgspec.structs.replace(make_case("lost", 1.0).rounds[0], total_j=None)],
    )
    odd = msgspec.structs.replace(make_case("odd", 5.0), nodeid=ODD)
    return make_run(decode, lost, odd, commits=[Commit(id="a1b2c3d", dirty=True)])


NODEID = "tests/test_x.py::decode"


PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "export-to-other-tools.md"


def test_the_command_offers_every_format_and_the_page_has_it() -> None:
    assert list(FORMATS) == list(command.FORMATS)
    rows = re.findall(r"^\| `([\w-]+)` \|", PAGE.read_text("utf-8"), re.M)
    assert sorted(rows) == sorted(FORMATS)


def test_github_benchmark_has_what_its_action_reads():
    """`BenchmarkResult` of the action's extract.ts, and the pattern of its extractRangeInfo.ts."""
    entries = json.loads(FORMATS["github-benchmark"](the_run()))
    for entry in entries:
        assert entry.keys() - {"range", "extra"} == {"name", "unit", "value"}
        assert isinstance(entry["value"], float)
        assert all(isinstance(entry[key], str) for key in entry.keys() - {"value"})
    energy, duration, per_token = entries[:3]
    assert (energy["name"], energy["unit"], energy["value"]) == (f"{NODEID} (energy)", "J", 30.0)
    assert (duration["unit"], per_token["unit"], per_token["value"]) == ("s", "J/token", 0.5)
    found = re.search(r"(?P<prefix>(\+-|±)\s*)(?P<value>\d.+)", energy["range"])
    assert float(found["value"]) == 6.0
    assert "a1b2c3d-dirty" in energy["extra"]
    assert not any("lost (energy)" in entry["name"] for entry in entries)
    assert not any("range" in entry for entry in entries if "odd" in entry["name"])


BMF = {
    "type": "object",
    "patternProperties": {
        ".+": {
            "type": "object",
            "patternProperties": {
                ".+": {
                    "type": "object",
                    "properties": {
                        name: {"type": "number"} for name in ("value", "lower_value", "upper_value")
                    },
                    "required": ["value"],
                    "additionalProperties": False,
                }
            },
        }
    },
}
"""Says what bencher.dev/bmf.json says, and refuses other keys."""


def test_bencher_metric_format_has_bounds():
    long = msgspec.structs.replace(make_case("b", 1.0), nodeid="x" * 2000)
    run = the_run()
    run = msgspec.structs.replace(run, cases=[*run.cases, long])
    found = json.loads(FORMATS["bencher"](run))
    jsonschema.validate(found, BMF)
    assert found[NODEID]["energy"] == {"value": 30.0, "lower_value": 24.0, "upper_value": 36.0}
    assert found[NODEID]["energy-per-token"]["value"] == 0.5
    assert found["tests/test_x.py::lost"].keys() == {"duration"}
    assert max(map(len, found)) == 1024


def test_bencher_gets_no_name_that_it_refuses():
    """It counts bytes: 1024 of a benchmark's name, 64 of a measure's, which has no white space
    around it (`lib/bencher_valid`). What is cut stays one of its own."""
    units = ["t" * 80, "t" * 80 + "s", "字" * 30]
    case = make_case("a", 6.0)
    counted = [
        msgspec.structs.replace(each, units=dict.fromkeys(units, 2.0)) for each in case.rounds
    ]
    names = ["字" * 1000, "字" * 999 + "母", "x" * 1025]
    cases = [
        msgspec.structs.replace(case, nodeid=name, rounds=counted, units=dict.fromkeys(units, 2.0))
        for name in names
    ]
    found = json.loads(FORMATS["bencher"](make_run(*cases)))
    assert len(found) == len(names)
    assert max(len(name.encode()) for name in found) <= 1024
    for measures in found.values():
        assert measures.keys() > {"energy", "duration"}
        assert len(measures) == 2 + len(units)
        assert max(len(name.encode()) for name in measures) <= 64


def test_openmetrics_is_read_by_prometheus():
    parser = pytest.importorskip("prometheus_client.openmetrics.parser")
    text = FORMATS["openmetrics"](the_run())
    families = list(parser.text_string_to_metric_families(text))
    found = {
        (sample.name, sample.labels.get("nodeid", "")): sample
        for family in families
        for sample in family.samples
    }
    assert found["energybench_energy_joules", NODEID].value == 30.0
    assert found["energybench_energy_lowest_joules", NODEID].value == 24.0
    assert found["energybench_energy_highest_joules", NODEID].value == 36.0
    per_token = found["energybench_energy_per_unit_joules", NODEID]
    assert (per_token.value, per_token.labels["per"]) == (0.5, "token")
    assert found["energybench_failed", NODEID].value == 1.0
    assert found["energybench_accuracy_ratio", NODEID].value == 0.9
    assert found["energybench_energy_joules", ODD].value == 5.0
    assert ("energybench_energy_joules", "tests/test_x.py::lost") not in found
    assert found["energybench_run_info", ""].labels["commit"] == "a1b2c3d-dirty"
    assert {family.unit for family in families} >= {"joules", "seconds", "ratio"}


def test_openmetrics_is_read_by_the_textfile_collector_too():
    """node_exporter and the push gateway read Prometheus' text format 0.0.4, in which other lines
    that begin with # are comments and another type spoils the whole file."""
    parser = pytest.importorskip("prometheus_client.parser")
    text = FORMATS["openmetrics"](the_run())
    types = set(re.findall(r"^# TYPE \S+ (.*)$", text, re.M))
    assert types <= {"counter", "gauge", "summary", "untyped", "histogram"}
    found = {
        (sample.name, sample.labels.get("nodeid", "")): sample.value
        for family in parser.text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert found["energybench_energy_joules", ODD] == 5.0
    assert found["energybench_run_info", ""] == 1.0


BOAMPS = {
    "type": "object",
    "required": ["task", "measures", "infrastructure"],
    "properties": {
        "header": {"required": ["reportDatetime"]},
        "task": {
            "required": ["taskStage", "taskFamily", "algorithms", "dataset"],
            "properties": {
                "algorithms": {"type": "array", "minItems": 1},
                "dataset": {"minItems": 1, "items": {"required": ["dataUsage", "dataType"]}},
                "measuredAccuracy": {"type": "number", "minimum": 0, "maximum": 1},
            },
        },
        "measures": {
            "type": "array",
            "minItems": 1,
            "items": {
                "required": ["measurementMethod", "powerConsumption"],
                "properties": {
                    "powerConsumption": {"type": "number"},
                    "measurementDuration": {"type": "number"},
                },
            },
        },
        "system": {"required": ["os"]},
        "software": {"required": ["language"]},
        "infrastructure": {
            "required": ["infraType", "components"],
            "properties": {
                "infraType": {"enum": ["publicCloud", "privateCloud", "onPremise", "other"]},
                "components": {
                    "items": {
                        "required": ["componentType", "nbComponent"],
                        "properties": {
                            "nbComponent": {"type": "integer"},
                            "memorySize": {"type": "integer"},
                        },
                    }
                },
            },
        },
    },
}
"""What BoAmps' report_schema.json demands of the fields that are written."""


def one_case():
    run = the_run()
    return msgspec.structs.replace(run, cases=run.cases[:1])


def test_boamps_is_the_report_of_one_case_and_invents_nothing():
    report = json.loads(FORMATS["boamps"](one_case()))
    jsonschema.validate(report, BOAMPS)
    (measure,) = report["measures"]
    assert measure["powerConsumption"] == pytest.approx(30.0 / 3.6e6)
    assert measure["cpuTrackingMode"] == "cpu-time (estimated)"
    assert (report["task"]["taskStage"], report["task"]["measuredAccuracy"]) == ("not stated", 0.9)
    _, memory = report["infrastructure"]["components"]
    assert memory == {"componentType": "ram", "nbComponent": 1, "memorySize": 9}  # 8 GiB
    settings = {"boamps_task_stage": "inference"}
    stated = msgspec.structs.replace(one_case(), settings=settings)
    assert json.loads(FORMATS["boamps"](stated))["task"]["taskStage"] == "inference"
    with pytest.raises(EnergyBenchError, match="choose one with --case=NODEID"):
        FORMATS["boamps"](the_run())
    lost = msgspec.structs.replace(the_run(), cases=the_run().cases[1:2])
    with pytest.raises(EnergyBenchError, match="energy is not known"):
        FORMATS["boamps"](lost)


@pytest.mark.skipif("ENERGYBENCH_BOAMPS" not in os.environ, reason="no copy of BoAmps' model/")
def test_boamps_is_valid_by_its_own_schema():
    from referencing import Registry, Resource
    from referencing.jsonschema import DRAFT4

    schemas = {
        path.name: json.loads(path.read_text())
        for path in Path(os.environ["ENERGYBENCH_BOAMPS"]).glob("*.json")
    }
    resources = [(each["id"], Resource.from_contents(each, DRAFT4)) for each in schemas.values()]
    registry = Registry().with_resources(resources)
    report = json.loads(FORMATS["boamps"](one_case()))
    whole = schemas["report_schema.json"]
    jsonschema.Draft4Validator(whole, registry=registry).validate(report)


def test_a_badge_has_what_shields_io_reads_and_no_energy_that_is_not_known():
    def of(*cases):
        return json.loads(FORMATS["badge"](make_run(*cases)))

    kept = msgspec.structs.replace(make_case("a", 5.0), result=Result(kind="pass"))
    failed = msgspec.structs.replace(kept, nodeid="b", result=Result(kind="fail", reason="x"))
    assert of(kept) == {
        "schemaVersion": 1,
        "label": "energy",
        "message": "~5.00 J, passed",
        "color": "brightgreen",
    }
    assert (of(kept, failed)["message"], of(failed)["color"]) == ("~10.0 J, failed", "red")
    lost = msgspec.structs.replace(failed, nodeid="c", total_j=None)
    assert of(kept, lost)["message"] == "failed"
    assert of()["message"] == "not judged"


def test_numbers_are_what_is_known():
    decode, lost, _ = the_run().cases
    assert numbers(decode) == {
        "energy_j": 30.0,
        "duration_s": 3.0,
        "energy_per_token_j": 0.5,
        "accuracy": 0.9,
    }
    assert numbers(lost) == {"duration_s": 0.1}


def test_a_test_that_broke_off_has_no_figure_anywhere():
    """It did a part of its work: a tracker would take its joules for an improvement."""
    broken = msgspec.structs.replace(the_run().cases[0], outcome="failed", result=None)
    run = msgspec.structs.replace(the_run(), cases=[broken])
    assert json.loads(FORMATS["github-benchmark"](run)) == []
    assert json.loads(FORMATS["bencher"](run)) == {}
    assert json.loads(FORMATS["hyperfine"](run)) == {"results": []}
    assert not re.search("^energybench_[^r].*(joules|seconds){", FORMATS["openmetrics"](run), re.M)
    assert "J" not in json.loads(FORMATS["badge"](run))["message"]
    assert numbers(broken) == {"accuracy": 0.9}
    with pytest.raises(EnergyBenchError, match="energy is not known"):
        FORMATS["boamps"](run)


def test_cases_of_one_name_are_told_apart_where_a_format_has_a_name_alone():
    other = msgspec.structs.replace(make_case("decode", 5.0), nodeid="tests/test_y.py::decode")
    results = json.loads(FORMATS["hyperfine"](make_run(*the_run().cases, other)))["results"]
    assert [each["command"] for each in results] == [NODEID, "lost", "odd", other.nodeid]


def test_what_a_test_recorded_is_no_metered_figure():
    metrics = {"energy_j": 7.0, "duration_s": 9.0, "energy_per_token_j": 1.0, "epochs": 3}
    case = msgspec.structs.replace(the_run().cases[0], metrics=metrics)
    lost = msgspec.structs.replace(the_run().cases[1], metrics=metrics)
    assert numbers(case)["energy_j"] == 30.0
    assert numbers(case)["energy_per_token_j"] == 0.5
    assert numbers(lost) == {"duration_s": 0.1, "epochs": 3}


@pytest.mark.parametrize(
    ("kind", "written"),
    [("pass", ["0.0"]), ("xfail", ["0.0"]), ("fail", ["1.0"]), ("unknown", []), ("new word", [])],
)
def test_whether_a_rule_failed_is_left_out_where_nothing_decides_it(kind, written):
    case = msgspec.structs.replace(make_case("a", 1.0), result=Result(kind=kind, reason="x"))
    text = FORMATS["openmetrics"](make_run(case))
    assert re.findall(r"^energybench_failed\{.*\} (.*)$", text, re.M) == written


def test_no_escape_sequence_gets_through():
    odd = msgspec.structs.replace(
        make_case("odd", 5.0), nodeid="a\x1b[2J\x9bm\u202e", group="\x1b", params={"x": "\x1b"}
    )
    for write in FORMATS.values():
        written = write(make_run(odd, commits=[Commit(id="\x1b")]))
        assert all(char.isprintable() or char == "\n" for char in written)


def test_a_run_without_cases_can_be_exported():
    for name, write in FORMATS.items():
        if name != "boamps":
            assert write(make_run())
